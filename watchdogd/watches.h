/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An inotify descriptor, and who owns which of its watches. The kernel counts watch descriptors up and
 * does not use one again for two billion watches, so a plain array would grow with every one-shot watch
 * that is armed again: this is a hash table whose size follows the number of live watches. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/inotify.h>

typedef enum WatchKind {
        WATCH_ROOT,   /* <root>/containers; number: the root's */
        WATCH_FOLDER, /* a container's folder; number: the slot */
        WATCH_LOG,    /* its log, one-shot; number: the slot */
} WatchKind;

typedef struct WatchOwner {
        WatchKind kind;
        uint32_t number;
} WatchOwner;

typedef struct WatchEntry {
        int32_t wd;     /* 0: free. The kernel's begin at 1 */
        uint32_t owner; /* kind and number */
} WatchEntry;

typedef struct Watches {
        int fd;
        WatchEntry *entries;
        uint32_t capacity; /* a power of two, 0 at first */
        uint32_t n;
} Watches;

int watches_init(Watches *watches);
void watches_done(Watches *watches);

/* Watches the file behind an open descriptor (O_PATH will do), whatever its path leads to by now. Returns
 * the watch descriptor (> 0); -ENOSPC: the user's limit; -ENOMEM; -EACCES. */
int watches_add(Watches *watches, int target_fd, uint32_t mask, WatchKind kind, uint32_t number);

/* Ends a watch. Events that are still queued find no owner. wd <= 0: nothing to do. */
void watches_remove(Watches *watches, int wd);

/* The kernel has ended it already (IN_IGNORED, a one-shot that fired). */
void watches_forget(Watches *watches, int wd);

bool watches_find(const Watches *watches, int wd, WatchOwner *ret_owner);

/* Takes one buffer of events and hands them out, those that nobody owns left out. Overflow comes with
 * owner NULL. Returns 1 when there was something, 0 when the queue is empty, negative errno. */
typedef void (*WatchHandler)(const struct inotify_event *event, const WatchOwner *owner, void *userdata);
int watches_dispatch(Watches *watches, WatchHandler handler, void *userdata);
