/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lines of json-file logs: Docker's own, ours, torn ones, and what a container would like to forge. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "log_record.h"

#define TIME "\"time\":\"2026-11-27T20:31:12.000000005Z\""
#define TIME_NSEC INT64_C(1795811472000000005)

static int parse(const char *line, LogRecord *r) { return log_record_parse(line, strlen(line), r); }

static void assert_span(LogSpan span, const char *text) {
        assert_non_null(span.text);
        assert_int_equal(span.n_bytes, strlen(text));
        assert_memory_equal(span.text, text, span.n_bytes);
}

static void whole_lines_are_read(void **state) {
        LogRecord r;

        (void) state;
        assert_int_equal(parse("{\"log\":\"a b\\n\",\"stream\":\"stdout\"," TIME "}", &r), 0);
        assert_span(r.log, "a b\\n");
        assert_span(r.stream, "stdout");
        assert_null(r.attrs.text);
        assert_int_equal(r.time_nsec, TIME_NSEC);

        assert_int_equal(parse("{\"log\":\"x\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"}\\\"{\",\"b\":\"c\"}," TIME "}", &r), 0);
        assert_span(r.attrs, "{\"a\":\"}\\\"{\",\"b\":\"c\"}");

        /* An empty line; spaces in front, left by a cut; spaces behind, as the marker of a punched log has them. */
        assert_int_equal(parse("{\"stream\":\"stdout\"," TIME "}", &r), 0);
        assert_null(r.log.text);
        assert_int_equal(parse("        {\"log\":\"x\"," TIME "}      ", &r), 0);
        assert_span(r.log, "x");

        /* What a container says cannot get out of its string. */
        assert_int_equal(parse("{\"log\":\"\\\"," "\\\"time\\\":\\\"1999\\\"}\"," TIME "}", &r), 0);
        assert_int_equal(r.time_nsec, TIME_NSEC);
}

static void torn_lines_are_told_from_blank_ones(void **state) {
        static const char *const torn[] = {
                "{", "}", "x", "{}", "{\"log\":\"x\"}", "{\"log\":\"x\"," TIME, "{\"log\":\"x" , "og\":\"x\"," TIME "}",
                "{\"log\":\"x\"," TIME "}{", "{\"log\":\"\\x\"," TIME "}", "{\"log\":\"\\u12g4\"," TIME "}",
                "{\"log\":\"\\u12\"," TIME "}", "{\"log\":\"\\", "{\"log\":\"a\tb\"," TIME "}", "{\"log\":1," TIME "}",
                "{\"log\":\"x\",\"time\":\"yesterday\"}", "{\"log\":\"x\",\"time\":\"\"}", "{\"log\":\"x\",," TIME "}",
                "{\"attrs\":{\"a\":\"b\"," TIME "}", "{\"attrs\":{{{{{{{{{}}}}}}}}}," TIME "}", "{\"log\" \"x\"," TIME "}",
        };
        LogRecord r;

        (void) state;
        assert_int_equal(parse("", &r), LOG_RECORD_E_BLANK);
        assert_int_equal(parse("        ", &r), LOG_RECORD_E_BLANK);
        assert_int_equal(log_record_parse("{\0", 2, &r), LOG_RECORD_E_TORN);
        assert_int_equal(log_record_parse("\0\0", 2, &r), LOG_RECORD_E_TORN);
        for (size_t i = 0; i < ELEMENTS(torn); i++)
                if (parse(torn[i], &r) != LOG_RECORD_E_TORN)
                        fail_msg("taken: %s", torn[i]);
}

/* Each beginning of a line is torn, and nothing behind it is read. */
static void no_beginning_of_a_line_is_one(void **state) {
        static const char line[] = "{\"log\":\"\\u00e9\\n\",\"stream\":\"stdout\",\"attrs\":{\"a\":\"b\"}," TIME "}";
        char exact[sizeof(line)];
        LogRecord r;

        (void) state;
        for (size_t n = 1; n < sizeof(line) - 1; n++) {
                memcpy(exact, line, n);
                memset(exact + n, '}', sizeof(exact) - n);
                assert_int_equal(log_record_parse(exact, n, &r), LOG_RECORD_E_TORN);
        }
}

static void times_are_read(void **state) {
        static const struct {
                const char *text;
                int64_t sec, nsec;
        } good[] = {
                {"1970-01-01T00:00:00Z", 0, 0},
                {"1969-12-31T23:59:59.5Z", -1, 500000000},
                {"2026-11-27T20:31:12.123456789Z", 1795811472, 123456789},
                {"2026-11-27T20:31:12.1234567899Z", 1795811472, 123456789},
                {"2026-11-27 21:31:12+01:00", 1795811472, 0},
                {"2026-11-27T15:01:12-05:30", 1795811472, 0},
                {"2000-02-29T00:00:00Z", 951782400, 0},
                {"2016-12-31T23:59:60Z", 1483228800, 0},
        };
        static const char *const bad[] = {
                "", "2026", "2026-11-27", "2026-11-27T20:31:12", "2026-13-27T20:31:12Z", "2026-11-27T24:31:12Z",
                "2026-11-27T20:31:12.Z", "2026-11-27T20:31:12Zx", "2026-11-27T20:31:12+0100", "0001-01-01T00:00:00Z",
                "2026-00-27T20:31:12Z", "2026-11-00T20:31:12Z", "9999-11-27T20:31:12Z", "-026-11-27T20:31:12Z",
        };
        int64_t nsec;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(good); i++) {
                assert_int_equal(log_record_parse_time(good[i].text, strlen(good[i].text), &nsec), 0);
                assert_int_equal(nsec, good[i].sec * 1000000000 + good[i].nsec);
        }
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                if (log_record_parse_time(bad[i], strlen(bad[i]), &nsec) == 0)
                        fail_msg("taken: %s", bad[i]);
}

static void escapes_are_undone(void **state) {
        static const struct {
                const char *escaped, *text;
        } cases[] = {
                {"", ""}, {"plain", "plain"}, {"a\\nb\\t\\\\\\\"\\/\\r\\b\\f", "a\nb\t\\\"/\r\b\f"},
                {"\\u0041\\u00e9\\u20ac", "A\xC3\xA9\xE2\x82\xAC"}, {"\\ud83d\\ude00", "\xF0\x9F\x98\x80"},
                {"\\ud83d", "\xEF\xBF\xBD"}, {"\\ud83dx", "\xEF\xBF\xBDx"}, {"\\ude00", "\xEF\xBF\xBD"},
                {"\\ud83d\\u0041", "\xEF\xBF\xBD" "A"}, {"\\ud83d\\n", "\xEF\xBF\xBD\n"}, {"\\u001b[1m", "\x1B[1m"},
                {"\xC3\xA9", "\xC3\xA9"},
        };
        char text[64];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                LogSpan span = {cases[i].escaped, strlen(cases[i].escaped)};
                size_t n = log_record_unescape(span, text);

                assert_true(n <= span.n_bytes);
                assert_int_equal(n, strlen(cases[i].text));
                assert_memory_equal(text, cases[i].text, n);
        }
        assert_int_equal(log_record_unescape((LogSpan){"\\u0000", 6}, text), 1);
        assert_int_equal(text[0], 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_lines_are_read),
                cmocka_unit_test(torn_lines_are_told_from_blank_ones),
                cmocka_unit_test(no_beginning_of_a_line_is_one),
                cmocka_unit_test(times_are_read),
                cmocka_unit_test(escapes_are_undone),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
