/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "beneath.h"
#include "dockerds.h"
#include "inspect.h"
#include "introduction.h"
#include "looks.h"
#include "report.h"
#include "roots.h"
#include "sampler.h"
#include "text.h"
#include "tracker.h"

/* A container that restarts in a loop commits its configuration many times a second: ten readings tell as
 * much. */
#define REFRESH_GAP_USEC (100 * USEC_PER_MSEC)

/* A folder is made before its config.v2.json: that long it may be missing without being odd. Docker takes
 * a few milliseconds, on a dying disk longer. */
#define GRACE_USEC USEC_PER_SEC

/* Per turn of the loop: two milliseconds' worth, so that a look is never late by more. */
#define REFRESH_BATCH 32

#define FOLDER_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)
#define LOG_EVENTS (IN_MODIFY | IN_ONESHOT)

/* ---- coming and going
 * ---------------------------------------------------------------------------------------- */

uint32_t tracker_find(const Watcher *w, uint32_t root, const char *name) {
        uint8_t id[32];

        if (!text_is_container_id(name))
                return WATCHED_NONE;
        watched_id_from_text(name, id);
        return watched_find(&w->table, root, id);
}

uint32_t tracker_add(Watcher *w, uint32_t root, const char *name) {
        uint32_t slot;
        uint8_t id[32];
        int r;

        if (!text_is_container_id(name))
                return WATCHED_NONE;
        slot = tracker_find(w, root, name);
        if (slot == WATCHED_NONE) {
                watched_id_from_text(name, id);
                r = watched_add(&w->table, root, id, &slot);
                if (r < 0) {
                        if (!w->told_too_many)
                                report_notice(w, NOTICE_TOO_MANY_LOGS, UINT32_MAX, r, w->table.n,
                                              "not all containers' logs are watched");
                        w->told_too_many = true;
                        return WATCHED_NONE;
                }
        }
        tracker_refresh(w, slot);
        return watched_get(&w->table, slot) ? slot : WATCHED_NONE;
}

void tracker_remove(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);

        if (!log)
                return;
        watches_remove(&w->watches, log->folder_wd);
        watches_remove(&w->watches, log->log_wd);
        if (log->info_hash != 0)
                report_log_gone(w, slot);
        watched_remove(&w->table, slot);
}

/* ---- watches
 * ------------------------------------------------------------------------------------------------- */

static void heat(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);

        /* A log that begins to move wakes the engine at once, however it was noticed: by its watch, or because it
         * was new and had grown already when the watch was to be armed. */
        if (!watched_is_listed(log, WATCHED_HOT))
                looks_hasten(w);
        log->unchanged_looks = 0;
        log->changed_usec = clock_monotonic_usec();
        watched_list_remove(&w->table, WATCHED_UNWATCHED, slot);
        watched_list_add(&w->table, WATCHED_HOT, slot);
}

static void give_up_watching(Watcher *w, uint32_t slot, int error) {
        watched_list_remove(&w->table, WATCHED_HOT, slot);
        watched_list_add(&w->table, WATCHED_UNWATCHED, slot);
        if (!w->told_watch_limit)
                report_notice(w, NOTICE_WATCH_LIMIT, UINT32_MAX, error, w->watches.n,
                              "no more inotify watches (fs.inotify.max_user_watches): the other logs are "
                              "looked at in turns");
        w->told_watch_limit = true;
}

static void watch_folder(Watcher *w, uint32_t slot, int folder_fd) {
        Watched *log = watched_get(&w->table, slot);
        int r;

        if (log->folder_wd > 0)
                return;
        r = watches_add(&w->watches, folder_fd, FOLDER_EVENTS, WATCH_FOLDER, slot);
        if (r > 0)
                log->folder_wd = r;
        else
                give_up_watching(w, slot, r);
}

/* Arms a log's watch, then looks at the size again: what was written before the watch was there shows.
 * Returns whether the log stays without a watch or has changed meanwhile. */
