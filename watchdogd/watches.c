/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

#include "beneath.h"
#include "macros.h"
#include "watches.h"

#define CAPACITY_FIRST 64u
#define KIND_SHIFT 30 /* the slots of an engine need 18 bits */
#define NUMBER_MASK ((UINT32_C(1) << KIND_SHIFT) - 1)

/* At least one event with the longest name must fit; 16 KiB take 400 to 1,000 of ours, which bounds the
 * work done between two looks at the clock. */
#define EVENTS_BUFFER_BYTES 16384

int watches_init(Watches *watches) {
        *watches = (Watches){.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
        return watches->fd < 0 ? -errno : 0;
}

void watches_done(Watches *watches) {
        watches->fd = close_safe(watches->fd);
        free(watches->entries);
        watches->entries = NULL;
        watches->capacity = watches->n = 0;
}

/* Fibonacci hashing: consecutive descriptors land far apart. */
static uint32_t place_of(const Watches *watches, int32_t wd) {
        return (uint32_t) wd * UINT32_C(2654435769) & (watches->capacity - 1);
}

static uint32_t place_find(const Watches *watches, int32_t wd) {
        uint32_t i = place_of(watches, wd);

        while (watches->entries[i].wd != 0 && watches->entries[i].wd != wd)
                i = (i + 1) & (watches->capacity - 1);
        return i;
}

/* Keeps the load at or below one half, so that probing stays short. */
static int make_room(Watches *watches) {
        Watches larger = *watches;

        if (watches->capacity > 0 && (watches->n + 1) * 2 <= watches->capacity)
                return 0;
        larger.capacity = watches->capacity > 0 ? watches->capacity * 2 : CAPACITY_FIRST;
        larger.entries = calloc(larger.capacity, sizeof(WatchEntry));
        if (!larger.entries)
                return -ENOMEM;
        for (uint32_t i = 0; i < watches->capacity; i++)
                if (watches->entries[i].wd != 0)
                        larger.entries[place_find(&larger, watches->entries[i].wd)] = watches->entries[i];
        free(watches->entries);
        *watches = larger;
        return 0;
}

int watches_add(Watches *watches, int target_fd, uint32_t mask, WatchKind kind, uint32_t number) {
        char name[BENEATH_NAME_MAX];
        uint32_t place;
        int r, wd;

        r = make_room(watches);
        if (r < 0)
                return r;
        wd = inotify_add_watch(watches->fd, beneath_name(target_fd, name), mask);
        if (wd < 0)
                return -errno;
        /* The same file under two names has one watch: it belongs to whoever asked last. */
        place = place_find(watches, wd);
        if (watches->entries[place].wd == 0)
                watches->n++;
        watches->entries[place] = (WatchEntry){wd, (uint32_t) kind << KIND_SHIFT | (number & NUMBER_MASK)};
        return wd;
}

void watches_forget(Watches *watches, int wd) {
        uint32_t hole, i, mask = watches->capacity - 1;

        if (wd <= 0 || watches->capacity == 0)
                return;
        hole = place_find(watches, wd);
        if (watches->entries[hole].wd == 0)
                return;
        /* Close the gap: whoever was pushed past it moves back, so that no search ends too early. */
        for (i = (hole + 1) & mask; watches->entries[i].wd != 0; i = (i + 1) & mask) {
                uint32_t home = place_of(watches, watches->entries[i].wd);
                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        watches->entries[hole] = watches->entries[i];
                        hole = i;
                }
        }
        watches->entries[hole] = (WatchEntry){};
        watches->n--;
}

void watches_remove(Watches *watches, int wd) {
        if (wd <= 0)
                return;
        /* Fails where the kernel was faster. */
        (void) inotify_rm_watch(watches->fd, wd);
        watches_forget(watches, wd);
}

bool watches_find(const Watches *watches, int wd, WatchOwner *ret_owner) {
        const WatchEntry *entry;

        if (wd <= 0 || watches->capacity == 0)
                return false;
        entry = &watches->entries[place_find(watches, wd)];
        if (entry->wd == 0)
                return false;
        *ret_owner = (WatchOwner){(WatchKind) (entry->owner >> KIND_SHIFT), entry->owner & NUMBER_MASK};
        return true;
}

int watches_dispatch(Watches *watches, WatchHandler handler, void *userdata) {
        alignas(struct inotify_event) char buffer[EVENTS_BUFFER_BYTES];
        ssize_t n, at = 0;

        n = read(watches->fd, buffer, sizeof(buffer));
        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        while (at + (ssize_t) sizeof(struct inotify_event) <= n) {
                const struct inotify_event *event = (const struct inotify_event *) (buffer + at);
                WatchOwner owner;

                at += (ssize_t) sizeof(*event) + event->len;
                if (event->mask & IN_Q_OVERFLOW)
                        handler(event, NULL, userdata);
                else if (watches_find(watches, event->wd, &owner))
                        handler(event, &owner, userdata);
        }
        return n > 0;
}
