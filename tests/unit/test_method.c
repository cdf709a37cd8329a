/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The table "What a trim is" of the documentation, line by line. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "macros.h"
#include "method.h"

#define BAR(m) (UINT32_C(1) << (m))
#define WRITER(flag) {.pid = 7, .fd = 3, .append = (flag)}
#define NOBODY {.pid = 0, .append = UNKNOWN}

#define JSON LOG_DRIVER_JSON_FILE
#define UNREAD LOG_DRIVER_UNKNOWN
#define LEASED METHOD_COLLAPSE_LEASED
#define FAILED_BOTH (BAR(METHOD_COLLAPSE) | BAR(METHOD_PUNCH))

static void each_situation_has_its_method(void **state) {
        static const struct {
                const char *situation;
                MethodFacts facts;
                Method method;
        } cases[] = {
                /* driver, odd, running, held open, writer, Docker, can collapse, can punch, can reflink, barred, log shipper */
                {"at rest", {JSON, 0, 0, 0, NOBODY, 26, 1, 1, 0, 0}, METHOD_COLLAPSE_LEASED},
                {"at rest, old Docker", {JSON, 0, 0, 0, NOBODY, 20, 1, 1, 0, 0}, METHOD_COLLAPSE_LEASED},
                {"at rest, but held open", {JSON, 0, 0, 1, NOBODY, 26, 1, 1, 0, 0}, METHOD_PUNCH},
                {"stopped, yet a writer has it", {JSON, 0, 0, 0, WRITER(YES), 26, 1, 1, 0, 0}, METHOD_PUNCH},
                {"at rest, btrfs", {JSON, 0, 0, 0, NOBODY, 26, 0, 1, 0, 0}, METHOD_PUNCH},
                {"before 23, O_APPEND", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, 0}, METHOD_COLLAPSE},
                {"the last before 23", {JSON, 0, 1, 0, WRITER(YES), 22, 1, 1, 0, 0}, METHOD_COLLAPSE},
                {"before 23, no O_APPEND", {JSON, 0, 1, 0, WRITER(NO), 20, 1, 1, 0, 0}, METHOD_PUNCH},
                {"before 23, flags unknown", {JSON, 0, 1, 0, WRITER(UNKNOWN), 20, 1, 1, 0, 0}, METHOD_PUNCH},
                {"before 23, writer not found", {JSON, 0, 1, 0, {.append = YES}, 20, 1, 1, 0, 0}, METHOD_PUNCH},
                {"before 23, btrfs", {JSON, 0, 1, 0, WRITER(YES), 20, 0, 1, 0, 0}, METHOD_PUNCH},
                {"Docker 23", {JSON, 0, 1, 0, WRITER(YES), 23, 1, 1, 0, 0}, METHOD_PUNCH},
                {"Docker 28", {JSON, 0, 1, 0, WRITER(YES), 28, 1, 1, 0, 0}, METHOD_PUNCH},
                {"version unknown", {JSON, 0, 1, 0, WRITER(YES), 0, 1, 1, 0, 0}, METHOD_PUNCH},
                {"nothing works here", {JSON, 0, 1, 0, WRITER(YES), 26, 1, 0, 0, 0}, METHOD_NONE},
                {"catalog unreadable", {UNREAD, 0, 0, 0, NOBODY, 20, 1, 1, 0, 0}, METHOD_PUNCH},
                {"the same, with a writer", {UNREAD, 0, 0, 0, WRITER(YES), 20, 1, 1, 0, 0}, METHOD_PUNCH},
                {"binary framing", {LOG_DRIVER_LOCAL, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, 0}, METHOD_NONE},
                {"another driver's cache", {LOG_DRIVER_OTHER, 0, 0, 0, NOBODY, 20, 1, 1, 0, 0}, METHOD_NONE},
                {"a symlink, a second link", {JSON, 1, 0, 0, NOBODY, 20, 1, 1, 0, 0}, METHOD_NONE},
                {"it failed", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, BAR(METHOD_COLLAPSE)}, METHOD_PUNCH},
                {"lease failed", {JSON, 0, 0, 0, NOBODY, 20, 1, 1, 0, BAR(LEASED)}, METHOD_PUNCH},
                {"reflink, at rest", {JSON, 0, 0, 0, NOBODY, 26, 1, 1, 1, 0}, METHOD_COLLAPSE_LEASED},
                {"reflink, at rest, btrfs", {JSON, 0, 0, 0, NOBODY, 26, 0, 1, 1, 0}, METHOD_FILL},
                {"reflink, held open", {JSON, 0, 0, 1, NOBODY, 26, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, lease failed", {JSON, 0, 0, 0, NOBODY, 26, 1, 1, 1, BAR(LEASED)}, METHOD_FILL},
                {"reflink, Docker 28", {JSON, 0, 1, 0, WRITER(YES), 28, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, before 23", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, no O_APPEND", {JSON, 0, 1, 0, WRITER(NO), 20, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, version unknown", {JSON, 0, 1, 0, WRITER(YES), 0, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, catalog unreadable", {UNREAD, 0, 0, 0, NOBODY, 20, 1, 1, 1, 0}, METHOD_FILL},
                {"reflink, binary framing", {LOG_DRIVER_LOCAL, 0, 1, 0, WRITER(YES), 20, 1, 1, 1, 0}, METHOD_NONE},
                {"reflink, a symlink", {JSON, 1, 0, 0, NOBODY, 20, 1, 1, 1, 0}, METHOD_NONE},
                {"fill failed, Docker 28", {JSON, 0, 1, 0, WRITER(YES), 28, 1, 1, 1, BAR(METHOD_FILL)}, METHOD_PUNCH},
                {"fill failed, before 23", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 1, BAR(METHOD_FILL)}, METHOD_COLLAPSE},
                {"fill alone", {JSON, 0, 1, 0, WRITER(YES), 26, 0, 0, 1, 0}, METHOD_FILL},
                {"at rest, a shipper has it", {JSON, 0, 0, 0, NOBODY, 26, 1, 1, 0, 0, 1}, METHOD_PUNCH},
                {"before 23, and a shipper", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, 0, 1}, METHOD_PUNCH},
                {"Docker 28, and a shipper", {JSON, 0, 1, 0, WRITER(YES), 28, 1, 1, 0, 0, 1}, METHOD_PUNCH},
                {"version unknown, a shipper", {JSON, 0, 1, 0, WRITER(YES), 0, 1, 1, 0, 0, 1}, METHOD_PUNCH},
                {"a shipper, only shrinking works", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 0, 0, 0, 1}, METHOD_COLLAPSE},
                {"the same, punching failed", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, BAR(METHOD_PUNCH), 1}, METHOD_COLLAPSE},
                {"a shipper, Docker 26, no punch", {JSON, 0, 1, 0, WRITER(YES), 26, 1, 0, 0, 0, 1}, METHOD_NONE},
                {"a shipper, reflink", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 1, 0, 1}, METHOD_FILL},
                {"the same, at rest", {JSON, 0, 0, 0, NOBODY, 26, 1, 1, 1, 0, 1}, METHOD_FILL},
                {"all failed", {JSON, 0, 1, 0, WRITER(YES), 20, 1, 1, 0, FAILED_BOTH}, METHOD_NONE},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Method method = method_choose(&cases[i].facts);
                if (method != cases[i].method)
                        fail_msg("%s: %s", cases[i].situation, method_to_string(method));
        }
}

