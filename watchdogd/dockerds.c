/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "dockerds.h"
#include "process.h"
#include "report.h"
#include "tracker.h"

/* A pass over 10,000 descriptors takes some ten milliseconds: at most ten a second in all. */
#define SEARCH_GAP_USEC (100 * USEC_PER_MSEC)

/* The log of a container that starts is open before config.v2.json says that it runs; a rotated one within
 * microseconds. Eight tries, each after twice the time of the one before, span 25 s. */
#define TRIES_MAX 8

#define WRITERS_FIRST 256

/* ---- which process
 * ------------------------------------------------------------------------------------------- */

static uint64_t read_start(int proc_fd, int32_t pid) {
        _cleanup_close_ int fd = -EBADF;
        char name[16];

        (void) snprintf(name, sizeof(name), "%d", pid);
        fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? 0 : process_read_start(fd);
}

void dockerds_detach(Watcher *w, uint32_t root) {
        w->roots[root].pidfd = close_safe(w->roots[root].pidfd);
        dockerds_forget_writers(w, root);
}

void dockerds_attach(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];

        dockerds_detach(w, root);
        if (r->docker.dockerd_pid <= 0)
                return;
        /* First the descriptor, then the question who that is: a pid that is used again cannot slip in
         * between. */
        r->pidfd = (int) syscall(SYS_pidfd_open, r->docker.dockerd_pid, 0);
        if (r->pidfd >= 0 && w->proc_fd >= 0 && r->docker.dockerd_start != 0 &&
            read_start(w->proc_fd, r->docker.dockerd_pid) == r->docker.dockerd_start)
                return;
        dockerds_handle_end(w, root);
}

void dockerds_handle_end(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];

        dockerds_detach(w, root);
        r->docker.dockerd_pid = 0;
        for (uint32_t slot = watched_next(&w->table, 0); slot != WATCHED_NONE;
             slot = watched_next(&w->table, slot + 1)) {
                Watched *log = watched_get(&w->table, slot);
                if (log->root != root)
                        continue;
                if (log->has_writer)
                        tracker_mark(w, slot);
                log->has_writer = log->wants_writer = false;
        }
        report_dockerd_gone(w, root);
}

/* ---- its descriptors
 * ----------------------------------------------------------------------------------------- */

void dockerds_forget_writers(Watcher *w, uint32_t root) {
        free(w->roots[root].writers);
        w->roots[root].writers = NULL;
        w->roots[root].n_writers = 0;
}

void dockerds_list_writers(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];
        size_t room = WRITERS_FIRST, n = 0, total = 0;
        int q = 0;

        dockerds_forget_writers(w, root);
        if (r->docker.dockerd_pid <= 0 || w->proc_fd < 0)
                return;
        watcher_enter(w, "fstat", "dockerd's descriptors");
        /* Twice at most: how many there are is known after the first pass. */
        for (int i = 0; i < 2; i++) {
                WriterEntry *larger = reallocarray(r->writers, room, sizeof(*larger));
                if (!larger)
                        break;
                r->writers = larger;
                q = writer_scan(w->proc_fd, r->docker.dockerd_pid, r->writers, room, &n, &total);
                r->n_writers = q == 0 ? n : 0;
                if (q != 0 || total <= room)
                        break;
                room = total + total / 8;
        }
        watcher_leave(w);
}

static void take_writer(Watched *log, const WriterEntry *entry) {
        log->has_writer = true;
        log->wants_writer = false;
        log->writer_fd = entry->fd;
        log->writer_append = (int8_t) entry->append;
}

static void want_writer(Watcher *w, Watched *log) {
        uint64_t now = clock_monotonic_usec();

        if (log->wants_writer)
                return;
        log->wants_writer = true;
        log->writer_tries = 0;
        now = MAX(now, w->writers_searched_usec + SEARCH_GAP_USEC);
        w->writers_usec = watcher_earlier(w->writers_usec, now);
}

static bool check_writer(Watcher *w, Watched *log) {
        LogWriter found, expected = {
                .pid = w->roots[log->root].docker.dockerd_pid,
                .fd = log->writer_fd,
                .append = (Tristate) log->writer_append,
        };

        watcher_enter(w, "fstat", "dockerd's descriptor");
        if (writer_check(w->proc_fd, &expected, w->target.device, log->inode, &found) != 0)
                return false;
        log->writer_append = (int8_t) found.append;
        return true;
}

void dockerds_settle_writer(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);
        WatcherRoot *r = &w->roots[log->root];

        if (r->docker.dockerd_pid <= 0 || w->proc_fd < 0 || log->kind != LOG_KIND_JSON || log->inode == 0) {
                log->has_writer = log->wants_writer = false;
                return;
        }
        if (w->scanning && r->writers) {
                const WriterEntry *entry =
                        writer_lookup(r->writers, r->n_writers, w->target.device, log->inode);
                log->has_writer = false;
                if (entry)
                        take_writer(log, entry);
        } else if (log->has_writer)
                log->has_writer = check_writer(w, log);
        if (!log->has_writer && log->running)
                want_writer(w, log);
}

void dockerds_want_all(Watcher *w, uint32_t root) {
        for (uint32_t slot = watched_next(&w->table, 0); slot != WATCHED_NONE;
             slot = watched_next(&w->table, slot + 1)) {
                Watched *log = watched_get(&w->table, slot);
                if (log->root == root && log->kind == LOG_KIND_JSON && log->inode != 0)
                        want_writer(w, log);
        }
}

/* Returns the least number of tries of those who go on waiting, TRIES_MAX where nobody does. */
static uint8_t search_root(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];
        uint8_t least = TRIES_MAX;
        bool listed = false;

        for (uint32_t slot = watched_next(&w->table, 0); slot != WATCHED_NONE;
             slot = watched_next(&w->table, slot + 1)) {
                Watched *log = watched_get(&w->table, slot);
                const WriterEntry *entry;

                if (log->root != root || !log->wants_writer)
                        continue;
                if (!listed)
                        dockerds_list_writers(w, root);
                listed = true;
                entry = writer_lookup(r->writers, r->n_writers, w->target.device, log->inode);
                if (entry) {
                        take_writer(log, entry);
                        tracker_mark(w, slot); /* tells it */
                } else if (++log->writer_tries >= TRIES_MAX || !log->running)
                        log->wants_writer = false;
                else
                        least = MIN(least, log->writer_tries);
        }
        dockerds_forget_writers(w, root);
        return least;
}

void dockerds_search(Watcher *w) {
        uint64_t now = clock_monotonic_usec();
        uint8_t least = TRIES_MAX;

        w->writers_usec = 0;
        for (uint32_t root = 0; root < w->n_roots; root++) {
                uint8_t of_root = search_root(w, root);
                least = MIN(least, of_root);
        }
        w->writers_searched_usec = clock_monotonic_usec();
        if (least < TRIES_MAX)
                w->writers_usec = now + (SEARCH_GAP_USEC << least);
}
