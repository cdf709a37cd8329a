/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine's insides, shared by its parts and by nobody else. */

#include "attribution.h"
#include "causes.h"
#include "demand.h"
#include "engine.h"
#include "engine_memory.h"
#include "filling.h"
#include "forecast.h"
#include "level_rules.h"
#include "method.h"
#include "plan.h"
#include "range.h"
#include "readers.h"
#include "trend.h"

/* The trimmer does one act after the other: more in its queue would be planned on stale numbers. */
#define ACTS_QUEUED_MAX 4
/* When many small acts of those to blame do not hold the line, the rest must not wait behind them. */
#define ACTS_QUEUED_RESCUE_MAX 6
/* Under way in all, with those whose trimmer does not answer. */
#define ACTS_UNDER_WAY_MAX 16
#define EVENTS_PENDING_MAX 16
/* Torn logs whose ranges are known at a time: those of others are told again. */
#define ENGINE_DAMAGES_MAX 16

typedef struct ActUnderWay {
        Act act; /* id 0: free */
        uint64_t planned_usec;
} ActUnderWay;

struct Engine {
        Config config;
        char mount[EVENT_MOUNT_MAX];

        /* the partition */
        PartitionSample space;
        uint64_t sampled_usec; /* 0: never */
        bool blind;
        Demand demand;
        Forecast bytes, inodes;
        ForecastView bytes_view, inodes_view;
        double demanded_bytes; /* what would be used, had we freed nothing */
        Trend bytes_trend, inodes_trend;
        Filling bytes_filling, inodes_filling;
        TimeToFull bytes_full, inodes_full; /* what people are told */
        LevelRules rules;
        bool can_collapse, can_punch, can_reflink, freed_is_late;
        uint32_t docker_major[CONFIG_ROOTS_MAX];

        uint64_t unseen_bytes[2];   /* growth of logs that a late filesystem has not shown yet: of late, and before */
        uint64_t unseen_since_usec; /* when `of late` began */
        uint64_t shown_avail_bytes; /* what statvfs said last */

        /* the pace */
        uint64_t look_usec, look_at_usec; /* the last look's time; the next one's */
        uint64_t look_interval_usec;
        uint64_t moved_bytes;             /* by logs since the last look */

        /* the logs */
        LogTable logs;
        Attribution attribution;
        ReadersWatch readers;
        Causes causes;
        LogMemory remembered[ENGINE_MEMORY_LOGS_MAX]; /* of before a new watcher: not introduced again yet */

        /* acting */
        bool acting;            /* from act_below up to the target */
        bool pressed;           /* so full that its writers cannot make it fall any more */
        PlanLimits limits;
        uint64_t duration_usec; /* from planning an act to its end, as learned ... */
        uint64_t lead_usec;     /* ... and how far ahead to plan with it */
        ActUnderWay under_way[ACTS_UNDER_WAY_MAX];
        uint64_t next_act;
        uint64_t settled_usec;  /* when the last act that freed something ended */
        uint64_t last_gain_usec; /* when an act last freed what it should; 0: never */
        uint64_t paused_until_usec;

        uint64_t archive_act;         /* under way; 0: none */
        uint32_t archived_slot;       /* the log whose archived head or segment is to be freed next */
        double archive_bps;           /* of log, as learned; 0: not yet */
        double archive_ratio;         /* what it takes of that on the disk */
        bool archive_is_elsewhere;    /* on another partition, as far as is known */
        uint64_t archive_at_usec;     /* not before */
        uint64_t archive_cancelled;   /* the act that the shell is to be told of; 0: none */
        uint32_t n_archivers_died;    /* in a row */
        uint64_t archive_said_usec;   /* when it was last said that nothing is archived; 0: it is not so */

        uint64_t ballast_bytes;
        bool ballast_known;
        uint64_t ballast_make_at_usec, ballast_release_at_usec; /* not before */
        uint64_t ballast_planned_usec; /* observe mode: when it was last said */

        /* telling */
        uint64_t alert_id, next_alert, alert_stride;
        Acknowledgement acknowledgement;
        bool read_only_said;
        uint64_t resized_said_usec; /* 0: never */
        uint64_t nothing_left_usec;    /* when it was last said; 0: not during this alert */
        NothingLeft nothing_left_why;
        Event pending[EVENTS_PENDING_MAX]; /* made between two decisions, oldest first */
        uint32_t n_pending;

        uint64_t freed_total_bytes;
        uint32_t n_acts_total;

        LogDamage damages[ENGINE_DAMAGES_MAX]; /* to be repaired; n 0: free */
};

/* ---- events.c */

/* Fills what every event carries. */
void events_begin(const Engine *e, Event *event, EventType type, uint64_t now_usec);
/* What else makes it grow, where that is known and no log explains it. */
void events_set_causes(Engine *e, Event *event, uint64_t now_usec);
/* Fills what is known of the log, its growth over the scale that the forecast names. */
void events_set_log(const Engine *e, Event *event, const LogEntry *entry, const Ranking *ranking,
                uint64_t now_usec);
