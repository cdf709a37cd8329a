/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The watcher's state, shared by the files it is made of:
 *
 *      watcher.c   the loop: what wakes it, and what is done in which order
 *      roots.c     Docker's containers/ folders: opening, scanning, losing and finding again
 *      dockerds.c  the dockerd of each root: its end, and which logs it has open
 *      tracker.c   one container: what is known of it, its watches, its events
 *      looks.c     a look: the partition, and the logs that are due
 *      inspect.c   torn lines, in what was appended while the partition was full
 *      report.c    what is sent to the supervisor
 *
 * Between two turns of the loop no file or folder of the partition is open: a removed log gives its
 * blocks back, and the partition can be unmounted. */

#include <stdbool.h>

#include "catalog.h"
#include "clock.h"
#include "message.h"
#include "role.h"
#include "watched.h"
#include "watches.h"
#include "writer.h"

typedef struct WatcherRoot {
        DockerRoot docker;
        int fd;         /* of containers/, within one turn; opened by roots_open() */
        int wd;         /* 0: not watched */
        uint64_t inode; /* of containers/; 0: was never there */
        int error;      /* why containers/ cannot be read; 0: it can */
        bool rescan;    /* everything in it is to be looked at again */
        uint64_t rescan_usec; /* without a watch: by time; 0: not needed */
        int pidfd;      /* of its dockerd; -EBADF: none known */
        WriterEntry *writers; /* while scanning: every log that dockerd has open */
        size_t n_writers;
} WatcherRoot;

typedef struct Watcher {
        int channel_fd;
        StagePage *stage;
        int proc_fd; /* for writer.h; negative errno: there is no /proc */
        int failed;  /* sending failed: the supervisor is gone */

        bool has_target;
        PartitionTarget target;
        bool has_next_target; /* came while busy */
        PartitionTarget next_target;
        WatcherRoot roots[PARTITION_ROOTS_MAX];
        uint32_t n_roots;

        Watches watches;
        WatchedTable table;
        Catalog catalog;
        bool scanning;
        bool told_watch_limit, told_too_many;

        uint64_t superblock_usec; /* when its options were read last; 0: never */
        bool mount_read_only, superblock_read_only;

        bool has_order;
        LookOrder order;
        uint64_t event_look_usec; /* an event asked for a look then; 0: none did */
        uint64_t looked_usec;     /* the last look's beginning ... */
        uint64_t look_gap_usec;   /* ... and the least time from there to one that an event brings forward */
        uint32_t n_looks;
        uint32_t unwatched_turn;  /* whose turn it is on that list */
        uint32_t round_slot;      /* the slow round over all logs */
        uint64_t round_usec;      /* until when its pace is settled */

        struct {
                bool is_full;             /* as of the last look */
                uint64_t full_until_usec; /* what grows until then may be torn */
                uint64_t next_usec;       /* nothing is read before */
                char *buffer;             /* while there is something to read */
        } inspect;

        uint64_t writers_usec; /* when to look through dockerd's descriptors; 0: nobody waits for that */
        uint64_t writers_searched_usec;

        Message message; /* of the moment: received, or being sent */
        Message samples; /* being filled */
} Watcher;

/* Takes what the supervisor has sent and does a look that is due: called from long work, too. */
void watcher_breathe(Watcher *w);

static inline void watcher_enter(Watcher *w, const char *call, const char *subject) {
        if (w->stage)
                stage_enter(w->stage, call, subject);
}
static inline void watcher_leave(Watcher *w) {
        if (w->stage)
                stage_leave(w->stage);
}

static inline uint64_t watcher_earlier(uint64_t a_usec, uint64_t b_usec) { /* 0: never */
        return a_usec == 0 ? b_usec : b_usec == 0 ? a_usec : MIN(a_usec, b_usec);
}
