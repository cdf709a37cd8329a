/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What must not be taken for a flood: months at 91 %, image pulls, quiet days. And what quiet costs. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <time.h>

#include "sim.h"

static double wall_sec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static void assert_no_log_touched(const Sim *s) {
        for (size_t i = 0; i < s->n_logs; i++)
                if (s->logs[i].n_acts > 0)
                        fail_msg("%s was touched", s->logs[i].name);
}

static Sim *busy_at_91_percent(uint64_t seed) {
        Sim *s = sim_new(20e9, 0.91, seed);

        s->wake_sec = 10;
        for (int i = 0; i < 5; i++)
                sim_add_log(s, "quiet", 200e6, 20);
        SimLog *l = sim_add_log(s, "rotating", 0, 20000);
        l->max_size_bytes = 10e6;
        l->max_file = 3;
        SimWriter *w = sim_add_writer(s, 0, 0, 0);
        w->noise_bytes = 20e6;
        w->noise_every_sec = 30;
        w = sim_add_writer(s, 0, INFINITY, 2000);
        w->vacuum_at_bytes = 64e6;
        return s;
}

static void a_host_that_is_stable_at_91_percent_keeps_its_logs_for_a_month(void **state) {
        _cleanup_(sim_freep) Sim *s = busy_at_91_percent(7);

        (void) state;
        sim_run(s, 30 * 86400);
        assert_int_equal(s->n_acts, 0);
        /* It is told once that it is nearly full, and not again. */
        assert_int_equal(sim_count(s, EVENT_LEVEL_RAISED), 2);
        assert_int_equal(sim_count(s, EVENT_NOTHING_LEFT), 0);
}

static void a_host_that_lives_on_its_last_megabytes_is_left_alone_while_nothing_falls(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(100e9, 0.9995, 7);

        (void) state;
        sim_add_log(s, "silent", 2e9, 0);
        sim_add_log(s, "quiet", 2e9, 20);
        sim_run(s, 7200);
        assert_int_equal(s->n_acts, 0);
        assert_non_null(sim_find_raise(s, LEVEL_EMERGENCY));
}

static void a_host_that_is_found_full_gets_some_air(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(20e9, 1, 7);

        (void) state;
        sim_add_log(s, "large", 2e9, 0);
        sim_add_log(s, "small", 100e6, 100);
        sim_add_log(s, "protected", 3e9, 0)->is_protected = true;
        sim_run(s, 60);
        assert_true(sim_avail_bytes(s) > 0.02 * s->total_bytes);
        assert_true(s->logs[0].n_acts > 0);
        assert_int_equal(s->logs[1].n_acts + s->logs[2].n_acts, 0);
        assert_true(s->logs[0].cut_bytes < 1e9);
}

static void an_image_pull_touches_no_log(void **state) {
        static const struct {
                double total_bytes, bps;
        } cases[] = {{20e9, 80e6}, {20e9, 500e6}, {8e9, 80e6}, {8e9, 300e6}, {8e9, 20e6}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(sim_freep) Sim *s = sim_new(cases[i].total_bytes, 0.25, 1);
                sim_add_log(s, "quiet", 300e6, 2000);
                sim_add_log(s, "quieter", 300e6, 100);
                sim_add_writer(s, 100, 100 + 5e9 / cases[i].bps, cases[i].bps);
                sim_run(s, 3600);
                if (s->denied_bytes > 0)
                        sim_print(s);
                assert_no_log_touched(s);
                assert_true(s->denied_bytes == 0);
        }
}

static void a_nearly_full_pull_says_that_it_is_not_the_logs(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(8e9, 0.3, 1);
        bool said = false;

        (void) state;
        sim_add_log(s, "quiet", 300e6, 2000);
        sim_add_writer(s, 100, 200, 51e6);
        sim_run(s, 1000);
        assert_no_log_touched(s);
        for (size_t i = 0; i < s->n_journal; i++)
                if (!s->journal[i].is_act && s->journal[i].type == EVENT_NOTHING_LEFT) {
                        assert_false(said);
                        assert_string_equal(s->journal[i].detail, "what grows is not a container's log");
                        said = true;
                }
        assert_true(said);
}

static void an_idle_host_is_looked_at_every_five_seconds(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(20e9, 0.5, 1);

        (void) state;
        sim_add_log(s, "silent", 30e6, 0);
        sim_run(s, 3600);
        assert_in_range(s->n_looks, 700, 760);
        assert_in_range(s->n_decisions, 700, 770);
}

static void a_day_takes_a_second(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(20e9, 0.4, 1);
        double begin_sec = wall_sec();

        (void) state;
        s->wake_sec = 1;
        for (int i = 0; i < 20; i++)
                sim_add_log(s, "quiet", 50e6, 500 * sim_random(s));
        sim_run(s, 86400);
        print_message("24 h with %zu logs, %llu looks: %.2f s\n", s->n_logs, (unsigned long long) s->n_looks,
                        wall_sec() - begin_sec);
        assert_true(s->now_sec >= 86400);
        assert_int_equal(sim_count(s, EVENT_LEVEL_RAISED), 0);
        /* With sanitizers and a busy machine it may be more; a minute would be a mistake. */
        assert_true(wall_sec() - begin_sec < 20);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_host_that_is_stable_at_91_percent_keeps_its_logs_for_a_month),
                cmocka_unit_test(a_host_that_lives_on_its_last_megabytes_is_left_alone_while_nothing_falls),
                cmocka_unit_test(a_host_that_is_found_full_gets_some_air),
                cmocka_unit_test(an_image_pull_touches_no_log),
                cmocka_unit_test(a_nearly_full_pull_says_that_it_is_not_the_logs),
                cmocka_unit_test(an_idle_host_is_looked_at_every_five_seconds),
                cmocka_unit_test(a_day_takes_a_second),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
