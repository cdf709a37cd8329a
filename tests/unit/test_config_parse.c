/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration: from text, back to text, and what is said of a bad one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "config_parse.h"
#include "macros.h"

static int parse(const char *text, Config *config, ConfigError *error) {
        return config_parse(text, strlen(text), config, error);
}

static void parse_ok(const char *text, Config *config) {
        ConfigError error = {};

        config_set_defaults(config);
        if (parse(text, config, &error) != 0)
                fail_msg("line %u: %s", error.line, error.message);
}

static void the_least_configuration_is_understood(void **state) {
        Config config;

        (void) state;
        parse_ok("[Watchdog]\n"
                 "Mode=enforce              # or observe\n"
                 "DataRoot=/var/lib/docker  # may be given several times; left out, it is found\n",
                        &config);
        assert_int_equal(config.mode, MODE_ENFORCE);
        assert_int_equal(config.n_data_roots, 1);
        assert_string_equal(config.data_roots[0], "/var/lib/docker");
}

static void every_key_reaches_its_field(void **state) {
        Config c;

        (void) state;
        parse_ok("; all of it\n"
                 "[Watchdog]\nMode=observe\nDataRoot=/a//b/\nDataRoot = \"/c d\"\nWatchPath=/\n"
                 "[Levels]\nNoticeFree=24% 90G\nNoticeWithin=23h\nWarningFree=39G 14%\nWarningWithin=3h\n"
                 "CriticalFree=9%   19 GiB\nCriticalWithin=9min\nEmergencyFree=4.5% 9G\nEmergencyWithin=50\n"
                 "ClearHold=29s\n"
                 "[Trim]\nPolicy=trim\nKeep=15M\nEmergencyKeep=512K\nCooldown=500ms\n"
                 "TrustLabels=a/* b:1\nTrustLabels=c a/*\n"
                 "[Ballast]\nSize=\"2% 3G\"\n"
                 "[Attribution]\nCPU=0.5%\nRead=3M\n"
                 "[Deadlines]\nWatcher=1s\nTrimmer=5s\n"
                 "[Container web-*]\nPolicy=alert\n"
                 "[ Image  registry.example.com/team/with/a/name/beyond/fifty/characters/* ] ; "
                 "why\nKeep=1M\n",
                        &c);
        assert_int_equal(c.mode, MODE_OBSERVE);
        assert_int_equal(c.n_data_roots, 2);
        assert_string_equal(c.data_roots[0], "/a/b");
        assert_string_equal(c.data_roots[1], "/c d");
        assert_int_equal(c.n_watch_paths, 1);
        assert_string_equal(c.watch_paths[0], "/");
        assert_int_equal(c.levels[LEVEL_NOTICE].free_permyriad, 2400);
        assert_int_equal(c.levels[LEVEL_NOTICE].free_bytes, GIB(90));
        assert_int_equal(c.levels[LEVEL_NOTICE].within_usec, 23 * USEC_PER_HOUR);
        assert_int_equal(c.levels[LEVEL_WARNING].free_permyriad, 1400);
        assert_int_equal(c.levels[LEVEL_WARNING].free_bytes, GIB(39));
        assert_int_equal(c.levels[LEVEL_WARNING].within_usec, 3 * USEC_PER_HOUR);
        assert_int_equal(c.levels[LEVEL_CRITICAL].free_permyriad, 900);
        assert_int_equal(c.levels[LEVEL_CRITICAL].free_bytes, GIB(19));
        assert_int_equal(c.levels[LEVEL_CRITICAL].within_usec, 9 * USEC_PER_MINUTE);
        assert_int_equal(c.levels[LEVEL_EMERGENCY].free_permyriad, 450);
        assert_int_equal(c.levels[LEVEL_EMERGENCY].free_bytes, GIB(9));
        assert_int_equal(c.levels[LEVEL_EMERGENCY].within_usec, 50 * USEC_PER_SEC);
        assert_int_equal(c.clear_hold_usec, 29 * USEC_PER_SEC);
        assert_int_equal(c.policy, POLICY_TRIM);
        assert_int_equal(c.keep_bytes, MIB(15));
        assert_int_equal(c.emergency_keep_bytes, KIB(512));
        assert_int_equal(c.cooldown_usec, 500 * USEC_PER_MSEC);
        assert_int_equal(c.n_trust_labels, 3);
        assert_string_equal(c.trust_labels[0], "a/*");
        assert_string_equal(c.trust_labels[2], "c");
        assert_int_equal(c.ballast_permyriad, 200);
        assert_int_equal(c.ballast_bytes, GIB(3));
        assert_int_equal(c.attribution_cpu_permyriad, 50);
        assert_int_equal(c.attribution_read_bytes, MIB(3));
        assert_int_equal(c.watcher_deadline_usec, USEC_PER_SEC);
        assert_int_equal(c.trimmer_deadline_usec, 5 * USEC_PER_SEC);
        assert_int_equal(c.n_rules, 2);
        assert_false(c.rules[0].by_image);
        assert_string_equal(c.rules[0].pattern, "web-*");
        assert_int_equal(c.rules[0].policy, POLICY_ALERT);
        assert_int_equal(c.rules[0].keep_bytes, CONFIG_KEEP_UNSET);
        assert_true(c.rules[1].by_image);
        assert_string_equal(c.rules[1].pattern,
                        "registry.example.com/team/with/a/name/beyond/fifty/characters/*");
        assert_int_equal(c.rules[1].policy, _POLICY_INVALID);
        assert_int_equal(c.rules[1].keep_bytes, MIB(1));
}

