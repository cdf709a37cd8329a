/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The shipped values, and the names of the modes and policies. */

#include "config.h"

#include "macros.h"

static const char *const modes[_MODE_MAX] = {
        [MODE_ENFORCE] = "enforce",
        [MODE_OBSERVE] = "observe",
};

const char *mode_to_string(Mode mode) { return mode >= 0 && mode < _MODE_MAX ? modes[mode] : "unknown"; }

Mode mode_from_string(const char *s) {
        for (Mode mode = 0; mode < _MODE_MAX; mode++)
                if (streq(modes[mode], s))
                        return mode;
        return _MODE_INVALID;
}

static const char *const policies[_POLICY_MAX] = {
        [POLICY_ARCHIVE] = "archive",
        [POLICY_TRIM] = "trim",
        [POLICY_ALERT] = "alert",
};

const char *policy_to_string(Policy policy) {
        return policy >= 0 && policy < _POLICY_MAX ? policies[policy] : "unknown";
}

Policy policy_from_string(const char *s) {
        for (Policy policy = 0; policy < _POLICY_MAX; policy++)
                if (streq(policies[policy], s))
                        return policy;
        return _POLICY_INVALID;
}

void config_set_defaults(Config *config) {
        *config = (Config){
                .mode = MODE_ENFORCE,

                /* Shares for small partitions, amounts so that a large one does not cry at 1 TB free.
                 * Times: a day to plan, half a shift to look, time for one good trim, and no time left. */
                .levels = {
                        [LEVEL_NOTICE] = { 2500, GIB(100), 24 * USEC_PER_HOUR },
                        [LEVEL_WARNING] = { 1500, GIB(40), 4 * USEC_PER_HOUR },
                        [LEVEL_CRITICAL] = { 1000, GIB(20), 10 * USEC_PER_MINUTE },
                        [LEVEL_EMERGENCY] = { 500, GIB(10), 60 * USEC_PER_SEC },
                },
                /* Longer than the pauses between the bursts of a normal flood. */
                .clear_hold_usec = 30 * USEC_PER_SEC,

                .policy = POLICY_ARCHIVE,
                .keep_bytes = MIB(16),          /* the last minutes of a busy service */
                .emergency_keep_bytes = MIB(1), /* some thousand lines: enough to see what went wrong */
                .cooldown_usec = USEC_PER_SEC,  /* what was freed shows in the numbers by then */

                /* Compressed some ten times, that is a hundred GiB of log. */
                .archive_permyriad = 500,
                .archive_bytes = GIB(10),
                .archive_container_bytes = GIB(2),     /* so that one flood does not push out all others */
                .archive_max_age_usec = 7 * USEC_PER_DAY, /* over a long weekend, until somebody has looked */
                .archive_rate_bps = MIB(100),          /* a fifth of a core; leaves a spinning disk something */

                .ballast_permyriad = 100,
                .ballast_bytes = GIB(1),

                .attribution_cpu_permyriad = 100,  /* nobody notices; a survey of a thousand processes every few seconds */
                .attribution_read_bytes = MIB(1), /* what is open is in memory already: it should need nothing */

                .watcher_deadline_usec = 2 * USEC_PER_SEC,  /* it only reads; a busy disk answers in less */
                .trimmer_deadline_usec = 10 * USEC_PER_SEC, /* a collapse waits for the file's dirty pages */
        };
}