static void whatever_the_facts_a_file_that_may_not_shrink_is_never_shrunk(void **state) {
        (void) state;
        for (unsigned bits = 0; bits < 1 << 11; bits++)
                for (uint32_t major = 0; major < 30; major++)
                        for (int append = UNKNOWN; append <= YES; append++) {
                                MethodFacts f = {
                                        .driver = bits & 3,
                                        .odd = bits & 4,
                                        .running = bits & 8,
                                        .held_open = bits & 16,
                                        .writer = {.pid = bits & 32 ? 7 : 0, .append = append},
                                        .docker_major = major,
                                        .can_collapse = bits & 64,
                                        .can_punch = bits & 128,
                                        .barred = bits & 256 ? BAR(METHOD_PUNCH) : 0,
                                        .can_reflink = bits & 512,
                                        .has_offset_reader = bits & 1024,
                                };
                                Method m = method_choose(&f);
                                if (m == METHOD_NONE)
                                        continue;
                                /* Offsets move under a reader only where nothing else can be done. */
                                if (f.has_offset_reader && f.can_punch && f.barred == 0)
                                        assert_true(method_keeps_offsets(m));
                                assert_false(f.odd);
                                assert_true(f.driver == LOG_DRIVER_JSON_FILE ||
                                                f.driver == LOG_DRIVER_UNKNOWN);
                                if (m == METHOD_COLLAPSE)
                                        assert_true(major > 0 && major < 23 && append == YES &&
                                                        f.writer.pid > 0);
                                else if (m == METHOD_COLLAPSE_LEASED)
                                        assert_true(!f.running && f.writer.pid == 0 && !f.held_open);
                                else if (m == METHOD_FILL)
                                        assert_true(f.can_reflink);
                                else
                                        assert_int_equal(m, METHOD_PUNCH);
                        }
}

