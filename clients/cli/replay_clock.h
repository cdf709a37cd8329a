/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A recording's clock, which somebody may have set, as one that only goes forward. */

#include "macros.h"

typedef struct ReplayClock {
        bool started;
        double last_sec, usual_sec; /* of the recording: its last time; what usually lies between two */
        double ahead_sec;           /* what was added because the clock was set back */
        double first_sec;
} ReplayClock;

/* The engine's time of that moment. A step back counts as the usual time between two samples. */
uint64_t replay_clock_at(ReplayClock *c, double seconds);
