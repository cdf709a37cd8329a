/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who fills the partition: shares, offenders, and when it is not the logs. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "attribution.h"

#define N_LOGS 100

typedef struct Fixture {
        Attribution attribution;
        LogTable table;
        LogEntry *logs[N_LOGS];
        uint64_t now_usec;
        Ranking ranking;
} Fixture;

static Fixture x;

static int set_up(void **state) {
        (void) state;
        x = (Fixture){};
        for (uint32_t i = 0; i < N_LOGS; i++)
                if (log_table_add(&x.table, i, &x.logs[i]) != 0)
                        return -1;
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        log_table_done(&x.table);
        return 0;
}

/* A minute in which the first n logs grow at bps and something else at other_bps. */
static void run(const double *bps, size_t n, double other_bps) {
        attribution_push(&x.attribution, x.now_usec, 0);
        for (int tick = 0; tick < 600; tick++) {
                double all = other_bps / 10;
                x.now_usec += 100 * USEC_PER_MSEC;
                for (size_t i = 0; i < n; i++) {
                        if (bps[i] != 0)
                                attribution_push_log(&x.attribution, x.logs[i], x.now_usec, bps[i] / 10);
                        log_table_list(&x.table, x.logs[i], LOG_LIST_ACTIVE, true);
                        all += bps[i] / 10;
                }
                attribution_push(&x.attribution, x.now_usec, all);
        }
        attribution_rank(&x.attribution, &x.table, 1, x.now_usec, &x.ranking);
}

static void offenders_are_the_logs_that_explain_nine_tenths_of_what_logs_grow(void **state) {
        const double bps[] = {1e6, 80e6, 0.5e6, 11e6, 0};

        (void) state;
        run(bps, ELEMENTS(bps), 7.5e6);
        assert_true(x.ranking.logs_explain);
        assert_int_equal(x.ranking.n_offenders, 2);
        assert_ptr_equal(x.ranking.logs[0].entry, x.logs[1]);
        assert_ptr_equal(x.ranking.logs[1].entry, x.logs[3]);
        assert_int_equal(attribution_share_permyriad(&x.ranking, x.ranking.logs[0].bps), 8000);
}

static void an_image_pull_is_not_the_logs(void **state) {
        const double bps[] = {1e6, 2e6};

        (void) state;
        run(bps, ELEMENTS(bps), 80e6);
        assert_false(x.ranking.logs_explain);
}

static void where_others_give_back_what_a_log_takes_no_log_is_to_blame(void **state) {
        const double bps[] = {1e6, 1e3};

        (void) state;
        run(bps, ELEMENTS(bps), -1e6);
        assert_false(x.ranking.logs_explain);
        x.attribution.shown_late = true; /* there the partition says nothing yet */
        attribution_rank(&x.attribution, &x.table, 1, x.now_usec, &x.ranking);
        assert_true(x.ranking.logs_explain);
}

static void shares_never_add_up_to_more_than_all(void **state) {
        const double bps[] = {50e6, 50e6};
        uint32_t sum = 0;

        (void) state;
        run(bps, ELEMENTS(bps), -30e6);
        for (size_t i = 0; i < x.ranking.n_logs; i++)
                sum += attribution_share_permyriad(&x.ranking, x.ranking.logs[i].bps);
        assert_in_range(sum, 9900, 10001);
}

static void more_equal_logs_than_can_be_ranked_are_all_offenders(void **state) {
        double bps[N_LOGS];

        (void) state;
        for (size_t i = 0; i < N_LOGS; i++)
                bps[i] = 1e6;
        run(bps, N_LOGS, 0);
        assert_int_equal(x.ranking.n_logs, RANKING_MAX);
        assert_true(x.ranking.logs[0].bps >= x.ranking.offender_bps);
        for (size_t i = 0; i < N_LOGS; i++)
                assert_true(attribution_log_bps(&x.attribution, x.logs[i], 1, x.now_usec) >=
                                x.ranking.offender_bps);
}

static void a_log_that_is_quiet_for_hours_leaves_the_list(void **state) {
        const double bps[] = {1e6, 1e6};

        (void) state;
        run(bps, ELEMENTS(bps), 0);
        assert_non_null(x.table.first[LOG_LIST_ACTIVE]);
        x.now_usec += 5 * USEC_PER_HOUR;
        attribution_rank(&x.attribution, &x.table, 1, x.now_usec, &x.ranking);
        assert_null(x.table.first[LOG_LIST_ACTIVE]);
        assert_int_equal(x.ranking.n_logs, 0);
        assert_false(x.ranking.logs_explain);
}

static void what_was_freed_is_no_part_of_a_log_whatever_was_set_aside_for_its_writer(void **state) {
        LogEntry entry = {.sample = {.allocated_bytes = MIB(90), .size_bytes = MIB(100)}};

        (void) state;
        assert_true(log_entry_live_bytes(&entry) == MIB(90));
        entry.sample.filler_bytes = MIB(80);
        assert_true(log_entry_live_bytes(&entry) == MIB(20));
        entry.sample.hole_bytes = MIB(5);
        assert_true(log_entry_live_bytes(&entry) == MIB(15));
        entry.sample.filler_bytes = MIB(200); /* news that do not go together */
        assert_true(log_entry_live_bytes(&entry) == 0);
}

static void the_table_takes_slots_in_any_order_and_gives_them_back(void **state) {
        LogEntry *entry;
        LogSample sample = {.allocated_bytes = 5, .segments_bytes = 6, .hole_bytes = 7};

        (void) state;
        assert_int_equal(log_table_add(&x.table, ENGINE_LOGS_MAX, &entry), -ENOSPC);
        assert_int_equal(log_table_add(&x.table, ENGINE_LOGS_MAX - 1, &entry), 0);
        assert_ptr_equal(log_table_get(&x.table, ENGINE_LOGS_MAX - 1), entry);
        assert_null(log_table_get(&x.table, ENGINE_LOGS_MAX - 2));
        assert_null(log_table_get(&x.table, 5000));
        log_table_set_sample(&x.table, entry, &sample);
        log_table_set_sample(&x.table, x.logs[3], &sample);
        assert_int_equal(x.table.allocated_bytes, 22);
        assert_ptr_equal(x.table.first[LOG_LIST_HOLED], x.logs[3]);
        log_table_remove(&x.table, x.logs[3]);
        assert_ptr_equal(x.table.first[LOG_LIST_HOLED], entry);
        log_table_remove(&x.table, entry);
        assert_null(x.table.first[LOG_LIST_HOLED]);
        assert_int_equal(x.table.allocated_bytes, 0);
        assert_null(log_table_get(&x.table, 3));

        uint32_t cursor = 0, n = 0;
        while (log_table_next(&x.table, &cursor))
                n++;
        assert_int_equal(n, N_LOGS - 1);
        assert_int_equal(x.table.n_logs, N_LOGS - 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(offenders_are_the_logs_that_explain_nine_tenths_of_what_logs_grow),
                TEST(an_image_pull_is_not_the_logs),
                TEST(where_others_give_back_what_a_log_takes_no_log_is_to_blame),
                TEST(shares_never_add_up_to_more_than_all),
                TEST(more_equal_logs_than_can_be_ranked_are_all_offenders),
                TEST(a_log_that_is_quiet_for_hours_leaves_the_list),
                TEST(what_was_freed_is_no_part_of_a_log_whatever_was_set_aside_for_its_writer),
                TEST(the_table_takes_slots_in_any_order_and_gives_them_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
