/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes, times and rates, from text and to text. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "macros.h"
#include "units.h"

typedef struct Case {
        const char *text;
        int r;
        uint64_t value;
} Case;

static void sizes_are_binary_multiples_or_refused(void **state) {
        static const Case cases[] = {
                { "0", 0, 0 },
                { "4096", 0, 4096 },
                { "16M", 0, MIB(16) },
                { "16MB", 0, MIB(16) },
                { "16MiB", 0, MIB(16) },
                { "16 MiB", 0, MIB(16) },
                { " 16m ", 0, MIB(16) },
                { "1.5G", 0, GIB(1) + MIB(512) },
                { "0.1K", 0, 102 },
                { "100G", 0, GIB(100) },
                { "2T", 0, GIB(2048) },
                { "512B", 0, 512 },
                { "18446744073709551615", 0, UINT64_MAX },
                { "18446744073709551616", -ERANGE, 0 },
                { "16777216T", -ERANGE, 0 },
                { "16777215.999999999T", 0, UINT64_C(18446744073709550516) },
                { "18446744073709551615.999999999T", -ERANGE, 0 },
                { "309485009821345068.724781056T", -ERANGE, 0 }, /* 2^128 and nothing more, on the way */
                { "99999999999999999999999999", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "M", -EINVAL, 0 },
                { "-1", -EINVAL, 0 },
                { "+1", -EINVAL, 0 },
                { "1.5", -EINVAL, 0 },
                { "1.M", -EINVAL, 0 },
                { ".5M", -EINVAL, 0 },
                { "1.0000000001M", -EINVAL, 0 },
                { "16X", -EINVAL, 0 },
                { "16MiBs", -EINVAL, 0 },
                { "16M 1K", -EINVAL, 0 },
                { "0x10", -EINVAL, 0 },
                { "1e3", -EINVAL, 0 },
                { "16Mi", -EINVAL, 0 },
                { "1\021", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t bytes = 12345;
                int r = bytes_parse(cases[i].text, &bytes);

                if (r != cases[i].r || bytes != (r == 0 ? cases[i].value : 12345))
                        fail_msg("'%s': %d, %llu", cases[i].text, r, (unsigned long long) bytes);
        }
}

static void percentages_keep_two_decimals(void **state) {
        static const Case cases[] = {
                { "10%", 0, 1000 },   { "2.5%", 0, 250 },       { "0.01%", 0, 1 },
                { "100%", 0, 10000 }, { "25 %", 0, 2500 },      { "0%", 0, 0 },
                { "100.01%", -ERANGE, 0 },                      { "99999999999999999999%", -ERANGE, 0 },
                { "10", -EINVAL, 0 }, { "%", -EINVAL, 0 },      { "0.001%", -EINVAL, 0 },
                { "10%%", -EINVAL, 0 }, { "-1%", -EINVAL, 0 },  { "", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint32_t permyriad = 777;
                int r = percent_parse(cases[i].text, &permyriad);

                if (r != cases[i].r || permyriad != (r == 0 ? cases[i].value : 777))
                        fail_msg("'%s': %d, %u", cases[i].text, r, permyriad);
        }
}

static void times_are_sums_of_parts_with_units(void **state) {
        static const Case cases[] = {
                { "60", 0, 60 * USEC_PER_SEC },
                { "0", 0, 0 },
                { "1.5", 0, 1500 * USEC_PER_MSEC },
                { "60s", 0, 60 * USEC_PER_SEC },
                { "5ms", 0, 5 * USEC_PER_MSEC },
                { "7us", 0, 7 },
                { "10min", 0, 10 * USEC_PER_MINUTE },
                { "10 min", 0, 10 * USEC_PER_MINUTE },
                { "24h", 0, USEC_PER_DAY },
                { "1h 30min", 0, 90 * USEC_PER_MINUTE },
                { "1h30min", 0, 90 * USEC_PER_MINUTE },
                { "2d", 0, 2 * USEC_PER_DAY },
                { "1.5 hours", 0, 90 * USEC_PER_MINUTE },
                { "infinity", 0, USEC_INFINITY },
                { "18446744073709551614us", 0, UINT64_MAX - 1 },
                { "18446744073709551615us", -ERANGE, 0 },
                { "18446744073709551614us 1us", -ERANGE, 0 },
                { "1000000000d", -ERANGE, 0 },
                { "", -EINVAL, 0 },
                { "   ", -EINVAL, 0 },
                { "1h 30", -EINVAL, 0 },
                { "30 1h", -EINVAL, 0 },
                { "h", -EINVAL, 0 },
                { "-1s", -EINVAL, 0 },
                { "1y", -EINVAL, 0 },
                { "1s,", -EINVAL, 0 },
                { "infinity 1s", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                uint64_t usec = 12345;
                int r = span_parse(cases[i].text, &usec);

                if (r != cases[i].r || usec != (r == 0 ? cases[i].value : 12345))
                        fail_msg("'%s': %d, %llu", cases[i].text, r, (unsigned long long) usec);
        }
}

static void booleans_have_four_words_each(void **state) {
        static const Case cases[] = {
                { "1", 0, 1 }, { "yes", 0, 1 }, { "true", 0, 1 }, { "on", 0, 1 }, { "ON", 0, 1 },
                { "0", 0, 0 }, { "no", 0, 0 }, { "false", 0, 0 }, { "off", 0, 0 },
                { "", -EINVAL, 0 }, { "2", -EINVAL, 0 }, { "yes ", -EINVAL, 0 }, { "y", -EINVAL, 0 },
                { "\021", -EINVAL, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                bool value = !cases[i].value;
                int r = boolean_parse(cases[i].text, &value);

                if (r != cases[i].r || (r == 0 && value != (cases[i].value != 0)))
                        fail_msg("'%s': %d", cases[i].text, r);
        }
}

static void sizes_are_short_to_read(void **state) {
        static const Case cases[] = {
                        {"0 B", 0, 0},
                        {"1023 B", 0, 1023},
                        {"1 KiB", 0, 1024},
                        {"7.1 KiB", 0, 7270},
                        {"9.9 KiB", 0, 10188},
                        {"10 KiB", 0, 10239},
                        {"214 MiB", 0, MIB(214)},
                        {"1 GiB", 0, GIB(1) - 1},
                        {"1023 MiB", 0, MIB(1023) + KIB(400)},
                        {"1 GiB", 0, MIB(1023) + KIB(513)},
                        {"41 GiB", 0, GIB(41)},
                        {"9.2 GiB", 0, GIB(9) + MIB(205)},
                        {"16 EiB", 0, UINT64_MAX},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char buf[UNITS_TEXT_MAX];

                assert_string_equal(bytes_format(cases[i].value, buf), cases[i].text);
        }
}

static void rates_may_be_negative(void **state) {
        char buf[UNITS_TEXT_MAX];

        (void) state;
        assert_string_equal(bps_format((int64_t) MIB(214), buf), "214 MiB/s");
        assert_string_equal(bps_format(-1536, buf), "-1.5 KiB/s");
        assert_string_equal(bps_format(0, buf), "0 B/s");
        assert_string_equal(bps_format(INT64_MIN, buf), "-8 EiB/s");
}

static void times_are_rounded_down_to_what_matters(void **state) {
        static const Case cases[] = {
                        {"0 s", 0, 0},
                        {"999 us", 0, 999},
                        {"350 ms", 0, 350999},
                        {"1 s", 0, USEC_PER_SEC},
                        {"1.5 s", 0, 1599 * USEC_PER_MSEC},
                        {"14 s", 0, 14900 * USEC_PER_MSEC},
                        {"59 s", 0, 60 * USEC_PER_SEC - 1},
                        {"1 min", 0, 60 * USEC_PER_SEC},
                        {"95 s", 0, 95 * USEC_PER_SEC},
                        {"4 min", 0, 5 * USEC_PER_MINUTE - 1},
                        {"59 min", 0, USEC_PER_HOUR - 1},
                        {"1 h", 0, USEC_PER_HOUR},
                        {"1 h 12 min", 0, 72 * USEC_PER_MINUTE},
                        {"13 h", 0, 13 * USEC_PER_HOUR + 59 * USEC_PER_MINUTE},
                        {"24 h", 0, USEC_PER_DAY},
                        {"2 d 3 h", 0, 51 * USEC_PER_HOUR},
                        {"12 d", 0, 12 * USEC_PER_DAY},
                        {"infinity", 0, USEC_INFINITY},
                        {"213503982 d", 0, USEC_INFINITY - 1},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char buf[UNITS_TEXT_MAX];

                assert_string_equal(span_format(cases[i].value, buf), cases[i].text);
        }
}

static void nearly_full_does_not_read_as_full(void **state) {
        static const Case cases[] = {
                        {"91 %", 0, 9100},
                        {"9.4 %", 0, 945},
                        {"9 %", 0, 900},
                        {"0 %", 0, 0},
                        {"0.1 %", 0, 10},
                        {"38 %", 0, 3751},
                        {"99 %", 0, 9900},
                        {"99.9 %", 0, 9999},
                        {"100 %", 0, 10000},
                        {"42949673 %", 0, UINT32_MAX},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char buf[UNITS_TEXT_MAX];

                assert_string_equal(permyriad_format((uint32_t) cases[i].value, buf), cases[i].text);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(sizes_are_binary_multiples_or_refused),
                cmocka_unit_test(percentages_keep_two_decimals),
                cmocka_unit_test(times_are_sums_of_parts_with_units),
                cmocka_unit_test(booleans_have_four_words_each),
                cmocka_unit_test(sizes_are_short_to_read),
                cmocka_unit_test(rates_may_be_negative),
                cmocka_unit_test(times_are_rounded_down_to_what_matters),
                cmocka_unit_test(nearly_full_does_not_read_as_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
