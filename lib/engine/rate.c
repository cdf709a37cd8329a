/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Decaying means: contract in rate.h. */

#include "rate.h"

#include <math.h>

const double rate_scale_sec[RATE_SCALES] = {0.3, 5, 60, 15 * 60, 4 * 3600};

static double seconds_between(uint64_t from_usec, uint64_t to_usec) {
        return to_usec > from_usec ? (double) (to_usec - from_usec) / (double) USEC_PER_SEC : 0;
}

void rate_init(Rate *rate, uint64_t now_usec) {
        *rate = (Rate){.last_usec = now_usec};
}

void rate_push(Rate *rate, uint64_t time_usec, double amount) {
        double elapsed_sec = seconds_between(rate->last_usec, time_usec);

        for (unsigned i = 0; i < RATE_SCALES; i++) {
                double x = elapsed_sec / rate_scale_sec[i];
                double gained = -expm1(-x); /* the weight of this amount, 0 .. 1 */

                /* Where the time is too short to divide by, the limit: an amount that came all at once. */
                double weight_ps = x > 1e-9 ? gained / elapsed_sec : 1 / rate_scale_sec[i];
                rate->mean_ps[i] = rate->mean_ps[i] * (1 - gained) + amount * weight_ps;
        }
        if (time_usec > rate->last_usec)
                rate->last_usec = time_usec;
}

double rate_read(const Rate *rate, unsigned scale, uint64_t since_usec, uint64_t now_usec) {
        double scale_sec = rate_scale_sec[scale];
        double seen = -expm1(-seconds_between(since_usec, now_usec) / scale_sec);

        if (seen <= 0)
                return 0;
        return rate->mean_ps[scale] * exp(-seconds_between(rate->last_usec, now_usec) / scale_sec) / seen;
}

void rate_reset_scale(Rate *rate, unsigned scale) {
        rate->mean_ps[scale] = 0;
}
