/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a configuration. What is taken must parse back from its own text to the same, and what is
 * refused must leave the configuration as it was and say why in clean text. */

#include "config_parse.h"
#include "macros.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void check(bool holds) {
        if (!holds)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        static char text[CONFIG_TEXT_MAX_BYTES];
        static Config defaults, config, again;
        ConfigError error = {};
        int n;

        memset(&defaults, 0, sizeof(defaults));
        config_set_defaults(&defaults);
        config = again = defaults;

        if (config_parse((const char *) data, n_bytes, &config, &error) != 0) {
                check(memcmp(&config, &defaults, sizeof(config)) == 0);
                check(error.message[0] != 0);
                check(text_clean_bytes(error.message, strlen(error.message)) == strlen(error.message));
                return 0;
        }
        if (config_validate(&config, &error) != 0)
                check(error.message[0] != 0 && error.line == 0);

        n = config_format(&config, text, sizeof(text));
        check(n > 0);
        check(config_parse(text, (size_t) n, &again, &error) == 0);
        check(memcmp(&config, &again, sizeof(config)) == 0);
        return 0;
}
