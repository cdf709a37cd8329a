/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names and numbers of the levels: syslog's. */

#include "level.h"

#include "macros.h"

static const struct {
        const char *name;
        int priority;
} levels[_LEVEL_MAX] = {
        [LEVEL_OK] = { "ok", 6 },
        [LEVEL_NOTICE] = { "notice", 5 },
        [LEVEL_WARNING] = { "warning", 4 },
        [LEVEL_CRITICAL] = { "critical", 2 },
        [LEVEL_EMERGENCY] = { "emergency", 0 },
};

const char *level_to_string(Level level) {
        return level >= 0 && level < _LEVEL_MAX ? levels[level].name : "unknown";
}

Level level_from_string(const char *s) {
        for (Level level = 0; level < _LEVEL_MAX; level++)
                if (streq(levels[level].name, s))
                        return level;
        return _LEVEL_INVALID;
}

/* A level that is none is told as a warning: it must be seen, and must not wake the whole house. */
int level_to_priority(Level level) {
        return level >= 0 && level < _LEVEL_MAX ? levels[level].priority : 4;
}
