/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration: plain data of fixed size, so that the process that read it can hand it over as it stands. */

#include <stdbool.h>
#include <stdint.h>

#include "level.h"

#define CONFIG_PATH_MAX 512      /* bytes of a data-root's path, with NUL */
#define CONFIG_ROOTS_MAX 16
#define CONFIG_RULES_MAX 64
#define CONFIG_PATTERN_MAX 128
#define CONFIG_TRUST_MAX 16

typedef enum Mode {
        MODE_ENFORCE, /* acts */
        MODE_OBSERVE, /* the same plans and events, no act */
        _MODE_MAX,
        _MODE_INVALID = -EINVAL,
} Mode;

const char *mode_to_string(Mode mode);
Mode mode_from_string(const char *s);

typedef enum Policy {
        POLICY_ARCHIVE, /* the head is archived, then freed */
        POLICY_TRIM,    /* freed unarchived */
        POLICY_ALERT,   /* protected: never touched, only named */
        _POLICY_MAX,
        _POLICY_INVALID = -EINVAL,
} Policy;

const char *policy_to_string(Policy policy);
Policy policy_from_string(const char *s);

/* A share or an amount that was left out: it is the smaller of the two that counts, so these count for nothing. */
#define CONFIG_PERMYRIAD_ANY 10000
#define CONFIG_BYTES_ANY UINT64_MAX

/* What a level stands for: free space (or inodes) below the smaller of a share and an amount, or full within a
 * time. For inodes only the share and the time count; no share, no level for inodes. */
typedef struct ConfigLevel {
        uint32_t free_permyriad;
        uint64_t free_bytes;
        uint64_t within_usec;
} ConfigLevel;

#define CONFIG_KEEP_UNSET UINT64_MAX

/* [Container PATTERN] or [Image PATTERN]. The last rule that matches and sets a value wins. */
typedef struct ConfigRule {
        bool by_image;
        char pattern[CONFIG_PATTERN_MAX];
        Policy policy;       /* _POLICY_INVALID: not set */
        uint64_t keep_bytes; /* CONFIG_KEEP_UNSET: not set */
        uint64_t max_log_bytes; /* the same; 0: no limit for these */
} ConfigRule;

typedef struct Config {
        Mode mode;

        char data_roots[CONFIG_ROOTS_MAX][CONFIG_PATH_MAX]; /* [Watchdog] DataRoot=; none: found by itself */
        uint32_t n_data_roots;
        char watch_paths[CONFIG_ROOTS_MAX][CONFIG_PATH_MAX]; /* WatchPath=: alerted on, no logs there */
        uint32_t n_watch_paths;

        ConfigLevel levels[_LEVEL_MAX]; /* [Levels]; LEVEL_OK's is not used */
        uint64_t clear_hold_usec;       /* a level is left only after its condition was gone for that long */

        Policy policy;                  /* [Trim] Policy= */
        uint64_t keep_bytes;            /* newest bytes that stay: at critical ... */
        uint64_t emergency_keep_bytes;  /* ... and at emergency */
        uint64_t max_log_bytes;         /* a log is kept at that size at most, also without need; 0: no limit */
        uint64_t cooldown_usec;         /* between two trims of one log, but for an emergency */

        char archive_directory[CONFIG_PATH_MAX]; /* ArchiveDirectory=; empty: beneath the state directory */
        uint32_t archive_permyriad;     /* ArchiveSize=, of the partition that it lies on: the smaller of the two; ... */
        uint64_t archive_bytes;         /* ... either 0: nothing is archived */
        uint64_t archive_container_bytes; /* of one container; 0: no limit but that of all */
        uint64_t archive_max_age_usec;  /* 0: they go by size alone */
        uint64_t archive_rate_bps;      /* of log that is read for it; 0: as fast as it goes */

        uint32_t ballast_permyriad; /* [Ballast] Size=: the smaller of the two; either 0 = none */
        uint64_t ballast_bytes;

        ConfigRule rules[CONFIG_RULES_MAX];
        uint32_t n_rules;
        char trust_labels[CONFIG_TRUST_MAX][CONFIG_PATTERN_MAX]; /* images whose labels may also loosen */
        uint32_t n_trust_labels;

        uint32_t attribution_cpu_permyriad; /* [Attribution] CPU=, of one core, on the mean; 0: nobody looks what else grows */
        uint64_t attribution_read_bytes;    /* Read=, from disks, in one survey */

        uint64_t watcher_deadline_usec; /* a watcher's or trimmer's answer later than that is a missed one */
        uint64_t trimmer_deadline_usec;
} Config;

/* The shipped values, of the table in the documentation: the only place where they stand. */
void config_set_defaults(Config *config);
