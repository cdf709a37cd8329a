/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One guarded partition, as the supervisor sees it: its engine, its watcher and its trimmer. Here the data flow
 * stands in one place: what the watcher observes goes into the engine, what the engine plans goes to the teller and
 * to the trimmer, what came of it goes back into the engine. */

#include "children.h"
#include "engine.h"
#include "records.h"
#include "repairs.h"
#include "requests.h"
#include "status.h"
#include "teller.h"

typedef struct Partition Partition;
typedef struct Archiving Archiving;
typedef struct Tracer Tracer;

/* What a partition needs of the world around it. All borrowed; they outlive it. */
typedef struct PartitionWorld {
        sd_event *event;
        Children *children;
        Teller *teller;
        const Config *config; /* in force; changes with partition_configure() */
        Archiving *archiving;
        Tracer *tracer;       /* of what goes into the engine and comes out of it */
        Plan *plan;           /* room for one: too large for the stack, and one thing is done at a time */
        void (*on_dockerd_gone)(Partition *partition, uint32_t root, void *userdata);
        void (*on_blind)(Partition *partition, void *userdata); /* perhaps it is mounted anew: find it again */
        void (*on_turn)(Partition *partition, void *userdata); /* an answer, or a miss that was acted on */
        void *userdata;
} PartitionWorld;

/* place: below PARTITIONS_MAX, no other partition's. record: what one before it knew; NULL: it begins afresh. */
int partition_new(const PartitionWorld *world, size_t place, const PartitionTarget *target,
                  const PartitionRecord *record, Partition **ret_partition);
Partition *partition_free(Partition *partition);
DEFINE_CLEANUP(Partition, partition_free)

const PartitionTarget *partition_target(const Partition *partition);
/* The same partition with other roots or another dockerd. */
void partition_retarget(Partition *partition, const PartitionTarget *target);
void partition_tell_guarding(Partition *partition);
void partition_remember(const Partition *partition, PartitionRecord *ret_record);

/* world's config has changed. Acts that are under way were planned by the one before. */
void partition_configure(Partition *partition);
bool partition_has_old_acts(const Partition *partition);
/* What dockerd of a root says of itself. text: sanitised. */
void partition_set_docker(Partition *partition, uint32_t root, uint32_t major, const char *text);
const char *partition_docker_text(const Partition *partition, uint32_t root);

/* until_usec 0: go on. */
void partition_pause(Partition *partition, uint64_t until_usec, const Asker *asker);

/* A trim by hand. Two trims of one log become one: both get its outcome. */
void partition_trim(Partition *partition, uint32_t slot, uint64_t keep_bytes, Method method, bool dry_run,
                    const Asker *asker, RequestDone on_done, void *userdata);
/* What came of an act that the archiver was given. */
void partition_settle_archive(Partition *partition, const Outcome *outcome);
void partition_forget_trims(Partition *partition, void *userdata); /* the client is gone: no callback any more */

/* All of a log is looked through for torn lines; what is found is repaired. */
void partition_repair(Partition *partition, uint32_t slot, const Asker *asker, RepairDone on_done, void *userdata);
void partition_forget_repairs(Partition *partition, void *userdata); /* the client is gone: no callback any more */

/* As engine_acknowledge(), and tells. until_usec: monotonic. */
int partition_acknowledge(Partition *partition, uint64_t alert_id, uint64_t until_usec, const Asker *asker);

const char *partition_mount(const Partition *partition); /* sanitised */
const Engine *partition_engine(const Partition *partition);
/* The open alert as an event, with the numbers of this moment. */
void partition_get_alert(const Partition *partition, Event *ret_event);
GuardState partition_state(const Partition *partition);
/* One sentence, "" when there is nothing to add. */
void partition_describe(const Partition *partition, char *buf, size_t buf_bytes);
/* Since the last call of partition_take_turn(), its watcher and its trimmer have answered, or have still time to, or
 * have missed their deadline, which was acted on. */
bool partition_had_turn(const Partition *partition, uint64_t now_usec);
void partition_take_turn(Partition *partition, uint64_t now_usec);
bool partition_has_started(const Partition *partition); /* the first look was answered, or its deadline missed */
