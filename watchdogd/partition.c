/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "archiving.h"
#include "clock.h"
#include "partition_internal.h"
#include "records.h"
#include "text.h"
#include "timer.h"
#include "tracer.h"

/* An idle trimmer is asked whether it is there with each quiet look of the watcher (5 s), and after each ping of the
 * service watchdog, so that the next one can vouch for it: partition_had_turn(). */
#define ALIVE_USEC (4 * USEC_PER_SEC)

/* ---- acting ------------------------------------------------------------------------------------------------ */

void partition_expect_outcome(Partition *p) {
        bool any = false;

        for (size_t i = 0; i < ACTS_MAX; i++)
                any = any || p->given[i].act.id;
        post_expect(&p->trimmer, any ? clock_monotonic_usec() : USEC_INFINITY, p->world.config->trimmer_deadline_usec);
}

static Given *partition_find_act(Partition *p, uint64_t id) {
        for (size_t i = 0; i < ACTS_MAX; i++)
                if (p->given[i].act.id == id)
                        return p->given + i;
        return NULL;
}

/* What came of an act goes to the engine, and to who waits for it. */
static void partition_end_act(Partition *p, const Act *act, const Outcome *outcome) {
        Act ended = *act; /* the place that it stands in may be taken meanwhile */

        engine_settle(p->engine, outcome);
        tracer_settled(p->world.tracer, p->mount, outcome);
        requests_settle(&p->requests, &ended, outcome);
        repairs_settle(&p->repairs, &ended, outcome);
}

void partition_settle(Partition *p, const Outcome *outcome) {
        Given *given = outcome->act ? partition_find_act(p, outcome->act) : NULL;

        if (!given)
                return; /* given up already */
        Act act = given->act;
        given->act.id = 0;
        partition_end_act(p, &act, outcome);
}

static void partition_cancel(Partition *p, const Act *act, int error) {
        Outcome outcome = {.act = act->id, .method = act->method, .slot = act->slot,
                           .result = ACT_CANCELLED, .error = error, .end_usec = clock_monotonic_usec()};
        Given *given = partition_find_act(p, act->id);

        partition_end_act(p, act, &outcome);
        if (given)
                given->act.id = 0;
}

void partition_cancel_acts(Partition *p, int error) {
        for (size_t i = 0; i < ACTS_MAX; i++)
                if (p->given[i].act.id)
                        partition_cancel(p, &p->given[i].act, error);
}

static void partition_archive(Partition *p, const Act *act) {
        EngineLog log;

        if (engine_get_log(p->engine, act->slot, &log) == 0)
                archiving_give(p->world.archiving, p, act, log.info->container.name);
}

void partition_settle_archive(Partition *p, const Outcome *outcome) {
        engine_settle(p->engine, outcome);
        tracer_settled(p->world.tracer, p->mount, outcome);
        /* Perhaps from within another partition's decision: the room for a plan is shared. */
        (void) sd_event_source_set_enabled(p->settled, SD_EVENT_ONESHOT);
}

/* Returns whether the trimmer took it. */
static bool partition_act(Partition *p, const Act *act) {
        Message message = {.type = MESSAGE_ACT, .act = *act};
        Given *given = partition_find_act(p, 0);

        if (act->method == METHOD_ARCHIVE) {
                partition_archive(p, act);
                return true;
        }
        if (!given) {
                partition_cancel(p, act, -EAGAIN);
                return false;
        }
        *given = (Given){.act = *act};
        if (post_send(&p->trimmer, &message) < 0) {
                partition_cancel(p, act, -ENOTCONN);
                return false;
        }
        /* What is due already stays due: else a plan a second would put off noticing for ever that it is stuck. */
        if (p->trimmer.due_usec == USEC_INFINITY)
                partition_expect_outcome(p);
        return true;
}

/* ---- looking and deciding ---------------------------------------------------------------------------------- */

static void partition_order_look(Partition *p, uint64_t at_usec, uint64_t now_usec) {
        Message message = {.type = MESSAGE_LOOK, .look = {.serial = p->look_serial + 1, .look_at_usec = at_usec}};

        if (!p->watcher_up || p->watcher.missed)
                return;
        /* An earlier order and its deadline stand: else every act that ends would put off noticing that the watcher
         * is stuck. */
        if (p->look_pending && MAX(at_usec, now_usec) >= p->look_at_usec)
                return;
        if (post_send(&p->watcher, &message) < 0)
                return; /* it does not read: its deadline stands */
        p->look_serial++;
        p->look_pending = true;
        p->look_at_usec = MAX(at_usec, now_usec);
        post_expect(&p->watcher, p->look_at_usec, p->world.config->watcher_deadline_usec);
}

