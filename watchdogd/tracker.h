/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One container's log: introduced to the supervisor, kept up to date, sampled, forgotten.
 *
 * A log is *cold* while nothing writes to it: a one-shot watch lies on it, and nobody looks. When the
 * watch fires it is *hot*: sampled at every look, without a watch, so that what is written costs nothing
 * however much it is. Once it has been still for a while it gets a new watch, is sampled once more (what
 * was written in between shows there) and is cold again. */

#include "watcher.h"

/* A folder of that name is there. Names that are no container's are ignored. Returns the slot or
 * WATCHED_NONE. */
uint32_t tracker_add(Watcher *w, uint32_t root, const char *name);
void tracker_remove(Watcher *w, uint32_t slot);
uint32_t tracker_find(const Watcher *w, uint32_t root, const char *name);

/* Reads the catalog, the log's facts and its segments again and tells what has changed. */
void tracker_refresh(Watcher *w, uint32_t slot);

/* Something of it has changed: to be refreshed soon, but each container at most ten times a second. */
void tracker_mark(Watcher *w, uint32_t slot);
/* Refreshes those that are due, a bounded number of them. */
void tracker_refresh_due(Watcher *w);
uint64_t tracker_next_due(const Watcher *w); /* 0: nothing is */

/* Looks at its size. Returns whether that has changed since the last time. */
bool tracker_sample(Watcher *w, uint32_t slot);

/* Hot logs that have been still: a watch again. */
void tracker_cool(Watcher *w, uint32_t slot);

void tracker_handle_folder_event(Watcher *w, uint32_t slot, const struct inotify_event *event);
void tracker_handle_log_event(Watcher *w, uint32_t slot, const struct inotify_event *event);
