/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What surveys have found, when the next one may be made, and what of it is news. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>

#include "causes.h"
#include "macros.h"

#define MINUTES(n) ((n) * USEC_PER_MINUTE)
#define SEC(n) ((n) * USEC_PER_SEC)

static Cause cause_of(CauseKind kind, const char *name, uint64_t grown_bytes) {
        Cause c = {.kind = kind, .grown_bytes = grown_bytes, .pid = 7};

        snprintf(c.name, sizeof(c.name), "%s", name);
        snprintf(c.command, sizeof(c.command), "postgres");
        return c;
}

static SurveyFacts facts_of(uint64_t grown_bytes, uint64_t cpu_usec) {
        return (SurveyFacts){.window_usec = USEC_PER_SEC, .grown_bytes = grown_bytes, .cpu_usec = cpu_usec, .complete = true};
}

/* ---- what was found ---------------------------------------------------------------------------------------------- */

static Causes c;

/* One survey that finds these. */
static void found(const Cause *causes, size_t n, const SurveyFacts *facts, uint64_t now_usec) {
        causes_begin(&c, now_usec, 0);
        for (size_t i = 0; i < n; i++)
                causes_add(&c, causes + i);
        causes_end(&c, facts, false, 100, false, 0, now_usec);
}

static void found_one(const Cause *cause, uint64_t now_usec) {
        SurveyFacts facts = facts_of(cause->grown_bytes, 0);

        found(cause, 1, &facts, now_usec);
}

static int forget_all(void **state) {
        (void) state;
        c = (Causes){};
        return 0;
}

static void the_largest_are_kept_in_their_order_whatever_order_they_come_in(void **state) {
        static const uint64_t orders[][7] = {
                {1, 2, 3, 4, 5, 6, 7}, {7, 6, 5, 4, 3, 2, 1}, {4, 7, 1, 6, 2, 5, 3}, {5, 5, 5, 7, 5, 5, 6}, {0, 0, 0, 0, 0, 0, 1},
        };
        static const uint64_t kept[][SURVEY_CAUSES_MAX] = {{7, 6, 5, 4}, {7, 6, 5, 4}, {7, 6, 5, 4}, {7, 6, 5, 5}, {1, 0, 0, 0}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(orders); i++)
                for (size_t n = 0; n <= 7; n++) {
                        SurveyFacts facts = facts_of(1, 0);

                        causes_begin(&c, 0, 0);
                        for (size_t k = 0; k < n; k++) {
                                Cause one = cause_of(CAUSE_VOLUME, "v", orders[i][k]);
                                causes_add(&c, &one);
                        }
                        causes_end(&c, &facts, false, 100, false, 0, 1);
                        assert_int_equal(c.n_found, MIN(n, (size_t) SURVEY_CAUSES_MAX));
                        for (uint32_t k = 1; k < c.n_found; k++)
                                assert_true(c.found[k].grown_bytes <= c.found[k - 1].grown_bytes);
                        for (uint32_t k = 0; n == 7 && k < c.n_found; k++)
                                assert_int_equal(c.found[k].grown_bytes, kept[i][k]);
                }
}

static void of_those_that_are_alike_the_one_that_was_told_first_comes_first(void **state) {
        Cause all[SURVEY_CAUSES_MAX + 1];
        SurveyFacts facts = facts_of(10, 0);

        (void) state;
        for (uint32_t i = 0; i < ELEMENTS(all); i++) {
                all[i] = cause_of(CAUSE_VOLUME, "v", 5);
                all[i].pid = (int32_t) i;
        }
        found(all, ELEMENTS(all), &facts, 1);
        for (uint32_t i = 0; i < SURVEY_CAUSES_MAX; i++)
                assert_int_equal(c.found[i].pid, i);
}

static void one_that_finds_nothing_takes_the_place_of_what_was_known(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5);
        SurveyFacts facts = facts_of(10, 0);

        (void) state;
        found(&one, 1, &facts, 1);
        found(NULL, 0, &facts, 2);
        assert_int_equal(c.n_found, 0);
        assert_true(causes_are_fresh(&c, 3)); /* that nothing was found is news, too */
}

static void one_in_which_nothing_grew_leaves_what_was_known(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5);
        SurveyFacts grown = facts_of(10, 0), still = facts_of(0, 0);

        (void) state;
        found(&one, 1, &grown, 1);
        found(NULL, 0, &still, 2);
        assert_int_equal(c.n_found, 1);
        assert_int_equal(c.found_usec, 1);
}

