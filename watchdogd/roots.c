/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "beneath.h"
#include "dockerds.h"
#include "report.h"
#include "roots.h"
#include "tracker.h"

#define ROOT_EVENTS                                                                                         \
        (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_DELETE_SELF | IN_MOVE_SELF)

/* Where the folder itself could not be watched: new containers are found that late. */
#define UNWATCHED_SCAN_USEC (30 * USEC_PER_SEC)

/* A container takes up to a tenth of a millisecond: a look that comes due in a scan waits a few of them. */
#define BREATHE_EVERY 32

/* ---- opening and losing
 * -------------------------------------------------------------------------------------- */

static int open_containers(Watcher *w, uint32_t root, uint64_t *ret_inode) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/containers", w->roots[root].docker.path);
        watcher_enter(w, "openat2", path);
        fd = beneath_open_absolute(path, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
        if (fd >= 0 && fstat(fd, &st) < 0)
                fd = close_safe(fd) < 0 ? -errno : -EIO;
        watcher_leave(w);
        if (fd < 0)
                return fd;
        if (st.st_dev != w->target.device) /* not mounted any more, or something else is */
                return -ENODEV;
        *ret_inode = st.st_ino;
        return TAKE_FD(fd);
}

static void unwatch(Watcher *w, uint32_t root) {
        watches_remove(&w->watches, w->roots[root].wd);
        w->roots[root].wd = 0;
        w->roots[root].fd = close_safe(w->roots[root].fd);
}

static void drop_logs(Watcher *w, uint32_t root, bool all) {
        for (uint32_t slot = watched_next(&w->table, 0); slot != WATCHED_NONE;
             slot = watched_next(&w->table, slot + 1)) {
                const Watched *log = watched_get(&w->table, slot);
                if (log->root == root && (all || !log->seen))
                        tracker_remove(w, slot);
        }
}

static void lose(Watcher *w, uint32_t root, int error) {
        WatcherRoot *r = &w->roots[root];

        if (r->error == error)
                return;
        r->error = error;
        unwatch(w, root);
        if (error != -ENOENT)
                return; /* its logs may still be there: what can be read when it is back decides */
        drop_logs(w, root, true);
        if (r->inode != 0)
                report_lost(w, error);
}

static void watch(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];
        int wd;

        if (r->wd > 0)
                return;
        wd = watches_add(&w->watches, r->fd, ROOT_EVENTS, WATCH_ROOT, root);
        if (wd > 0) {
                r->wd = wd;
                r->rescan_usec = 0;
                return;
        }
        r->rescan_usec = clock_monotonic_usec() + UNWATCHED_SCAN_USEC;
        if (!w->told_watch_limit)
                report_notice(w, NOTICE_WATCH_LIMIT, UINT32_MAX, wd, w->watches.n,
                              "no inotify watch for the containers folder: it is looked at every 30 s");
        w->told_watch_limit = true;
}

int roots_fd(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];
        uint64_t inode;
        int fd;

        if (r->fd >= 0)
                return r->fd;
        fd = open_containers(w, root, &inode);
        if (fd < 0) {
                lose(w, root, fd);
                return fd;
        }
        if (r->error < 0 || r->inode != inode) { /* back, or another one */
                unwatch(w, root);
                r->error = 0;
                r->rescan = true;
        }
        r->fd = fd;
        r->inode = inode;
        watch(w, root);
        return fd;
}

void roots_close(Watcher *w) {
        for (uint32_t root = 0; root < w->n_roots; root++)
                w->roots[root].fd = close_safe(w->roots[root].fd);
}

void roots_open(Watcher *w, uint32_t root) {
        w->roots[root].rescan = true;
        (void) roots_fd(w, root);
}

void roots_drop(Watcher *w, uint32_t root) {
        drop_logs(w, root, true);
        unwatch(w, root);
        dockerds_detach(w, root);
}

