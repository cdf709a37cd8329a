/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Floods and leaks in the simulated world: told in order, braked in time, at the cost of who caused them. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "sim.h"

static SimLog *flood(SimLog *l, double from_sec, double bps) {
        l->phases[l->n_phases++] = (SimPhase){from_sec, INFINITY, bps};
        l->line_bytes = 7000;
        return l;
}

static void assert_told_in_order_before_acting(const Sim *s) {
        const SimEntry *warning = sim_find_raise(s, LEVEL_WARNING),
                       *critical = sim_find_raise(s, LEVEL_CRITICAL);
        const SimEntry *act = sim_find_act(s);

        assert_non_null(warning);
        assert_non_null(critical);
        assert_non_null(act);
        assert_true(warning < critical && critical < act);
        assert_true(warning->used_share < 0.9);
        assert_string_equal(warning->container, s->logs[0].name);
}

static void assert_untouched_but(const Sim *s, size_t n_touched) {
        for (size_t i = n_touched; i < s->n_logs; i++)
                if (s->logs[i].n_acts > 0)
                        fail_msg("%s was touched", s->logs[i].name);
}

static void a_flood_is_braked_with_no_write_denied_and_told_in_order(void **state) {
        static const struct {
                double total_bytes, bps, act_sec;
                unsigned docker_major;
        } cases[] = {
                {1 << 30, 30e6, 0.05, 26}, {1 << 30, 350e6, 0.05, 26}, {1 << 30, 1e9, 0.05, 26},
                {1 << 30, 30e6, 0.05, 20}, {1 << 30, 350e6, 0.1, 20},  {20e9, 1e9, 0.5, 26},
                {20e9, 2e9, 0.2, 26},      {20e9, 30e6, 4, 26},        {4e12, 2e9, 1, 26},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(sim_freep) Sim *s = sim_new(cases[i].total_bytes, 0.4, 1);
                s->docker_major = cases[i].docker_major;
                s->act_sec = cases[i].act_sec;
                flood(sim_add_log(s, "flood", 0, 0), 60, cases[i].bps);
                sim_add_log(s, "quiet", 30e6, 1000);
                sim_add_log(s, "protected", 40e6, 1000)->is_protected = true;
                sim_run(s, 60 + 120 + 0.7 * cases[i].total_bytes / cases[i].bps);
                if (s->denied_bytes > 0 || sim_count(s, EVENT_NOTHING_LEFT) > 0)
                        sim_print(s);
                assert_true(s->denied_bytes == 0);
                assert_true(s->least_avail_bytes > MIN(0.03 * cases[i].total_bytes, 10e9));
                assert_told_in_order_before_acting(s);
                assert_untouched_but(s, 1);
                assert_int_equal(s->logs[0].n_truncated, 0);
                assert_int_equal(sim_count(s, EVENT_NOTHING_LEFT), 0);
        }
}

static void a_braked_flood_is_not_cut_oftener_than_it_needs(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 260);
        /* 67 MiB from act to target at 30 MB/s: once in 2.3 s. */
        assert_in_range(s->n_acts, 60, 90);
}

static void eight_flooders_share_the_burden(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(4e9, 0.4, 1);
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(names); i++)
                flood(sim_add_log(s, names[i], 20e6, 0), 60 + (double) i, 30e6);
        sim_add_log(s, "quiet", 300e6, 500);
        sim_run(s, 300);
        assert_true(s->denied_bytes == 0);
        for (size_t i = 0; i < ELEMENTS(names); i++)
                assert_true(s->logs[i].n_acts > 0);
        assert_untouched_but(s, ELEMENTS(names));
        assert_true(s->n_acts < 500);
}

static void more_flooders_than_can_be_ranked_are_braked_too(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(8e9, 0.4, 1);

        (void) state;
        for (size_t i = 0; i < 50; i++)
                flood(sim_add_log(s, "many", 1e6, 0), 60, 4e6);
        sim_add_log(s, "quiet", 300e6, 500);
        sim_run(s, 200);
        assert_true(s->denied_bytes == 0);
        assert_untouched_but(s, 50);
}

static void a_slower_writer_that_holds_gigabytes_gives_before_the_line_breaks(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(15e9, 0.6, 1);

        (void) state;
        s->act_sec = 0.15;
        for (int i = 0; i < 6; i++)
                flood(sim_add_log(s, "fast", 1e6, 0), 30, 70e6);
        flood(sim_add_log(s, "slow", 1e6, 0), 30, 27e6);
        flood(sim_add_log(s, "slower", 1e6, 0), 30, 9e6);
        sim_run(s, 300);
        assert_true(s->denied_bytes == 0);
        assert_true(s->logs[6].n_acts > 0);
}

