/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one place where clocks are read. Monotonic time for everything; wall time only for people. */

#include <stdint.h>
#include <time.h>

#include "macros.h"

static inline uint64_t clock_usec(clockid_t clock) {
        struct timespec ts = {};

        (void) clock_gettime(clock, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}
static inline uint64_t clock_monotonic_usec(void) { return clock_usec(CLOCK_MONOTONIC); }
static inline uint64_t clock_wall_usec(void) { return clock_usec(CLOCK_REALTIME); }
