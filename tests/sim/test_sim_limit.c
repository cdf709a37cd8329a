/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MaxLogSize=, closed over the engine: logs are kept at their size, nobody is alarmed by it, and the ladder is as it was. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim.h"

#define LIMIT 200e6

static double size_of(const SimLog *l) {
        double bytes = l->live_bytes;

        for (size_t i = 0; i < SIM_SEGMENTS_MAX; i++)
                bytes += l->segments[i];
        return bytes;
}

static Sim *calm_world(double bps) {
        Sim *s = sim_new(100e9, 0.5, 1);
        SimLog *l = sim_add_log(s, "limited", 1e6, 0);

        l->phases[l->n_phases++] = (SimPhase){10, 1e9, bps};
        s->config.max_log_bytes = (uint64_t) LIMIT;
        s->wake_sec = 0.5;
        return s;
}

static void a_log_is_kept_at_its_size_and_nobody_is_alarmed(void **state) {
        static const double rates[] = {10e3, 1e6, 10e6};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rates); i++) {
                _cleanup_(sim_freep) Sim *s = calm_world(rates[i]);
                double most = 0;

                for (int t = 0; t < 3600; t++) {
                        sim_run(s, 10 + t);
                        most = MAX(most, size_of(&s->logs[0]));
                }
                print_message("%.2f MB/s: %.0f MB at most, %u acts, %zu told\n", rates[i] / 1e6, most / 1e6, s->logs[0].n_acts,
                              sim_count(s, EVENT_ACT_DONE));
                /* What is written until the next look and while it is cut. */
                assert_true(most < LIMIT + 6 * rates[i] + 1e6);
                assert_null(sim_find_raise(s, LEVEL_WARNING));
                assert_true(s->logs[0].n_acts <= rates[i] * 3600 / (LIMIT / 4 - 2e6) + 2);
                assert_true(sim_count(s, EVENT_ACT_DONE) <= 7);
        }
}

/* What is filler is no part of the size that is kept to. */
static void a_log_that_is_filled_is_cut_no_more_often(void **state) {
        unsigned n_acts[2];

        (void) state;
        for (int reflink = 0; reflink < 2; reflink++) {
                _cleanup_(sim_freep) Sim *s = calm_world(10e6);
                double most = 0;

                s->can_reflink = reflink;
                for (int t = 0; t < 600; t++) {
                        sim_run(s, 10 + t);
                        most = MAX(most, size_of(&s->logs[0]));
                }
                assert_true(most < LIMIT + 61e6);
                assert_true(!reflink || s->logs[0].filler_bytes > 5 * LIMIT);
                n_acts[reflink] = s->logs[0].n_acts;
        }
        assert_in_range(n_acts[1], 1, n_acts[0] + 1);
}

static void it_is_archived_where_the_policy_says_so(void **state) {
        _cleanup_(sim_freep) Sim *s = calm_world(5e6);

        (void) state;
        s->archive_bps = 100e6;
        sim_run(s, 1000);
        assert_true(s->n_archived > 10);
        assert_true(s->logs[0].lost_bytes == 0);
        assert_true(size_of(&s->logs[0]) < LIMIT + 50e6);
}

static void rotated_segments_go_first_and_never_too_many(void **state) {
        _cleanup_(sim_freep) Sim *s = calm_world(5e6);

        (void) state;
        s->logs[0].max_size_bytes = 60e6;
        s->logs[0].max_file = 5;
        for (int t = 0; t < 600; t++) {
                sim_run(s, 10 + t);
                if (t > 100)
                        assert_in_range((uint64_t) size_of(&s->logs[0]), (uint64_t) (LIMIT * 0.6), (uint64_t) (LIMIT + 80e6));
        }
        assert_int_equal(sim_count(s, EVENT_ACT_FAILED), 0);
}

static void a_cut_that_yields_nothing_is_not_tried_at_each_look(void **state) {
        _cleanup_(sim_freep) Sim *s = calm_world(0);

        (void) state;
        s->logs[0].live_bytes = 500e6;
        s->punch_frees_nothing = true;
        sim_run(s, 3600);
        assert_in_range(s->logs[0].n_acts, 1, 3);
        /* And nothing of that counts for the ladder. */
        assert_int_equal(s->logs[0].n_truncated, 0);
}

/* A flood beside it is braked as ever, and the limited one is not cut for that first. */
static void under_pressure_the_ladder_counts(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(4e9, 0.6, 1);
        SimLog *limited = sim_add_log(s, "limited", 1e6, 200e3), *flood;

        (void) state;
        s->config.max_log_bytes = (uint64_t) LIMIT;
        flood = sim_add_log(s, "flood", 0, 0);
        flood->phases[flood->n_phases++] = (SimPhase){60, 1e9, 30e6};
        for (int t = 0; t < 600; t++) {
                sim_run(s, 10 + t);
                assert_true(s->denied_bytes == 0);
        }
        assert_true(size_of(limited) < LIMIT);
        assert_true(size_of(flood) < LIMIT + 100e6);
        assert_int_equal(limited->n_acts, 0);
}

static void what_has_no_limit_or_is_protected_is_left_alone(void **state) {
        _cleanup_(sim_freep) Sim *s = calm_world(1e6);

        (void) state;
        s->logs[0].is_protected = true;
        sim_run(s, 1000);
        assert_int_equal(s->logs[0].n_acts, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_log_is_kept_at_its_size_and_nobody_is_alarmed),
                cmocka_unit_test(a_log_that_is_filled_is_cut_no_more_often),
                cmocka_unit_test(it_is_archived_where_the_policy_says_so),
                cmocka_unit_test(rotated_segments_go_first_and_never_too_many),
                cmocka_unit_test(a_cut_that_yields_nothing_is_not_tried_at_each_look),
                cmocka_unit_test(under_pressure_the_ladder_counts),
                cmocka_unit_test(what_has_no_limit_or_is_protected_is_left_alone),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
