/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The insides of a partition, shared by its parts and by nobody else:
 *
 *      partition.c        its life, deciding and acting, what comes from outside
 *      partition_posts.c  what its watcher and its trimmer say, and what follows when they say nothing
 *      partition_readers.c  who reads the logs: having it looked for
 *      partition_survey.c what grows that is no log: having it looked for
 *      partition_view.c   what people are told of it
 */

#include "errand.h"
#include "partition.h"
#include "post.h"
#include "requests.h"

/* Acts that the trimmer was given and has not answered: the plan's own bound on a few plans. */
#define ACTS_MAX (2 * PLAN_ACTS_MAX)

typedef struct Given {
        Act act; /* id 0: free */
        bool is_old; /* planned by a configuration that is in force no more */
} Given;

/* Something that is wrong for longer, is said once, and again after a while. */
typedef struct Trouble {
        bool said;
        uint64_t since_usec, said_usec;
} Trouble;

/* Having it looked for who reads the logs. One look may take several errands, where there are very many processes. */
typedef struct ReadersLook {
        Errand *spotter;   /* NULL: none is under way */
        ErrandStuck stuck; /* one that hung, and has not gone yet: nobody is sent after it */
        uint64_t begun_usec;
        unsigned n_errands;
        bool failed_said;
        Message *order;    /* of the look under way */
        LogReaders found[READERS_LOGS_MAX];
} ReadersLook;

/* Having it looked for what grows that is no log. */
typedef struct SurveyLook {
        Errand *surveyor;  /* NULL: none is under way */
        ErrandStuck stuck; /* one that hung, and has not gone yet: nobody is sent after it */
        uint64_t begun_usec;
        int32_t from_pid;  /* where there were too many processes for one survey, the next one goes on */
        bool failed_said;
} SurveyLook;

struct Partition {
        PartitionWorld world;
        PartitionTarget target;
        char mount[EVENT_MOUNT_MAX]; /* sanitised */
        Engine *engine;
        Post watcher, trimmer;
        bool watcher_up, look_pending, started;
        Trouble blind, stuck; /* BLIND, CANNOT_ACT were told and not taken back yet */
        bool cannot_write; /* the trimmer is there and says that it may not write */
        char cannot_write_why[480], lost_why[256];
        uint64_t look_serial, look_at_usec, alive_asked_usec;
        bool target_owed; /* it has changed, and one of them has not been told */
        bool holding; /* the trimmer was told to keep its folders open */
        sd_event_source *settled; /* the archiver's act has ended: decide in the next turn */
        sd_event_source *decide; /* for what is due before the watcher's next look */
        Given given[ACTS_MAX];
        ReadersLook readers;
        SurveyLook survey;
        Requests requests;
        Repairs repairs;
        char docker[PARTITION_ROOTS_MAX][32];
};

extern const PostOps partition_watcher_ops, partition_trimmer_ops;

/* ---- partition.c */

/* Every observation goes through here. */
void partition_observe(Partition *p, const Observation *o);
void partition_decide(Partition *p);
void partition_settle(Partition *p, const Outcome *outcome);
/* Nobody will hear of these acts any more. */
void partition_cancel_acts(Partition *p, int error);
/* The trimmer's deadline: while it has acts, that of the next outcome. */
void partition_expect_outcome(Partition *p);

/* ---- partition_posts.c */

void partition_repeat_troubles(Partition *p, uint64_t now_usec);

/* ---- partition_readers.c */

void partition_init_readers(Partition *p);
void partition_done_readers(Partition *p);
/* Sends somebody to look, where the engine wants it. */
void partition_look_at_readers(Partition *p, uint64_t now_usec);

/* ---- partition_survey.c */

void partition_init_survey(Partition *p);
void partition_done_survey(Partition *p);
/* Sends somebody to look, where the engine wants it. */
void partition_make_survey(Partition *p, uint64_t now_usec);

/* ---- partition_view.c */

void partition_fill(const Partition *p, Event *event);
void partition_set_log(Event *event, const EngineLog *log);
void partition_tell(Partition *p, EventType type, const char *detail, uint64_t since_usec);
