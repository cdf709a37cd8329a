/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Samples as text, and the clock they are stamped by. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "macros.h"
#include "replay_clock.h"
#include "sample_csv.h"

static int parse(const char *line, CsvSample *ret) {
        const char *error = NULL;
        int r = sample_csv_parse(line, false, ret, &error);

        if (r < 0)
                assert_non_null(error);
        return r;
}

static void values_are_read_as_monitoring_prints_them(void **state) {
        CsvSample s;

        (void) state;
        assert_int_equal(parse("1700000000.250,1000,400\n", &s), 0);
        assert_true(s.seconds == 1700000000.25 && s.space.total_bytes == 1000 && s.space.avail_bytes == 400);
        assert_true(s.space.free_bytes == 400 && s.space.total_inodes == 0);
        assert_int_equal(parse(" 1 , 1.0e+11 , 5e10 , 100 , 7 \r\n", &s), 0);
        assert_true(s.space.total_bytes == UINT64_C(100000000000) && s.space.avail_inodes == 7);
        assert_int_equal(parse("1,1000,-5", &s), 0); /* f_bavail below 0 */
        assert_true(s.space.avail_bytes == 0);
        assert_int_equal(parse("1,1000,2000", &s), 0);
        assert_true(s.space.avail_bytes == 1000);
}

static void what_is_missing_is_passed_over(void **state) {
        static const char *const nothing[] = {"", "\n", "  \r\n", "# a comment", "1,1000,", "1,,500", "1,1000,NaN"};
        const char *error;
        CsvSample s;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(nothing); i++)
                assert_int_equal(parse(nothing[i], &s), SAMPLE_CSV_E_NOTHING);
        assert_int_equal(sample_csv_parse("seconds,total_bytes,avail_bytes\n", true, &s, &error), SAMPLE_CSV_E_NOTHING);
        assert_int_equal(sample_csv_parse("1,1000,500\n", true, &s, &error), 0);
}

static void what_is_wrong_is_refused(void **state) {
        static const char *const wrong[] = {"seconds,total_bytes,avail_bytes", "1,1000", "1,1000,500,7", "1,2,3,4,5,6", "1;1000;500",
                "1,1000,5x", "1,0,0", "1,-1,0", "1,1e300,5", "1,inf,5", "1,1000,500,a,b"};
        CsvSample s;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(wrong); i++)
                assert_int_equal(parse(wrong[i], &s), -EINVAL);
}

static void a_clock_that_is_set_back_goes_on(void **state) {
        ReplayClock clock = {};
        uint64_t last = 0;

        (void) state;
        for (int i = 0; i < 100; i++) {
                uint64_t now = replay_clock_at(&clock, 1e9 + 10 * i - (i >= 50 ? 3600 : 0));
                assert_true(i == 0 || now == last + 10 * USEC_PER_SEC);
                last = now;
        }
        assert_true(replay_clock_at(&clock, 1e9 + 10 * 99 - 3600) == last);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(values_are_read_as_monitoring_prints_them),
                cmocka_unit_test(what_is_missing_is_passed_over),
                cmocka_unit_test(what_is_wrong_is_refused),
                cmocka_unit_test(a_clock_that_is_set_back_goes_on),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
