/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policy in force: rules in order, labels only where they tighten. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "macros.h"
#include "policy.h"

static Config config;

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        return 0;
}

static ContainerInfo container(const char *name, const char *image) {
        ContainerInfo c = {.label_policy = _POLICY_INVALID, .label_keep_bytes = CONFIG_KEEP_UNSET, .label_max_bytes = CONFIG_KEEP_UNSET};
        snprintf(c.name, sizeof(c.name), "%s", name);
        snprintf(c.image, sizeof(c.image), "%s", image);
        return c;
}

static void add_rule(bool by_image, const char *pattern, Policy policy, uint64_t keep_bytes) {
        ConfigRule *rule = &config.rules[config.n_rules++];
        *rule = (ConfigRule){.by_image = by_image, .policy = policy, .keep_bytes = keep_bytes};
        snprintf(rule->pattern, sizeof(rule->pattern), "%s", pattern);
}

static void without_rules_and_labels_the_configuration_holds(void **state) {
        ContainerInfo c = container("web", "nginx");

        (void) state;
        LogPolicy p = policy_resolve(&config, &c);
        assert_int_equal(p.policy, config.policy);
        assert_false(p.is_protected);
        assert_true(p.keep_bytes == config.keep_bytes);
        assert_true(p.emergency_keep_bytes == config.emergency_keep_bytes);
}

static void the_last_rule_that_matches_and_sets_a_value_wins(void **state) {
        ContainerInfo c = container("web (compose shop/web)", "nginx:1");

        (void) state;
        add_rule(false, "*", POLICY_TRIM, MIB(64));
        add_rule(false, "web", POLICY_ALERT, CONFIG_KEEP_UNSET);
        add_rule(true, "nginx*", _POLICY_INVALID, MIB(32));
        add_rule(false, "db", POLICY_ARCHIVE, MIB(1));
        LogPolicy p = policy_resolve(&config, &c);
        assert_int_equal(p.policy, POLICY_ALERT);
        assert_true(p.is_protected);
        assert_true(p.keep_bytes == MIB(32));
}

static void a_rule_meets_dockers_name_and_the_displayed_one_but_not_a_part(void **state) {
        ContainerInfo c = container("web (compose shop/web)", "nginx");
        static const struct {
                const char *pattern;
                bool matches;
        } cases[] = {{"web", true}, {"w*", true}, {"* (compose shop/*", true}, {"we", false},
                        {"shop", false}};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                config_set_defaults(&config);
                add_rule(false, cases[i].pattern, POLICY_ALERT, CONFIG_KEEP_UNSET);
                assert_int_equal(policy_resolve(&config, &c).is_protected, cases[i].matches);
        }
}

