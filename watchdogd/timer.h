/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Timers of the supervisor's loop: made once, set again and again. */

#include <systemd/sd-event.h>

#include "macros.h"

/* Off until it is set. accuracy_usec: so much later it may fire, together with others. What sd-event says. */
static inline int timer_add(sd_event *event, sd_event_source **ret_timer, uint64_t accuracy_usec,
                            sd_event_time_handler_t handler, void *userdata) {
        int r = sd_event_add_time(event, ret_timer, CLOCK_MONOTONIC, 0, accuracy_usec, handler, userdata);

        return r < 0 ? r : sd_event_source_set_enabled(*ret_timer, SD_EVENT_OFF);
}

/* Once, then (monotonic); USEC_INFINITY: not at all. */
static inline void timer_set(sd_event_source *timer, uint64_t at_usec) {
        if (at_usec != USEC_INFINITY)
                (void) sd_event_source_set_time(timer, at_usec);
        (void) sd_event_source_set_enabled(timer, at_usec == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}
