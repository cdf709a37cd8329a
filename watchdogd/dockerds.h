/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The dockerd of each root: when it ends, and which of the logs it has open for writing. */

#include "watcher.h"

/* Follows the dockerd that the target names, of that start time. One that is gone already is told at
 * once. */
void dockerds_attach(Watcher *w, uint32_t root);
void dockerds_detach(Watcher *w, uint32_t root);
/* Its pidfd says that it has ended: nobody writes any more. */
void dockerds_handle_end(Watcher *w, uint32_t root);

/* Looks through all its descriptors, for the scan of a root; given back with dockerds_forget_writers(). */
void dockerds_list_writers(Watcher *w, uint32_t root);
void dockerds_forget_writers(Watcher *w, uint32_t root);

/* Finds out who writes a log: from the list while scanning, else by a look at the one descriptor that is
 * known; where that has gone and the container runs, the descriptors are searched before long. */
void dockerds_settle_writer(Watcher *w, uint32_t slot);

/* All logs of a root are to be looked for. */
void dockerds_want_all(Watcher *w, uint32_t root);

/* Searches, when it is due (w->writers_usec): one pass for all who wait. */
void dockerds_search(Watcher *w);
