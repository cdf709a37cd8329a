/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pace: no writer crosses a threshold unseen, and quiet costs nothing. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "pace.h"

static void the_next_look_is_the_distance_by_the_worst_rate_within_bounds(void **state) {
        static const struct {
                PaceInput in;
                uint64_t next_usec;
        } cases[] = {
                /* distance, moved, fastest, last, early, acting */
                {{MIB(64), MIB(32), 0, USEC_PER_SEC, false, false}, 62500},
                {{MIB(64), MIB(32), (double) MIB(640), USEC_PER_SEC, false, false}, 50 * USEC_PER_MSEC},
                {{MIB(1), MIB(32), (double) MIB(2048), USEC_PER_SEC, false, false}, PACE_MIN_USEC},
                {{0, MIB(32), 0, USEC_PER_SEC, false, false}, PACE_MIN_USEC},
                {{GIB(100), GIB(1), 1e6, USEC_PER_SEC, false, false}, PACE_MAX_USEC},
                /* nothing moves: doubling */
                {{MIB(64), 0, 0, 0, false, false}, PACE_MIN_USEC},
                {{MIB(64), 0, 0, PACE_MIN_USEC, false, false}, 2 * PACE_MIN_USEC},
                {{MIB(64), 0, 1e9, 4 * USEC_PER_SEC, false, false}, PACE_MAX_USEC},
                /* whoever trickles may begin to flood */
                {{MIB(64), KIB(4), 1e9, PACE_MAX_USEC, false, false}, 31250},
                /* woken by a first line: it may be the first of a flood */
                {{MIB(512), KIB(4), 0, PACE_MAX_USEC, true, false}, 250 * USEC_PER_MSEC},
                {{GIB(500), KIB(4), 0, PACE_MAX_USEC, true, false}, PACE_MAX_USEC},
                /* while acting */
                {{GIB(500), 0, 0, PACE_MAX_USEC, false, true}, PACE_ACTING_USEC},
                {{0, MIB(1), 0, PACE_MAX_USEC, false, true}, PACE_MIN_USEC},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (pace_next_usec(&cases[i].in) != cases[i].next_usec)
                        fail_msg("case %zu: %llu us", i, (unsigned long long) pace_next_usec(&cases[i].in));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_next_look_is_the_distance_by_the_worst_rate_within_bounds),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
