/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pace of looking: contract in pace.h. */

#include "pace.h"

/* Once something moves in earnest, it may get faster between two looks, at least up to that: the first look of a flood
 * cannot know its rate yet, and one container has been measured at 180 MB/s, a file written directly at a GB/s. */
#define WORST_FLOOR_BPS ((double) GIB(1))
/* What a fast disk takes from one moment to the next, when a writer that was quiet has just begun. */
#define SUDDEN_BPS ((double) GIB(2))
/* Less than that is somebody's housekeeping. */
#define MOVED_MIN_BYTES KIB(64)

static uint64_t crossing_usec(uint64_t distance_bytes, double bps) {
        double usec = (double) distance_bytes / bps * (double) USEC_PER_SEC;

        return usec < (double) PACE_MAX_USEC ? MAX((uint64_t) usec, PACE_MIN_USEC) : PACE_MAX_USEC;
}

uint64_t pace_next_usec(const PaceInput *in) {
        uint64_t next_usec;

        if (in->moved_bytes >= MAX(MOVED_MIN_BYTES, in->distance_bytes / 256))
                next_usec = crossing_usec(in->distance_bytes, MAX(2 * in->fastest_bps, WORST_FLOOR_BPS));
        else if (in->moved_bytes > 0) {
                /* Whoever trickles is looked at by time, not watched: he may begin to flood at any moment. */
                uint64_t sudden_usec = crossing_usec(in->distance_bytes, SUDDEN_BPS);

                next_usec = in->early ? sudden_usec : MIN(MAX(2 * in->last_usec, PACE_MIN_USEC), sudden_usec);
        } else
                next_usec = MAX(2 * in->last_usec, PACE_MIN_USEC);
        next_usec = MIN(next_usec, PACE_MAX_USEC);
        return in->acting ? MIN(next_usec, PACE_ACTING_USEC) : next_usec;
}
