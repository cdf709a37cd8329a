/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The brain of one partition. PURE: no clock, no I/O, no logging, no globals; the same observations at the
 * same times give the same plans. The shell (daemon, replay, simulator) drives it:
 *
 *      engine_observe(e, &observation)            facts, each carrying its own time
 *      engine_decide(e, now, &plan, &wake_at)     what to say and to do, as data; when to look and ask again
 *      engine_settle(e, &outcome)                 what acting really achieved
 *
 * Events come out in the order in which they are to be told, before the acts of the same plan are begun.
 * Memory is allocated only when a log appears that needs a larger table; samples, decisions and outcomes
 * allocate nothing. */

#include "config.h"
#include "event.h"
#include "filling.h"
#include "macros.h"
#include "observation.h"

typedef struct Engine Engine;

#define ENGINE_LOGS_MAX 200000 /* slots; a host with more has other troubles first */
#define PLAN_ACTS_MAX 16
#define PLAN_EVENTS_MAX 32

typedef struct Plan {
        Event events[PLAN_EVENTS_MAX];
        uint32_t n_events;
        Act acts[PLAN_ACTS_MAX];
        uint32_t n_acts;
        uint64_t cancel; /* the archive act that must give way at once; 0: none. Its outcome is not waited for */
        bool more; /* there was more to say than fits: ask again at once */
} Plan;

/* mount: of the partition, sanitised, copied. -ENOMEM. */
int engine_new(const Config *config, const char *mount, Engine **ret_engine);
Engine *engine_free(Engine *e);
DEFINE_CLEANUP(Engine, engine_free)

/* It is mounted elsewhere now: sanitised, copied. */
void engine_rename(Engine *e, const char *mount);

/* The new configuration counts from the next decision. */
void engine_configure(Engine *e, const Config *config);

/* The next ids that are given, where they must go on from those of a supervisor before this one. alert_stride: from one
 * alert to the next, so that partitions do not share numbers. */
void engine_seed(Engine *e, uint64_t next_act, uint64_t next_alert, uint64_t alert_stride);

/* A new watcher gives out new slots: logs are known again when it introduces them. */
void engine_forget_logs(Engine *e);

/* 0; -ENOMEM, -ENOSPC (more than ENGINE_LOGS_MAX), -EINVAL (a slot that was never introduced: ignored). */
int engine_observe(Engine *e, const Observation *observation);

/* ret_wake_at_usec: when to look and to decide again, whatever happens before. */
void engine_decide(Engine *e, uint64_t now_usec, Plan *ret_plan, uint64_t *ret_wake_at_usec);

void engine_settle(Engine *e, const Outcome *outcome);

/* Whoever drives the engine looks who reads the logs when asked to: then the first act waits for that a moment. */
void engine_promise_readers(Engine *e);
/* Acting is near, and who reads the logs is not known, or not well enough any more: it is time to look. */
bool engine_wants_readers(const Engine *e, uint64_t now_usec);

/* Whoever drives the engine makes surveys when asked to: what grows that is no log. */
void engine_promise_surveys(Engine *e);
/* It fills, and logs do not explain it: it is time to look. ret_window_usec: for how long. */
bool engine_wants_survey(Engine *e, uint64_t now_usec, uint64_t *ret_window_usec);

/* No acts until then (monotonic; 0: go on at once). Levels and events go on. */
void engine_pause(Engine *e, uint64_t until_usec);

/* Somebody takes care of the open alert: until then (monotonic; USEC_INFINITY: until it ends), or until it gets worse.
 * Positive: ENGINE_E_NO_ALERT: that one is not open; ENGINE_E_ACKNOWLEDGED: somebody does already. */
typedef struct Acknowledgement {
        bool given;
        Asker asker;
        Level level; /* at that moment */
        uint64_t until_usec;
} Acknowledgement;
#define ENGINE_E_NO_ALERT 6
#define ENGINE_E_ACKNOWLEDGED 7
int engine_acknowledge(Engine *e, uint64_t alert_id, const Asker *asker, uint64_t now_usec, uint64_t until_usec);
bool acknowledgement_holds(const Acknowledgement *a, Level level, uint64_t now_usec);

/* A trim by hand: makes the act for one log as if it had to give want_bytes, whatever the level is, but
 * never below keep_bytes (CONFIG_KEEP_UNSET: the policy's), and counts it as under way unless dry_run.
 * method: METHOD_NONE lets the engine choose; another one is taken only where it is safe for that log.
 * Positive ENGINE_E_*: why not. */