static bool arm(Watcher *w, uint32_t slot, int log_fd, struct stat *st) {
        Watched *log = watched_get(&w->table, slot);
        struct stat before = *st;
        int r;

        if (log->log_wd <= 0) {
                r = watches_add(&w->watches, log_fd, LOG_EVENTS, WATCH_LOG, slot);
                if (r < 0) {
                        give_up_watching(w, slot, r);
                        return true;
                }
                log->log_wd = r;
        }
        watched_list_remove(&w->table, WATCHED_UNWATCHED, slot);
        return fstat(log_fd, st) == 0 &&
               (st->st_size != before.st_size || st->st_blocks != before.st_blocks);
}

static void disarm(Watcher *w, Watched *log) {
        watches_remove(&w->watches, log->log_wd);
        log->log_wd = 0;
}

/* ---- what the log looks like
 * --------------------------------------------------------------------------------- */

static bool take_size(Watcher *w, uint32_t slot, const struct stat *st) {
        Watched *log = watched_get(&w->table, slot);
        const uint64_t size_bytes_before = log->size_bytes;
        const bool changed = sampler_take_size(log, st);

        inspect_note_size(w, slot, size_bytes_before);
        return changed;
}

bool tracker_sample(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);
        int dir_fd = roots_fd(w, log->root);
        SamplerSubject subject;
        struct stat st;
        bool changed;

        if (dir_fd < 0 || log->kind == LOG_KIND_NONE || log->odd)
                return false;
        sampler_name(log, &subject);
        watcher_enter(w, "fstatat", subject.text);
        if (fstatat(dir_fd, subject.path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                if (errno == ENOENT && log->inode != 0)
                        tracker_mark(w, slot);
                watcher_leave(w);
                return false;
        }
        /* Rotated or replaced: the sizes would be another file's. */
        if (st.st_ino != log->inode || st.st_dev != w->target.device || !S_ISREG(st.st_mode) ||
            st.st_nlink > 1) {
                tracker_mark(w, slot);
                watcher_leave(w);
                return false;
        }
        changed = take_size(w, slot, &st);
        if (changed) {
                log->changed_usec = clock_monotonic_usec();
                sampler_measure(w, log, dir_fd, subject.path, false);
        }
        watcher_leave(w);
        return changed;
}

void tracker_cool(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);
        _cleanup_close_ int fd = -EBADF;
        int dir_fd = roots_fd(w, log->root);
        SamplerSubject subject;
        struct stat st;

        if (dir_fd < 0)
                return;
        sampler_name(log, &subject);
        watcher_enter(w, "inotify_add_watch", subject.text);
        fd = beneath_open(dir_fd, subject.path, O_PATH);
        if (fd < 0 || fstat(fd, &st) < 0 || st.st_ino != log->inode) {
                watched_list_remove(&w->table, WATCHED_HOT, slot);
                tracker_mark(w, slot);
        } else if (arm(w, slot, fd, &st) || take_size(w, slot, &st))
                log->unchanged_looks = 0; /* stays on the list it is on; an armed watch does no harm there */
        else
                watched_list_remove(&w->table, WATCHED_HOT, slot);
        watcher_leave(w);
}

/* ---- reading it all again
 * ------------------------------------------------------------------------------------ */

static void forget_file(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);

        disarm(w, log);
        watched_list_remove(&w->table, WATCHED_HOT, slot);
        inspect_forget(w, slot);
        log->inode = log->allocated_bytes = log->size_bytes = log->hole_bytes = log->gap_bytes = 0;
        log->has_nul_head = false;
        log->line_size_bytes = log->filler_bytes = log->filler_usec = 0;
        log->has_writer = log->wants_writer = false;
}

/* Another file than before: rotated, made, or seen for the first time. */
static void take_file(Watcher *w, uint32_t slot, const struct stat *st) {
        Watched *log = watched_get(&w->table, slot);

        forget_file(w, slot);
        log->inode = st->st_ino;
        log->line_size_bytes = (uint64_t) st->st_size;
        if (!w->scanning) /* somebody has just made it: is about to write to it */
                heat(w, slot);
}

