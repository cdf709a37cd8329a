/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What units/diskbrake.conf shows as defaults are the defaults. $SHIPPED_CONF is its path. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "config_parse.h"
#include "macros.h"

static char shipped[64 * 1024], uncommented[64 * 1024];

/* Explanations begin with "# ", defaults with "#Key=". */
static void uncomment(const char *from, char *to) {
        bool at_start = true;

        for (; *from; from++) {
                if (!(at_start && from[0] == '#' && from[1] >= 'A' && from[1] <= 'Z'))
                        *to++ = *from;
                at_start = *from == '\n';
        }
        *to = 0;
}

static int read_shipped(_unused_ void **state) {
        const char *path = getenv("SHIPPED_CONF");
        FILE *file = fopen(path ? path : "units/diskbrake.conf", "re");

        if (!file) {
                print_error("cannot open the shipped configuration: set SHIPPED_CONF\n");
                return -1;
        }
        size_t n = fread(shipped, 1, sizeof(shipped) - 1, file);
        (void) fclose(file);
        shipped[n] = 0;
        uncomment(shipped, uncommented);
        return 0;
}

static void parse(const char *text, Config *config) {
        ConfigError error = {};

        config_set_defaults(config);
        if (config_parse(text, strlen(text), config, &error) != 0)
                fail_msg("line %u: %s", error.line, error.message);
        if (config_validate(config, &error) != 0)
                fail_msg("%s", error.message);
}

static void as_text(const Config *config, char *buf, size_t buf_bytes) {
        assert_true(config_format(config, buf, buf_bytes) > 0);
}

static void test_it_is_right_as_it_is_and_changes_nothing(_unused_ void **state) {
        static char defaults_text[CONFIG_TEXT_MAX_BYTES], text[CONFIG_TEXT_MAX_BYTES];
        Config config;

        config_set_defaults(&config);
        as_text(&config, defaults_text, sizeof(defaults_text));
        parse(shipped, &config);
        as_text(&config, text, sizeof(text));
        assert_string_equal(text, defaults_text);
}

static void test_what_it_shows_are_the_defaults(_unused_ void **state) {
        static char defaults_text[CONFIG_TEXT_MAX_BYTES], text[CONFIG_TEXT_MAX_BYTES];
        Config config;

        config_set_defaults(&config);
        as_text(&config, defaults_text, sizeof(defaults_text));
        parse(uncommented, &config);
        as_text(&config, text, sizeof(text));
        assert_string_equal(text, defaults_text);
}

/* Every section and every key of what `config show` prints stands in it. */
static void test_no_default_is_left_out(_unused_ void **state) {
        static char text[CONFIG_TEXT_MAX_BYTES];
        Config config;
        char *rest = text, *line;

        config_set_defaults(&config);
        as_text(&config, text, sizeof(text));
        while ((line = strsep(&rest, "\n"))) {
                char start[256];

                if (!*line)
                        continue;
                (void) snprintf(start, sizeof(start), "\n%.*s", (int) (strcspn(line, "=") + 1), line);
                if (!strstr(uncommented, start))
                        fail_msg("'%s' is not shown", line);
        }
}

/* The lists are empty by default, so that the above does not see them. */
static void test_the_lists_are_shown_too(_unused_ void **state) {
        assert_non_null(strstr(uncommented, "\nDataRoot=\n"));
        assert_non_null(strstr(uncommented, "\nWatchPath=\n"));
        assert_non_null(strstr(uncommented, "\nTrustLabels=\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_it_is_right_as_it_is_and_changes_nothing),
                cmocka_unit_test(test_what_it_shows_are_the_defaults),
                cmocka_unit_test(test_no_default_is_left_out),
                cmocka_unit_test(test_the_lists_are_shown_too),
        };

        return cmocka_run_group_tests(tests, read_shipped, NULL);
}
