/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watcher: a process that only reads. It tells the supervisor how much room the partition has and
 * what becomes of each container's log, and ends when the supervisor closes the channel. Nothing waits
 * for it: any call in here may hang on a sick disk, and the stage page says in which. */

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "dockerds.h"
#include "inspect.h"
#include "looks.h"
#include "report.h"
#include "roots.h"
#include "tracker.h"
#include "watcher.h"

/* ---- orders
 * -------------------------------------------------------------------------------------------------- */

/* The same roots as before, perhaps with another dockerd; a root whose path differs is another root. */
static void take_target(Watcher *w, const PartitionTarget *target) {
        bool fresh = !w->has_target || w->target.device != target->device;

        for (uint32_t i = 0; i < w->n_roots; i++)
                if (fresh || i >= target->n_roots ||
                    !streq(w->roots[i].docker.path, target->roots[i].path)) {
                        roots_drop(w, i);
                        w->roots[i] = (WatcherRoot){.fd = -EBADF, .pidfd = -EBADF};
                }
        w->target = *target;
        w->has_target = true;
        w->n_roots = MIN(target->n_roots, (uint32_t) PARTITION_ROOTS_MAX);
        for (uint32_t i = 0; i < w->n_roots; i++) {
                bool known = w->roots[i].docker.path[0] != 0;
                w->roots[i].docker = target->roots[i];
                dockerds_attach(w, i);
                if (known)
                        dockerds_want_all(w, i);
                else
                        roots_open(w, i);
        }
}

static int receive(Watcher *w) {
        for (;;) {
                int r = message_receive(w->channel_fd, &w->message, true);
                if (r == -EAGAIN)
                        return 0;
                if (r < 0 && r != -EBADMSG)
                        return r;
                if (r == 0 && w->message.type == MESSAGE_TARGET) {
                        w->next_target = w->message.target;
                        w->has_next_target = true;
                } else if (r == 0 && w->message.type == MESSAGE_LOOK) {
                        w->order = w->message.look;
                        w->has_order = true;
                } else if (r == 0 && w->message.type == MESSAGE_INSPECT)
                        inspect_order(w, w->message.inspect.slot);
        }
}

void watcher_breathe(Watcher *w) {
        int r = receive(w);

        if (r < 0)
                w->failed = r;
        (void) looks_run_due(w);
}

/* ---- events
 * -------------------------------------------------------------------------------------------------- */

static void handle_event(const struct inotify_event *event, const WatchOwner *owner, void *userdata) {
        Watcher *w = userdata;

        if (!owner)
                roots_handle_overflow(w);
        else if (owner->kind == WATCH_ROOT)
                roots_handle_event(w, owner->number, event);
        else if (owner->kind == WATCH_FOLDER)
                tracker_handle_folder_event(w, owner->number, event);
        else
                tracker_handle_log_event(w, owner->number, event);
}

/* ---- the loop
 * ------------------------------------------------------------------------------------------------ */

static uint64_t next_wake(const Watcher *w) {
        uint64_t next = watcher_earlier(looks_next(w), tracker_next_due(w));

        next = watcher_earlier(next, w->writers_usec);
        next = watcher_earlier(next, inspect_next(w));
        return watcher_earlier(next, roots_next_scan(w));
}

static int wait_for_work(Watcher *w, struct pollfd *fds, nfds_t n) {
        uint64_t next = next_wake(w), now = clock_monotonic_usec();
        uint64_t left = next > now ? next - now : 0;
        struct timespec timeout = {(time_t) (left / USEC_PER_SEC), (long) (left % USEC_PER_SEC * 1000)};

        if (ppoll(fds, n, next != 0 ? &timeout : NULL, NULL) < 0 && errno != EINTR)
                return -errno;
        return 0;
}

/* Looks come first: they are what the forecast hangs on. Each of the others does a bounded amount of
 * work, but for a scan, which breathes. */
static void turn(Watcher *w) {
        (void) looks_run_due(w);
        if (w->has_next_target) {
                w->has_next_target = false;
                take_target(w, &w->next_target);
        }
        if (!w->has_target)
                return;
        if (watches_dispatch(&w->watches, handle_event, w) < 0)
                roots_handle_overflow(w);
        (void) looks_run_due(w);
        tracker_refresh_due(w);
        if (w->writers_usec != 0 && w->writers_usec <= clock_monotonic_usec())
                dockerds_search(w);
        roots_scan(w);
        inspect_run_due(w);
        report_flush(w); /* samples carry the time of the first one in their message */
        roots_close(w);
}

static int loop(Watcher *w) {
        struct pollfd fds[2 + PARTITION_ROOTS_MAX];
        int r;

        while (w->failed == 0) {
                fds[0] = (struct pollfd){.fd = w->channel_fd, .events = POLLIN};
                fds[1] = (struct pollfd){.fd = w->watches.fd, .events = POLLIN};
                for (uint32_t i = 0; i < PARTITION_ROOTS_MAX; i++)
                        fds[2 + i] = (struct pollfd){.fd = w->roots[i].pidfd, .events = POLLIN};
                r = wait_for_work(w, fds, ELEMENTS(fds));
                if (r < 0)
                        return r;
                for (uint32_t i = 0; i < w->n_roots; i++)
                        if (fds[2 + i].revents && fds[2 + i].fd == w->roots[i].pidfd)
                                dockerds_handle_end(w, i);
                r = receive(w);
                if (r < 0)
                        return r;
                turn(w);
        }
        return w->failed;
}

static void done(Watcher *w) {
        for (uint32_t i = 0; i < PARTITION_ROOTS_MAX; i++) {
                w->roots[i].fd = close_safe(w->roots[i].fd);
                w->roots[i].pidfd = close_safe(w->roots[i].pidfd);
                free(w->roots[i].writers);
        }
        w->proc_fd = close_safe(w->proc_fd);
        watches_done(&w->watches);
        watched_done(&w->table);
        catalog_release(&w->catalog);
        free(w->inspect.buffer);
        free(w);
}

int watcher_run(const RoleContext *context) {
        Watcher *w = calloc(1, sizeof(*w));
        int r;

        if (!w)
                return EXIT_FAILURE;
        w->channel_fd = context->channel_fd;
        w->stage = context->stage;
        for (uint32_t i = 0; i < PARTITION_ROOTS_MAX; i++)
                w->roots[i] = (WatcherRoot){.fd = -EBADF, .pidfd = -EBADF};
        if (writer_open_proc(&w->proc_fd) < 0)
                w->proc_fd = -EBADF; /* no writer is ever known: the safe methods are chosen */
        r = watches_init(&w->watches);
        if (r == 0)
                r = loop(w);
        done(w);
        return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
