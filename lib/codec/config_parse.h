/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration from text and to text. The order: config_set_defaults(), config_parse() of the main
 * file, of the drop-ins as sorted by name, and config_validate() once at the end. The file's name is the
 * caller's to tell.
 *
 * [Section], Key=value, one a line. A line that starts with '#' or ';' is a comment, and so is what
 * follows a '#' or ';' behind a blank. A value may stand in double quotes. What is not understood is an
 * error, never skipped. */

#include <stddef.h>

#include "config.h"

#define CONFIG_PARSE_E_INVALID 1

/* A hundred times what anybody writes by hand; more is the wrong file. */
#define CONFIG_FILE_MAX_BYTES (1024 * 1024)

/* Enough for config_format(): every list full, every path at its longest. */
#define CONFIG_TEXT_MAX_BYTES (48 * 1024)

typedef struct ConfigError {
        unsigned line;     /* 0: not about one line; the message then names section and key */
        char message[256]; /* what was found and what was expected; clean text */
} ConfigError;

/* Applies a file's text onto *config, which stays as it was when anything in it is wrong. 0;
 * CONFIG_PARSE_E_INVALID and *ret_error; -ENOMEM. */
int config_parse(const char *text, size_t n_bytes, Config *config, ConfigError *ret_error);

/* Whether the whole makes sense: levels in order, bounds. 0; CONFIG_PARSE_E_INVALID and *ret_error. */
int config_validate(const Config *config, ConfigError *ret_error);

/* The configuration as text that parses back to the same. Its length; -ENOBUFS. */
int config_format(const Config *config, char *buf, size_t buf_bytes);

/* The two parts of a share and an amount ("25% 100G"), as they stand in the text. Returns buf. */
char *config_free_format(uint32_t permyriad, uint64_t free_bytes, char *buf, size_t buf_bytes);