static void a_section_behind_a_rule_is_not_of_the_rule(void **state) {
        Config c;

        (void) state;
        parse_ok("[Container x]\nKeep=2M\n[Trim]\nKeep=3M\n[Container x]\nPolicy=trim\n"
                 "[Watchdog]\nMode=observe\n",
                        &c);
        assert_int_equal(c.keep_bytes, MIB(3));
        assert_int_equal(c.policy, POLICY_ARCHIVE);
        assert_int_equal(c.mode, MODE_OBSERVE);
        assert_int_equal(c.n_rules, 2);
        assert_int_equal(c.rules[0].keep_bytes, MIB(2));
        assert_int_equal(c.rules[1].keep_bytes, CONFIG_KEEP_UNSET);
        assert_int_equal(c.rules[1].policy, POLICY_TRIM);
}

static void a_part_left_out_counts_for_nothing(void **state) {
        Config c;

        (void) state;
        parse_ok("[Levels]\nNoticeFree=30%\nWarningFree=20G\n[Ballast]\nSize=0\n", &c);
        assert_int_equal(c.levels[LEVEL_NOTICE].free_permyriad, 3000);
        assert_int_equal(c.levels[LEVEL_NOTICE].free_bytes, CONFIG_BYTES_ANY);
        assert_int_equal(c.levels[LEVEL_WARNING].free_permyriad, CONFIG_PERMYRIAD_ANY);
        assert_int_equal(c.levels[LEVEL_WARNING].free_bytes, GIB(20));
        assert_int_equal(c.ballast_permyriad, 0);
        assert_int_equal(c.ballast_bytes, 0);
}

static void a_share_of_the_processor_is_a_share_or_none(void **state) {
        static const struct {
                const char *value;
                uint32_t permyriad;
        } cases[] = {{"0", 0}, {"0%", 0}, {"0.01%", 1}, {"1%", 100}, {"2.5 %", 250}, {"100%", 10000}, {"\"3%\"", 300}};
        char text[64];
        Config c;

        (void) state;
        config_set_defaults(&c);
        assert_int_equal(c.attribution_cpu_permyriad, 100);
        assert_int_equal(c.attribution_read_bytes, MIB(1));
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                (void) snprintf(text, sizeof(text), "[Attribution]\nCPU=%s\n", cases[i].value);
                parse_ok(text, &c);
                assert_int_equal(c.attribution_cpu_permyriad, cases[i].permyriad);
                assert_int_equal(c.attribution_read_bytes, MIB(1));
        }
        parse_ok("[Attribution]\nRead=0\n", &c);
        assert_int_equal(c.attribution_read_bytes, 0);
        assert_int_equal(c.attribution_cpu_permyriad, 100);
}