/* Asks it whether it is there, and has it keep its folders open for as long as acting may be near: opening them might
 * hang or fail just then. In quiet times it holds nothing, so that the partition can be unmounted. */
static void partition_ask_trimmer(Partition *p, uint64_t now_usec) {
        Message message = {.type = MESSAGE_ALIVE};
        EngineStatus status;
        int r;

        engine_get_status(p->engine, &status);
        message.alive.hold = status.n_acts_under_way > 0 || (status.falling && status.level >= LEVEL_WARNING);
        if (p->trimmer.missed)
                return;
        /* One that owes an answer is not asked again, and its deadline stands. */
        if (message.alive.hold == p->holding &&
            (p->trimmer.due_usec != USEC_INFINITY || (p->trimmer.heard && now_usec - p->alive_asked_usec < ALIVE_USEC)))
                return;
        r = post_send(&p->trimmer, &message);
        /* One that is there and does not take it, even one that has closed its channel, has a deadline all the same. */
        if (r < 0 && !post_is_up(&p->trimmer))
                return;
        if (r >= 0)
                p->holding = message.alive.hold;
        p->alive_asked_usec = now_usec;
        if (p->trimmer.due_usec == USEC_INFINITY)
                post_expect(&p->trimmer, now_usec, p->world.config->trimmer_deadline_usec);
}

/* An act by hand is told with who asked for it, which the engine does not know. */
static void partition_name_asker(const Partition *p, Event *event) {
        const Asker *asker = event->reason == REASON_REQUEST ? requests_find_asker(&p->requests, event->container_id)
                                                             : NULL;

        if (event->type == EVENT_REPAIRED)
                asker = repairs_find_asker(&p->repairs, event->container_id);
        if (asker) {
                event->reason = REASON_REQUEST;
                event->asker = *asker;
        }
}

static void partition_send_target(Partition *p);

void partition_observe(Partition *p, const Observation *o) {
        (void) engine_observe(p->engine, o);
        tracer_observed(p->world.tracer, p->engine, p->mount, o);
}

void partition_decide(Partition *p) {
        uint64_t now_usec = clock_monotonic_usec(), wake_at_usec;
        Plan *plan = p->world.plan;

        /* An act that the trimmer does not take is settled as cancelled at once, which may change the plan; a few
         * rounds are enough for everything there is to say. */
        for (unsigned round = 0; round < 8; round++) {
                bool refused = false;

                engine_decide(p->engine, now_usec, plan, &wake_at_usec);
                tracer_planned(p->world.tracer, p->mount, now_usec, plan);
                if (plan->cancel != 0)
                        archiving_cancel(p->world.archiving, p, plan->cancel);
                for (uint32_t i = 0; i < plan->n_events; i++) {
                        partition_name_asker(p, plan->events + i);
                        teller_tell(p->world.teller, plan->events + i);
                }
                for (uint32_t i = 0; i < plan->n_acts; i++)
                        if (!partition_act(p, plan->acts + i))
                                refused = true;
                if (!plan->more && !refused)
                        break;
        }
        partition_repeat_troubles(p, now_usec);
        if (p->target_owed)
                partition_send_target(p);
        partition_look_at_readers(p, now_usec);
        partition_make_survey(p, now_usec);
        partition_ask_trimmer(p, now_usec);
        partition_order_look(p, wake_at_usec, now_usec);
        if (p->watcher.missed) /* nobody looks: pauses still end and reminders are still due */
                timer_set(p->decide, MAX(wake_at_usec, now_usec + USEC_PER_SEC));
        p->world.on_turn(p, p->world.userdata);
}

static int partition_on_settled(sd_event_source *s, void *userdata) {
        (void) s;
        partition_decide(userdata);
        return 0;
}

static int partition_on_decide(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) s, (void) usec;
        partition_decide(userdata);
        return 0;
}

/* ---- from outside ------------------------------------------------------------------------------------------ */

