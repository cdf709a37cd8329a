/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How fast something grows, at several scales at once: decaying means over amounts that arrive at irregular
 * times. Constant memory, constant time. An amount may be negative (something shrank). */

#include <stdint.h>

#include "macros.h"

/* A flood is seen at the first scale, a leak of days at the last; neighbours are a factor of 12 to 17 apart,
 * so that whatever lasts is well inside one of them. */
#define RATE_SCALES 5
extern const double rate_scale_sec[RATE_SCALES];

typedef struct Rate {
        double mean_ps[RATE_SCALES]; /* as if all had been quiet before the first amount */
        uint64_t last_usec;
} Rate;

void rate_init(Rate *rate, uint64_t now_usec);
void rate_push(Rate *rate, uint64_t time_usec, double amount);

/* A second, at now, when nothing came since the last amount. since: when watching began; what is younger
 * than the scale is not diluted by a past that nobody saw. */
double rate_read(const Rate *rate, unsigned scale, uint64_t since_usec, uint64_t now_usec);

/* Forgets what one scale knows. */
void rate_reset_scale(Rate *rate, unsigned scale);
