/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the watcher and the trimmer of a partition say, and what follows when they say nothing. */

#include <stdio.h>

#include "clock.h"
#include "partition_internal.h"
#include "text.h"

/* A first look scans every container; each message renews the deadline, so this is about the longest silence. */
#define START_DEADLINE_USEC (10 * USEC_PER_SEC)
/* Blind or unable to act for longer: said again, for those who came later. */
#define TROUBLE_AGAIN_USEC (10 * USEC_PER_MINUTE)

/* Returns whether it is new. */
static bool trouble_begin(Trouble *t, uint64_t now_usec) {
        if (t->said)
                return false;
        *t = (Trouble){.said = true, .since_usec = now_usec, .said_usec = now_usec};
        return true;
}

/* ---- blind and not ---- */

static void partition_say_blind(Partition *p, const char *why) {
        if (!trouble_begin(&p->blind, clock_monotonic_usec()))
                return;
        partition_tell(p, EVENT_BLIND, why, 0);
        p->world.on_blind(p, p->world.userdata);
}

/* While one is still stuck, its successor will most likely get there, too: what it sees until then counts, but it is no
 * news that all is well. */
static void partition_say_sight(Partition *p) {
        if (!p->blind.said || post_is_held_up(&p->watcher, clock_monotonic_usec()))
                return;
        p->blind.said = false;
        partition_tell(p, EVENT_SIGHT, "", clock_monotonic_usec() - p->blind.since_usec);
}

void partition_repeat_troubles(Partition *p, uint64_t now_usec) {
        char why[512];

        /* A trimmer that a supervisor before this one has left behind, and that nobody had given up yet. */
        if (post_is_held_up(&p->trimmer, now_usec) && now_usec > p->trimmer.up_usec + p->world.config->trimmer_deadline_usec &&
            trouble_begin(&p->stuck, now_usec)) {
                post_describe(&p->trimmer, now_usec, why, sizeof(why));
                partition_tell(p, EVENT_CANNOT_ACT, why, 0);
        }
        if (p->blind.said && now_usec >= p->blind.said_usec + TROUBLE_AGAIN_USEC) {
                p->blind.said_usec = now_usec;
                post_describe(&p->watcher, now_usec, why, sizeof(why));
                partition_tell(p, EVENT_BLIND, why[0] ? why : p->lost_why, 0);
        }
        if (p->stuck.said && now_usec >= p->stuck.said_usec + TROUBLE_AGAIN_USEC) {
                p->stuck.said_usec = now_usec;
                post_describe(&p->trimmer, now_usec, why, sizeof(why));
                partition_tell(p, EVENT_CANNOT_ACT, why, 0);
        }
}

/* Something odd that a person should know of. The watcher says each of them once. */
static void partition_on_notice(Partition *p, const Notice *notice) {
        Event event = {.type = EVENT_NOTICE, .error = notice->error};
        EngineLog log;

        partition_fill(p, &event);
        event.alert_id = 0;
        (void) text_sanitize(event.detail, sizeof(event.detail), notice->detail,
                strnlen(notice->detail, sizeof(notice->detail)));
        if (notice->slot != UINT32_MAX && engine_get_log(p->engine, notice->slot, &log) == 0)
                partition_set_log(&event, &log);
        teller_tell(p->world.teller, &event);
}

/* The watcher is there, and what it looks at is not: unmounted, dying, or in the way of something else. */
static void partition_on_lost(Partition *p, int error) {
        if (error == -ENODEV || error == -ENOENT)
                (void) snprintf(p->lost_why, sizeof(p->lost_why),
                        "it is no longer mounted at %.200s, or something else is", p->mount);
        else
                (void) snprintf(p->lost_why, sizeof(p->lost_why), "looking at %.200s failed: %s", p->mount,
                        strerror(-error));
        partition_say_blind(p, p->lost_why);
}

/* ---- the watcher ------------------------------------------------------------------------------------------- */

static void watcher_on_up(void *userdata) {
        Partition *p = userdata;
        Message message = {.type = MESSAGE_TARGET, .target = p->target};

        p->watcher_up = true;
        repairs_refuse_all(&p->repairs, -ENOTCONN); /* the one before knew of them */
        engine_forget_logs(p->engine);
        (void) post_send(&p->watcher, &message);
        message = (Message){.type = MESSAGE_LOOK, .look = {.serial = ++p->look_serial}};
        (void) post_send(&p->watcher, &message);
        /* Under way, so that a decision meanwhile does not put it off to the pace of a quiet partition. */
        p->look_pending = true;
        p->look_at_usec = clock_monotonic_usec();
        post_expect(&p->watcher, p->look_at_usec, START_DEADLINE_USEC);
}

