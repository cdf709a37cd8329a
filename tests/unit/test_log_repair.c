/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Torn lines: which part of them becomes spaces, and which never does. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "log_record.h"
#include "log_repair.h"
#include "macros.h"

#define END "\",\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:12.000000005Z\"}"
#define REC "{\"log\":\"next\\n" END
#define TAIL ("og\":\"x" END) /* of a record that somebody cut */
#define ATTRS "\"attrs\":{\"log\":\"x\",\"time\":\"2026-11-27T00:00:00Z\"}"
#define REC_ATTRS "{\"log\":\"next\\n\",\"stream\":\"stdout\"," ATTRS ",\"time\":\"2026-11-27T20:31:12Z\"}"

/* FRAGMENT is what is to go, between what stays. */
static void the_fragment_alone_is_found(void **state) {
        static const struct {
                const char *before, *fragment, *after;
        } cases[] = {
                {"", "{\"log\":\"abc de", REC},
                {"", "{", REC},
                {"", "{\"lo", REC},
                {"", "{\"log\":", REC},
                {"", "{\"log\":\"", REC},
                {"", "{\"log\":\"a\\", REC},
                {"", "{\"log\":\"a\\\\", REC},
                {"", "{\"log\":\"a\\u00", REC},
                {"", "{\"log\":\"a\\\"", REC},
                {"", "{\"log\":\"say {\\\"log\\\":\\\"x\\\"}", REC},
                {"", "{\"log\":\"a\xC3", REC},
                {"", "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:12Z\"", REC},
                {"", "{\"stream\":\"stdo", "{\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:12Z\"}"},
                /* two in a row; one behind a record that lacks its newline alone; one of which a part is blank already */
                {"", "{\"log\":\"a{\"log\":\"b", REC},
                {REC, "{\"log\":\"b", REC},
                {"   ", "og\":\"b", REC},
                {REC " ", "{\"log\":\"b", REC REC},
                /* what follows the first of several is found then */
                {"", "{\"log\":\"a", REC "{\"log\":\"b" REC},
                /* labels named like members */
                {"", "{\"log\":\"a\",\"stream\":\"stdout\"," ATTRS ",\"ti", REC_ATTRS},
                {"", "{\"log\":\"a\",\"stream\":\"stdout\"," ATTRS, REC_ATTRS},
                {"", "{\"log\":\"a\",\"stream\":\"stdout\",\"attrs\":", REC_ATTRS},
                {"", "{\"log\":\"a\",\"stream\":\"stdout\",\"attrs\":{\"log\":\"x\"", REC_ATTRS},
                {"", "{\"log\":\"a\",\"stream\":\"stdout\",\"attrs\":", REC_ATTRS REC_ATTRS},
                /* nothing valid behind it, but plainly Docker's */
                {"", "{\"log\":\"abc", ""},
                {"", "{\"log\":\"abc{\"log\":\"de", ""},
                {REC, "{\"log\":\"abc", ""},
                {REC, "x", ""},
        };
        char line[2048];
        size_t from, to;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const size_t expected = strlen(cases[i].before);

                (void) snprintf(line, sizeof(line), "%s%s%s", cases[i].before, cases[i].fragment, cases[i].after);
                assert_int_equal(log_repair_find(line, strlen(line), &from, &to), 0);
                if (from != expected || to != expected + strlen(cases[i].fragment))
                        fail_msg("%s: [%zu, %zu)", line, from, to);
        }
}

static void whole_records_are_no_damage(void **state) {
        static const char *const whole[] = {
                "", "    ", REC, ("   " REC), (REC "   "), ("\t" REC "\t\r"), (REC REC), (REC " " REC), REC_ATTRS,
                (REC_ATTRS REC_ATTRS),
        };
        size_t from, to;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(whole); i++)
                if (log_repair_find(whole[i], strlen(whole[i]), &from, &to) != LOG_REPAIR_E_WHOLE)
                        fail_msg("not whole: %s", whole[i]);
}

static void what_is_not_dockers_is_left_alone(void **state) {
        static const char *const foreign[] = {
                "2026-11-27T20:31:12Z stdout F text", "x", "{\"msg\":\"x\"}", TAIL, "{}", "{\"lo", "\x01\x02",
                "{\"log\":1}", "{ \"log\" : \"x\"", "    indented",
        };
        size_t from, to;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(foreign); i++)
                if (log_repair_find(foreign[i], strlen(foreign[i]), &from, &to) != LOG_REPAIR_E_FOREIGN)
                        fail_msg("judged: %s", foreign[i]);
        assert_int_equal(log_repair_find("a\0b", 3, &from, &to), LOG_REPAIR_E_FOREIGN);
}

/* Wherever a record is torn, blanking what is found leaves the next one, and nothing else. */
static void torn_anywhere_the_next_one_is_readable(void **state) {
        static const char torn[] = "{\"log\":\"\\u00e9 \\\\\\\" {\\\"log\\\":\\\"\\n\",\"stream\":\"stdout\"," ATTRS
                                   ",\"time\":\"2026-11-27T20:31:12Z\"}";
        const size_t n_next = strlen(REC_ATTRS);
        char line[1024];
        LogRecord record;
        size_t from, to;

        (void) state;
        for (size_t n = 1; n < sizeof(torn) - 1; n++) {
                memcpy(line, torn, n);
                memcpy(line + n, REC_ATTRS, n_next);
                assert_int_equal(log_repair_find(line, n + n_next, &from, &to), 0);
                assert_int_equal(from, 0);
                assert_int_equal(to, n);
                memset(line, ' ', to);
                assert_int_equal(log_record_parse(line, n + n_next, &record), 0);
                assert_int_equal(log_repair_find(line, n + n_next, &from, &to), LOG_REPAIR_E_WHOLE);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_fragment_alone_is_found),
                cmocka_unit_test(whole_records_are_no_damage),
                cmocka_unit_test(what_is_not_dockers_is_left_alone),
                cmocka_unit_test(torn_anywhere_the_next_one_is_readable),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
