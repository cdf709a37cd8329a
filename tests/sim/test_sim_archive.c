/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Archive, then free, closed over the engine: what is lost, and whether the partition is held. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "sim.h"

static Sim *world(double total_bytes, double used_share, double flood_bps) {
        Sim *s = sim_new(total_bytes, used_share, 1);

        s->archive_bps = 100e6;
        SimLog *l = sim_add_log(s, "flood", 0, 0);
        l->phases[l->n_phases++] = (SimPhase){60, 100000, flood_bps};
        sim_add_log(s, "quiet", 300e6, 500);
        return s;
}

static void assert_held(const Sim *s) {
        assert_true(s->denied_bytes == 0);
        assert_int_equal(s->logs[0].n_truncated, 0);
        assert_int_equal(s->logs[1].n_acts, 0);
        assert_int_equal(sim_count(s, EVENT_NOTHING_LEFT), 0);
}

static void a_flood_that_the_archiver_keeps_up_with_loses_nothing(void **state) {
        static const struct {
                double total_bytes, bps, sec;
        } cases[] = {{100e9, 5e6, 10000}, {100e9, 30e6, 3000}, {100e9, 60e6, 1500}, {20e9, 10e6, 2000}, {2e12, 60e6, 3000}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(sim_freep) Sim *s = world(cases[i].total_bytes, 0.85, cases[i].bps);
                double written;

                s->wake_sec = 0.5;
                sim_run(s, 60 + cases[i].sec);
                written = cases[i].bps * cases[i].sec;
                print_message("%.0f GB, %.0f MB/s: %.1f GB written, %u archives, %u gave way, %.0f MB lost\n",
                              cases[i].total_bytes / 1e9, cases[i].bps / 1e6, written / 1e9, s->n_archived, s->n_gave_way,
                              s->logs[0].lost_bytes / 1e6);
                assert_held(s);
                if (s->logs[0].cut_bytes > 0)
                        assert_true(s->n_archived > 0);
                assert_true(s->logs[0].lost_bytes == 0);
                assert_int_equal(s->n_gave_way, 0);
        }
}

static void a_flood_that_is_too_fast_is_freed_unarchived_and_never_fills_it(void **state) {
        static const struct {
                double total_bytes, bps;
        } cases[] = {{1 << 30, 30e6}, {4e9, 200e6}, {100e9, 400e6}, {100e9, 2e9}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(sim_freep) Sim *s = world(cases[i].total_bytes, 0.6, cases[i].bps);

                s->archive_ratio = 1; /* and nothing can be compressed */
                sim_run(s, 400);
                print_message("%.0f GB, %.0f MB/s: %u archives, %u gave way, %.1f GB lost, %.0f MB least\n",
                              cases[i].total_bytes / 1e9, cases[i].bps / 1e6, s->n_archived, s->n_gave_way,
                              s->logs[0].lost_bytes / 1e9, s->least_avail_bytes / 1e6);
                assert_held(s);
                assert_true(s->logs[0].lost_bytes > 0);
                assert_true(s->least_avail_bytes > MIN(0.03 * cases[i].total_bytes, 5e9));
        }
}

static size_t count_raises(const Sim *s, Level level) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_journal; i++)
                n += !s->journal[i].is_act && s->journal[i].type == EVENT_LEVEL_RAISED && s->journal[i].level == level;
        return n;
}

/* Chunk by chunk the critical level is left long before there is as much free as there should be: if freeing ended with
 * it, the same alert would be back a minute later, all night. */
static void what_is_freed_in_chunks_is_freed_up_to_the_target(void **state) {
        static const struct {
                double total_bytes, avail_bytes, bps, sec, target_bytes;
        } cases[] = {{100e9, 11e9, 5e6, 6000, 15e9}, {2e12, 24e9, 30e6, 3600, 40.0 * (1 << 30)}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_(sim_freep) Sim *s = world(cases[i].total_bytes,
                                                       1 - cases[i].avail_bytes / cases[i].total_bytes, cases[i].bps);
                double most_bytes = 0;

                s->archive_ratio = 0.01; /* what it takes is not the matter here */
                s->logs[0].live_bytes = 60e9;
                while (s->now_sec < cases[i].sec) {
                        sim_run(s, s->now_sec + 10);
                        if (s->n_archived > 0)
                                most_bytes = MAX(most_bytes, sim_avail_bytes(s));
                }
                print_message("%.0f GB, %.0f MB/s: %u archives, %.1f GB free at most, critical %zu times\n",
                              cases[i].total_bytes / 1e9, cases[i].bps / 1e6, s->n_archived, most_bytes / 1e9,
                              count_raises(s, LEVEL_CRITICAL));
                assert_held(s);
                assert_true(s->logs[0].lost_bytes == 0);
                assert_true(most_bytes > 0.9 * cases[i].target_bytes);
                assert_true(count_raises(s, LEVEL_CRITICAL) <= 1 + (size_t) (cases[i].sec / 600));
        }
}