static void lists_grow_over_files_and_an_empty_value_clears_them(void **state) {
        ConfigError error;
        Config c;

        (void) state;
        parse_ok("[Watchdog]\nDataRoot=/a\nWatchPath=/w\n[Trim]\nTrustLabels=x\n", &c);
        assert_int_equal(parse("[Watchdog]\nDataRoot=/b\nDataRoot=/a/\n", &c, &error), 0);
        assert_int_equal(c.n_data_roots, 2);
        assert_int_equal(parse("[Watchdog]\nDataRoot=\nDataRoot=/c # "
                               "only\nWatchPath=\n[Trim]\nTrustLabels=\n",
                                         &c, &error),
                        0);
        assert_int_equal(c.n_data_roots, 1);
        assert_string_equal(c.data_roots[0], "/c");
        assert_int_equal(c.n_watch_paths, 0);
        assert_int_equal(c.n_trust_labels, 0);
}

static void odd_but_honest_texts_are_understood(void **state) {
        static const char *const texts[] = {
                "",
                "\n\n",
                "# nothing\n;nothing\n   # nothing",
                "\xEF\xBB\xBF[Watchdog]\r\nMode=observe\r\n",
                "[Watchdog]\n\tMode\t=\tobserve\t; why\n",
                "[Watchdog]\n   Mode=observe\n   DataRoot=/x\n", /* indented: no continuation */
                "[Levels]",
                "[Watchdog]\nDataRoot=/a#b;c\n",
        };
        Config c;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++)
                parse_ok(texts[i], &c);
        assert_string_equal(c.data_roots[0], "/a#b;c");
        parse_ok(texts[5], &c);
        assert_int_equal(c.mode, MODE_OBSERVE);
        assert_int_equal(c.n_data_roots, 1);
        parse_ok(texts[3], &c);
        assert_int_equal(c.mode, MODE_OBSERVE);
}

