/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The world as it is: filesystems that free late or nothing, a trimmer that hangs, a watcher that is blind;
 * and worlds drawn at random, in which what must never happen must not happen. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <time.h>

#include "sim.h"

static SimLog *flood(SimLog *l, double from_sec, double bps) {
        l->phases[l->n_phases++] = (SimPhase){from_sec, INFINITY, bps};
        l->line_bytes = 7000;
        return l;
}

static size_t count_acts(const Sim *s, Method method) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_journal; i++)
                n += s->journal[i].is_act && s->journal[i].method == method;
        return n;
}

static void a_punch_that_frees_nothing_leads_to_the_next_means(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->punch_frees_nothing = true;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 120);
        assert_true(sim_count(s, EVENT_ACT_INEFFECTIVE) > 0);
        assert_true(s->denied_bytes == 0);
        assert_true(s->logs[0].n_truncated > 0);
        for (size_t i = 0; i < s->n_journal; i++)
                if (s->journal[i].is_act && s->journal[i].method == METHOD_TRUNCATE)
                        assert_true(s->journal[i].used_share > 0.93);
        assert_int_equal(count_acts(s, METHOD_BALLAST_RELEASE), 1);
}

static void a_collapse_that_frees_nothing_is_followed_by_a_punch(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->docker_major = 20;
        s->collapse_frees_nothing = true;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 115);
        assert_int_equal(count_acts(s, METHOD_COLLAPSE), 1);
        assert_true(count_acts(s, METHOD_PUNCH) > 5);
        assert_int_equal(s->logs[0].n_truncated, 0);
        assert_true(s->denied_bytes == 0);
}

static void a_log_is_filled_down_to_what_it_keeps_and_filler_is_no_growth(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->can_reflink = true;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 115);
        assert_true(count_acts(s, METHOD_FILL) > 5);
        assert_int_equal(count_acts(s, METHOD_PUNCH), 0);
        assert_int_equal(sim_count(s, EVENT_ACT_INEFFECTIVE), 0);
        assert_int_equal(s->logs[0].n_truncated, 0);
        assert_true(s->logs[0].filler_bytes > s->total_bytes / 2);
        assert_true(s->denied_bytes == 0);
}

static void what_is_shared_with_a_snapshot_is_filled_once_and_then_punched(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->can_reflink = s->fill_frees_nothing = true;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 115);
        assert_int_equal(count_acts(s, METHOD_FILL), 1);
        assert_true(count_acts(s, METHOD_PUNCH) > 5);
        assert_int_equal(s->logs[0].n_truncated, 0);
        assert_true(s->denied_bytes == 0);
}

static void a_filesystem_without_punch_truncates_as_a_last_resort(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->can_punch = s->can_collapse = false;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 200);
        assert_int_equal(count_acts(s, METHOD_PUNCH), 1);
        assert_int_equal(sim_count(s, EVENT_ACT_FAILED), 1);
        assert_true(s->logs[0].n_truncated > 0);
        assert_true(s->denied_bytes == 0);
}

static void where_gains_show_late_what_was_freed_is_not_freed_twice(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(8e9, 0.4, 1);

        (void) state;
        s->late_sec = 15;
        s->can_collapse = false;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_add_log(s, "quiet", 50e6, 500);
        sim_run(s, 600);
        assert_true(s->denied_bytes == 0);
        assert_int_equal(s->logs[1].n_acts, 0);
        assert_int_equal(s->logs[0].n_truncated, 0);
        /* What was written after the first act, one step of acts more, and the way to the target. */
        double written_bytes = 540 * 30e6;
        assert_true(s->logs[0].cut_bytes < written_bytes);
        assert_true(s->n_acts < 60);
}

static void a_trimmer_that_hangs_keeps_nobody_from_telling(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);

        (void) state;
        s->stuck_from_sec = 0;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        sim_run(s, 200);
        assert_non_null(sim_find_raise(s, LEVEL_EMERGENCY));
        assert_int_equal(sim_count(s, EVENT_LEVEL_CLEARED), 0);
        assert_true(sim_avail_bytes(s) == 0);
        /* It is tried again as often as the supervisor gives one up, not in a loop. */
        assert_in_range(s->n_acts, 5, 40);
}

static void a_blind_guard_keeps_its_level_and_acts_again_when_it_sees(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(4e9, 0.4, 1);
        EngineStatus status;

        (void) state;
        flood(sim_add_log(s, "flood", 0, 0), 60, 30e6);
        s->blind_from_sec = 120;
        s->blind_to_sec = 135;
        sim_run(s, 119);
        engine_get_status(s->engine, &status);
        Level before = status.level;
        assert_true(before >= LEVEL_WARNING);
        sim_run(s, 134);
        engine_get_status(s->engine, &status);
        assert_true(status.blind);
        assert_int_equal(status.level, before);
        sim_run(s, 400);
        engine_get_status(s->engine, &status);
        assert_false(status.blind);
        assert_true(s->denied_bytes == 0);
        assert_true(s->n_acts > 0);
}

