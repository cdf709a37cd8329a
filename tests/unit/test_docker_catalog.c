/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Docker's two files of a container: honest, odd and hostile. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "docker_catalog.h"
#include "macros.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONFIG(name, image, labels, state) \
        "{\"ID\":\"" ID "\",\"Name\":\"" name "\",\"Driver\":\"overlay2\",\"Config\":{\"Image\":\"" image \
        "\",\"Labels\":{" labels "}},\"State\":{" state "}}\n"
#define HOST(type, options) "{\"LogConfig\":{\"Type\":\"" type "\",\"Config\":{" options "}}}\n"

static int parse(const char *config, const char *host, ContainerInfo *info, const char **reason) {
        return docker_catalog_parse(config, strlen(config), host, host ? strlen(host) : 0, info, reason);
}

static ContainerInfo parse_ok(const char *config, const char *host) {
        const char *reason = "";
        ContainerInfo info;

        if (parse(config, host, &info, &reason) != 0)
                fail_msg("%s: %s", config, reason);
        return info;
}

static void all_that_is_asked_is_found(void **state) {
        ContainerInfo info = parse_ok(
                        CONFIG("/web", "nginx:1.25",
                                        "\"io.diskbrake.policy\":\"trim\",\"io.diskbrake.keep\":\"4M\","
                                        "\"io.diskbrake.max-log-size\":\"200M\"",
                                        "\"Running\":true,\"Pid\":4711,\"Paused\":false"),
                        HOST("json-file", "\"max-size\":\"10m\",\"max-file\":\"3\""));

        (void) state;
        assert_string_equal(info.id, ID);
        assert_string_equal(info.name, "web");
        assert_string_equal(info.image, "nginx:1.25");
        assert_int_equal(info.driver, LOG_DRIVER_JSON_FILE);
        assert_true(info.running);
        assert_int_equal(info.pid, 4711);
        assert_int_equal(info.max_size_bytes, 10000000);
        assert_int_equal(info.max_file, 3);
        assert_int_equal(info.label_policy, POLICY_TRIM);
        assert_int_equal(info.label_keep_bytes, MIB(4));
        assert_int_equal(info.label_max_bytes, MIB(200));
        assert_false(info.label_bad);
}

static void the_driver_of_the_layers_is_not_that_of_the_log(void **state) {
        static const struct {
                const char *host;
                LogDriver driver;
        } cases[] = {
                { NULL, LOG_DRIVER_UNKNOWN },
                { "{}", LOG_DRIVER_UNKNOWN },
                { "{\"LogConfig\":null}", LOG_DRIVER_UNKNOWN },
                { "{\"logconfig\":{\"type\":\"json-file\"}}", LOG_DRIVER_UNKNOWN },
                { HOST("", ""), LOG_DRIVER_UNKNOWN },
                { HOST("json-file", ""), LOG_DRIVER_JSON_FILE },
                { HOST("local", ""), LOG_DRIVER_LOCAL },
                { HOST("journald", ""), LOG_DRIVER_OTHER },
                { HOST("none", ""), LOG_DRIVER_OTHER },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo info = parse_ok(CONFIG("/web", "", "", ""), cases[i].host);

                assert_int_equal(info.driver, cases[i].driver);
                assert_int_equal(info.max_size_bytes, 0);
                assert_int_equal(info.label_policy, _POLICY_INVALID);
                assert_int_equal(info.label_keep_bytes, CONFIG_KEEP_UNSET);
                assert_int_equal(info.label_max_bytes, CONFIG_KEEP_UNSET);
        }
}

