/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A clock that only goes forward: contract in replay_clock.h. */

#include "replay_clock.h"

/* The engine takes 0 for "never". */
#define BEGIN_USEC USEC_PER_HOUR

uint64_t replay_clock_at(ReplayClock *c, double seconds) {
        if (!c->started)
                *c = (ReplayClock){.started = true, .first_sec = seconds, .last_sec = seconds};

        double step_sec = seconds - c->last_sec;
        if (step_sec < 0)
                c->ahead_sec += c->usual_sec - step_sec;
        else if (step_sec > 0)
                /* One gap or one burst does not change what is usual much. */
                c->usual_sec = c->usual_sec == 0 ? step_sec : c->usual_sec + (MIN(step_sec, 2 * c->usual_sec) - c->usual_sec) / 8;
        c->last_sec = seconds;
        return BEGIN_USEC + (uint64_t) ((seconds - c->first_sec + c->ahead_sec) * (double) USEC_PER_SEC);
}