static void a_rotating_flood_gives_its_segments_first(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);
        SimLog *l = flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);

        (void) state;
        l->max_size_bytes = 200e6;
        l->max_file = 4;
        sim_run(s, 200);
        assert_true(s->denied_bytes == 0);
        for (size_t i = 0; i < s->n_journal; i++)
                if (s->journal[i].is_act && s->journal[i].method != METHOD_BALLAST_MAKE)
                        assert_int_equal(s->journal[i].method, METHOD_DELETE);
}

static void a_leak_over_a_day_is_a_notice_within_the_hour_and_never_fills(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(20e9, 0.5, 1);

        (void) state;
        s->wake_sec = 1;
        flood(sim_add_log(s, "leak", 100e6, 0), 100, 10e9 / 86400)->line_bytes = 500;
        sim_add_log(s, "quiet", 100e6, 50);
        sim_run(s, 2 * 86400);
        assert_non_null(sim_find_raise(s, LEVEL_NOTICE));
        assert_true(sim_find_raise(s, LEVEL_NOTICE)->at_sec < 3700);
        assert_true(sim_find_raise(s, LEVEL_WARNING)->at_sec < 60000);
        assert_told_in_order_before_acting(s);
        assert_true(s->denied_bytes == 0);
        assert_untouched_but(s, 1);
        assert_true(s->n_acts < 20);
}

static void a_flood_on_a_host_at_97_percent_takes_nothing_from_the_neighbours(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(20e9, 0.97, 1);

        (void) state;
        flood(sim_add_log(s, "flood", 50e6, 0), 60, 30e6);
        sim_add_log(s, "quiet", 500e6, 50);
        sim_run(s, 200);
        assert_true(s->denied_bytes == 0);
        assert_true(s->logs[0].n_acts > 0);
        assert_untouched_but(s, 1);
        assert_true(s->n_acts < 100);
}

static void when_a_protected_log_floods_the_others_help_at_emergency_only(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        flood(sim_add_log(s, "protected", 0, 0), 60, 5e6)->is_protected = true;
        sim_add_log(s, "large", 150e6, 100);
        sim_add_log(s, "small", 30e6, 100);
        sim_run(s, 250);
        assert_int_equal(s->logs[0].n_acts, 0);
        assert_true(s->logs[1].n_acts > 0);
        const SimEntry *act = sim_find_act(s);
        assert_string_equal(act->container, "large");
        assert_true(act->used_share > 0.95);
        assert_true(s->ballast_bytes == 0);
        assert_true(sim_count(s, EVENT_NOTHING_LEFT) > 0);
        assert_int_equal(s->logs[1].n_truncated + s->logs[2].n_truncated, 0);
}

static void a_flood_in_bursts_is_braked_and_the_alert_ends_after_it(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);
        SimLog *l = sim_add_log(s, "bursts", 0, 0);

        (void) state;
        l->phases[l->n_phases++] = (SimPhase){60, 160, 15e6};
        l->burst_sec = 2;
        sim_run(s, 800);
        assert_true(s->denied_bytes == 0);
        assert_told_in_order_before_acting(s);
        assert_true(sim_count(s, EVENT_LEVEL_CLEARED) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_flood_is_braked_with_no_write_denied_and_told_in_order),
                cmocka_unit_test(a_braked_flood_is_not_cut_oftener_than_it_needs),
                cmocka_unit_test(eight_flooders_share_the_burden),
                cmocka_unit_test(more_flooders_than_can_be_ranked_are_braked_too),
                cmocka_unit_test(a_slower_writer_that_holds_gigabytes_gives_before_the_line_breaks),
                cmocka_unit_test(a_rotating_flood_gives_its_segments_first),
                cmocka_unit_test(a_leak_over_a_day_is_a_notice_within_the_hour_and_never_fills),
                cmocka_unit_test(a_flood_on_a_host_at_97_percent_takes_nothing_from_the_neighbours),
                cmocka_unit_test(when_a_protected_log_floods_the_others_help_at_emergency_only),
                cmocka_unit_test(a_flood_in_bursts_is_braked_and_the_alert_ends_after_it),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