static void shares_are_of_all_that_is_known_to_have_grown(void **state) {
        static const struct {
                uint64_t first, second, logs, partition; /* bytes */
                uint32_t share;                          /* of the first */
        } cases[] = {
                {50, 0, 0, 100, 5000},
                {50, 25, 0, 100, 5000},
                {50, 0, 0, 50, 10000},
                {50, 0, 0, 0, 10000},      /* the partition shrank: somebody freed more */
                {50, 50, 0, 20, 5000},     /* ... or some of it */
                {50, 0, 50, 20, 5000},     /* logs are known as well */
                {50, 30, 20, 0, 5000},
                {50, 50, 100, 500, 1000},
                {0, 0, 0, 100, 0},
                {0, 0, 0, 0, 0},
                {1, 0, 0, UINT64_MAX, 0},
                {UINT64_MAX, 0, 0, 1, 10000},
                {UINT64_MAX, UINT64_MAX, UINT64_MAX, 1, 3333},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Cause both[] = {cause_of(CAUSE_VOLUME, "a", cases[i].first), cause_of(CAUSE_FILES, "b", cases[i].second)};
                SurveyFacts facts = facts_of(cases[i].partition, 0);

                facts.logs_bytes = cases[i].logs;
                found(both, 2, &facts, 1);
                if (causes_share_permyriad(&c, both) != cases[i].share)
                        fail_msg("%zu: %u", i, causes_share_permyriad(&c, both));
        }
}

static void a_pace_is_over_the_time_between_the_looks(void **state) {
        static const struct {
                uint64_t grown_bytes, window_usec;
                int64_t bps;
        } cases[] = {
                {MIB(30), SEC(3), MIB(10)},
                {MIB(1), USEC_PER_SEC / 2, MIB(2)},
                {0, SEC(1), 0},
                {MIB(1), 0, 0}, /* no time at all */
                {UINT64_MAX, 1, INT64_C(100000000000000000)},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Cause one = cause_of(CAUSE_VOLUME, "a", cases[i].grown_bytes);

                c.facts.window_usec = cases[i].window_usec;
                assert_true(causes_bps(&c, &one) == cases[i].bps);
        }
}

static void what_was_found_is_fresh_for_three_minutes_and_can_be_forgotten(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5);

        (void) state;
        assert_false(causes_are_fresh(&c, 0));
        assert_false(causes_are_fresh(&c, SEC(1)));
        found_one(&one, SEC(10));
        assert_true(causes_are_fresh(&c, SEC(10)));
        assert_true(causes_are_fresh(&c, SEC(10) + MINUTES(3) - 1));
        assert_false(causes_are_fresh(&c, SEC(10) + MINUTES(3)));
        found_one(&one, SEC(10));
        causes_forget(&c, SEC(11));
        assert_false(causes_are_fresh(&c, SEC(11)));
        assert_false(causes_are_news(&c, 1, SEC(11)));
}

/* ---- when the next one may be made ------------------------------------------------------------------------------- */

static void what_one_took_is_earned_before_the_next(void **state) {
        static const struct {
                uint64_t cpu_usec;
                uint32_t permyriad; /* of CPU= */
                bool urgent;
                uint64_t wait_usec;
        } cases[] = {
                {0, 100, false, SEC(60)},
                {0, 100, true, SEC(10)},
                {50000, 100, true, SEC(10)},           /* 50 ms at 1 %: 5 s */
                {50000, 100, false, SEC(60)},
                {300000, 100, true, SEC(30)},
                {300000, 100, false, SEC(60)},
                {1000000, 100, true, SEC(100)},
                {1000000, 100, false, SEC(100)},
                {1000000, 10000, true, SEC(10)},
                {123456789, 10000, true, 123456789},   /* to the microsecond */
                {1000000, 1, true, USEC_PER_HOUR},     /* 0.01 % */
                {1, 0, true, USEC_PER_HOUR},           /* turned off meanwhile */
                {UINT64_MAX, 100, true, USEC_PER_HOUR},
                {UINT64_MAX, 1, false, USEC_PER_HOUR},
                {UINT64_C(1) << 53, 1, true, USEC_PER_HOUR},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                SurveyFacts facts = facts_of(0, cases[i].cpu_usec);

                c = (Causes){};
                causes_end(&c, &facts, false, cases[i].permyriad, cases[i].urgent, 0, SEC(5));
                if (c.next_usec != SEC(5) + cases[i].wait_usec)
                        fail_msg("%zu: %" PRIu64, i, c.next_usec - SEC(5));
        }
}

