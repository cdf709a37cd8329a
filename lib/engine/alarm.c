/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Raised and ended: contract in alarm.h. */

#include "alarm.h"

#include "macros.h"

/* It stalls when for as long as it was seen to fill nothing comes any more: between these, so that a flood of seconds may
 * take a breath, and that one of weeks ends some day. */
#define STALL_MIN_SEC 600.0
#define STALL_MAX_SEC (36 * 3600.0)
/* So much of what it took has to come on top to count as a move. */
#define MOVE_PART 0.03
/* So much of what it took has to be given back to count as a reclaim ... */
#define RECLAIM_PART 0.6
/* ... and more than the next tooth of a saw gives back, which rises all the same. */
#define TOOTH_MARGIN 1.1
#define TOOTH_PART 0.2

static void raise_alarm(Alarm *a, const Filling *filling, double used, uint64_t now_usec) {
        *a = (Alarm){
                .raised = true,
                .filling = *filling,
                .highest = used,
                .moved_used = used,
                .moved_usec = now_usec,
        };
}

void alarm_update(Alarm *a, const Filling *filling, double used, double avail, uint64_t now_usec) {
        bool is_one = filling->shape != FILLING_NONE && !filling->survived;

        if (!a->raised) {
                if (is_one)
                        raise_alarm(a, filling, used, now_usec);
                return;
        }
        if (is_one && filling->since_sec >= a->filling.since_sec)
                a->filling = *filling;
        a->highest = MAX(a->highest, used);
        /* Full, it cannot move any more. */
        if (a->highest >= a->moved_used + MOVE_PART * a->filling.taken || avail <= 0) {
                a->moved_used = a->highest;
                a->moved_usec = now_usec;
        }

        double still_sec = (double) (now_usec - a->moved_usec) / (double) USEC_PER_SEC;
        bool stalled = still_sec > CLAMP(a->filling.since_sec, STALL_MIN_SEC, STALL_MAX_SEC);
        double reclaim = MAX(RECLAIM_PART * a->filling.taken, TOOTH_MARGIN * a->filling.teeth + TOOTH_PART * a->filling.taken);
        if (stalled || used < a->highest - reclaim)
                a->raised = false;
}