/* Returns why it is odd, or NULL. */
static const char *examine_file(Watcher *w, uint32_t slot, int folder_fd, const SamplerSubject *subject) {
        Watched *log = watched_get(&w->table, slot);
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        const char *oddity;
        bool fresh;

        watcher_enter(w, "openat2", subject->text);
        /* O_PATH: opens the link itself, and neither wakes a FIFO nor counts as a reader. */
        fd = beneath_open(folder_fd, subject->log_name, O_PATH);
        if (fd == -EXDEV || fd == -ELOOP)
                oddity = "behind a mount or a link";
        else if (fd < 0 || fstat(fd, &st) < 0 || st.st_nlink == 0) {
                forget_file(w, slot);
                log->odd = false;
                return NULL;
        } else
                oddity = sampler_find_oddity(&st, w->target.device, w->roots[log->root].docker.owner_uid);
        log->odd = oddity != NULL;
        if (oddity) {
                forget_file(w, slot);
                return oddity;
        }
        fresh = st.st_ino != log->inode;
        if (fresh)
                take_file(w, slot, &st);
        watcher_enter(w, "inotify_add_watch", subject->text);
        if (!watched_is_listed(log, WATCHED_HOT) && arm(w, slot, fd, &st) && log->log_wd > 0)
                heat(w, slot);
        if (fresh && w->scanning) /* what it held before is nothing that we have seen */
                (void) sampler_take_size(log, &st);
        else
                (void) take_size(w, slot, &st);
        sampler_measure(w, log, folder_fd, subject->log_name, true);
        return NULL;
}

static void count_segments(Watched *log, int folder_fd, const char *id) {
        SamplerSegments segments = {};

        (void) sampler_count_segments(folder_fd, (LogKind) log->kind, id, &segments);
        log->n_segments = segments.n;
        log->segments_bytes = segments.bytes;
}

/* No config.v2.json: not yet, or no longer. Returns whether to go on and guard the log by its id alone. */
static bool go_on_without_catalog(Watcher *w, uint32_t slot, int folder_fd, const SamplerSubject *subject) {
        Watched *log = watched_get(&w->table, slot);
        uint64_t now = clock_monotonic_usec();
        struct stat st;

        if (!log->in_grace) {
                log->in_grace = true;
                log->refreshed_usec = now;
        }
        if (!w->scanning && now < log->refreshed_usec + GRACE_USEC) {
                watched_list_add(&w->table, WATCHED_DIRTY, slot);
                log->due_usec = log->refreshed_usec + GRACE_USEC;
                return false;
        }
        log->in_grace = false;
        return fstatat(folder_fd, subject->log_name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_folder(Watcher *w, uint32_t slot, const SamplerSubject *subject) {
        Watched *log = watched_get(&w->table, slot);
        int dir_fd = roots_fd(w, log->root), fd;

        if (dir_fd < 0)
                return -EAGAIN; /* the root is lost: its logs are looked at again when it is back */
        watcher_enter(w, "openat2", subject->text);
        fd = beneath_open(dir_fd, subject->id, O_PATH | O_DIRECTORY);
        if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV) {
                tracker_remove(w, slot);
                return -ENOENT;
        }
        return fd;
}

void tracker_refresh(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);
        char detail[CATALOG_DETAIL_MAX] = "";
        _cleanup_close_ int folder_fd = -EBADF;
        Introduction intro = {.slot = slot};
        SamplerSubject subject;

        watched_list_remove(&w->table, WATCHED_DIRTY, slot);
        sampler_name(log, &subject);
        folder_fd = open_folder(w, slot, &subject);
        if (folder_fd >= 0) {
                watcher_enter(w, "inotify_add_watch", subject.text);
                watch_folder(w, slot, folder_fd);
                watcher_enter(w, "read", subject.text);
                intro.catalog_detail = detail;
                intro.catalog_result =
                        catalog_read(&w->catalog, folder_fd, subject.id, &intro.info.container, detail);
                if (intro.catalog_result == CATALOG_E_ABSENT) {
                        if (!go_on_without_catalog(w, slot, folder_fd, &subject))
                                goto leave;
                        catalog_fill_unknown(subject.id, &intro.info.container);
                } else if (intro.catalog_result < 0)
                        catalog_fill_unknown(subject.id, &intro.info.container);
                log->refreshed_usec = clock_monotonic_usec();
                log->in_grace = false;
                log->kind = (uint8_t) sampler_find_kind(intro.info.container.driver);
                sampler_name(log, &subject);
                intro.oddity = examine_file(w, slot, folder_fd, &subject);
                watcher_enter(w, "readdir", subject.text);
                count_segments(log, folder_fd, subject.id);
                introduction_tell(w, &intro);
        }
leave:
        watcher_enter(w, "close", subject.text);
        folder_fd = close_safe(folder_fd);
        watcher_leave(w);
}

