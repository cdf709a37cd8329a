/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What clients are shown, as plain data: filled by the supervisor, written as JSON by the codec
 * (status_json.h). Nothing is owned here: all pointers are the caller's and need only live until the JSON
 * is written. Texts are sanitised and never NULL unless it says so. Spans are lengths of time, not points
 * in time. */

#include <stddef.h>

#include "event.h"

typedef enum GuardState {
        GUARD_GUARDING,  /* sees and may act */
        GUARD_OBSERVING, /* sees, and was told not to act */
        GUARD_DEGRADED,  /* sees, and cannot act */
        GUARD_BLIND,     /* does not see */
        _GUARD_STATE_MAX,
} GuardState;

const char *guard_state_to_string(GuardState state);

typedef struct StatusLog {
        const ContainerInfo *container;
        LogSample sample;
        int64_t growth_bps;
        uint32_t share_permyriad; /* of the partition's growth */
        Policy policy;            /* in force */
        uint64_t keep_bytes;
        bool is_protected;
        uint64_t max_log_bytes; /* 0: no limit */
        DamageKind damage;
        const char *damage_detail; /* why it is not repaired now; empty: it will be */
        uint32_t n_readers;     /* processes, without dockerd; 0: nobody reads it, or not known */
        LogReader slowest;      /* pid 0: none */
} StatusLog;

/* What the use of a partition looks like, over what time. */
typedef struct StatusFilling {
        const char *shape;    /* straight, accelerating, sudden; NULL: like no fill */
        uint64_t since_usec;  /* for so long it has been seen */
        uint64_t taken;       /* in that time: bytes or inodes ... */
        uint64_t free_before; /* ... of so many that were free */
        bool survived;        /* it was as full before, and that went by */
        bool alarmed;         /* it counts as a fill until it is reclaimed or stalls */
} StatusFilling;

/* When a level is reached. */
typedef struct StatusLevel {
        uint64_t below_bytes, within_usec;
} StatusLevel;

/* What grows that is no log, as the last survey has seen it. */
typedef struct StatusSurvey {
        bool known;         /* false: there was none of late */
        uint64_t age_usec;
        SurveyFacts facts;
        uint32_t n;
        EventCause causes[SURVEY_CAUSES_MAX]; /* the largest first */
} StatusSurvey;

typedef struct StatusPartition {
        const char *mount;
        const char *const *roots; /* Docker's data-roots on it; none: only alerted on */
        size_t n_roots;
        Level level;
        Reason reason;
        uint64_t level_for_usec; /* it has been at this level for that long */
        GuardState state;
        const char *state_detail; /* one sentence; empty: nothing to add */
        PartitionSample space;
        const char *space_doubt; /* why what is free may be less than that; empty: nothing known against it */
        int64_t fill_bps, fill_inodes_ps;
        TimeToFull full, inodes_full;
        StatusFilling bytes_filling, inodes_filling;
        StatusSurvey survey;
        StatusLevel levels[_LEVEL_MAX]; /* LEVEL_OK's is not used */
        uint64_t away_usec; /* for so long it must have been better before warning is left */
        uint64_t act_below_bytes, target_bytes;
        uint64_t ballast_bytes;
        uint64_t freed_total_bytes;
        uint32_t n_acts_total;
        uint64_t paused_for_usec;   /* that long from now on; 0: not paused */
        const char *docker_version; /* empty: unknown */
        uint32_t n_logs_total;
        uint64_t logs_allocated_bytes;
        const StatusLog *logs; /* offenders first; perhaps not all of them */
        size_t n_logs;
} StatusPartition;

typedef struct StatusEvent {
        const Event *event;
        uint64_t wall_usec; /* CLOCK_REALTIME, of the moment it happened */
} StatusEvent;

typedef struct GuardStatus {
        const char *version;
        Mode mode;
        int32_t pid;
        uint64_t uptime_usec;
        const char *config; /* the file */
        uint64_t longest_turn_usec;
        const StatusPartition *partitions;
        size_t n_partitions;
        const StatusEvent *last_events; /* oldest first */
        size_t n_last_events;
        const char *const *notes; /* sentences: what is not guarded, what could not be set up */
        size_t n_notes;
} GuardStatus;

typedef struct StatusAlert {
        uint64_t id;
        const char *mount;
        Level level;
        Reason reason;
        uint64_t since_wall_usec;
        const char *message;
        const char *acknowledged_by; /* NULL: not acknowledged */
        uint64_t acknowledged_until_wall_usec; /* 0: until it gets worse or ends */
} StatusAlert;

/* The answer to a trim by hand: of the outcome, or with dry_run of the act that would be done. */
typedef struct StatusTrimmed {
        const char *name, *id;
        Method method;
        ActResult result; /* not used with dry_run, which answers "planned" */
        uint64_t freed_bytes; /* with dry_run: that many are wanted */
        uint64_t cut_bytes;
        uint64_t allocated_bytes; /* afterwards; with dry_run: now */
        bool dry_run;
} StatusTrimmed;