static void one_that_has_failed_leaves_what_is_known_and_is_not_repeated_at_once(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5), other = cause_of(CAUSE_FILES, "b", 9);
        SurveyFacts none = {};

        (void) state;
        found_one(&one, SEC(1));
        causes_begin(&c, SEC(20), 0);
        assert_true(c.due_usec == SEC(20));
        causes_add(&c, &other);
        causes_end(&c, &none, true, 100, true, 0, SEC(12));
        assert_true(c.due_usec == 0);
        assert_true(c.next_usec == SEC(12 + 60)); /* however urgent */
        assert_int_equal(c.n_found, 1);
        assert_string_equal(c.found[0].name, "a");
        assert_true(c.found_usec == SEC(1) && c.facts.grown_bytes == 5);
        /* Nor does the next one have what it has left. */
        found_one(&one, SEC(90));
        assert_int_equal(c.n_found, 1);
        assert_string_equal(c.found[0].name, "a");
}

static void what_is_over_lets_the_next_one_be_made_as_soon_as_it_is_earned(void **state) {
        SurveyFacts cheap = facts_of(0, 10000), dear = facts_of(0, 1000000);

        (void) state;
        causes_end(&c, &cheap, false, 100, false, 0, SEC(5));
        assert_true(c.next_usec == SEC(65));
        causes_forget(&c, SEC(10));
        assert_true(c.next_usec == SEC(10));
        causes_end(&c, &dear, false, 100, false, 0, SEC(5));
        causes_forget(&c, SEC(10));
        assert_true(c.next_usec == SEC(105));
        causes_forget(&c, SEC(500)); /* nothing is put off */
        assert_true(c.next_usec == SEC(105));
}

static void it_is_looked_for_as_long_as_something_shows(void **state) {
        static const struct {
                double bps;
                uint64_t usec;
        } cases[] = {
                {(double) MIB(16), SEC(1)},
                {(double) MIB(4), SEC(4)},
                {(double) GIB(10), USEC_PER_SEC / 2},
                {1e300, USEC_PER_SEC / 2},
                {(double) MIB(1), SEC(15)},
                {1, SEC(15)},
                {1e-300, SEC(15)},
                {0, SEC(15)},
                {-5, SEC(15)},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(causes_window_usec(cases[i].bps), cases[i].usec);
        for (double bps = 1, before = 1e18; bps < 1e12; bps *= 1.3) {
                double usec = (double) causes_window_usec(bps);

                assert_true(usec >= (double) USEC_PER_SEC / 2 && usec <= (double) SEC(15) && usec <= before);
                before = usec;
        }
}

/* ---- what is news ------------------------------------------------------------------------------------------------ */

static void a_cause_is_news_once_to_each_alert(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5);

        (void) state;
        assert_false(causes_are_news(&c, 1, SEC(1)));
        found_one(&one, SEC(1));
        assert_false(causes_are_news(&c, 0, USEC_PER_HOUR)); /* no alert */
        assert_true(causes_are_news(&c, 1, SEC(1)));
        causes_told(&c, 1, SEC(1));
        assert_false(causes_are_news(&c, 1, SEC(1)));
        found_one(&one, SEC(1) + USEC_PER_HOUR);
        assert_false(causes_are_news(&c, 1, SEC(1) + USEC_PER_HOUR));
        assert_true(causes_are_news(&c, 2, SEC(1) + USEC_PER_HOUR));
}

static void another_cause_is_news_after_five_minutes(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 5), other = cause_of(CAUSE_VOLUME, "b", 5);
        uint64_t told_usec = SEC(1);

        (void) state;
        found_one(&one, told_usec);
        causes_told(&c, 1, told_usec);
        found_one(&other, told_usec + SEC(10));
        assert_false(causes_are_news(&c, 1, told_usec + SEC(10)));
        assert_false(causes_are_news(&c, 1, told_usec + MINUTES(5) - 1));
        assert_true(causes_are_news(&c, 1, told_usec + MINUTES(5)));
        causes_told(&c, 1, told_usec + MINUTES(5));
        found_one(&one, told_usec + MINUTES(6));
        assert_false(causes_are_news(&c, 1, told_usec + MINUTES(6)));
        assert_true(causes_are_news(&c, 1, told_usec + MINUTES(10)));
}

static void what_has_a_small_part_in_it_is_no_news(void **state) {
        Cause one = cause_of(CAUSE_VOLUME, "a", 1999);
        SurveyFacts facts = facts_of(10000, 0);

        (void) state;
        found(&one, 1, &facts, 1);
        assert_false(causes_are_news(&c, 1, 1));
        one.grown_bytes = 2000;
        found(&one, 1, &facts, 1);
        assert_true(causes_are_news(&c, 1, 1));
}

