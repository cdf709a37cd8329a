/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When will it be full? For bytes and for inodes alike. What is behind this header may be replaced by
 * something cleverer without anybody noticing: it is fed with what was consumed, and asked for a range. */

#include "event.h"
#include "rate.h"

typedef struct Forecast {
        bool started;
        uint32_t n_samples;
        uint64_t last_usec;
        Rate rate;
        double consumed;
        uint64_t since_usec[RATE_SCALES]; /* since when each scale has been watched without a break */
        uint64_t moved_usec[RATE_SCALES]; /* when a faster scale last agreed with it */
} Forecast;

typedef struct ForecastView {
        bool known;
        double worst_ps;  /* the fastest rate that is plausible, a second; 0: not filling */
        double trend_ps;  /* what to tell people: signed */
        unsigned scale;   /* of rate.h, that worst_ps is from: over which time to look for the cause */
        double consumed;  /* in all: only differences mean something */
        TimeToFull full;
} ForecastView;

void forecast_init(Forecast *f);
/* amount: what was consumed since the last call; negative: given back. */
void forecast_push(Forecast *f, uint64_t time_usec, double amount);
/* Somebody freed a lot: begins afresh, without forgetting a writer that is still there. */
void forecast_reclaim(Forecast *f, uint64_t time_usec);
/* As of the last sample. left: bytes or inodes that are available. */
ForecastView forecast_look(const Forecast *f, uint64_t left);
/* How fast it was consumed in the last instant; never negative. */
double forecast_instant_ps(const Forecast *f);
