/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumption without our own part in it: contract in demand.h. */

#include "demand.h"

/* btrfs commits every 30 s by default; twice that. */
#define LATE_CREDIT_USEC USEC_PER_MINUTE
/* Elsewhere a gain shows at once; what remains covers samples that were taken before and arrive after. */
#define CREDIT_USEC (2 * USEC_PER_SEC)
/* Making a ballast of a gibibyte with fallocate is a matter of milliseconds, on a busy disk of seconds. */
#define DEBIT_USEC (10 * USEC_PER_SEC)

/* A gain that is a 64th of the partition is a clean-up: trends of before say nothing any more. Smaller ones
 * (a rotation, a temporary file) are part of the trend. */
static double reclaim_bytes(const PartitionSample *sample) {
        return (double) MAX(sample->total_bytes / 64, MIB(4));
}

static double explain_gain(Demand *d, double delta, double expected, bool acting, uint64_t time_usec) {
        double missing = expected - delta;

        if (d->credit_bytes > 0 && time_usec > d->credit_until_usec)
                d->credit_bytes = 0;
        if (missing <= 0)
                return delta;
        if (d->credit_bytes > 0) {
                double used = MIN(missing, d->credit_bytes);
                d->credit_bytes -= used;
                delta += used;
                missing -= used;
        }
        if (acting && delta < 0) {
                d->early_bytes += missing;
                delta += missing;
        }
        return delta;
}

static double take_own(Demand *d, double delta, uint64_t time_usec) {
        if (d->own_bytes <= 0)
                return delta;
        if (time_usec > d->own_until_usec) {
                d->own_bytes = 0;
                return delta;
        }
        double own = MAX(delta, 0.0);
        own = MIN(own, d->own_bytes);
        d->own_bytes -= own;
        return delta - own;
}

DemandStep demand_step(Demand *d, const PartitionSample *sample, uint64_t time_usec, double expected_bps,
                bool acting) {
        uint64_t used = sample->total_bytes > sample->free_bytes ? sample->total_bytes - sample->free_bytes
                                                                 : 0;
        DemandStep step = {};

        if (d->started && time_usec < d->time_usec)
                return step;
        if (d->started) {
                double elapsed_sec = (double) (time_usec - d->time_usec) / (double) USEC_PER_SEC;
                double delta = (double) used - (double) d->used_bytes;

                delta = take_own(d, delta, time_usec);
                delta = explain_gain(d, delta, MAX(expected_bps, 0.0) * elapsed_sec, acting, time_usec);
                step.valid = true;
                step.reclaimed = -delta >= reclaim_bytes(sample);
                step.moved_bytes = delta;
                step.consumed_bytes = step.reclaimed ? 0 : delta;
        }
        d->started = true;
        d->used_bytes = used;
        d->time_usec = time_usec;
        return step;
}

void demand_credit(Demand *d, uint64_t freed_bytes, uint64_t time_usec, bool late) {
        double pending = (double) freed_bytes - d->early_bytes;

        d->early_bytes = 0;
        if (pending <= 0)
                return;
        d->credit_bytes += pending;
        d->credit_until_usec = time_usec + (late ? LATE_CREDIT_USEC : CREDIT_USEC);
}

void demand_debit(Demand *d, uint64_t taken_bytes, uint64_t time_usec) {
        d->own_bytes += (double) taken_bytes;
        d->own_until_usec = time_usec + DEBIT_USEC;
}
