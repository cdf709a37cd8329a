/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Looking for torn lines (log_repair.h). To read all logs all the time is out of the question, so only what was appended
 * while the partition was full, or nearly so, is read: from a little before it, once there is room again, a bounded
 * amount in each turn of the loop. What is found is told, and read again later: it is repaired by then, and what follows
 * it is read, or it is told again. A log that somebody asks for is read as a whole. */

#include "watcher.h"

/* What statvfs says of the partition. */
void inspect_note_space(Watcher *w, const PartitionSample *sample);

/* A log had that size before and now has the one that stands in its record. */
void inspect_note_size(Watcher *w, uint32_t slot, uint64_t size_bytes_before);

/* It is another file, or gone. */
void inspect_forget(Watcher *w, uint32_t slot);

/* All of it, from its beginning. */
void inspect_order(Watcher *w, uint32_t slot);

uint64_t inspect_next(const Watcher *w); /* 0: nothing is to be read */
void inspect_run_due(Watcher *w);