static void one_that_turns_slow_gives_way_in_time(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 20e6);

        (void) state;
        sim_run(s, 400);
        assert_true(s->n_archived > 0);
        assert_true(s->logs[0].lost_bytes == 0);
        s->archive_bps = 1e6; /* another one took the disk */
        sim_run(s, 800);
        assert_true(s->n_gave_way > 0);
        assert_held(s);
        assert_true(s->logs[0].lost_bytes > 0);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_STOPPED) > 0, 1);
}

static void what_cannot_be_archived_is_said_once_and_freed(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 20e6);

        (void) state;
        s->archive_fails_from_sec = 0;
        s->archive_fails_to_sec = 500;
        sim_run(s, 499);
        assert_held(s);
        assert_int_equal(s->n_archived, 0);
        assert_true(s->logs[0].lost_bytes > 0);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_STOPPED), 1);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_GOES_ON), 0);
        sim_run(s, 700);
        assert_held(s);
        assert_true(s->n_archived > 0);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_GOES_ON), 1);
}

static void rotated_segments_are_archived_before_they_are_deleted(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 10e6);

        (void) state;
        s->logs[0].max_size_bytes = 500e6;
        s->logs[0].max_file = 4;
        s->static_bytes = 0;
        sim_run(s, 600);
        assert_held(s);
        assert_true(s->logs[0].lost_bytes == 0);
}

/* A second link, a segment that is larger than the budget: that one is freed unarchived, the others are not. */
static void one_that_cannot_be_archived_keeps_no_other_from_it(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 10e6);
        SimLog *good = sim_add_log(s, "good", 0, 0);

        (void) state;
        good->phases[good->n_phases++] = (SimPhase){60, 100000, 10e6};
        s->archive_refuses_first = true;
        sim_run(s, 700);
        assert_true(s->denied_bytes == 0);
        assert_true(good->cut_bytes > 500e6 && good->lost_bytes == 0);
        assert_true(s->logs[0].lost_bytes > 0);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_STOPPED), sim_count(s, EVENT_ARCHIVE_GOES_ON) + 1);
}

static void an_archiver_that_dies_once_is_sent_again_as_long_as_there_is_time(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 20e6);

        (void) state;
        s->archiver_dies = 2;
        sim_run(s, 700);
        assert_held(s);
        assert_true(s->n_archived > 0 && s->logs[0].lost_bytes == 0);
        assert_int_equal(sim_count(s, EVENT_ARCHIVE_STOPPED), 0);
}

static void a_segment_that_dockerd_holds_for_ever_keeps_the_live_log_from_nothing(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 10e6);

        (void) state;
        s->logs[0].segments[0] = 500e6;
        s->segments_are_busy = true;
        sim_run(s, 700);
        assert_held(s);
        assert_null(sim_find_raise(s, LEVEL_EMERGENCY));
        assert_true(s->n_archived > 0 && s->logs[0].lost_bytes == 0);
}

static void policy_trim_archives_nothing(void **state) {
        _cleanup_(sim_freep) Sim *s = world(20e9, 0.85, 20e6);

        (void) state;
        s->config.policy = POLICY_TRIM;
        sim_run(s, 400);
        assert_held(s);
        assert_int_equal(s->n_archived, 0);
        assert_true(s->logs[0].cut_bytes > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_flood_that_the_archiver_keeps_up_with_loses_nothing),
                cmocka_unit_test(a_flood_that_is_too_fast_is_freed_unarchived_and_never_fills_it),
                cmocka_unit_test(what_is_freed_in_chunks_is_freed_up_to_the_target),
                cmocka_unit_test(one_that_turns_slow_gives_way_in_time),
                cmocka_unit_test(what_cannot_be_archived_is_said_once_and_freed),
                cmocka_unit_test(rotated_segments_are_archived_before_they_are_deleted),
                cmocka_unit_test(one_that_cannot_be_archived_keeps_no_other_from_it),
                cmocka_unit_test(an_archiver_that_dies_once_is_sent_again_as_long_as_there_is_time),
                cmocka_unit_test(a_segment_that_dockerd_holds_for_ever_keeps_the_live_log_from_nothing),
                cmocka_unit_test(policy_trim_archives_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