static void sizes_are_read_as_docker_reads_them(void **state) {
        static const struct {
                const char *text;
                uint64_t bytes;
        } cases[] = {
                        {"10m", 10000000},
                        {"10M", 10000000},
                        {"10mb", 10000000},
                        {"10MiB", 10000000},
                        {"1g", 1000000000},
                        {"100k", 100000},
                        {"4096", 4096},
                        {"4096b", 4096},
                        {"1.5g", 1500000000},
                        {"10 m", 10000000},
                        {"2t", UINT64_C(2000000000000)},
                        {"-1", 0},
                        {"", 0},
                        {"m", 0},
                        {"10x", 0},
                        {"10mm", 0},
                        {"10m ", 0},
                        {"99999999999999999999", 0},
                        {"18446744073709551615p", 0},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char host[256];
                ContainerInfo info;

                (void) snprintf(host, sizeof(host), HOST("json-file", "\"max-size\":\"%s\""), cases[i].text);
                info = parse_ok(CONFIG("/web", "", "", ""), host);
                if (info.max_size_bytes != cases[i].bytes)
                        fail_msg("'%s': %llu", cases[i].text, (unsigned long long) info.max_size_bytes);
        }
        assert_int_equal(parse_ok(CONFIG("/w", "", "", ""), HOST("json-file", "\"max-file\":\"-1\""))
                                         .max_file,
                        0);
        assert_int_equal(
                        parse_ok(CONFIG("/w", "", "", ""), HOST("json-file", "\"max-file\":3")).max_file, 0);
        assert_int_equal(
                        parse_ok(CONFIG("/w", "", "", ""), HOST("json-file", "\"max-file\":\"99999999999\""))
                                        .max_file,
                        0);
}

#define COMPOSE(project, service) \
        "\"com.docker.compose.project\":\"" project "\",\"com.docker.compose.service\":\"" service "\""

