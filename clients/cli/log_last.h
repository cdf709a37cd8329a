/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last record that was read, to find the place behind it again when the files are others, or it stands in two of them. */

#include "log_pieces.h"
#include "log_range.h"

typedef struct LogLast {
        char *line; /* NULL: none was read yet */
        size_t n_bytes;
        uint64_t times; /* in a row: the pieces of a very long line may all be alike */
        int64_t nsec;
} LogLast;

void log_last_done(LogLast *last);
/* -ENOMEM */
int log_last_remember(LogLast *last, const char *line, size_t n_bytes, int64_t nsec);

/* Behind it, wherever that is now: 1. It is gone: 0, and where to look for newer ones. */
int log_last_find(const LogLast *last, const LogPieces *pieces, LogStart *ret_start);

/* What was read from an archive up to where that is damaged is passed over where it stands in the pieces from i on, and
 * no more than that. */
int log_last_pass(const LogLast *last, LogPieces *pieces, size_t i);
