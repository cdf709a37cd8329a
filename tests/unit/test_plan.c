/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The arithmetic of the plan: when, how far, and what a log can give. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "plan.h"

static Config config;

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        return 0;
}

static void acting_begins_at_critical_or_a_lead_ahead_and_ends_above_warning(void **state) {
        (void) state;
        PlanLimits l = plan_limits(&config, GIB(10), 0, USEC_PER_SEC);
        assert_true(l.act_below_bytes == GIB(1));
        assert_true(l.target_bytes > GIB(10) / 100 * 15 && l.target_bytes < GIB(10) / 100 * 17);
        l = plan_limits(&config, GIB(10), (double) GIB(2), USEC_PER_SEC);
        assert_true(l.act_below_bytes == GIB(2));
        assert_true(l.target_bytes == GIB(2) + MIB(512));
        l = plan_limits(&config, GIB(10), (double) GIB(1000), 5 * USEC_PER_SEC);
        assert_true(l.act_below_bytes == GIB(5));
        assert_true(l.target_bytes == GIB(5) + MIB(1280));
}

static void limits_are_in_order_for_every_size_and_rate(void **state) {
        (void) state;
        for (uint64_t total = MIB(16); total < (uint64_t) 1 << 60; total *= 3)
                for (double bps = 0; bps < 1e18; bps = bps * 10 + 1) {
                        PlanLimits l = plan_limits(&config, total, bps, PLAN_LEAD_MAX_USEC);
                        assert_true(l.act_below_bytes <= total / 2);
                        assert_true(l.target_bytes <= total / 4 * 3);
                        assert_true(l.target_bytes > l.act_below_bytes);
                        assert_true(l.rescue_below_bytes <= l.emergency_bytes);
                        assert_true(l.rescue_bytes < l.target_bytes);
                }
}

static void the_lead_follows_the_duration_within_bounds(void **state) {
        (void) state;
        assert_true(plan_lead_usec(0) == PLAN_LEAD_MIN_USEC);
        assert_true(plan_lead_usec(100 * USEC_PER_MSEC) == 650 * USEC_PER_MSEC);
        assert_true(plan_lead_usec(USEC_PER_HOUR) == PLAN_LEAD_MAX_USEC);
        assert_true(plan_lead_usec(UINT64_MAX) == PLAN_LEAD_MAX_USEC);
}

static void a_log_gives_down_to_what_it_must_keep_and_no_further(void **state) {
        static const struct {
                uint64_t live_bytes, segments_bytes, keep_bytes, from_segments, from_live;
        } cases[] = {
                {MIB(100), 0, MIB(16), 0, MIB(84)},
                {MIB(16), 0, MIB(16), 0, 0},
                {MIB(17) - 1, 0, MIB(16), 0, 0},
                {MIB(100) + KIB(300), 0, MIB(16), 0, MIB(84)},
                {MIB(3), MIB(40), MIB(16), MIB(27), 0},
                {MIB(20), MIB(40), MIB(16), MIB(40), MIB(4)},
                {MIB(3), MIB(4), MIB(16), 0, 0},
                {0, 0, 0, 0, 0},
                {MIB(5), 0, CONFIG_KEEP_UNSET, 0, 0},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                LogSample s = {.allocated_bytes = cases[i].live_bytes,
                                .segments_bytes = cases[i].segments_bytes};
                PlanYield y = plan_yield(&s, cases[i].keep_bytes);
                assert_true(y.segments_bytes == cases[i].from_segments);
                assert_true(y.live_bytes == cases[i].from_live);
        }
}

static void what_is_wanted_is_the_need_in_whole_steps_as_far_as_it_is_there(void **state) {
        (void) state;
        assert_true(plan_want_bytes(MIB(5) + 1, MIB(100)) == MIB(6));
        assert_true(plan_want_bytes(MIB(5), MIB(100)) == MIB(5));
        assert_true(plan_want_bytes(MIB(500), MIB(100)) == MIB(100));
}

static void the_less_is_left_the_less_an_act_waits_for(void **state) {
        (void) state;
        assert_true(plan_worth_bytes(GIB(100), 1) == MIB(64));
        assert_true(plan_worth_bytes(MIB(80), 1) == MIB(10));
        assert_true(plan_worth_bytes(MIB(80), 5) == MIB(2));
        assert_true(plan_worth_bytes(MIB(80), 0) == MIB(10));
        assert_true(plan_worth_bytes(0, 1) == MIB(1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(acting_begins_at_critical_or_a_lead_ahead_and_ends_above_warning),
                cmocka_unit_test(limits_are_in_order_for_every_size_and_rate),
                cmocka_unit_test(the_lead_follows_the_duration_within_bounds),
                cmocka_unit_test(a_log_gives_down_to_what_it_must_keep_and_no_further),
                cmocka_unit_test(what_is_wanted_is_the_need_in_whole_steps_as_far_as_it_is_there),
                cmocka_unit_test(the_less_is_left_the_less_an_act_waits_for),
        };
        return cmocka_run_group_tests(tests, set_up, NULL);
}
