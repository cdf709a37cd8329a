/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of the levels: thresholds, holds, hysteresis. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "level_rules.h"

#define TOTAL GIB(10)

typedef struct Fixture {
        Config config;
        LevelRules rules;
        PartitionSample space;
        ForecastView bytes, inodes;
        Filling bytes_filling, inodes_filling;
        bool nobody_explains;
        uint64_t wake_usec;
} Fixture;

static void set_up(Fixture *x) {
        *x = (Fixture){};
        config_set_defaults(&x->config);
        level_rules_init(&x->rules, 0);
        x->space = (PartitionSample){TOTAL, TOTAL / 2, TOTAL / 2, 1000000, 900000, false};
        x->bytes.full = x->inodes.full = (TimeToFull){true, USEC_INFINITY, USEC_INFINITY};
        x->bytes.known = x->inodes.known = true;
}

static Level at(Fixture *x, uint64_t now_usec) {
        LevelInput in = {
                .config = &x->config,
                .space = &x->space,
                .bytes = &x->bytes,
                .inodes = &x->inodes,
                .bytes_filling = &x->bytes_filling,
                .inodes_filling = &x->inodes_filling,
                .demanded_bytes = (double) (x->space.total_bytes - x->space.avail_bytes),
                .logs_explain = !x->nobody_explains,
                .now_usec = now_usec,
        };
        level_rules_update(&x->rules, &in, &x->wake_usec);
        return x->rules.level;
}

/* A steady writer that fills it by to_full_usec. */
static void fill(Fixture *x, uint64_t now_usec, uint64_t to_full_usec, double bps) {
        x->bytes.worst_ps = bps;
        x->bytes.consumed = bps * (double) now_usec / 1e6;
        x->bytes.full.low_usec = x->bytes.full.high_usec = to_full_usec - now_usec;
        x->space.avail_bytes = (uint64_t) (bps * (double) (to_full_usec - now_usec) / 1e6);
}

static void free_space_below_a_threshold_is_its_level_at_once(void **state) {
        static const struct {
                double share;
                Level level;
        } cases[] = {{0.26, LEVEL_OK}, {0.24, LEVEL_NOTICE}, {0.14, LEVEL_WARNING}, {0.09, LEVEL_CRITICAL},
                        {0.04, LEVEL_EMERGENCY}, {0, LEVEL_EMERGENCY}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Fixture x;
                set_up(&x);
                x.space.avail_bytes = (uint64_t) (cases[i].share * (double) TOTAL);
                assert_int_equal(at(&x, 1), cases[i].level);
                assert_int_equal(x.rules.reason, cases[i].level == LEVEL_OK ? REASON_NONE : REASON_SPACE);
                assert_false(x.rules.falling);
        }
}

static void percentages_are_capped_in_bytes(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        x.space.total_bytes = GIB(10240);
        x.space.avail_bytes = GIB(101);
        assert_int_equal(at(&x, 1), LEVEL_OK);
        x.space.avail_bytes = GIB(39);
        assert_int_equal(at(&x, 2), LEVEL_WARNING);
}

static void inodes_count_like_bytes_and_a_filesystem_without_them_has_none(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        x.space.avail_inodes = 90000;
        assert_int_equal(at(&x, 1), LEVEL_CRITICAL);
        assert_int_equal(x.rules.reason, REASON_INODES);
        set_up(&x);
        x.space.avail_inodes = 90000;
        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++) { /* NoticeFree=1M alone */
                x.config.levels[l].free_permyriad = CONFIG_PERMYRIAD_ANY;
                x.config.levels[l].free_bytes = MIB(1);
        }
        assert_int_equal(at(&x, 1), LEVEL_OK);
        x.space.total_inodes = x.space.avail_inodes = 0;
        assert_int_equal(at(&x, 1), LEVEL_OK);
}

static void in_a_flood_the_levels_come_one_after_the_other(void **state) {
        uint64_t raised[_LEVEL_MAX] = {};
        Fixture x;

        (void) state;
        set_up(&x);
        for (uint64_t t = 0; t < 20 * USEC_PER_SEC && x.rules.level < LEVEL_EMERGENCY; t += 5000) {
                Level before = x.rules.level;
                fill(&x, t, 20 * USEC_PER_SEC, 250e6);
                if (at(&x, t) != before) {
                        assert_int_equal(x.rules.reason, REASON_FORECAST);
                        raised[x.rules.level] = t;
                }
        }
        assert_true(raised[LEVEL_WARNING] > 0);
        assert_true(raised[LEVEL_WARNING] < raised[LEVEL_CRITICAL]);
        assert_true(raised[LEVEL_CRITICAL] < raised[LEVEL_EMERGENCY]);
        assert_true(raised[LEVEL_EMERGENCY] < 6 * USEC_PER_SEC);
        assert_true(x.rules.falling);
}

static void it_wakes_when_a_hold_is_over(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        fill(&x, 0, 160 * USEC_PER_SEC, 20e6);
        (void) at(&x, 0);
        assert_true(x.wake_usec == 10 * USEC_PER_SEC);
}

static void noise_that_gets_nowhere_is_not_falling_whatever_its_rate(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        for (uint64_t t = 0; t < 30 * USEC_PER_MINUTE; t += USEC_PER_SEC) {
                fill(&x, 0, USEC_PER_HOUR, 1e5);
                x.space.avail_bytes = TOTAL / 2;
                x.bytes.consumed = (double) MIB(1) * (double) (t / USEC_PER_SEC % 3);
                assert_int_equal(at(&x, t), LEVEL_OK);
                assert_false(x.rules.falling);
        }
}

