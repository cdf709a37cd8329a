/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When to look again: often enough that no writer can cross the distance to the next threshold unseen, and
 * no oftener. */

#include <stdbool.h>
#include <stdint.h>

#include "macros.h"

#define PACE_MIN_USEC (5 * USEC_PER_MSEC)
#define PACE_MAX_USEC (5 * USEC_PER_SEC)
/* While acts are under way their gain, or that there is none, must be seen soon. */
#define PACE_ACTING_USEC (100 * USEC_PER_MSEC)

typedef struct PaceInput {
        uint64_t distance_bytes; /* to the next threshold below */
        uint64_t moved_bytes;    /* since the last look, either way */
        double fastest_bps;      /* at which it fills now */
        uint64_t last_usec;      /* the interval before this look; 0: none */
        bool early;              /* this look came before its time: something woke us */
        bool acting;
} PaceInput;

uint64_t pace_next_usec(const PaceInput *input);