static void names_tell_compose_and_swarm_and_are_searchable(void **state) {
        static const struct {
                const char *config, *name;
        } cases[] = {
                        {CONFIG("/shop-web-1", "", COMPOSE("shop", "web"), ""),
                                        "shop-web-1 (compose shop/web)"},
                        {CONFIG("/x", "", "\"com.docker.compose.project\":\"shop\"", ""),
                                        "x (compose shop)"},
                        {CONFIG("/x", "", "\"com.docker.compose.service\":\"web\"", ""), "x"},
                        {CONFIG("/api.2.xyz", "", "\"com.docker.swarm.service.name\":\"shop_api\"", ""),
                                        "api.2.xyz (swarm shop_api)"},
                        {CONFIG("", "",
                                         "\"com.docker.swarm.service.name\":\"s\",\"com.docker.swarm.task."
                                         "name\":\"s.1.q\"",
                                         ""),
                                        "s.1.q (swarm s)"},
                        {CONFIG("", "", "", ""), "0123456789ab"},
                        {CONFIG("/", "", "", ""), "0123456789ab"},
                        {"{\"ID\":\"" ID "\"}", "0123456789ab"},
                        {"{\"ID\":\"" ID "\",\"Name\":7}", "0123456789ab"},
                        {CONFIG("/a\\nb\\u001b[31m", "", "", ""), "a?b?[31m"},
                        {CONFIG("/a b`(c)", "", "", ""), "a?b??c?"},
                        {CONFIG("/x", "", COMPOSE("a) (swarm b", "c`d/e"), ""),
                                        "x (compose a???swarm?b/c?d?e)"},
                        {CONFIG("/a\\u0000b", "", "", ""), "a"},
                        {CONFIG("/caf\xC3\xA9\xFF", "", "", ""), "caf\xC3\xA9?"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_string_equal(parse_ok(cases[i].config, NULL).name, cases[i].name);
}

static void a_long_name_loses_the_brackets_text_first(void **state) {
        char config[4096], project[301], name[301];
        ContainerInfo info;

        (void) state;
        memset(project, 'p', sizeof(project) - 1);
        memset(name, 'n', sizeof(name) - 1);
        project[sizeof(project) - 1] = name[sizeof(name) - 1] = 0;

        (void) snprintf(config, sizeof(config), CONFIG("/%.60s", "", COMPOSE("%s", "%s"), ""), name, project,
                        project);
        info = parse_ok(config, NULL);
        assert_int_equal(strcspn(info.name, " "), 60);
        assert_int_equal(strlen(info.name), 60 + strlen(" (compose /)") + 2 * 29);
        assert_int_equal(info.name[strlen(info.name) - 1], ')');

        (void) snprintf(config, sizeof(config), CONFIG("/%s", "%s", COMPOSE("%s", "%s"), ""), name, name,
                        project, project);
        info = parse_ok(config, NULL);
        assert_int_equal(strlen(info.name), CONTAINER_NAME_MAX - 1);
        assert_int_equal(info.name[strlen(info.name) - 1], ')');
        assert_int_equal(strlen(info.image), CONTAINER_IMAGE_MAX - 1);
}

static void a_label_that_is_none_is_ignored_and_told(void **state) {
        static const struct {
                const char *config;
                Policy policy;
                bool keep, bad;
        } cases[] = {
                        {CONFIG("/x", "", "\"io.diskbrake.policy\":\"alert\"", ""), POLICY_ALERT, false,
                                        false},
                        {CONFIG("/x", "", "\"io.diskbrake.policy\":\"Alert\"", ""), _POLICY_INVALID, false,
                                        true},
                        {CONFIG("/x", "", "\"io.diskbrake.policy\":true", ""), _POLICY_INVALID, false, true},
                        {CONFIG("/x", "", "\"io.diskbrake.keep\":\"1M\"", ""), _POLICY_INVALID, true, false},
                        {CONFIG("/x", "", "\"io.diskbrake.keep\":\"much\"", ""), _POLICY_INVALID, false,
                                        true},
                        {CONFIG("/x", "", "\"io.diskbrake.keep\":\"18446744073709551615\"", ""),
                                        _POLICY_INVALID, false, true},
                        {CONFIG("/x", "", "\"io.diskbrake.keep\":5", ""), _POLICY_INVALID, false, true},
                        {CONFIG("/x", "", "\"io.diskbrake.max-log-size\":\"large\"", ""), _POLICY_INVALID, false, true},
                        {CONFIG("/x", "", "\"io.diskbrake.max-log-size\":[]", ""), _POLICY_INVALID, false, true},
                        {CONFIG("/x", "", "\"IO.DISKBRAKE.POLICY\":\"x\"", ""), _POLICY_INVALID, false,
                                        false},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo info = parse_ok(cases[i].config, NULL);

                assert_int_equal(info.label_policy, cases[i].policy);
                assert_int_equal(info.label_keep_bytes != CONFIG_KEEP_UNSET, cases[i].keep);
                assert_int_equal(info.label_bad, cases[i].bad);
        }
}

static void a_pid_counts_only_while_it_runs_and_is_one(void **state) {
        static const struct {
                const char *config;
                bool running;
                int32_t pid;
        } cases[] = {
                { CONFIG("/x", "", "", "\"Running\":true,\"Pid\":1"), true, 1 },
                { CONFIG("/x", "", "", "\"Running\":false,\"Pid\":99"), false, 0 },
                { CONFIG("/x", "", "", "\"Running\":true,\"Pid\":-5"), true, 0 },
                { CONFIG("/x", "", "", "\"Running\":true,\"Pid\":4294967297"), true, 0 },
                { CONFIG("/x", "", "", "\"Running\":true,\"Pid\":1e300"), true, 0 },
                { CONFIG("/x", "", "", "\"Running\":true,\"Pid\":\"1\""), true, 0 },
                { CONFIG("/x", "", "", "\"Running\":1"), false, 0 },
                { "{\"ID\":\"" ID "\",\"State\":[true]}", false, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo info = parse_ok(cases[i].config, NULL);

                assert_int_equal(info.running, cases[i].running);
                assert_int_equal(info.pid, cases[i].pid);
        }
}

static void what_is_no_catalog_is_refused_with_a_reason(void **state) {
        static const struct {
                const char *config, *host, *reason;
        } cases[] = {
                { "", NULL, "config.v2.json: it is empty" },
                { "garbage", NULL, "config.v2.json: it is not JSON" },
                { "[]", NULL, "config.v2.json: it is not an object" },
                { "{\"ID\":\"" ID "\"", NULL, "config.v2.json: it ends in the middle" },
                { "{\"ID\":\"" ID, NULL, "config.v2.json: it ends in the middle" },
                { "{\"ID\":\"" ID "\"} x", NULL, "config.v2.json: something stands behind it" },
                { "{\"ID\":\"" ID "\",}", NULL, "config.v2.json: it is not JSON" },
                { "{}", NULL, "config.v2.json: it has no ID of 64 digits" },
                { "{\"ID\":7}", NULL, "config.v2.json: it has no ID of 64 digits" },
                { "{\"ID\":\"../../etc\"}", NULL, "config.v2.json: it has no ID of 64 digits" },
                { "{\"id\":\"" ID "\"}", NULL, "config.v2.json: it has no ID of 64 digits" },
                { "{\"ID\":\"" ID "\"}", "", "hostconfig.json: it is empty" },
                { "{\"ID\":\"" ID "\"}", "nope", "hostconfig.json: it is not JSON" },
                { "{\"ID\":\"" ID "\"}", "{\"LogConfig\":", "hostconfig.json: it ends in the middle" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                ContainerInfo info = { .pid = 77 };
                const char *reason = "";

                assert_int_equal(parse(cases[i].config, cases[i].host, &info, &reason),
                                DOCKER_CATALOG_E_INVALID);
                assert_string_equal(reason, cases[i].reason);
                assert_int_equal(info.pid, 77); /* not touched */
        }
}

static void a_cut_file_is_refused_wherever_it_was_cut(void **state) {
        static const char config[] =
                        CONFIG("/web", "nginx", COMPOSE("a", "b"), "\"Running\":true,\"Pid\":1");

        (void) state;
        for (size_t n = 0; n < sizeof(config) - 2; n++) { /* the last byte is the newline */
                char *exact = malloc(n + 1); /* so that a read beyond it is seen */
                const char *reason;
                ContainerInfo info;

                assert_non_null(exact);
                memcpy(exact, config, n);
                assert_int_equal(docker_catalog_parse(exact, n, NULL, 0, &info, &reason),
                                DOCKER_CATALOG_E_INVALID);
                free(exact);
        }
}

static void hostile_files_are_refused_before_they_cost_anything(void **state) {
        size_t n = DOCKER_CATALOG_MAX + 1;
        char *text = malloc(n);
        const char *reason = "";
        ContainerInfo info;

        (void) state;
        assert_non_null(text);
        memset(text, ' ', n);
        memcpy(text, "{\"ID\":\"" ID "\"}", strlen("{\"ID\":\"" ID "\"}"));
        assert_int_equal(docker_catalog_parse(text, n, NULL, 0, &info, &reason), DOCKER_CATALOG_E_INVALID);
        assert_string_equal(reason, "config.v2.json: it is too large");
        assert_int_equal(docker_catalog_parse(text, n - 1, NULL, 0, &info, &reason), 0);

        memset(text, '[', n);
        assert_int_equal(docker_catalog_parse(text, n - 1, NULL, 0, &info, &reason),
                        DOCKER_CATALOG_E_INVALID);
        assert_string_equal(reason, "config.v2.json: it is nested too deep");

        for (size_t i = 0; i + 1 < n; i += 2)
                memcpy(text + i, "0,", 2);
        text[0] = '[';
        assert_int_equal(docker_catalog_parse(text, n - 1, NULL, 0, &info, &reason),
                        DOCKER_CATALOG_E_INVALID);
        assert_string_equal(reason, "config.v2.json: it has too many values");

        memcpy(text, "{\"ID\":\"\0\"}", 10);
        assert_int_equal(docker_catalog_parse(text, 10, NULL, 0, &info, &reason), DOCKER_CATALOG_E_INVALID);
        assert_string_equal(reason, "config.v2.json: it has a NUL byte");
        free(text);
}

static void brackets_and_commas_within_strings_do_not_count(void **state) {
        char *config = malloc(400000), *p = config;

        (void) state;
        assert_non_null(config);
        p = stpcpy(p, "{\"ID\":\"" ID "\",\"X\":\"\\\\\\\"");
        for (int i = 0; i < 100000; i++)
                p = stpcpy(p, "[{,");
        (void) stpcpy(p, "\"}");
        assert_string_equal(parse_ok(config, NULL).id, ID);
        free(config);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(all_that_is_asked_is_found),
                cmocka_unit_test(the_driver_of_the_layers_is_not_that_of_the_log),
                cmocka_unit_test(sizes_are_read_as_docker_reads_them),
                cmocka_unit_test(names_tell_compose_and_swarm_and_are_searchable),
                cmocka_unit_test(a_long_name_loses_the_brackets_text_first),
                cmocka_unit_test(a_label_that_is_none_is_ignored_and_told),
                cmocka_unit_test(a_pid_counts_only_while_it_runs_and_is_one),
                cmocka_unit_test(what_is_no_catalog_is_refused_with_a_reason),
                cmocka_unit_test(a_cut_file_is_refused_wherever_it_was_cut),
                cmocka_unit_test(hostile_files_are_refused_before_they_cost_anything),
                cmocka_unit_test(brackets_and_commas_within_strings_do_not_count),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
