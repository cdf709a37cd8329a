/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The watcher's memory of the logs it watches: one small record a container (names and labels stay on
 * disk and are read again when they are to be told), found by slot or by id, and four lists that logs
 * come and go on. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "container.h"

/* As many as an engine takes (ENGINE_LOGS_MAX; the watcher does not see the engine's header). */
#define WATCHED_MAX 200000u
#define WATCHED_NONE UINT32_MAX

typedef enum WatchedList {
        WATCHED_HOT,       /* sampled at every look */
        WATCHED_UNWATCHED, /* no watch could be had: sampled in turns at every look */
        WATCHED_DIRTY,     /* something of it has changed: to be read again */
        WATCHED_SUSPECT,   /* grew while the partition was full, or somebody asked: may have torn lines */
        _WATCHED_LIST_MAX,
} WatchedList;

typedef enum LogKind {
        LOG_KIND_NONE,
        LOG_KIND_JSON,   /* <id>-json.log */
        LOG_KIND_LOCAL,  /* local-logs/container.log */
        LOG_KIND_CACHED, /* container-cached.log: kept by drivers that cannot be read back */
} LogKind;

typedef struct Watched {
        uint8_t id[32];
        uint64_t info_hash;       /* of what was told last; 0: not introduced yet */
        uint64_t inode;           /* of the log; 0: there is none */
        uint64_t allocated_bytes, size_bytes, segments_bytes;
        uint64_t hole_bytes;      /* of a hole of ours behind a marker; has_nul_head: of the NULs at its head */
        uint64_t gap_bytes;       /* size minus allocated when the hole was measured */
        uint64_t line_size_bytes; /* size when the lines were measured */
        uint64_t measured_usec;   /* lines or hole were measured */
        uint64_t filler_bytes;    /* at its head: part of what is allocated, but takes no space */
        uint64_t filler_usec;     /* when that was looked at; 0: to be looked at */
        uint64_t changed_usec;    /* the size last changed */
        uint64_t due_usec;        /* on the dirty list: not to be read before */
        uint64_t inspect_from;    /* on the list of suspects: to be read from there ... */
        uint64_t inspect_usec;    /* ... and not before; 0: once it has grown */
        uint64_t refreshed_usec;  /* all of it was last read; 0: never */
        int32_t folder_wd, log_wd; /* 0: none */
        int32_t writer_fd;
        uint32_t n_segments, line_bytes;
        uint32_t position[_WATCHED_LIST_MAX]; /* in each list; WATCHED_NONE: not on it */
        uint8_t root;
        uint8_t kind;            /* LogKind */
        uint8_t unchanged_looks;
        int8_t writer_append;    /* Tristate */
        bool has_writer : 1;     /* the dockerd of its root has it open as writer_fd */
        bool running : 1;
        bool odd : 1;
        bool has_nul_head : 1;
        bool seen : 1;           /* by the scan under way */
        bool in_grace : 1;       /* its config.v2.json is missing since refreshed_usec */
        bool told_odd : 1, told_bad : 1, told_label : 1;
        bool wants_writer : 1;   /* a scan of dockerd's descriptors is to look for it */
        bool inspect_aligned : 1; /* a line begins at inspect_from */
        bool inspect_told : 1;    /* that it has torn lines */
        bool inspect_ordered : 1; /* somebody asked for it */
        uint8_t writer_tries;
        uint8_t inspect_tries;    /* how often it was told without a change */
} Watched;

typedef struct WatchedTable {
        Watched *items;
        uint64_t *used; /* one bit a slot */
        uint32_t capacity, n;
        uint32_t *index; /* open addressing over ids: slot + 1, 0: free */
        uint32_t index_capacity;
        uint32_t *lists[_WATCHED_LIST_MAX];
        uint32_t n_listed[_WATCHED_LIST_MAX];
} WatchedTable;

void watched_done(WatchedTable *table);

/* Text of 64 digits <-> 32 bytes. The text must have passed text_is_container_id(). */
void watched_id_from_text(const char *text, uint8_t ret_id[static 32]);
const char *watched_id_to_text(const uint8_t id[static 32], char ret_text[static CONTAINER_ID_MAX]);

/* Takes the lowest free slot. Pointers to records are invalid afterwards. -ENOSPC: WATCHED_MAX; -ENOMEM. */
int watched_add(WatchedTable *table, uint32_t root, const uint8_t id[static 32], uint32_t *ret_slot);
void watched_remove(WatchedTable *table, uint32_t slot);

/* NULL: no such slot. */
Watched *watched_get(const WatchedTable *table, uint32_t slot);
/* WATCHED_NONE: not there. */
uint32_t watched_find(const WatchedTable *table, uint32_t root, const uint8_t id[static 32]);
/* The first used slot at or after that one; WATCHED_NONE: none. */
uint32_t watched_next(const WatchedTable *table, uint32_t slot);

void watched_list_add(WatchedTable *table, WatchedList list, uint32_t slot);
/* The last one on the list takes its place. */
void watched_list_remove(WatchedTable *table, WatchedList list, uint32_t slot);
static inline bool watched_is_listed(const Watched *watched, WatchedList list) {
        return watched->position[list] != WATCHED_NONE;
}
