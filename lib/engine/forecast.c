/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Time to full from decaying rates at several scales: contract in forecast.h.
 *
 * A scale's rate counts only while it is *still moving, not merely moved*: after a step (one burst, then
 * quiet) a slow scale shows a rate for long, but the faster one beside it does not agree any more. */

#include "forecast.h"

/* A steady writer keeps neighbouring scales equal but for noise; a step lets the faster one fall away. */
#define AGREES 0.7
/* For how long a scale still counts after the faster one last agreed, as a part of the scale: a writer that
 * comes in bursts is seen by the scale that is four times longer than its pauses. */
#define PATIENCE 0.25
/* Slower than that against the fastest, a scale is diluted by the calm before the onset: no part of the
 * range. */
#define DILUTED 0.25
/* Two samples are a difference, not yet a rate. */
#define SAMPLES_MIN 3
#define AGE_MIN_USEC (50 * USEC_PER_MSEC)
/* These scales keep what they know over a reclaim: the writer is still there. */
#define SCALES_KEPT 2

void forecast_init(Forecast *f) {
        *f = (Forecast){};
}

static double read_scale(const Forecast *f, unsigned i) {
        return rate_read(&f->rate, i, f->since_usec[i], f->last_usec);
}

static double age_sec(const Forecast *f, unsigned i) {
        return (double) (f->last_usec - f->since_usec[i]) / (double) USEC_PER_SEC;
}

static void start(Forecast *f, uint64_t time_usec) {
        rate_init(&f->rate, time_usec);
        for (unsigned i = 0; i < RATE_SCALES; i++)
                f->since_usec[i] = f->moved_usec[i] = time_usec;
        f->started = true;
        f->last_usec = time_usec;
        f->n_samples = 1;
}

void forecast_push(Forecast *f, uint64_t time_usec, double amount) {
        if (!f->started) {
                start(f, time_usec);
                return;
        }
        rate_push(&f->rate, time_usec, amount);
        f->consumed += amount;
        if (time_usec > f->last_usec)
                f->last_usec = time_usec;
        if (f->n_samples < UINT32_MAX)
                f->n_samples++;

        double faster_ps = read_scale(f, 0);
        if (faster_ps > 0)
                f->moved_usec[0] = f->last_usec;
        for (unsigned i = 1; i < RATE_SCALES; i++) {
                double ps = read_scale(f, i);
                if (ps > 0 && faster_ps >= AGREES * ps)
                        f->moved_usec[i] = f->last_usec;
                faster_ps = ps;
        }
}

void forecast_reclaim(Forecast *f, uint64_t time_usec) {
        if (!f->started) {
                start(f, time_usec);
                return;
        }
        for (unsigned i = SCALES_KEPT; i < RATE_SCALES; i++) {
                rate_reset_scale(&f->rate, i);
                f->since_usec[i] = f->moved_usec[i] = time_usec;
        }
        /* The time of the reclaim itself tells nothing about the writers: it is skipped, not counted as
         * calm. */
        f->rate.last_usec = MAX(f->rate.last_usec, time_usec);
        f->last_usec = MAX(f->last_usec, time_usec);
}

static bool counts(const Forecast *f, unsigned i) {
        if (i == 0)
                return true;
        /* Younger than that, it says the same as the faster one, only staler. */
        if (age_sec(f, i) < 2 * rate_scale_sec[i - 1])
                return false;
        double quiet_sec = (double) (f->last_usec - f->moved_usec[i]) / (double) USEC_PER_SEC;
        return quiet_sec <= PATIENCE * MIN(rate_scale_sec[i], age_sec(f, i));
}

static uint64_t time_to_fill_usec(uint64_t left, double ps) {
        double usec = (double) left / ps * (double) USEC_PER_SEC;

        return usec < 1e18 ? (uint64_t) usec : USEC_INFINITY;
}

ForecastView forecast_look(const Forecast *f, uint64_t left) {
        ForecastView view = {
                .scale = 1,
                .consumed = f->consumed,
                .full = {.low_usec = USEC_INFINITY, .high_usec = USEC_INFINITY},
        };
        double ps[RATE_SCALES] = {};

        if (!f->started || f->n_samples < SAMPLES_MIN || f->last_usec - f->since_usec[0] < AGE_MIN_USEC)
                return view;
        view.known = view.full.known = true;
        view.trend_ps = read_scale(f, 1);
        for (unsigned i = 0; i < RATE_SCALES; i++) {
                if (!counts(f, i))
                        continue;
                ps[i] = read_scale(f, i);
                if (ps[i] > view.worst_ps) {
                        view.worst_ps = ps[i];
                        view.scale = i;
                }
        }
        if (view.worst_ps <= 0)
                return view;

        double least_ps = view.worst_ps;
        for (unsigned i = 0; i < RATE_SCALES; i++)
                if (ps[i] >= DILUTED * view.worst_ps)
                        least_ps = MIN(least_ps, ps[i]);
        view.trend_ps = view.worst_ps;
        view.full.low_usec = time_to_fill_usec(left, view.worst_ps);
        view.full.high_usec = time_to_fill_usec(left, least_ps);
        return view;
}

double forecast_instant_ps(const Forecast *f) {
        return f->started ? MAX(read_scale(f, 0), 0.0) : 0;
}
