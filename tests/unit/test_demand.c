/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Consumption without our own part: a trim is neither a calm writer nor a clean-up. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "demand.h"

#define TOTAL GIB(100)

static PartitionSample used(uint64_t bytes) {
        return (PartitionSample){
                        .total_bytes = TOTAL, .free_bytes = TOTAL - bytes, .avail_bytes = TOTAL - bytes};
}

static DemandStep step(Demand *d, uint64_t used_bytes, uint64_t sec, double expected_bps, bool acting) {
        PartitionSample s = used(used_bytes);
        return demand_step(d, &s, sec * USEC_PER_SEC, expected_bps, acting);
}

static void what_is_written_is_consumed_and_the_first_sample_is_only_a_beginning(void **state) {
        Demand d = {};

        (void) state;
        assert_false(step(&d, GIB(10), 1, 0, false).valid);
        DemandStep s = step(&d, GIB(10) + MIB(7), 2, 0, false);
        assert_true(s.valid);
        assert_true(s.consumed_bytes == (double) MIB(7));
        assert_true(step(&d, GIB(10) + MIB(5), 3, 0, false).consumed_bytes == -(double) MIB(2));
        assert_false(step(&d, GIB(10), 2, 0, false).valid);
}

static void a_gain_of_our_own_is_credited_so_that_the_writer_goes_on(void **state) {
        Demand d = {};

        (void) state;
        (void) step(&d, GIB(10), 1, 0, false);
        demand_credit(&d, GIB(1), 2 * USEC_PER_SEC - 1, false);
        DemandStep s = step(&d, GIB(9) + MIB(100), 2, MIB(100), false);
        assert_false(s.reclaimed);
        assert_true(s.consumed_bytes == (double) MIB(100));
        assert_true(d.credit_bytes == 0);
}

static void a_gain_that_shows_before_its_outcome_is_credited_once(void **state) {
        Demand d = {};

        (void) state;
        (void) step(&d, GIB(10), 1, 0, false);
        DemandStep s = step(&d, GIB(9), 2, MIB(100), true);
        assert_false(s.reclaimed);
        assert_true(s.consumed_bytes == (double) MIB(100));
        demand_credit(&d, GIB(1) + MIB(100), 2 * USEC_PER_SEC, false);
        assert_true(d.credit_bytes == 0);
        s = step(&d, GIB(7), 3, 0, false);
        assert_true(s.reclaimed);
}

static void a_clean_up_by_somebody_else_is_a_reclaim_and_a_little_one_is_not(void **state) {
        Demand d = {};

        (void) state;
        (void) step(&d, GIB(50), 1, 0, false);
        assert_true(step(&d, GIB(45), 2, 0, false).reclaimed);
        assert_false(step(&d, GIB(44), 3, 0, false).reclaimed);
}

static void a_credit_expires_and_later_where_gains_show_late(void **state) {
        static const struct {
                bool late;
                uint64_t after_sec;
                bool reclaimed;
        } cases[] = {{false, 1, false}, {false, 5, true}, {true, 50, false}, {true, 70, true}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Demand d = {};
                (void) step(&d, GIB(50), 1, 0, false);
                demand_credit(&d, GIB(4), USEC_PER_SEC, cases[i].late);
                assert_int_equal(step(&d, GIB(46), 1 + cases[i].after_sec, 0, false).reclaimed,
                                cases[i].reclaimed);
        }
}

static void what_we_take_ourselves_is_nobodys_growth(void **state) {
        Demand d = {};

        (void) state;
        (void) step(&d, GIB(10), 1, 0, false);
        demand_debit(&d, GIB(1), USEC_PER_SEC);
        assert_true(step(&d, GIB(11) + MIB(3), 2, 0, false).consumed_bytes == (double) MIB(3));
        assert_true(step(&d, GIB(12), 3, 0, false).consumed_bytes > (double) MIB(1000));
}

static void a_partition_that_is_resized_does_not_jump(void **state) {
        Demand d = {};
        PartitionSample s = used(GIB(10));

        (void) state;
        (void) demand_step(&d, &s, 1, 0, false);
        s.total_bytes += GIB(50);
        s.free_bytes += GIB(50);
        DemandStep after = demand_step(&d, &s, 2, 0, false);
        assert_false(after.reclaimed);
        assert_true(after.consumed_bytes == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_written_is_consumed_and_the_first_sample_is_only_a_beginning),
                cmocka_unit_test(a_gain_of_our_own_is_credited_so_that_the_writer_goes_on),
                cmocka_unit_test(a_gain_that_shows_before_its_outcome_is_credited_once),
                cmocka_unit_test(a_clean_up_by_somebody_else_is_a_reclaim_and_a_little_one_is_not),
                cmocka_unit_test(a_credit_expires_and_later_where_gains_show_late),
                cmocka_unit_test(what_we_take_ourselves_is_nobodys_growth),
                cmocka_unit_test(a_partition_that_is_resized_does_not_jump),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