static void observe_mode_sees_the_same_says_what_it_would_do_and_does_nothing(void **state) {
        _cleanup_(sim_freep) Sim *enforce = sim_new(1 << 30, 0.4, 1), *observe = sim_new(1 << 30, 0.4, 1);
        Sim *const both[] = {enforce, observe};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(both); i++) {
                both[i]->config.ballast_bytes = 0;
                flood(sim_add_log(both[i], "flood", 0, 0), 60, 30e6);
                sim_add_log(both[i], "quiet", 50e6, 500);
        }
        observe->config.mode = MODE_OBSERVE;
        sim_run(enforce, 130);
        sim_run(observe, 130);
        assert_int_equal(observe->n_acts, 0);
        for (Level l = LEVEL_WARNING; l < _LEVEL_MAX; l++)
                assert_true(sim_find_raise(enforce, l)->at_sec == sim_find_raise(observe, l)->at_sec);

        const SimEntry *act = sim_find_act(enforce), *planned = NULL;
        for (size_t i = 0; i < observe->n_journal && !planned; i++)
                if (observe->journal[i].type == EVENT_ACT_PLANNED)
                        planned = &observe->journal[i];
        assert_true(act && planned);
        if (!act || !planned)
                return;
        assert_true(planned->at_sec == act->at_sec);
        assert_int_equal(planned->method, act->method);
        assert_true(planned->wanted_bytes == act->wanted_bytes);
        assert_string_equal(planned->container, act->container);
}

static void a_container_that_stops_is_healed(void **state) {
        _cleanup_(sim_freep) Sim *s = sim_new(1 << 30, 0.4, 1);
        SimLog *l = sim_add_log(s, "flood", 0, 0);

        (void) state;
        l->phases[l->n_phases++] = (SimPhase){60, 100, 30e6};
        sim_run(s, 200);
        assert_true(l->hole_bytes > 0);
        l->stopped = true;
        l->introduced = false;
        sim_run(s, 260);
        assert_true(l->hole_bytes == 0);
        assert_int_equal(sim_count(s, EVENT_HEALED), 1);
}

/* Checked at every act, in sim.c: never a protected log, never below what must stay, never a method that
 * harms. */
static void worlds_drawn_at_random_are_guarded(void **state) {
        uint64_t seed = (uint64_t) time(NULL);

        (void) state;
        if (getenv("SIM_SEED"))
                seed = strtoull(getenv("SIM_SEED"), NULL, 10);
        print_message("SIM_SEED=%llu\n", (unsigned long long) seed);
        for (int round = 0; round < 60; round++, seed++) {
                double total_bytes = pow(2, 29 + 13 * 0.01 * (double) (seed * 7919 % 100));
                _cleanup_(sim_freep) Sim *s = sim_new(total_bytes, 0.3 + 0.1 * (double) (seed % 4), seed);
                bool can_hold = true;

                s->wake_sec = 0.2;
                s->docker_major = sim_random(s) < 0.5 ? 26 : 20;
                s->append = sim_random(s) < 0.7;
                s->can_collapse = sim_random(s) < 0.7;
                s->can_reflink = sim_random(s) < 0.4;
                s->act_sec = 0.02 + 0.3 * sim_random(s);
                s->archive_bps = sim_random(s) < 0.5 ? 0 : 10e6 + 300e6 * sim_random(s);
                s->archive_ratio = sim_random(s);
                s->config.max_log_bytes = sim_random(s) < 0.3 ? (uint64_t) (total_bytes / 30) : 0;
                size_t n_logs = 1 + (size_t) (20 * sim_random(s));
                for (size_t i = 0; i < n_logs; i++) {
                        SimLog *l = sim_add_log(
                                        s, "log", 0.1 / (double)n_logs * total_bytes * sim_random(s), 0);
                        double kind = sim_random(s);
                        if (kind < 0.3)
                                flood(l, 20 + 50 * sim_random(s),
                                                MIN(total_bytes / 200, 300e6) * (0.1 + sim_random(s)));
                        else if (kind < 0.9)
                                flood(l, 0, 1000 * sim_random(s));
                        if (sim_random(s) < 0.2) {
                                l->max_size_bytes = 10e6 + 50e6 * sim_random(s);
                                l->max_file = 1 + (size_t) (3 * sim_random(s));
                        }
                        if (kind >= 0.3 && sim_random(s) < 0.2)
                                l->is_protected = true;
                        if (sim_random(s) < 0.1)
                                l->burst_sec = 3 * sim_random(s);
                }
                if (sim_random(s) < 0.5) {
                        SimWriter *w = sim_add_writer(s, 30, 60, total_bytes / 1000);
                        w->noise_bytes = total_bytes / 1000;
                        w->noise_every_sec = 5;
                }
                sim_run(s, 300);
                can_hold = s->denied_bytes == 0;
                if (!can_hold) {
                        print_message("seed %llu\n", (unsigned long long) seed);
                        sim_print(s);
                }
                assert_true(can_hold);
                for (size_t i = 0; i < s->n_logs; i++)
                        assert_int_equal(s->logs[i].n_truncated, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_punch_that_frees_nothing_leads_to_the_next_means),
                cmocka_unit_test(a_collapse_that_frees_nothing_is_followed_by_a_punch),
                cmocka_unit_test(a_log_is_filled_down_to_what_it_keeps_and_filler_is_no_growth),
                cmocka_unit_test(what_is_shared_with_a_snapshot_is_filled_once_and_then_punched),
                cmocka_unit_test(a_filesystem_without_punch_truncates_as_a_last_resort),
                cmocka_unit_test(where_gains_show_late_what_was_freed_is_not_freed_twice),
                cmocka_unit_test(a_trimmer_that_hangs_keeps_nobody_from_telling),
                cmocka_unit_test(a_blind_guard_keeps_its_level_and_acts_again_when_it_sees),
                cmocka_unit_test(observe_mode_sees_the_same_says_what_it_would_do_and_does_nothing),
                cmocka_unit_test(a_container_that_stops_is_healed),
                cmocka_unit_test(worlds_drawn_at_random_are_guarded),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
