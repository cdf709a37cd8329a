/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration from its files: the main one, then the files *.conf in FILE.d by name, on top of the
 * defaults. Reads, and so may hang on a sick disk: the daemon does it in a process of its own. */

#include <limits.h>
#include <stddef.h>

#include "config.h"

#define CONFIG_READ_PATH_DEFAULT "/etc/diskbrake/diskbrake.conf"

#define CONFIG_READ_MESSAGE_MAX 1024

#define CONFIG_READ_E_INVALID 1

typedef struct ConfigReadError {
        char file[PATH_MAX + NAME_MAX + 2]; /* the main one or a drop-in */
        unsigned line;                      /* 0: not about one line */
        char message[256];
} ConfigReadError;

/* As config_read(), with the parts of the message. *ret_error is set where it is not 0. */
int config_read_files(const char *path, Config *ret_config, ConfigReadError *ret_error);

/* path: NULL for the default, which alone may be missing. 0; CONFIG_READ_E_INVALID and what is wrong, as
 * "FILE:LINE: message"; a negative errno (a file that cannot be read) and the same, without the line. */
int config_read(const char *path, Config *ret_config, char *ret_message, size_t message_bytes);