static void a_rate_that_no_log_explains_is_a_notice_until_it_has_the_shape_of_a_fill(void **state) {
        Fixture x;
        uint64_t t;

        (void) state;
        set_up(&x);
        x.nobody_explains = true;
        for (t = 0; t < 20 * USEC_PER_MINUTE; t += USEC_PER_SEC) {
                fill(&x, t, 40 * USEC_PER_MINUTE, 3e6);
                x.space.avail_bytes = TOTAL / 2; /* by forecast alone */
                (void) at(&x, t);
        }
        assert_int_equal(x.rules.level, LEVEL_NOTICE);
        x.bytes_filling = (Filling){.shape = FILLING_STRAIGHT, .survived = true, .since_sec = 1200, .taken = 3.6e9};
        assert_int_equal(at(&x, t++), LEVEL_NOTICE);
        x.bytes_filling.survived = false;
        assert_int_equal(at(&x, t++), LEVEL_WARNING);
        assert_int_equal(x.rules.reason, REASON_FORECAST);
        for (; t < 37 * USEC_PER_MINUTE; t += USEC_PER_SEC) {
                fill(&x, t, 40 * USEC_PER_MINUTE, 3e6);
                x.space.avail_bytes = TOTAL / 2;
                (void) at(&x, t);
        }
        assert_int_equal(x.rules.level, LEVEL_CRITICAL);
}

/* It comes back every hour: twice it is raised, then it stands; when it has stayed away for long enough, it is over. */
static void what_comes_back_stays_until_it_was_away_for_longer(void **state) {
        unsigned n_raised = 0, n_cleared = 0;
        Fixture x;
        uint64_t t;

        (void) state;
        set_up(&x);
        for (t = 0; t < 20 * USEC_PER_HOUR; t += USEC_PER_MINUTE) {
                bool full = t < 16 * USEC_PER_HOUR && t / USEC_PER_MINUTE % 60 >= 50;
                Level before = x.rules.level;
                x.space.avail_bytes = TOTAL / 100 * (full ? 7 : 40);
                Level now = at(&x, t);
                n_raised += before < LEVEL_WARNING && now >= LEVEL_WARNING;
                n_cleared += before >= LEVEL_WARNING && now < LEVEL_WARNING;
                if (!full && t / USEC_PER_MINUTE % 60 > 2)
                        assert_true(now <= LEVEL_WARNING);
        }
        assert_int_equal(n_raised, 2);
        assert_int_equal(n_cleared, 2);
        assert_int_equal(x.rules.level, LEVEL_OK);
}

static void a_level_is_left_only_after_its_condition_was_gone_for_the_hold(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        x.space.avail_bytes = TOTAL / 100 * 9;
        assert_int_equal(at(&x, 0), LEVEL_CRITICAL);
        x.space.avail_bytes = TOTAL / 1000 * 105; /* above the threshold, within the hysteresis */
        assert_int_equal(at(&x, 100 * USEC_PER_SEC), LEVEL_CRITICAL);
        x.space.avail_bytes = TOTAL / 100 * 12;
        assert_int_equal(at(&x, 200 * USEC_PER_SEC), LEVEL_CRITICAL);
        assert_true(x.wake_usec == 200 * USEC_PER_SEC + x.config.clear_hold_usec);
        x.space.avail_bytes = TOTAL / 100 * 9;
        assert_int_equal(at(&x, 220 * USEC_PER_SEC), LEVEL_CRITICAL);
        x.space.avail_bytes = TOTAL / 100 * 50;
        assert_int_equal(at(&x, 240 * USEC_PER_SEC), LEVEL_CRITICAL);
        x.space.avail_bytes = TOTAL / 100 * 12;
        assert_int_equal(at(&x, 250 * USEC_PER_SEC), LEVEL_CRITICAL);
        assert_int_equal(at(&x, 240 * USEC_PER_SEC + x.config.clear_hold_usec), LEVEL_WARNING);
}

static void at_zero_it_stays_an_emergency_though_nothing_grows_any_more(void **state) {
        Fixture x;

        (void) state;
        set_up(&x);
        x.space.avail_bytes = x.space.free_bytes = 0;
        x.config.levels[LEVEL_EMERGENCY].free_permyriad = 0;
        for (uint64_t t = 0; t < USEC_PER_DAY; t += USEC_PER_HOUR)
                assert_int_equal(at(&x, t), LEVEL_EMERGENCY);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(free_space_below_a_threshold_is_its_level_at_once),
                cmocka_unit_test(percentages_are_capped_in_bytes),
                cmocka_unit_test(inodes_count_like_bytes_and_a_filesystem_without_them_has_none),
                cmocka_unit_test(in_a_flood_the_levels_come_one_after_the_other),
                cmocka_unit_test(it_wakes_when_a_hold_is_over),
                cmocka_unit_test(noise_that_gets_nowhere_is_not_falling_whatever_its_rate),
                cmocka_unit_test(a_rate_that_no_log_explains_is_a_notice_until_it_has_the_shape_of_a_fill),
                cmocka_unit_test(what_comes_back_stays_until_it_was_away_for_longer),
                cmocka_unit_test(a_level_is_left_only_after_its_condition_was_gone_for_the_hold),
                cmocka_unit_test(at_zero_it_stays_an_emergency_though_nothing_grows_any_more),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
