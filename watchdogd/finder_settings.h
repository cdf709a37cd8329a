/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What dockerd was told: by its command line, and by daemon.json. Both are taken with a grain of salt:
 * paths must be absolute, short enough and without control characters, else they count as not given. */

#include <stddef.h>

#include "config.h"

#define FINDER_SOCKET_MAX 108 /* of sockaddr_un */

typedef struct FinderSettings {
        char data_root[CONFIG_PATH_MAX];   /* empty: not given */
        char config_file[CONFIG_PATH_MAX];
        char api_socket[FINDER_SOCKET_MAX];
} FinderSettings;

/* Of /proc/PID/cmdline: arguments, each with its NUL. */
void finder_settings_parse_arguments(const char *data, size_t n_bytes, FinderSettings *ret_settings);

/* Of daemon.json. What it does not say, or when it is no JSON, stays empty. */
void finder_settings_parse_json(const char *data, size_t n_bytes, FinderSettings *ret_settings);

/* Reads daemon.json, if there is a regular file of a sensible size. */
void finder_settings_read(const char *path, FinderSettings *ret_settings);
