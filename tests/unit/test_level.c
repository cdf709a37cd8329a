/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the model: each goes to text and back, none is missing, and what is none says so. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "event.h"
#include "macros.h"

static void levels_have_the_names_and_numbers_of_syslog(void **state) {
        static const struct {
                Level level;
                const char *name;
                int priority;
        } cases[] = {
                { LEVEL_OK, "ok", 6 },
                { LEVEL_NOTICE, "notice", 5 },
                { LEVEL_WARNING, "warning", 4 },
                { LEVEL_CRITICAL, "critical", 2 },
                { LEVEL_EMERGENCY, "emergency", 0 },
        };

        (void) state;
        assert_int_equal(ELEMENTS(cases), _LEVEL_MAX);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_string_equal(level_to_string(cases[i].level), cases[i].name);
                assert_int_equal(level_from_string(cases[i].name), cases[i].level);
                assert_int_equal(level_to_priority(cases[i].level), cases[i].priority);
        }
        assert_int_equal(level_from_string("Critical"), _LEVEL_INVALID);
        assert_int_equal(level_from_string(""), _LEVEL_INVALID);
        assert_string_equal(level_to_string(_LEVEL_INVALID), "unknown");
        assert_string_equal(level_to_string(_LEVEL_MAX), "unknown");
        assert_int_equal(level_to_priority(_LEVEL_MAX), 4);
}

static void methods_go_to_text_and_back_and_tell_their_effect(void **state) {
        (void) state;
        for (Method method = 0; method < _METHOD_MAX; method++) {
                assert_int_equal(method_from_string(method_to_string(method)), method);
                assert_true(strlen(method_reader_effect(method)) > 5);
        }
        assert_string_equal(method_to_string(METHOD_COLLAPSE), "collapse");
        assert_string_equal(method_to_string(METHOD_PUNCH), "punch");
        assert_int_equal(method_from_string("unknown"), _METHOD_INVALID);
        assert_string_equal(method_to_string(_METHOD_MAX), "unknown");
        assert_string_equal(method_to_string(_METHOD_INVALID), "unknown");
        assert_non_null(method_reader_effect(_METHOD_INVALID));
}

static void policies_and_modes_go_to_text_and_back(void **state) {
        (void) state;
        for (Policy policy = 0; policy < _POLICY_MAX; policy++)
                assert_int_equal(policy_from_string(policy_to_string(policy)), policy);
        for (Mode mode = 0; mode < _MODE_MAX; mode++)
                assert_int_equal(mode_from_string(mode_to_string(mode)), mode);
        assert_int_equal(policy_from_string("none"), _POLICY_INVALID);
        assert_int_equal(mode_from_string("none"), _MODE_INVALID);
        assert_string_equal(policy_to_string(_POLICY_INVALID), "unknown");
        assert_string_equal(mode_to_string(_MODE_INVALID), "unknown");
}

static void every_reason_result_and_driver_has_a_name_of_its_own(void **state) {
        (void) state;
        for (Reason a = 0; a < _REASON_MAX; a++)
                for (Reason b = 0; b < a; b++)
                        assert_string_not_equal(reason_to_string(a), reason_to_string(b));
        for (ActResult a = 0; a < _ACT_RESULT_MAX; a++)
                for (ActResult b = 0; b < a; b++)
                        assert_string_not_equal(act_result_to_string(a), act_result_to_string(b));
        assert_string_equal(reason_to_string(_REASON_MAX), "unknown");
        assert_string_equal(act_result_to_string(_ACT_RESULT_MAX), "unknown");
        assert_string_equal(log_driver_to_string(LOG_DRIVER_JSON_FILE), "json-file");
        assert_string_equal(log_driver_to_string((LogDriver) 77), "unknown");
}

static void the_shipped_values_are_those_of_the_documentation(void **state) {
        static const ConfigLevel levels[_LEVEL_MAX] = {
                [LEVEL_NOTICE] = { 2500, GIB(100), 24 * USEC_PER_HOUR },
                [LEVEL_WARNING] = { 1500, GIB(40), 4 * USEC_PER_HOUR },
                [LEVEL_CRITICAL] = { 1000, GIB(20), 10 * USEC_PER_MINUTE },
                [LEVEL_EMERGENCY] = { 500, GIB(10), 60 * USEC_PER_SEC },
        };
        Config config;

        (void) state;
        memset(&config, 0xFF, sizeof(config));
        config_set_defaults(&config);
        assert_int_equal(config.mode, MODE_ENFORCE);
        assert_int_equal(config.n_data_roots + config.n_watch_paths + config.n_rules + config.n_trust_labels,
                        0);
        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++) {
                assert_int_equal(config.levels[l].free_permyriad, levels[l].free_permyriad);
                assert_int_equal(config.levels[l].free_bytes, levels[l].free_bytes);
                assert_int_equal(config.levels[l].within_usec, levels[l].within_usec);
        }
        assert_int_equal(config.clear_hold_usec, 30 * USEC_PER_SEC);
        assert_int_equal(config.policy, POLICY_ARCHIVE);
        assert_int_equal(config.keep_bytes, MIB(16));
        assert_int_equal(config.emergency_keep_bytes, MIB(1));
        assert_int_equal(config.cooldown_usec, USEC_PER_SEC);
        assert_int_equal(config.ballast_permyriad, 100);
        assert_int_equal(config.ballast_bytes, GIB(1));
        assert_int_equal(config.watcher_deadline_usec, 2 * USEC_PER_SEC);
        assert_int_equal(config.trimmer_deadline_usec, 10 * USEC_PER_SEC);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(levels_have_the_names_and_numbers_of_syslog),
                cmocka_unit_test(methods_go_to_text_and_back_and_tell_their_effect),
                cmocka_unit_test(policies_and_modes_go_to_text_and_back),
                cmocka_unit_test(every_reason_result_and_driver_has_a_name_of_its_own),
                cmocka_unit_test(the_shipped_values_are_those_of_the_documentation),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