static void by_hand_only_what_harms_nobody(void **state) {
        MethodFacts stopped = {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 26, true, true, false, 0};
        MethodFacts modern = {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 26, true, true, false, 0};
        MethodFacts old = {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, true, true, false, 0};

        (void) state;
        assert_true(method_is_safe(&stopped, METHOD_COLLAPSE_LEASED, MIB(1)));
        assert_true(method_is_safe(&stopped, METHOD_HEAL, 0));
        assert_false(method_is_safe(&stopped, METHOD_COLLAPSE, MIB(1)));
        assert_true(method_is_safe(&stopped, METHOD_TRUNCATE, 0));
        assert_false(method_is_safe(&stopped, METHOD_TRUNCATE, MIB(1)));
        assert_false(method_is_safe(&modern, METHOD_COLLAPSE, MIB(1)));
        assert_false(method_is_safe(&modern, METHOD_COLLAPSE_LEASED, MIB(1)));
        assert_false(method_is_safe(&modern, METHOD_TRUNCATE, 0));
        assert_false(method_is_safe(&modern, METHOD_HEAL, 0));
        assert_true(method_is_safe(&modern, METHOD_PUNCH, MIB(1)));
        assert_false(method_is_safe(&modern, METHOD_FILL, MIB(1)));
        modern.can_reflink = true;
        assert_true(method_is_safe(&modern, METHOD_FILL, MIB(1)));
        assert_true(method_is_safe(&modern, METHOD_DELETE, MIB(1)));
        assert_true(method_is_safe(&old, METHOD_COLLAPSE, MIB(1)));
        assert_true(method_is_safe(&old, METHOD_TRUNCATE, 0));
        assert_false(method_is_safe(&old, METHOD_BALLAST_RELEASE, 0));
        old.has_offset_reader = true;
        assert_false(method_is_safe(&old, METHOD_COLLAPSE, MIB(1)));
        assert_true(method_is_safe(&old, METHOD_PUNCH, MIB(1)));
        modern.driver = LOG_DRIVER_LOCAL;
        assert_false(method_is_safe(&modern, METHOD_DELETE, 0));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_situation_has_its_method),
                cmocka_unit_test(whatever_the_facts_a_file_that_may_not_shrink_is_never_shrunk),
                cmocka_unit_test(by_hand_only_what_harms_nobody),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
