/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A look: the space on the partition, then the logs that are hot, in one go; then MESSAGE_LOOKED. The
 * supervisor says when; an event on a cold log brings the next one forward. */

#include "watcher.h"

/* Does a look, if one is due. Returns whether it did. */
bool looks_run_due(Watcher *w);
uint64_t looks_next(const Watcher *w); /* 0: none is ordered */

/* Something has begun to write: look soon, but not more often than looking is worth. */
void looks_hasten(Watcher *w);