void tracker_mark(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);
        uint64_t now = clock_monotonic_usec(), due = log->refreshed_usec + REFRESH_GAP_USEC;

        if (log->refreshed_usec == 0 || due < now)
                due = now;
        /* One that waits out its grace is read at once when its files come. */
        if (watched_is_listed(log, WATCHED_DIRTY) && log->due_usec <= due)
                return;
        watched_list_add(&w->table, WATCHED_DIRTY, slot);
        log->due_usec = due;
}

void tracker_refresh_due(Watcher *w) {
        uint64_t now = clock_monotonic_usec();
        uint32_t n_done = 0;

        for (uint32_t i = w->table.n_listed[WATCHED_DIRTY]; i-- > 0 && n_done < REFRESH_BATCH;) {
                if (i >= w->table.n_listed[WATCHED_DIRTY])
                        continue; /* a root was lost meanwhile, and its logs with it */
                uint32_t slot = w->table.lists[WATCHED_DIRTY][i];
                if (watched_get(&w->table, slot)->due_usec > now)
                        continue;
                tracker_refresh(w, slot);
                n_done++;
        }
}

uint64_t tracker_next_due(const Watcher *w) {
        uint64_t next = 0;

        for (uint32_t i = 0; i < w->table.n_listed[WATCHED_DIRTY]; i++) {
                const Watched *log = watched_get(&w->table, w->table.lists[WATCHED_DIRTY][i]);
                next = watcher_earlier(next, log->due_usec);
        }
        return next;
}

/* ---- events
 * -------------------------------------------------------------------------------------------------- */

void tracker_handle_folder_event(Watcher *w, uint32_t slot, const struct inotify_event *event) {
        Watched *log = watched_get(&w->table, slot);
        SamplerSubject subject;

        if (!log || log->folder_wd != event->wd)
                return;
        if (event->mask & IN_IGNORED) { /* removed; the root's watch tells that too, but perhaps later */
                watches_forget(&w->watches, event->wd);
                log->folder_wd = 0;
                tracker_mark(w, slot);
                return;
        }
        if (event->len == 0)
                return;
        sampler_name(log, &subject);
        /* The commit: Docker writes to a temporary file and renames it. Tools that write in place close
         * it. */
        if (streq(event->name, "config.v2.json") && event->mask & (IN_MOVED_TO | IN_CLOSE_WRITE))
                tracker_mark(w, slot);
        else if (strncmp(event->name, subject.log_name, strcspn(subject.log_name, "/")) == 0)
                tracker_mark(w, slot);
}

void tracker_handle_log_event(Watcher *w, uint32_t slot, const struct inotify_event *event) {
        Watched *log = watched_get(&w->table, slot);

        if (!log || log->log_wd != event->wd)
                return;
        watches_forget(&w->watches, event->wd); /* one-shot: the kernel has ended it */
        log->log_wd = 0;
        if (event->mask & IN_MODIFY)
                heat(w, slot);
        else
                tracker_mark(w, slot);
}