int partition_new(const PartitionWorld *world, size_t place, const PartitionTarget *target,
                  const PartitionRecord *record, Partition **ret_partition) {
        _cleanup_(partition_freep) Partition *p = calloc(1, sizeof(*p));
        uint64_t now_usec = clock_monotonic_usec();
        int r;

        if (!p)
                return -ENOMEM;
        p->world = *world;
        p->target = *target;
        (void) text_sanitize(p->mount, sizeof(p->mount), target->mount, strlen(target->mount));
        r = engine_new(world->config, p->mount, &p->engine);
        if (r < 0)
                return r;
        /* Numbers that were not used before a restart of the supervisor (nobody raises an alert a second), nor by
         * another partition; those of alerts are typed by people. */
        engine_seed(p->engine, now_usec, now_usec / USEC_PER_SEC * PARTITIONS_MAX + place, PARTITIONS_MAX);
        if (record) {
                engine_recall(p->engine, &record->engine, now_usec);
                p->blind = (Trouble){record->blind_said, now_usec, now_usec};
                p->stuck = (Trouble){record->stuck_said, now_usec, now_usec};
                p->cannot_write = record->cannot_write;
        }
        partition_init_readers(p);
        partition_init_survey(p);
        r = timer_add(world->event, &p->decide, 100 * USEC_PER_MSEC, partition_on_decide, p);
        if (r >= 0)
                r = sd_event_add_defer(world->event, &p->settled, partition_on_settled, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->settled, SD_EVENT_OFF);
        if (r >= 0)
                r = post_init(&p->watcher, world->children, world->event, ROLE_WATCHER, target->device, &partition_watcher_ops, p);
        if (r >= 0)
                r = post_init(&p->trimmer, world->children, world->event, ROLE_TRIMMER, target->device, &partition_trimmer_ops, p);
        if (r < 0)
                return r;
        *ret_partition = TAKE_PTR(p);
        return 0;
}

Partition *partition_free(Partition *p) {
        if (!p)
                return NULL;
        archiving_forget(p->world.archiving, p);
        requests_refuse_all(&p->requests, -ENOTCONN);
        repairs_refuse_all(&p->repairs, -ENOTCONN);
        partition_done_readers(p);
        partition_done_survey(p);
        post_done(&p->watcher);
        post_done(&p->trimmer);
        sd_event_source_disable_unref(p->decide);
        sd_event_source_disable_unref(p->settled);
        engine_free(p->engine);
        free(p);
        return NULL;
}

void partition_remember(const Partition *p, PartitionRecord *ret_record) {
        ret_record->target = p->target;
        ret_record->blind_said = p->blind.said;
        ret_record->stuck_said = p->stuck.said;
        ret_record->cannot_write = p->cannot_write;
        engine_remember(p->engine, clock_monotonic_usec(), &ret_record->engine);
}

/* Both have to know; who does not take it now is told with the next decision. */
static void partition_send_target(Partition *p) {
        Message message = {.type = MESSAGE_TARGET, .target = p->target};
        int r = post_send(&p->watcher, &message), q = post_send(&p->trimmer, &message);

        p->target_owed = r == -EAGAIN || q == -EAGAIN;
}

void partition_retarget(Partition *p, const PartitionTarget *target) {
        if (memcmp(&p->target, target, sizeof(*target)) == 0)
                return;
        p->target = *target;
        (void) text_sanitize(p->mount, sizeof(p->mount), target->mount, strlen(target->mount));
        engine_rename(p->engine, p->mount);
        /* What is new there is looked at now, not when the order of before is due; the first look is under way anyhow. */
        p->look_pending = p->look_pending && !p->started;
        partition_send_target(p);
}

void partition_configure(Partition *p) {
        engine_configure(p->engine, p->world.config);
        for (size_t i = 0; i < ACTS_MAX; i++)
                p->given[i].is_old = true;
        partition_decide(p);
}

void partition_set_docker(Partition *p, uint32_t root, uint32_t major, const char *text) {
        Observation o = {.type = OBSERVATION_DOCKER, .time_usec = clock_monotonic_usec(),
                         .docker = {.root = root, .version_major = major}};

        (void) snprintf(p->docker[root], sizeof(p->docker[root]), "%s", text);
        partition_observe(p, &o);
}

void partition_pause(Partition *p, uint64_t until_usec, const Asker *asker) {
        uint64_t now_usec = clock_monotonic_usec();
        Event event = {.type = until_usec ? EVENT_PAUSED : EVENT_RESUMED, .asker = *asker,
                       .since_usec = until_usec ? until_usec - now_usec : 0};

        engine_pause(p->engine, until_usec);
        partition_fill(p, &event);
        teller_tell(p->world.teller, &event);
        partition_decide(p);
}