static void watcher_on_message(const Message *m, void *userdata) {
        Partition *p = userdata;
        Observation o;

        /* Whatever it says, it is there; what is due next is set when its look has ended. */
        if (m->type != MESSAGE_LOOKED)
                post_expect(&p->watcher, MAX(p->started ? p->look_at_usec : 0, clock_monotonic_usec()),
                            p->started ? p->world.config->watcher_deadline_usec : START_DEADLINE_USEC);
        switch (m->type) {
        case MESSAGE_OBSERVATION:
                partition_observe(p, &m->observation);
                repairs_observe(&p->repairs, &m->observation);
                if (m->observation.type == OBSERVATION_LOG_DAMAGE)
                        partition_decide(p);
                else if (m->observation.type == OBSERVATION_LOST)
                        partition_on_lost(p, m->observation.lost.error);
                else if (m->observation.type == OBSERVATION_PARTITION)
                        partition_say_sight(p);
                else if (m->observation.type == OBSERVATION_NOTICE)
                        partition_on_notice(p, &m->observation.notice);
                break;
        case MESSAGE_SAMPLES:
                for (uint32_t i = 0; i < m->n; i++) {
                        o = (Observation){.type = OBSERVATION_LOG_SAMPLE, .time_usec = m->samples.time_usec,
                                          .log_sample = m->samples.sample[i]};
                        partition_observe(p, &o);
                }
                break;
        case MESSAGE_LOOKED:
                p->started = true;
                if (m->looked.serial == p->look_serial)
                        p->look_pending = false;
                partition_decide(p);
                break;
        case MESSAGE_DOCKERD_GONE:
                if (m->gone.root < p->target.n_roots)
                        p->world.on_dockerd_gone(p, m->gone.root, p->world.userdata);
                break;
        default:
                break;
        }
}

static void watcher_on_missed(int error, void *userdata) {
        Partition *p = userdata;
        Observation lost = {.type = OBSERVATION_LOST, .time_usec = clock_monotonic_usec(), .lost = {.error = error}};
        char why[256];

        p->watcher_up = false;
        p->started = true;
        partition_observe(p, &lost);
        post_describe(&p->watcher, lost.time_usec, why, sizeof(why));
        partition_say_blind(p, why);
        partition_decide(p);
}

static void watcher_on_back(void *userdata) { (void) userdata; /* sight is back with the first look, not before */ }

/* ---- the trimmer ------------------------------------------------------------------------------------------- */

static void trimmer_on_up(void *userdata) {
        Partition *p = userdata;
        Message message = {.type = MESSAGE_TARGET, .target = p->target};

        (void) post_send(&p->trimmer, &message);
        p->alive_asked_usec = clock_monotonic_usec();
        post_expect(&p->trimmer, p->alive_asked_usec, p->world.config->trimmer_deadline_usec);
}

static void trimmer_take_back(Partition *p);

static void trimmer_set_writable(Partition *p, const Message *m) {
        bool could = !p->cannot_write;
        char path[CONFIG_PATH_MAX];

        p->cannot_write = !m->alive.writable && p->target.n_roots > 0;
        (void) text_sanitize(path, sizeof(path), m->alive.path, strnlen(m->alive.path, sizeof(m->alive.path)));
        if (p->cannot_write && m->alive.error == -EROFS)
                (void) snprintf(p->cannot_write_why, sizeof(p->cannot_write_why),
                        "%.160s is read-only for the service: add ReadWritePaths=%.160s with "
                        "`systemctl edit diskbrake` and restart it", path, path);
        else if (p->cannot_write)
                (void) snprintf(p->cannot_write_why, sizeof(p->cannot_write_why), "may not write in %.150s: %s", path,
                        strerror(-m->alive.error));
        if (could == p->cannot_write)
                partition_tell(p, p->cannot_write ? EVENT_CANNOT_ACT : EVENT_CAN_ACT,
                        p->cannot_write ? p->cannot_write_why : "", 0);
}

static void trimmer_on_message(const Message *m, void *userdata) {
        Partition *p = userdata;

        partition_expect_outcome(p);
        switch (m->type) {
        case MESSAGE_OUTCOME:
                partition_settle(p, &m->outcome);
                partition_expect_outcome(p);
                partition_decide(p);
                break;
        case MESSAGE_OBSERVATION:
                if (m->observation.type == OBSERVATION_FILESYSTEM)
                        partition_observe(p, &m->observation);
                break;
        case MESSAGE_ALIVE:
                trimmer_set_writable(p, m);
                trimmer_take_back(p); /* one that a supervisor before this one had given up */
                break;
        default:
                break;
        }
}

static void trimmer_on_missed(int error, void *userdata) {
        Partition *p = userdata;
        char why[256];

        p->holding = false; /* the next one has to be told */
        if (trouble_begin(&p->stuck, clock_monotonic_usec())) {
                post_describe(&p->trimmer, clock_monotonic_usec(), why, sizeof(why));
                partition_tell(p, EVENT_CANNOT_ACT, why, 0);
        }
        partition_cancel_acts(p, error);
        partition_decide(p);
}

/* An answer alone does not say that it can act: one that is stuck in a write on a frozen filesystem is followed by one
 * that answers. That is known when the stuck one is gone. */
static void trimmer_take_back(Partition *p) {
        if (!p->stuck.said || p->trimmer.missed || post_is_held_up(&p->trimmer, clock_monotonic_usec()))
                return;
        p->stuck.said = false;
        if (!p->cannot_write)
                partition_tell(p, EVENT_CAN_ACT, "", clock_monotonic_usec() - p->stuck.since_usec);
}

static void trimmer_on_back(void *userdata) { trimmer_take_back(userdata); }

static void trimmer_on_alone(void *userdata) {
        trimmer_take_back(userdata);
        partition_decide(userdata);
}

const PostOps partition_watcher_ops = {watcher_on_up, watcher_on_message, watcher_on_missed, watcher_on_back};
const PostOps partition_trimmer_ops = {trimmer_on_up, trimmer_on_message, trimmer_on_missed, trimmer_on_back,
                                       trimmer_on_alone};
