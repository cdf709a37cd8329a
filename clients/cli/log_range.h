/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which records of a log are asked for, and where in its files they begin: found by seeking, not by reading it all. */

#include "log_pieces.h"
#include "log_record.h"

#define LOG_RANGE_ALL UINT64_MAX

typedef struct LogRange {
        int64_t since_nsec, until_nsec; /* since <= time < until; INT64_MIN, INT64_MAX: no limit */
        uint64_t last;                  /* no more than the last so many of them */
} LogRange;

typedef struct LogStart {
        size_t piece;
        uint64_t offset; /* of what it is unpacked */
        uint64_t skip;   /* so many of the records from there on, of those in the range */
} LogStart;

bool log_range_has(const LogRange *range, const LogRecord *record);

/* All that follow are later. The two streams of a container are written by two threads of Docker's: their times ascend
 * only roughly. */
bool log_range_is_behind(const LogRange *range, const LogRecord *record);

int log_range_find_start(const LogRange *range, const LogPieces *pieces, LogStart *ret_start);