/* The act on that log that is under way, where it is what is asked for; NULL: it is another one. */
static const Act *partition_find_same(const Partition *p, uint32_t slot, uint64_t keep_bytes, Method method) {
        EngineLog log;

        if (engine_get_log(p->engine, slot, &log) < 0)
                return NULL;
        if (keep_bytes == CONFIG_KEEP_UNSET)
                keep_bytes = log.keep_bytes;
        for (size_t i = 0; i < ACTS_MAX; i++) {
                const Act *act = &p->given[i].act;

                if (act->id && act->slot == slot && act->keep_bytes == keep_bytes &&
                    (method == METHOD_NONE || method == act->method))
                        return act;
        }
        return NULL;
}

void partition_trim(Partition *p, uint32_t slot, uint64_t keep_bytes, Method method, bool dry_run,
                    const Asker *asker, RequestDone on_done, void *userdata) {
        Act act = {};
        int r;

        if (!requests_has_room(&p->requests)) {
                on_done(NULL, NULL, -EAGAIN, userdata);
                return;
        }
        r = engine_trim(p->engine, clock_monotonic_usec(), slot, keep_bytes, method, dry_run, &act);
        const Act *same = r == ENGINE_E_BUSY && !dry_run ? partition_find_same(p, slot, keep_bytes, method) : NULL;
        if (same) {
                requests_add(&p->requests, on_done, userdata, same);
                return;
        }
        if (r != 0 || dry_run) {
                on_done(r == 0 ? &act : NULL, NULL, r, userdata);
                return;
        }
        requests_add(&p->requests, on_done, userdata, &act);
        requests_note_asker(&p->requests, act.container, asker);
        (void) partition_act(p, &act); /* not taken: cancelled, and who waits was told */
        partition_decide(p);
}

void partition_forget_trims(Partition *p, void *userdata) { requests_forget(&p->requests, userdata); }

void partition_repair(Partition *p, uint32_t slot, const Asker *asker, RepairDone on_done, void *userdata) {
        Repair repair = {.on_done = on_done, .userdata = userdata, .slot = slot, .asker = *asker};
        Message message = {.type = MESSAGE_INSPECT, .inspect = {.slot = slot}};
        int r = engine_may_repair(p->engine, clock_monotonic_usec(), slot);
        EngineLog log;

        if (r == 0 && engine_get_log(p->engine, slot, &log) < 0)
                r = ENGINE_E_NO_LOG;
        if (r == 0 && (!p->watcher_up || p->watcher.missed || post_send(&p->watcher, &message) < 0))
                r = -ENOTCONN;
        if (r != 0) {
                on_done(0, r, NULL, userdata);
                return;
        }
        repair.inode = log.info->inode;
        memcpy(repair.container, log.info->container.id, sizeof(repair.container));
        if (!repairs_add(&p->repairs, &repair))
                on_done(0, -EAGAIN, NULL, userdata);
}

void partition_forget_repairs(Partition *p, void *userdata) { repairs_forget(&p->repairs, userdata); }

int partition_acknowledge(Partition *p, uint64_t alert_id, uint64_t until_usec, const Asker *asker) {
        uint64_t now_usec = clock_monotonic_usec();
        Event event = {.type = EVENT_ACKNOWLEDGED, .asker = *asker};
        int r = engine_acknowledge(p->engine, alert_id, asker, now_usec, until_usec);

        if (r != 0)
                return r;
        partition_fill(p, &event);
        event.since_usec = until_usec == USEC_INFINITY ? 0 : until_usec - now_usec;
        teller_tell(p->world.teller, &event);
        partition_decide(p);
        return 0;
}

/* ---- for the loop ------------------------------------------------------------------------------------------- */

bool partition_has_old_acts(const Partition *p) {
        for (size_t i = 0; i < ACTS_MAX; i++)
                if (p->given[i].act.id && p->given[i].is_old)
                        return true;
        return false;
}

bool partition_had_turn(const Partition *p, uint64_t now_usec) {
        return post_is_accounted_for(&p->watcher, now_usec) && post_is_accounted_for(&p->trimmer, now_usec);
}

void partition_take_turn(Partition *p, uint64_t now_usec) {
        p->watcher.heard = p->trimmer.heard = false;
        /* Not with the next look: that may be further away than the next ping is due. */
        partition_ask_trimmer(p, now_usec);
}