/* NULL: no room, plan->more is set. */
Event *events_add(const Engine *e, Plan *plan, EventType type, uint64_t now_usec);
/* For the next decision; when there is no room, the oldest is given up. */
Event *events_add_pending(Engine *e, EventType type, uint64_t now_usec);
void events_take_pending(Engine *e, Plan *plan);
/* Raises and clears, in the order in which they are to be told. */
void events_add_levels(Engine *e, Plan *plan, Level from, const Ranking *ranking, uint64_t now_usec);

/* ---- space.c */

void space_observe(Engine *e, const PartitionSample *sample, uint64_t time_usec);
/* What follows from what is known, by the configuration in force. */
void space_look_ahead(Engine *e);
/* A log has grown by that much, which a filesystem that shows it late has not shown yet. */
void engine_unseen_add(Engine *e, double grown_bytes);
/* That much of a log was freed: what of it was not shown yet never will be. */
void engine_unseen_cancel(Engine *e, uint64_t freed_bytes);

/* ---- changes.c */

/* The partition itself has changed: read-only or no longer, another size. Before e->space is the new sample. */
void changes_observe(Engine *e, const PartitionSample *sample, uint64_t time_usec);

/* ---- engine_memory.c */

/* What is remembered of a log that was just introduced. */
void memory_recall_log(Engine *e, LogEntry *entry);

/* ---- acts.c: what is under way */

bool acts_any_under_way(const Engine *e);
uint32_t acts_count(const Engine *e);
/* What is still to come: of acts under way (but not of overdue ones), and freed but not yet seen. */
uint64_t acts_expected_bytes(const Engine *e, uint64_t now_usec);
bool acts_queue_full(const Engine *e, uint64_t now_usec, uint32_t n_max);
uint32_t acts_count_by_limit(const Engine *e);
bool acts_has_method(const Engine *e, Method method);
/* Makes an act. entry: NULL: not about a log. Not under way before acts_begin(). */
Act acts_make(Engine *e, LogEntry *entry, Method method, uint64_t want_bytes, uint64_t keep_bytes,
                uint64_t now_usec);
/* false: no room. Gives the act its id. */
bool acts_begin(Engine *e, LogEntry *entry, Act *act, uint64_t now_usec);
/* false: not one of ours. */
bool acts_end(Engine *e, uint64_t id, ActUnderWay *ret_ended);
MethodFacts acts_facts(const Engine *e, const LogEntry *entry, uint64_t now_usec);

/* ---- archiving.c: what is archived before it is freed */

/* An act becomes one that archives first what it is to free, or one that frees what was archived, where the log's policy
 * wants that and there is time. false: it has to wait for that. */
bool archiving_first(Engine *e, const LogEntry *entry, Act *act, uint64_t now_usec);
/* It would be archived now, rather than freed. */
bool archiving_is_due(const Engine *e, const LogEntry *entry, uint64_t now_usec);
void archiving_limit(Act *act, const Archived *archived);
/* The log whose archived bytes are to be freed before anything else is done; NULL: none. */
LogEntry *archiving_take_ready(Engine *e, uint64_t now_usec);
/* Gives way where there is no time left: plan->cancel. */
void archiving_give_way(Engine *e, Plan *plan, uint64_t now_usec);
/* That log is wanted for something else. false: it is not the one that is being archived. */
bool archiving_give_up(Engine *e, LogEntry *entry);
void archiving_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec);

/* ---- settle.c */

/* What came of an act, as an event to be told with the next decision. entry: NULL: not about a log. */
Event *settle_tell(Engine *e, EventType type, const LogEntry *entry, const ActUnderWay *u, const Outcome *o,
                uint64_t now_usec);
/* The log as the trimmer left it; what was appended meanwhile is growth. */
void settle_rebase(Engine *e, LogEntry *entry, const Outcome *o, uint64_t now_usec);

/* ---- log_limit.c: MaxLogSize=, at no pressure */

/* ret_wake_usec: when there is more of it. */
void log_limit_plan(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec);
void log_limit_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec);

/* ---- repair.c */

bool repair_is_one(Method method);
DamageKind repair_kind(const LogEntry *entry);
/* Why a damaged log is not repaired now; "": it will be. */
const char *repair_hindrance(const Engine *e, const LogEntry *entry, uint64_t now_usec);
int repair_observe(Engine *e, const LogDamage *damage);
void repair_tell(Engine *e, Plan *plan, uint64_t now_usec);
void repair_plan(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec);
void repair_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec);

/* ---- unexplained.c: growth that no log explains */

int unexplained_observe(Engine *e, const Observation *o);

/* ---- plan.c */

unsigned plan_scale(const Engine *e);
void plan_acts(Engine *e, Plan *plan, const Ranking *ranking, uint64_t now_usec);
/* What was archived is freed next, as it was meant to be. */
void plan_archived(Engine *e, Plan *plan, uint64_t now_usec);
/* Healing, repairing and making the ballast: what is done in quiet times. ret_wake_usec: when there is more of it. */
void plan_upkeep(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *ret_wake_usec);