#define ENGINE_E_NO_LOG 1     /* no such slot, or nothing that may be cut */
#define ENGINE_E_PROTECTED 2
#define ENGINE_E_BUSY 3 /* an act on that log is under way: its outcome is the answer to this one too */
#define ENGINE_E_UNSAFE 4     /* the method would harm readers or writer of this log */
#define ENGINE_E_PAUSED 5
int engine_trim(Engine *e, uint64_t now_usec, uint32_t slot, uint64_t keep_bytes, Method method,
                bool dry_run, Act *ret_act);

/* Whether that log would be repaired if torn lines were found in it. Positive ENGINE_E_*: why not. */
int engine_may_repair(const Engine *e, uint64_t now_usec, uint32_t slot);

/* What it knows, as observations that would let another one know the same: the partition, then each log with its last
 * sample. Begin with a cursor of 0; false at the end. ret_n: how many of the two are set. */
bool engine_recount(const Engine *e, uint64_t *cursor, Observation *ret_first, Observation *ret_second, size_t *ret_n);

/* ---- what status shows
 * -------------------------------------------------------------------------------------- */

/* What it looks like, and whether that counts as a fill until it is reclaimed or stalls (alarm.h). */
typedef struct EngineFilling {
        Filling filling;
        bool alarmed;
} EngineFilling;

typedef struct EngineStatus {
        Level level;
        Reason reason;
        uint64_t level_since_usec;
        uint64_t alert_id; /* 0: no alert is open */
        Acknowledgement acknowledgement; /* of that alert */
        PartitionSample space;
        uint64_t sampled_usec; /* 0: never */
        int64_t fill_bps, fill_inodes_ps;
        TimeToFull full, inodes_full;
        EngineFilling bytes_filling, inodes_filling;
        uint64_t level_below_bytes[_LEVEL_MAX]; /* the level is reached by space when less is available */
        uint64_t away_usec; /* for so long it must have been better before warning is left */
        bool blind;
        bool falling; /* free space is on its way to none */
        uint64_t paused_until_usec; /* 0: not paused */
        uint64_t ballast_bytes;
        uint64_t freed_total_bytes;
        uint32_t n_acts_total, n_acts_under_way, n_logs;
        uint64_t logs_allocated_bytes;
        uint64_t act_below_bytes, target_bytes; /* avail at which acting begins, and what it aims at */
} EngineStatus;
void engine_get_status(const Engine *e, EngineStatus *ret_status);
/* No level is reached, or one for long in which nothing goes on, as on a disk that is nearly full for months; and nothing is
 * under way. For the hot path. */
bool engine_is_calm(const Engine *e);

/* What the last survey has found, the largest first; n 0: nothing, or there was none of late. */
typedef struct EngineSurvey {
        uint64_t ended_usec; /* 0: there was none of late */
        SurveyFacts facts;
        uint32_t n;
        EventCause causes[SURVEY_CAUSES_MAX];
} EngineSurvey;
void engine_get_survey(const Engine *e, uint64_t now_usec, EngineSurvey *ret_survey);

typedef struct EngineLog {
        const LogInfo *info; /* valid until the next call that is not a getter */
        LogSample sample;
        int64_t growth_bps;
        uint32_t share_permyriad;
        Policy policy;       /* in force: configuration, tightened by labels */
        uint64_t keep_bytes, max_log_bytes;
        bool is_protected;
        uint64_t last_act_usec; /* 0: never */
        DamageKind damage;
        const char *damage_detail; /* why it is not repaired now; "": it will be, or there is none */
        LogReaders readers;     /* n and n_docker 0: nobody, or not known */
} EngineLog;
/* The first n_max logs, offenders first (growth, then size). Returns how many were written. Not for the hot
 * path. */
size_t engine_get_logs(const Engine *e, EngineLog *ret_logs, size_t n_max);
/* 0; -ENOENT. */
int engine_get_log(const Engine *e, uint32_t slot, EngineLog *ret_log);
/* By name (as displayed, or Docker's bare name), by full id, or by a unique prefix of at least 4 digits of
 * it. 0; -ENOENT; -ENOTUNIQ. */
int engine_find_log(const Engine *e, const char *name, EngineLog *ret_log);
