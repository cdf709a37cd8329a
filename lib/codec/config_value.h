/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the value of one key gets into its field: the parsers of config_parse.c's table. Private to the
 * codec. */

#include <stddef.h>

#include "config.h"

typedef struct ConfigKind {
        /* first, second: the key's fields. 0; -EINVAL; -ERANGE; -ENOSPC: the list is full; -ENAMETOOLONG. */
        int (*parse)(const char *value, void *first, void *second);
        const char *expected; /* "expected ..." */
} ConfigKind;

extern const ConfigKind config_kind_mode;     /* Mode */
extern const ConfigKind config_kind_policy;   /* Policy */
extern const ConfigKind config_kind_bytes;    /* uint64_t */
extern const ConfigKind config_kind_span;     /* uint64_t */
extern const ConfigKind config_kind_free;     /* uint32_t permyriad, uint64_t bytes */
extern const ConfigKind config_kind_ballast;  /* uint32_t permyriad, uint64_t bytes */
extern const ConfigKind config_kind_share;    /* uint32_t permyriad */
extern const ConfigKind config_kind_path;     /* char[CONFIG_PATH_MAX] */
extern const ConfigKind config_kind_paths;    /* char[CONFIG_ROOTS_MAX][CONFIG_PATH_MAX], uint32_t */
extern const ConfigKind config_kind_patterns; /* char[CONFIG_TRUST_MAX][CONFIG_PATTERN_MAX], uint32_t */