static void one_whom_nobody_can_name_may_be_the_protected_one(void **state) {
        ContainerInfo c = {.driver = LOG_DRIVER_UNKNOWN, .label_policy = _POLICY_INVALID,
                           .label_keep_bytes = CONFIG_KEEP_UNSET, .label_max_bytes = CONFIG_KEEP_UNSET};

        (void) state;
        strcpy(c.id, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
        strcpy(c.name, "0123456789ab");
        config_set_defaults(&config);
        assert_false(policy_resolve(&config, &c).is_protected);
        add_rule(false, "db", POLICY_ALERT, CONFIG_KEEP_UNSET);
        assert_true(policy_resolve(&config, &c).is_protected);
        /* With only its driver unknown, it has a name. */
        strcpy(c.image, "web:1");
        strcpy(c.name, "web");
        assert_false(policy_resolve(&config, &c).is_protected);
        config_set_defaults(&config);
        config.n_trust_labels = 1;
        strcpy(config.trust_labels[0], "db:*");
        c.image[0] = 0;
        assert_true(policy_resolve(&config, &c).is_protected);
}

static void a_label_tightens_and_never_loosens(void **state) {
        static const struct {
                Policy configured, label, in_force, in_force_trusted;
        } cases[] = {
                {POLICY_ARCHIVE, POLICY_ALERT, POLICY_ARCHIVE, POLICY_ALERT},
                {POLICY_ARCHIVE, POLICY_TRIM, POLICY_ARCHIVE, POLICY_TRIM},
                {POLICY_TRIM, POLICY_ARCHIVE, POLICY_ARCHIVE, POLICY_ARCHIVE},
                {POLICY_TRIM, POLICY_ALERT, POLICY_TRIM, POLICY_ALERT},
                {POLICY_ALERT, POLICY_ARCHIVE, POLICY_ALERT, POLICY_ARCHIVE},
                {POLICY_ALERT, POLICY_TRIM, POLICY_ALERT, POLICY_TRIM},
                {POLICY_TRIM, _POLICY_INVALID, POLICY_TRIM, POLICY_TRIM},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo c = container("web", "acme/web:3");
                config_set_defaults(&config);
                config.policy = cases[i].configured;
                c.label_policy = cases[i].label;
                assert_int_equal(policy_resolve(&config, &c).policy, cases[i].in_force);
                snprintf(config.trust_labels[0], sizeof(config.trust_labels[0]), "acme/*");
                config.n_trust_labels = 1;
                assert_int_equal(policy_resolve(&config, &c).policy, cases[i].in_force_trusted);
        }
}

static void a_label_may_ask_to_keep_less_and_more_only_when_it_is_trusted(void **state) {
        ContainerInfo c = container("web", "acme/web");

        (void) state;
        c.label_keep_bytes = GIB(100);
        assert_true(policy_resolve(&config, &c).keep_bytes == config.keep_bytes);
        c.label_keep_bytes = KIB(512);
        LogPolicy p = policy_resolve(&config, &c);
        assert_true(p.keep_bytes == KIB(512));
        assert_true(p.emergency_keep_bytes == KIB(512));
        snprintf(config.trust_labels[0], sizeof(config.trust_labels[0]), "acme/*");
        config.n_trust_labels = 1;
        c.label_keep_bytes = GIB(1);
        assert_true(policy_resolve(&config, &c).keep_bytes == GIB(1));
        c = container("web", "evil/web");
        c.label_keep_bytes = GIB(1);
        assert_true(policy_resolve(&config, &c).keep_bytes == config.keep_bytes);
}

static void a_label_may_set_a_limit_and_lift_none(void **state) {
        static const struct {
                uint64_t configured, rule, label, in_force, in_force_trusted;
        } cases[] = {
                {0, CONFIG_KEEP_UNSET, CONFIG_KEEP_UNSET, 0, 0},
                {MIB(200), CONFIG_KEEP_UNSET, CONFIG_KEEP_UNSET, MIB(200), MIB(200)},
                {MIB(200), MIB(300), CONFIG_KEEP_UNSET, MIB(300), MIB(300)},
                {MIB(200), 0, CONFIG_KEEP_UNSET, 0, 0},
                {0, CONFIG_KEEP_UNSET, MIB(50), MIB(50), MIB(50)},
                {MIB(200), CONFIG_KEEP_UNSET, MIB(50), MIB(50), MIB(50)},
                {MIB(200), CONFIG_KEEP_UNSET, GIB(50), MIB(200), GIB(50)},
                {MIB(200), CONFIG_KEEP_UNSET, 0, MIB(200), 0},
                {MIB(200), 0, MIB(50), 0, MIB(50)}, /* the host's word that there is none */
                {0, CONFIG_KEEP_UNSET, 1, MIB(1), MIB(1)},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo c = container("web", "acme/web:3");

                config_set_defaults(&config);
                config.max_log_bytes = cases[i].configured;
                config.n_rules = 1;
                config.rules[0] = (ConfigRule){.policy = _POLICY_INVALID, .keep_bytes = CONFIG_KEEP_UNSET,
                                               .max_log_bytes = cases[i].rule};
                strcpy(config.rules[0].pattern, "web");
                c.driver = LOG_DRIVER_JSON_FILE;
                c.label_max_bytes = cases[i].label;
                assert_int_equal(policy_resolve(&config, &c).max_log_bytes, cases[i].in_force);
                snprintf(config.trust_labels[0], sizeof(config.trust_labels[0]), "acme/*");
                config.n_trust_labels = 1;
                assert_int_equal(policy_resolve(&config, &c).max_log_bytes, cases[i].in_force_trusted);
                /* One whose driver is not known may be something else altogether. */
                c.driver = LOG_DRIVER_UNKNOWN;
                assert_int_equal(policy_resolve(&config, &c).max_log_bytes, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(without_rules_and_labels_the_configuration_holds, set_up),
                cmocka_unit_test_setup(the_last_rule_that_matches_and_sets_a_value_wins, set_up),
                cmocka_unit_test_setup(a_rule_meets_dockers_name_and_the_displayed_one_but_not_a_part,
                                        set_up),
                cmocka_unit_test_setup(one_whom_nobody_can_name_may_be_the_protected_one, set_up),
                cmocka_unit_test_setup(a_label_tightens_and_never_loosens, set_up),
                cmocka_unit_test_setup(a_label_may_set_a_limit_and_lift_none, set_up),
                cmocka_unit_test_setup(a_label_may_ask_to_keep_less_and_more_only_when_it_is_trusted,
                                        set_up),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