static void what_is_wrong_is_said_with_its_line(void **state) {
        static const struct {
                const char *text;
                unsigned line;
                const char *message; /* a part of it */
        } cases[] = {
                        {"[Watchdog]\nDataRot=/x\n", 2,
                                        "unknown key 'DataRot' in [Watchdog]; did you mean DataRoot=?"},
                        {"[Watchdog]\ndataroot=/x\n", 2, "did you mean DataRoot=?"},
                        {"[Watchdog]\nPolicy=trim\n", 2, "Policy= belongs into [Trim]"},
                        {"[Watchdog]\nQuux=1\n", 2, "expected one of Mode= DataRoot= WatchPath="},
                        {"[Levels]\n\n# x\nEmergencyWithn=1\n", 4, "did you mean EmergencyWithin=?"},
                        {"[Watchdgo]\n", 1, "unknown section [Watchdgo]; did you mean [Watchdog]?"},
                        {"[Quux]\nMode=observe\n", 1, "expected [Watchdog], [Levels]"},
                        {"[Watchdog x]\n", 1, "unknown section [Watchdog x]"},
                        {"[Contaner web]\n", 1, "did you mean [Container]?"},
                        {"[]\n", 1, "unknown section []"},
                        {"[Container]\nPolicy=trim\n", 1, "needs a pattern"},
                        {"[Container a]b]\n", 1, "is no section"},
                        {"[Levels] x\n", 1, "is no section"},
                        {"[Levels]# x\n", 1, "is no section"},
                        {"[Levels\n", 1, "is no section"},
                        {"[[Levels]]\n", 1, "is no section"},
                        {"Mode=observe\n", 1, "before any section"},
                        {"[Watchdog]\nMode\n", 2, "'Mode' is neither; expected Key=value"},
                        {"[Watchdog]\nMode: observe\n", 2, "is neither"},
                        {"[Watchdog]\n=x\n", 2, "unknown key ''"},
                        {"[Watchdog]\nMode=Observe\n", 2,
                                        "Mode=Observe is not understood; expected enforce or observe"},
                        {"[Watchdog]\nMode=\n", 2, "expected enforce or observe"},
                        {"[Watchdog]\nDataRoot=docker\n", 2, "expected an absolute path"},
                        {"[Watchdog]\nDataRoot=/a/../b\n", 2, "expected an absolute path"},
                        {"[Watchdog]\nDataRoot=/a/.\n", 2, "expected an absolute path"},
                        {"[Levels]\nNoticeFree=25%100G\n", 2, "expected a share and an amount"},
                        {"[Levels]\nNoticeFree=10G 25% 100G\n", 2, "expected a share and an amount"},
                        {"[Levels]\nNoticeFree=\n", 2, "expected a share and an amount"},
                        {"[Levels]\nNoticeFree=101%\n", 2, "is too large"},
                        {"[Levels]\nNoticeFree=25\xE2\x82\xAC\n", 2, "expected a share and an amount"},
                        {"[Levels]\nNoticeWithin=1 fortnight\n", 2, "expected a time such as"},
                        {"[Trim]\nKeep=16Q\n", 2, "expected a size such as"},
                        {"[Trim]\nKeep=18446744073709551615\n", 2, "is too large"},
                        {"[Trim]\nPolicy=delete\n", 2, "expected archive, trim or alert"},
                        {"[Attribution]\nCPU=1\n", 2, "CPU=1 is not understood; expected a share such as 1% or 0.5%, or 0"},
                        {"[Attribution]\nCPU=\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=-1%\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=1% 2%\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=1% 2G\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=0.001%\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=00\n", 2, "expected a share such as"},
                        {"[Attribution]\nCPU=101%\n", 2, "is too large"},
                        {"[Attribution]\nRead=1%\n", 2, "expected a size such as"},
                        {"[Attribution]\nRead=18446744073709551615\n", 2, "is too large"},
                        {"[Attribution]\nCpu=1%\n", 2, "did you mean CPU=?"},
                        {"[Attribution]\nKeep=1M\n", 2, "Keep= belongs into [Trim]"},
                        {"[Watchdog]\nCPU=1%\n", 2, "CPU= belongs into [Attribution]"},
                        {"[Atribution]\n", 1, "did you mean [Attribution]?"},
                        {"[Container x]\nKeep=-1\n", 2, "expected a size such as"},
                        {"[Container x]\nEmergencyKeep=1M\n", 2, "EmergencyKeep= belongs into [Trim]"},
                        {"[Watchdog]\nMode=obs\x01"
                         "erve\n",
                                        2, "byte 9 of the line (0x01) is a control character"},
                        {"[Watchdog]\n# \xFF\n", 2, "expected UTF-8 text"},
                        {"[Watchdog]\nMode=enforce\rMode=observe\n", 2, "control character"},
                        {"[Watchdog]\nDataRoot=/x\xE2\x80\xAE\n", 2, "invisible character"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Config before, config;
                ConfigError error = {};

                config_set_defaults(&before);
                config = before;
                if (parse(cases[i].text, &config, &error) != CONFIG_PARSE_E_INVALID ||
                                error.line != cases[i].line || !strstr(error.message, cases[i].message))
                        fail_msg("'%s': line %u: %s", cases[i].text, error.line, error.message);
                assert_memory_equal(&before, &config, sizeof(config));
        }
}

static void a_nul_byte_is_an_error_of_its_line(void **state) {
        static const char text[] = "[Watchdog]\nMode=obs\0erve\n";
        ConfigError error;
        Config config;

        (void) state;
        config_set_defaults(&config);
        assert_int_equal(config_parse(text, sizeof(text) - 1, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_int_equal(error.line, 2);
}

static void a_long_line_is_an_error_and_not_cut(void **state) {
        ConfigError error = {};
        char text[600];
        Config config;

        (void) state;
        for (int n = 150; n < 400; n++) {
                int r;

                (void) snprintf(text, sizeof(text), "[Watchdog]\nDataRoot=/%0*d\nMode=observe\n", n, 0);
                config_set_defaults(&config);
                r = parse(text, &config, &error);
                if (r == 0)
                        assert_int_equal(strlen(config.data_roots[0]), n + 1);
                else {
                        assert_int_equal(error.line, 2);
                        assert_non_null(strstr(error.message, "bytes long, at most"));
                }
                assert_int_equal(r == 0, n + 10 <= 197);

                /* What is not looked at may be as long as it likes. */
                (void) snprintf(text, sizeof(text), "# %0*d\n[Watchdog]\nMode=observe # %0*d\n", n, 0, n / 2,
                                0);
                config_set_defaults(&config);
                assert_int_equal(parse(text, &config, &error), 0);
                assert_int_equal(config.mode, MODE_OBSERVE);
        }
}

static void a_list_that_is_full_says_so(void **state) {
        char text[16384];
        ConfigError error = {};
        Config config;
        int used;

        (void) state;
        config_set_defaults(&config);
        used = snprintf(text, sizeof(text), "[Watchdog]\n");
        for (int i = 0; i <= CONFIG_ROOTS_MAX; i++)
                used += snprintf(text + used, sizeof(text) - (size_t) used, "DataRoot=/%d\n", i);
        assert_int_equal(parse(text, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_int_equal(error.line, CONFIG_ROOTS_MAX + 2);
        assert_non_null(strstr(error.message, "one too many"));

        used = 0;
        for (int i = 0; i <= CONFIG_RULES_MAX; i++)
                used += snprintf(text + used, sizeof(text) - (size_t) used, "[Container c%d]\n", i);
        assert_int_equal(parse(text, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_int_equal(error.line, CONFIG_RULES_MAX + 1);
        assert_non_null(strstr(error.message, "more than 64"));

        (void) snprintf(text, sizeof(text), "[Container %0150d]\n", 0);
        assert_int_equal(parse(text, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_non_null(strstr(error.message, "150 bytes long"));
        (void) snprintf(text, sizeof(text), "[Trim]\nTrustLabels=%0150d\n", 0);
        assert_int_equal(parse(text, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_non_null(strstr(error.message, "too long"));
}

static void a_file_that_is_too_large_is_refused(void **state) {
        size_t n = CONFIG_FILE_MAX_BYTES + 1;
        char *text = malloc(n);
        ConfigError error;
        Config config;

        (void) state;
        assert_non_null(text);
        memset(text, '\n', n);
        config_set_defaults(&config);
        assert_int_equal(config_parse(text, n, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_int_equal(error.line, 0);
        assert_int_equal(config_parse(text, n - 1, &config, &error), 0);
        text[n - 2] = 'x';
        assert_int_equal(config_parse(text, n - 1, &config, &error), CONFIG_PARSE_E_INVALID);
        assert_int_equal(error.line, n - 1);
        free(text);
}

static void the_shipped_values_are_valid(void **state) {
        ConfigError error = {};
        Config config;

        (void) state;
        config_set_defaults(&config);
        assert_int_equal(config_validate(&config, &error), 0);
}

static void what_makes_no_sense_as_a_whole_is_refused(void **state) {
        static const struct {
                const char *text;
                const char *message; /* NULL: it is fine */
        } cases[] = {
                        {"[Levels]\nWarningFree=30% 40G\n",
                                        "[Levels] WarningFree=30% 40G must be less than "
                                        "NoticeFree=25% 100G"},
                        {"[Levels]\nWarningFree=20%\n",
                                        "WarningFree=20% must be less than NoticeFree=25% 100G"},
                        {"[Levels]\nCriticalFree=15% 40G\n",
                                        "CriticalFree=15% 40G must be less than WarningFree=15% 40G"},
                        {"[Levels]\nCriticalFree=15% 20G\n", NULL},
                        {"[Levels]\nNoticeFree=30G\nWarningFree=20G\nCriticalFree=10G\nEmergencyFree=5G\n",
                                        NULL},
                        {"[Levels]\nNoticeFree=30%\nWarningFree=20%\nCriticalFree=10%\nEmergencyFree=5%\n",
                                        NULL},
                        {"[Levels]\nEmergencyFree=12% 5G\n",
                                        "EmergencyFree=12% 5G must be less than CriticalFree"},
                        {"[Levels]\nEmergencyFree=0\n",
                                        "[Levels] EmergencyFree=0 must be less than CriticalFree=10% 20G"},
                        {"[Levels]\nEmergencyFree=0% 1G\n", "[Levels] EmergencyFree= must be more than 0"},
                        {"[Levels]\nWarningWithin=24h\n",
                                        "WarningWithin=24 h must be less than NoticeWithin=24 h"},
                        {"[Levels]\nEmergencyWithin=11min\n",
                                        "[Levels] EmergencyWithin=11 min must be less"},
                        {"[Levels]\nEmergencyWithin=0\n", NULL},
                        {"[Levels]\nEmergencyWithin=0\nCriticalWithin=0\nWarningWithin=0\nNoticeWithin=0\n",
                                        NULL},
                        {"[Levels]\nNoticeWithin=infinity\n",
                                        "[Levels] NoticeWithin=infinity: expected 0 s to 30 d"},
                        {"[Levels]\nClearHold=2d\n", "[Levels] ClearHold=2 d: expected"},
                        {"[Trim]\nCooldown=1h\n", "[Trim] Cooldown=1 h: expected"},
                        {"[Trim]\nKeep=1K\n", "[Trim] Keep=1 KiB: expected at least 64 KiB"},
                        {"[Trim]\nKeep=512K\n",
                                        "[Trim] EmergencyKeep=1 MiB must not be more than Keep=512 KiB"},
                        {"[Trim]\nEmergencyKeep=16M\n", NULL},
                        {"[Trim]\nEmergencyKeep=63K\n",
                                        "[Trim] EmergencyKeep=63 KiB: expected at least 64 KiB"},
                        {"[Container x]\nKeep=1K\n", "[Container x] Keep=1 KiB: expected at least 64"},
                        {"[Image x]\nKeep=1K\n", "[Image x] Keep=1 KiB: expected at least 64 KiB"},
                        {"[Container x]\nKeep=64K\n", NULL},
                        {"[Ballast]\nSize=50%\n", "[Ballast] Size= would take too much"},
                        {"[Ballast]\nSize=1T\n", "[Ballast] Size= would take too much"},
                        {"[Ballast]\nSize=50% 1G\n", NULL},
                        {"[Ballast]\nSize=1G\n", NULL},
                        {"[Ballast]\nSize=0\n", NULL},
                        {"[Deadlines]\nWatcher=99ms\n", "[Deadlines] Watcher=99 ms: expected 100 ms to 1 h"},
                        {"[Deadlines]\nTrimmer=infinity\n",
                                        "[Deadlines] Trimmer=infinity: expected 100 ms to 1 h"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ConfigError error = {};
                Config config;
                int r;

                parse_ok(cases[i].text, &config);
                r = config_validate(&config, &error);
                if (r != (cases[i].message ? CONFIG_PARSE_E_INVALID : 0) ||
                                (cases[i].message && !strstr(error.message, cases[i].message)))
                        fail_msg("'%s': %s", cases[i].text, error.message);
        }
}

static void assert_round_trip(const Config *config) {
        char text[CONFIG_TEXT_MAX_BYTES];
        Config again;
        int n;

        n = config_format(config, text, sizeof(text));
        assert_true(n > 0);
        assert_int_equal(n, strlen(text));
        parse_ok(text, &again);
        assert_memory_equal(config, &again, sizeof(again));
}

static void the_configuration_in_force_parses_back_to_the_same(void **state) {
        static const char *const texts[] = {
                        "",
                        "[Watchdog]\nMode=observe\nDataRoot=/a\nDataRoot=/b c\n"
                        "WatchPath=/w\nWatchPath=/blank /\n",
                        "[Levels]\nNoticeFree=24.05%\nWarningFree=40G\nCriticalFree=100%\nEmergencyFree=1."
                        "5K 0.01%\n"
                        "NoticeWithin=0\nWarningWithin=1500us\nCriticalWithin=infinity\nEmergencyWithin="
                        "90min\nClearHold=61s\n",
                        "[Trim]\nPolicy=alert\nKeep=1025\nEmergencyKeep=0\nCooldown=0\nTrustLabels=a b "
                        "c:*\n",
                        "[Ballast]\nSize=0\n",
                        "[Ballast]\nSize=0%\n",
                        "[Ballast]\nSize=7% 0\n",
                        "[Attribution]\nCPU=0\nRead=0\n",
                        "[Attribution]\nCPU=0.07%\nRead=1025\n",
                        "[Attribution]\nCPU=100%\nRead=5T\n",
                        "[Container a]\nPolicy=alert\n[Image b/*]\nKeep=3M\n[Container nothing]\n[Container "
                        "a]\nKeep=5K\n",
        };
        Config config;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                parse_ok(texts[i], &config);
                assert_round_trip(&config);
        }
}

static void random_configurations_parse_back_to_the_same(void **state) {
        unsigned seed = (unsigned) time(NULL);

        (void) state;
        print_message("seed %u\n", seed);
        for (int i = 0; i < 2000; i++) {
                Config c;

                config_set_defaults(&c);
                c.mode = rand_r(&seed) % 2 ? MODE_OBSERVE : MODE_ENFORCE;
                c.policy = (Policy) (rand_r(&seed) % _POLICY_MAX);
                for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++) {
                        c.levels[l].free_permyriad = (uint32_t) rand_r(&seed) % 10001;
                        c.levels[l].free_bytes = (uint64_t) rand_r(&seed) << (rand_r(&seed) % 30);
                        c.levels[l].within_usec = (uint64_t) rand_r(&seed) << (rand_r(&seed) % 30);
                }
                c.keep_bytes = (uint64_t) rand_r(&seed) << (rand_r(&seed) % 32);
                c.cooldown_usec = (uint64_t) rand_r(&seed);
                c.ballast_permyriad = (uint32_t) rand_r(&seed) % 10001;
                c.attribution_cpu_permyriad = (uint32_t) rand_r(&seed) % 10001;
                c.attribution_read_bytes = (uint64_t) rand_r(&seed) << (rand_r(&seed) % 32);
                c.n_rules = (uint32_t) rand_r(&seed) % CONFIG_RULES_MAX;
                for (uint32_t j = 0; j < c.n_rules; j++) {
                        ConfigRule *rule = &c.rules[j];

                        (void) snprintf(rule->pattern, sizeof(rule->pattern), "p%d*", rand_r(&seed));
                        rule->by_image = rand_r(&seed) % 2;
                        rule->policy = rand_r(&seed) % 2 ? POLICY_TRIM : _POLICY_INVALID;
                        rule->keep_bytes = rand_r(&seed) % 2 ? (uint64_t) rand_r(&seed) : CONFIG_KEEP_UNSET;
                }
                assert_round_trip(&c);
        }
}

static void a_full_configuration_fits_and_a_small_buffer_is_refused(void **state) {
        char text[CONFIG_TEXT_MAX_BYTES];
        Config c;
        int n;

        (void) state;
        config_set_defaults(&c);
        c.n_data_roots = c.n_watch_paths = CONFIG_ROOTS_MAX;
        c.n_trust_labels = CONFIG_TRUST_MAX;
        c.n_rules = CONFIG_RULES_MAX;
        for (size_t i = 0; i < CONFIG_ROOTS_MAX; i++) {
                memset(c.data_roots[i], 'x', CONFIG_PATH_MAX - 1);
                memset(c.watch_paths[i], 'x', CONFIG_PATH_MAX - 1);
        }
        for (size_t i = 0; i < CONFIG_TRUST_MAX; i++)
                memset(c.trust_labels[i], 'x', CONFIG_PATTERN_MAX - 1);
        for (size_t i = 0; i < CONFIG_RULES_MAX; i++) {
                c.rules[i] = (ConfigRule){ .policy = POLICY_ARCHIVE, .keep_bytes = UINT64_MAX - 1 };
                memset(c.rules[i].pattern, 'x', CONFIG_PATTERN_MAX - 1);
        }
        n = config_format(&c, text, sizeof(text));
        assert_true(n > 0);
        for (size_t room = 0; room <= (size_t) n; room += 7)
                assert_int_equal(config_format(&c, text, room), -ENOBUFS);
        assert_int_equal(config_format(&c, text, (size_t) n + 2), n);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_least_configuration_is_understood),
                cmocka_unit_test(every_key_reaches_its_field),
                cmocka_unit_test(a_section_behind_a_rule_is_not_of_the_rule),
                cmocka_unit_test(a_part_left_out_counts_for_nothing),
                cmocka_unit_test(a_share_of_the_processor_is_a_share_or_none),
                cmocka_unit_test(lists_grow_over_files_and_an_empty_value_clears_them),
                cmocka_unit_test(odd_but_honest_texts_are_understood),
                cmocka_unit_test(what_is_wrong_is_said_with_its_line),
                cmocka_unit_test(a_nul_byte_is_an_error_of_its_line),
                cmocka_unit_test(a_long_line_is_an_error_and_not_cut),
                cmocka_unit_test(a_list_that_is_full_says_so),
                cmocka_unit_test(a_file_that_is_too_large_is_refused),
                cmocka_unit_test(the_shipped_values_are_valid),
                cmocka_unit_test(what_makes_no_sense_as_a_whole_is_refused),
                cmocka_unit_test(the_configuration_in_force_parses_back_to_the_same),
                cmocka_unit_test(random_configurations_parse_back_to_the_same),
                cmocka_unit_test(a_full_configuration_fits_and_a_small_buffer_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