int roots_retry(Watcher *w) {
        int error = 0;

        for (uint32_t root = 0; root < w->n_roots; root++) {
                int r = roots_fd(w, root);
                if (r < 0 && r != -ENOENT)
                        error = r;
        }
        return error;
}

/* ---- scanning
 * ------------------------------------------------------------------------------------------------ */

/* Its own open description: reading it moves no position of the root's. */
static int read_containers(Watcher *w, uint32_t root) {
        uint32_t n = 0;
        struct dirent *entry;
        DIR *dir;
        int fd, r;

        fd = roots_fd(w, root);
        fd = fd < 0 ? fd : beneath_open(fd, ".", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return -ENOMEM;
        }
        for (;;) {
                uint32_t slot;

                watcher_enter(w, "readdir", w->roots[root].docker.path);
                errno = 0;
                entry = readdir(dir);
                if (!entry || w->failed < 0)
                        break;
                if (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN)
                        continue;
                slot = tracker_add(w, root, entry->d_name);
                if (slot != WATCHED_NONE)
                        watched_get(&w->table, slot)->seen = true;
                if (++n % BREATHE_EVERY == 0)
                        watcher_breathe(w);
        }
        r = entry ? 0 : -errno;
        (void) closedir(dir);
        watcher_leave(w);
        return r;
}

static void scan(Watcher *w, uint32_t root) {
        WatcherRoot *r = &w->roots[root];
        int q;

        r->rescan = false;
        if (roots_fd(w, root) < 0)
                return;
        for (uint32_t slot = watched_next(&w->table, 0); slot != WATCHED_NONE;
             slot = watched_next(&w->table, slot + 1)) {
                Watched *log = watched_get(&w->table, slot);
                log->seen = log->seen && log->root != root;
        }
        if (r->rescan_usec != 0)
                r->rescan_usec = clock_monotonic_usec() + UNWATCHED_SCAN_USEC;
        r->rescan = false;
        w->scanning = true;
        dockerds_list_writers(w, root);
        q = read_containers(w, root);
        dockerds_forget_writers(w, root);
        w->scanning = false;
        if (q < 0)
                lose(w, root, q);
        else
                drop_logs(w, root, false);
        report_flush(w);
        catalog_release(&w->catalog);
}

void roots_scan(Watcher *w) {
        for (uint32_t root = 0; root < w->n_roots; root++) {
                WatcherRoot *r = &w->roots[root];
                if (r->rescan || (r->rescan_usec != 0 && r->rescan_usec <= clock_monotonic_usec()))
                        scan(w, root);
        }
}

uint64_t roots_next_scan(const Watcher *w) {
        uint64_t next = 0;

        for (uint32_t root = 0; root < w->n_roots; root++)
                if (w->roots[root].error == 0)
                        next = watcher_earlier(next, w->roots[root].rescan ? 1 : w->roots[root].rescan_usec);
        return next;
}

/* ---- events
 * -------------------------------------------------------------------------------------------------- */

void roots_handle_event(Watcher *w, uint32_t root, const struct inotify_event *event) {
        WatcherRoot *r = &w->roots[root];

        if (root >= w->n_roots || r->wd != event->wd)
                return;
        if (event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) {
                if (event->mask & IN_IGNORED)
                        watches_forget(&w->watches, event->wd);
                unwatch(w, root);
                (void) roots_fd(w, root); /* what stands there now? */
        } else if (event->len > 0 && event->mask & (IN_CREATE | IN_MOVED_TO) && event->mask & IN_ISDIR)
                (void) tracker_add(w, root, event->name);
        else if (event->len > 0 && event->mask & (IN_DELETE | IN_MOVED_FROM))
                tracker_remove(w, tracker_find(w, root, event->name));
}

void roots_handle_overflow(Watcher *w) {
        uint32_t n = w->table.n;

        for (uint32_t root = 0; root < w->n_roots; root++)
                w->roots[root].rescan = true;
        report_notice(w, NOTICE_QUEUE_OVERFLOW, UINT32_MAX, 0, n,
                      "too much happened at once in the containers' folders: all are looked at again");
}
