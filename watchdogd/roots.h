/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The containers/ folders of the Docker data-roots: opened anew in each turn, so that they hold no mount
 * busy and what stands at the path now is what is looked at. A root that cannot be read is *lost*: said
 * at every look, and tried again at every look. One whose containers/ is simply not there has no
 * containers: said once. */

#include "watcher.h"

/* Of containers/, valid until the end of this turn of the loop; negative errno: lost. */
int roots_fd(Watcher *w, uint32_t root);
void roots_close(Watcher *w);

/* Opens it and asks for a scan, where it can be read. */
void roots_open(Watcher *w, uint32_t root);
/* Forgets all its logs and its watch. */
void roots_drop(Watcher *w, uint32_t root);

/* Tries lost roots again. Returns why one of them cannot be looked into (negative errno), or 0. */
int roots_retry(Watcher *w);

/* Scans those that asked for it. Takes long with many containers, and breathes meanwhile. */
void roots_scan(Watcher *w);
uint64_t roots_next_scan(const Watcher *w); /* 0: none is due by time */

void roots_handle_event(Watcher *w, uint32_t root, const struct inotify_event *event);
/* Events were lost: everything is to be looked at again. */
void roots_handle_overflow(Watcher *w);