/* Whoever writes to a volume, and to which file of it, it is that volume; without a name it is who writes it. */
static void the_same_is_known_by_what_it_is_and_not_by_which_file_it_was(void **state) {
        static const Cause cases[][2] = {
                {{.kind = CAUSE_VOLUME, .name = "a", .path = "x", .command = "cc", .pid = 1, .grown_bytes = 1},
                 {.kind = CAUSE_VOLUME, .name = "a", .path = "y", .command = "ld", .pid = 2, .grown_bytes = 9}},
                {{.kind = CAUSE_WRITE_LAYER, .container = "1f", .command = "cc"}, {.kind = CAUSE_WRITE_LAYER, .container = "1f"}},
                {{.kind = CAUSE_FILES, .name = "cron.service", .command = "cc"}, {.kind = CAUSE_FILES, .name = "cron.service"}},
                {{.kind = CAUSE_FILES, .command = "cc", .pid = 1}, {.kind = CAUSE_FILES, .command = "cc", .pid = 2}},
                {{.kind = CAUSE_DELETED, .command = "java"}, {.kind = CAUSE_DELETED, .command = "java", .held_bytes = 9}},
                {{.kind = CAUSE_IMAGES, .command = "dockerd"}, {.kind = CAUSE_IMAGES, .command = "containerd"}},
                {{.kind = CAUSE_JOURNAL, .command = "systemd-journal"}, {.kind = CAUSE_JOURNAL, .command = "journalctl"}},
        }, others[][2] = {
                {{.kind = CAUSE_VOLUME, .name = "a"}, {.kind = CAUSE_VOLUME, .name = "b"}},
                {{.kind = CAUSE_VOLUME, .name = "a"}, {.kind = CAUSE_BIND_MOUNT, .name = "a"}},
                {{.kind = CAUSE_VOLUME, .name = "a", .container = "1f"}, {.kind = CAUSE_VOLUME, .name = "a", .container = "2f"}},
                {{.kind = CAUSE_FILES, .command = "cc"}, {.kind = CAUSE_FILES, .command = "ld"}},
                {{.kind = CAUSE_FILES, .name = "cron.service"}, {.kind = CAUSE_FILES, .name = "at.service"}},
                {{.kind = CAUSE_DELETED, .command = "java"}, {.kind = CAUSE_DELETED, .command = "perl"}},
                {{.kind = CAUSE_IMAGES, .command = "dockerd"}, {.kind = CAUSE_JOURNAL, .command = "dockerd"}},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases) + ELEMENTS(others); i++) {
                bool is_same = i < ELEMENTS(cases);
                const Cause *pair = is_same ? cases[i] : others[i - ELEMENTS(cases)];

                for (unsigned k = 0; k < 2; k++) {
                        Cause before = pair[k], after = pair[1 - k];
                        before.grown_bytes = after.grown_bytes = 5;
                        found_one(&before, 1);
                        causes_told(&c, 1, 1);
                        found_one(&after, USEC_PER_HOUR);
                        if (causes_are_news(&c, 1, USEC_PER_HOUR) == is_same)
                                fail_msg("%zu", i);
                }
        }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup(f, forget_all)
        const struct CMUnitTest tests[] = {
                TEST(the_largest_are_kept_in_their_order_whatever_order_they_come_in),
                TEST(of_those_that_are_alike_the_one_that_was_told_first_comes_first),
                TEST(one_that_finds_nothing_takes_the_place_of_what_was_known),
                TEST(one_in_which_nothing_grew_leaves_what_was_known),
                TEST(shares_are_of_all_that_is_known_to_have_grown),
                TEST(a_pace_is_over_the_time_between_the_looks),
                TEST(what_was_found_is_fresh_for_three_minutes_and_can_be_forgotten),
                TEST(what_one_took_is_earned_before_the_next),
                TEST(one_that_has_failed_leaves_what_is_known_and_is_not_repeated_at_once),
                TEST(what_is_over_lets_the_next_one_be_made_as_soon_as_it_is_earned),
                TEST(it_is_looked_for_as_long_as_something_shows),
                TEST(a_cause_is_news_once_to_each_alert),
                TEST(another_cause_is_news_after_five_minutes),
                TEST(what_has_a_small_part_in_it_is_no_news),
                TEST(the_same_is_known_by_what_it_is_and_not_by_which_file_it_was),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
