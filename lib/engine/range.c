/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Honest ranges: contract in range.h. */

#include "range.h"

#include "macros.h"

/* Rates alone know less than a shape does: so much wider than their own range it has to be. */
#define RATES_LOW 0.6
#define RATES_HIGH 3.5

static uint64_t to_usec(double usec) {
        return usec < 1e18 ? (uint64_t) usec : USEC_INFINITY;
}

TimeToFull range_to_tell(const ForecastView *view, const Filling *filling) {
        if (filling->shape != FILLING_NONE && !filling->survived)
                return (TimeToFull){
                        .known = true,
                        .low_usec = to_usec(filling->low_sec * (double) USEC_PER_SEC),
                        .high_usec = to_usec(filling->high_sec * (double) USEC_PER_SEC),
                };
        TimeToFull full = view->full;
        if (full.known && full.low_usec != USEC_INFINITY) {
                full.low_usec = to_usec((double) full.low_usec * RATES_LOW);
                full.high_usec = to_usec((double) full.high_usec * RATES_HIGH);
        }
        return full;
}
