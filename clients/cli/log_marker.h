/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the guard writes at the front of a log whose head it frees (watchdogd/marker.h): how many bytes are missing. */

#include "log_pieces.h"
#include "log_record.h"

/* No container can forge it: Docker pads no record with spaces. ret_freed_bytes: all that was freed of that file since it
 * has one. */
bool log_marker_is(const char *line, size_t n_bytes, const LogRecord *record, uint64_t *ret_freed_bytes);

/* Where archives hold what a marker says is missing, it is passed over (from_offset); where that is not sure, it is read.
 * The archives must be in order. -ENOMEM. */
int log_marker_pass(LogPieces *archives, LogPieces *files);
