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

static void each_situation_has_its_method(void **state) {
        static const struct {
                const char *situation;
                MethodFacts facts;
                Method method;
        } cases[] = {
                {"at rest: collapse under a lease",
                        {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 26, true, true, 0}, METHOD_COLLAPSE_LEASED},
                {"at rest, old Docker: the same",
                        {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 20, true, true, 0}, METHOD_COLLAPSE_LEASED},
                {"at rest, but somebody has it open",
                        {LOG_DRIVER_JSON_FILE, false, false, true, NOBODY, 26, true, true, 0}, METHOD_PUNCH},
                {"stopped by the catalog, yet a writer has it",
                        {LOG_DRIVER_JSON_FILE, false, false, false, WRITER(YES), 26, true, true, 0}, METHOD_PUNCH},
                {"at rest, btrfs",
                        {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 26, false, true, 0}, METHOD_PUNCH},
                {"Docker before 23 with O_APPEND",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, true, true, 0}, METHOD_COLLAPSE},
                {"the last before 23",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 22, true, true, 0}, METHOD_COLLAPSE},
                {"Docker before 23 without O_APPEND",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(NO), 20, true, true, 0}, METHOD_PUNCH},
                {"Docker before 23, flags unknown",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(UNKNOWN), 20, true, true, 0}, METHOD_PUNCH},
                {"Docker before 23, writer not found",
                        {LOG_DRIVER_JSON_FILE, false, true, false, {.append = YES}, 20, true, true, 0}, METHOD_PUNCH},
                {"Docker before 23 on btrfs",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, false, true, 0}, METHOD_PUNCH},
                {"Docker 23",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 23, true, true, 0}, METHOD_PUNCH},
                {"Docker 28",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 28, true, true, 0}, METHOD_PUNCH},
                {"version unknown",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 0, true, true, 0}, METHOD_PUNCH},
                {"nothing works here",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 26, true, false, 0}, METHOD_NONE},
                {"catalog unreadable: it may be running, whatever else is known",
                        {LOG_DRIVER_UNKNOWN, false, false, false, NOBODY, 20, true, true, 0}, METHOD_PUNCH},
                {"catalog unreadable, writer and version known: still the safe one",
                        {LOG_DRIVER_UNKNOWN, false, false, false, WRITER(YES), 20, true, true, 0}, METHOD_PUNCH},
                {"local driver: binary framing",
                        {LOG_DRIVER_LOCAL, false, true, false, WRITER(YES), 20, true, true, 0}, METHOD_NONE},
                {"another driver's cache",
                        {LOG_DRIVER_OTHER, false, false, false, NOBODY, 20, true, true, 0}, METHOD_NONE},
                {"a symlink, a FIFO, a second link",
                        {LOG_DRIVER_JSON_FILE, true, false, false, NOBODY, 20, true, true, 0}, METHOD_NONE},
                {"collapse just failed",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, true, true, BAR(METHOD_COLLAPSE)},
                        METHOD_PUNCH},
                {"collapse under a lease just failed",
                        {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 20, true, true, BAR(METHOD_COLLAPSE_LEASED)},
                        METHOD_PUNCH},
                {"all failed: truncation is not a choice",
                        {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, true, true,
                                BAR(METHOD_COLLAPSE) | BAR(METHOD_PUNCH)}, METHOD_NONE},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (method_choose(&cases[i].facts) != cases[i].method)
                        fail_msg("%s: %s", cases[i].situation, method_to_string(method_choose(&cases[i].facts)));
}

static void whatever_the_facts_a_file_that_may_not_shrink_is_never_shrunk(void **state) {
        (void) state;
        for (unsigned bits = 0; bits < 1 << 9; bits++)
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
                                };
                                Method m = method_choose(&f);
                                if (m == METHOD_NONE)
                                        continue;
                                assert_false(f.odd);
                                assert_true(f.driver == LOG_DRIVER_JSON_FILE || f.driver == LOG_DRIVER_UNKNOWN);
                                if (m == METHOD_COLLAPSE)
                                        assert_true(major > 0 && major < 23 && append == YES && f.writer.pid > 0);
                                else if (m == METHOD_COLLAPSE_LEASED)
                                        assert_true(!f.running && f.writer.pid == 0 && !f.held_open);
                                else
                                        assert_int_equal(m, METHOD_PUNCH);
                        }
}

static void by_hand_only_what_harms_nobody(void **state) {
        MethodFacts stopped = {LOG_DRIVER_JSON_FILE, false, false, false, NOBODY, 26, true, true, 0};
        MethodFacts modern = {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 26, true, true, 0};
        MethodFacts old = {LOG_DRIVER_JSON_FILE, false, true, false, WRITER(YES), 20, true, true, 0};

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
        assert_true(method_is_safe(&modern, METHOD_DELETE, MIB(1)));
        assert_true(method_is_safe(&old, METHOD_COLLAPSE, MIB(1)));
        assert_true(method_is_safe(&old, METHOD_TRUNCATE, 0));
        assert_false(method_is_safe(&old, METHOD_BALLAST_RELEASE, 0));
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
