/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How near a partition is to being full. Names and numbers of the levels that are told are those of syslog's
 * priorities: notice 5, warning 4, critical 2, emergency 0. */

#include <errno.h>

typedef enum Level {
        LEVEL_OK,
        LEVEL_NOTICE,
        LEVEL_WARNING,
        LEVEL_CRITICAL,
        LEVEL_EMERGENCY,
        _LEVEL_MAX,
        _LEVEL_INVALID = -EINVAL,
} Level;

const char *level_to_string(Level level);
Level level_from_string(const char *s); /* _LEVEL_INVALID where it is none */
int level_to_priority(Level level);     /* syslog's; ok is 6, info */
