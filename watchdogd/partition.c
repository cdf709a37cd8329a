/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "partition.h"
#include "post.h"
#include "text.h"

/* A first look scans every container; each message renews the deadline, so this is about the longest silence. */
#define START_DEADLINE_USEC (10 * USEC_PER_SEC)
/* An idle trimmer is asked whether it is there that often: rare enough to cost nothing, often enough that a dead
 * one is known long before it is needed. */
#define ALIVE_USEC (30 * USEC_PER_SEC)
/* Requests by hand that wait for an outcome at the same time; a person makes one. */
#define TRIMS_MAX 16
/* Acts that the trimmer was given and has not answered: the plan's own bound on a few plans. */
#define ACTS_MAX (2 * PLAN_ACTS_MAX)

typedef struct Trim {
        PartitionTrimmed on_done; /* NULL: free */
        void *userdata;
        Act act;
} Trim;

typedef struct Asked {
        char container[CONTAINER_ID_MAX];
        Asker asker;
} Asked;

struct Partition {
        PartitionWorld world;
        PartitionTarget target;
        char mount[EVENT_MOUNT_MAX]; /* sanitised */
        Engine *engine;
        Post watcher, trimmer;
        bool watcher_up, look_pending, started, had_turn;
        bool blind_said, stuck_said; /* BLIND, CANNOT_ACT were told and not taken back yet */
        bool cannot_write; /* the trimmer is there and says that it may not write */
        char cannot_write_why[480], lost_why[256];
        uint64_t look_serial, look_at_usec, alive_asked_usec;
        sd_event_source *decide; /* for what is due before the watcher's next look */
        Act acts[ACTS_MAX]; /* given to the trimmer; id 0: free */
        Trim trims[TRIMS_MAX];
        Asked asked[TRIMS_MAX]; /* a ring: who asked for what, for the events that come of it */
        uint32_t n_asked;
        char docker[PARTITION_ROOTS_MAX][32];
};

const PartitionTarget *partition_target(const Partition *p) { return &p->target; }
const Engine *partition_engine(const Partition *p) { return p->engine; }
void partition_take_turn(Partition *p) { p->had_turn = false; }
bool partition_has_started(const Partition *p) { return p->started; }
const char *partition_docker_text(const Partition *p, uint32_t root) { return p->docker[root]; }

static void partition_fill(const Partition *p, Event *event) {
        EngineStatus status;

        engine_get_status(p->engine, &status);
        (void) snprintf(event->mount, sizeof(event->mount), "%s", p->mount);
        event->space = status.space;
        event->level = status.level;
        event->alert_id = status.alert_id;
        event->reason = status.reason;
        event->fill_bps = status.fill_bps;
        event->fill_inodes_ps = status.fill_inodes_ps;
        event->full = status.reason == REASON_INODES || status.reason == REASON_INODES_FORECAST ? status.inodes_full
                                                                                               : status.full;
}

static void partition_tell(Partition *p, EventType type, const char *detail) {
        Event event = {.type = type};

        partition_fill(p, &event);
        (void) snprintf(event.detail, sizeof(event.detail), "%.255s", detail);
        teller_tell(p->world.teller, &event);
}

/* ---- acting ------------------------------------------------------------------------------------------------ */

static void partition_expect_outcome(Partition *p) {
        bool any = false;

        for (size_t i = 0; i < ACTS_MAX; i++)
                any = any || p->acts[i].id;
        post_expect(&p->trimmer, any ? clock_monotonic_usec() + p->world.config->trimmer_deadline_usec : USEC_INFINITY);
}

static Act *partition_find_act(Partition *p, uint64_t id) {
        for (size_t i = 0; i < ACTS_MAX; i++)
                if (p->acts[i].id == id)
                        return p->acts + i;
        return NULL;
}

static void partition_settle(Partition *p, const Outcome *outcome) {
        Act *given = outcome->act ? partition_find_act(p, outcome->act) : NULL;
        Act act;

        if (!given)
                return; /* given up already */
        act = *given;
        given->id = 0;
        engine_settle(p->engine, outcome);
        for (size_t i = 0; i < TRIMS_MAX; i++) {
                Trim t = p->trims[i];

                if (!t.on_done || t.act.id != act.id)
                        continue;
                p->trims[i].on_done = NULL;
                t.on_done(&act, outcome, 0, t.userdata);
        }
}

static void partition_cancel_act(Partition *p, const Act *act, int error) {
        Outcome outcome = {.act = act->id, .method = act->method, .slot = act->slot,
                           .result = ACT_CANCELLED, .error = error, .end_usec = clock_monotonic_usec()};

        partition_settle(p, &outcome);
}

/* Returns whether the trimmer took it. */
static bool partition_act(Partition *p, const Act *act) {
        Message message = {.type = MESSAGE_ACT, .act = *act};
        Act *given = partition_find_act(p, 0);

        if (!given)
                return false;
        *given = *act;
        if (post_send(&p->trimmer, &message) < 0) {
                partition_cancel_act(p, given, -ENOTCONN);
                return false;
        }
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
        post_expect(&p->watcher, p->look_at_usec + p->world.config->watcher_deadline_usec);
}

static void partition_ask_trimmer(Partition *p, uint64_t now_usec) {
        Message message = {.type = MESSAGE_ALIVE};

        if (p->trimmer.missed || now_usec - p->alive_asked_usec < ALIVE_USEC || post_send(&p->trimmer, &message) < 0)
                return;
        p->alive_asked_usec = now_usec;
        post_expect(&p->trimmer, now_usec + p->world.config->trimmer_deadline_usec);
}

/* An act by hand is told with who asked for it, which the engine does not know. */
static void partition_name_asker(const Partition *p, Event *event) {
        if (event->reason != REASON_REQUEST)
                return;
        for (uint32_t i = p->n_asked; i > 0 && p->n_asked - i < TRIMS_MAX; i--) {
                const Asked *asked = p->asked + (i - 1) % TRIMS_MAX;

                if (!streq(asked->container, event->container_id))
                        continue;
                event->asker = asked->asker;
                return;
        }
}

static void partition_decide(Partition *p) {
        uint64_t now_usec = clock_monotonic_usec(), wake_at_usec;
        Plan *plan = p->world.plan;

        /* An act that the trimmer does not take is settled as cancelled at once, which may change the plan; a few
         * rounds are enough for everything there is to say. */
        for (unsigned round = 0; round < 8; round++) {
                bool refused = false;

                engine_decide(p->engine, now_usec, plan, &wake_at_usec);
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
        partition_ask_trimmer(p, now_usec);
        partition_order_look(p, wake_at_usec, now_usec);
        if (p->watcher.missed && wake_at_usec != USEC_INFINITY) {
                /* Nobody looks: pauses still end and reminders are still due. */
                (void) sd_event_source_set_time(p->decide, MAX(wake_at_usec, now_usec + USEC_PER_SEC));
                (void) sd_event_source_set_enabled(p->decide, SD_EVENT_ONESHOT);
        }
        p->had_turn = true;
        p->world.on_turn(p, p->world.userdata);
}

static int partition_on_decide(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) s, (void) usec;
        partition_decide(userdata);
        return 0;
}

static void event_set_log(Event *event, const EngineLog *log) {
        memcpy(event->container_id, log->info->container.id, sizeof(event->container_id));
        memcpy(event->container_name, log->info->container.name, sizeof(event->container_name));
        memcpy(event->image, log->info->container.image, sizeof(event->image));
        event->is_protected = log->is_protected;
        event->share_permyriad = log->share_permyriad;
        event->growth_bps = log->growth_bps;
        event->allocated_bytes = log->sample.allocated_bytes + log->sample.segments_bytes;
        event->line_bytes = log->sample.line_bytes;
}

/* ---- blind and not ---- */

static void partition_say_blind(Partition *p, const char *why) {
        if (p->blind_said)
                return;
        p->blind_said = true;
        partition_tell(p, EVENT_BLIND, why);
        p->world.on_blind(p, p->world.userdata);
}

static void partition_say_sight(Partition *p) {
        if (!p->blind_said)
                return;
        p->blind_said = false;
        partition_tell(p, EVENT_SIGHT, "");
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
                event_set_log(&event, &log);
        teller_tell(p->world.teller, &event);
}

/* The watcher is there, and what it looks at is not: unmounted, dying, or in the way of something else. */
static void partition_on_lost(Partition *p, int error) {
        (void) snprintf(p->lost_why, sizeof(p->lost_why), "looking at %.200s failed: %s", p->mount, strerror(-error));
        partition_say_blind(p, p->lost_why);
}

/* ---- the watcher ------------------------------------------------------------------------------------------- */

static void watcher_on_up(void *userdata) {
        Partition *p = userdata;
        Message message = {.type = MESSAGE_TARGET, .target = p->target};

        p->watcher_up = true;
        p->look_pending = false;
        engine_forget_logs(p->engine);
        (void) post_send(&p->watcher, &message);
        message = (Message){.type = MESSAGE_LOOK, .look = {.serial = ++p->look_serial}};
        (void) post_send(&p->watcher, &message);
        p->look_at_usec = clock_monotonic_usec() + START_DEADLINE_USEC;
        post_expect(&p->watcher, p->look_at_usec);
}

static void watcher_on_message(const Message *m, void *userdata) {
        Partition *p = userdata;
        Observation o;

        /* Whatever it says, it is there; what is due next is set when its look has ended. */
        if (m->type != MESSAGE_LOOKED)
                post_expect(&p->watcher, p->started ? MAX(p->look_at_usec, clock_monotonic_usec()) +
                                                              p->world.config->watcher_deadline_usec
                                                    : clock_monotonic_usec() + START_DEADLINE_USEC);
        switch (m->type) {
        case MESSAGE_OBSERVATION:
                (void) engine_observe(p->engine, &m->observation);
                if (m->observation.type == OBSERVATION_LOST)
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
                        (void) engine_observe(p->engine, &o);
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
        (void) engine_observe(p->engine, &lost);
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
        post_expect(&p->trimmer, p->alive_asked_usec + p->world.config->trimmer_deadline_usec);
}

static void trimmer_set_writable(Partition *p, const Message *m) {
        bool cannot = !m->alive.writable && p->target.n_roots > 0;
        char path[CONFIG_PATH_MAX];

        if (cannot == p->cannot_write)
                return;
        p->cannot_write = cannot;
        (void) text_sanitize(path, sizeof(path), m->alive.path, strnlen(m->alive.path, sizeof(m->alive.path)));
        if (cannot && m->alive.error == -EROFS)
                (void) snprintf(p->cannot_write_why, sizeof(p->cannot_write_why),
                        "%.160s is read-only for the service: add ReadWritePaths=%.160s with "
                        "`systemctl edit diskbrake` and restart it", path, path);
        else if (cannot)
                (void) snprintf(p->cannot_write_why, sizeof(p->cannot_write_why), "may not write in %.150s: %s", path,
                        strerror(-m->alive.error));
        partition_tell(p, cannot ? EVENT_CANNOT_ACT : EVENT_CAN_ACT, cannot ? p->cannot_write_why : "");
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
                        (void) engine_observe(p->engine, &m->observation);
                break;
        case MESSAGE_ALIVE:
                trimmer_set_writable(p, m);
                break;
        default:
                break;
        }
}

static void trimmer_on_missed(int error, void *userdata) {
        Partition *p = userdata;
        char why[256];

        if (!p->stuck_said) {
                p->stuck_said = true;
                post_describe(&p->trimmer, clock_monotonic_usec(), why, sizeof(why));
                partition_tell(p, EVENT_CANNOT_ACT, why);
        }
        for (size_t i = 0; i < ACTS_MAX; i++)
                if (p->acts[i].id)
                        partition_cancel_act(p, p->acts + i, error);
        partition_decide(p);
}

static void trimmer_on_back(void *userdata) {
        Partition *p = userdata;

        if (p->stuck_said && !p->cannot_write)
                partition_tell(p, EVENT_CAN_ACT, "");
        p->stuck_said = false;
}

/* ---- from outside ------------------------------------------------------------------------------------------ */

int partition_new(const PartitionWorld *world, const PartitionTarget *target, Partition **ret_partition) {
        static const PostOps watcher_ops = {watcher_on_up, watcher_on_message, watcher_on_missed, watcher_on_back};
        static const PostOps trimmer_ops = {trimmer_on_up, trimmer_on_message, trimmer_on_missed, trimmer_on_back};
        _cleanup_(partition_freep) Partition *p = calloc(1, sizeof(*p));
        int r;

        if (!p)
                return -ENOMEM;
        p->world = *world;
        p->target = *target;
        (void) text_sanitize(p->mount, sizeof(p->mount), target->mount, strlen(target->mount));
        r = engine_new(world->config, p->mount, &p->engine);
        if (r < 0)
                return r;
        /* Numbers that were not used before a restart of the supervisor, nor by another partition. */
        engine_seed(p->engine, clock_monotonic_usec(), clock_monotonic_usec());
        r = sd_event_add_time(world->event, &p->decide, CLOCK_MONOTONIC, 0, 100 * USEC_PER_MSEC, partition_on_decide, p);
        if (r >= 0)
                r = sd_event_source_set_enabled(p->decide, SD_EVENT_OFF);
        if (r >= 0)
                r = post_init(&p->watcher, world->children, world->event, ROLE_WATCHER, target->device, &watcher_ops, p);
        if (r >= 0)
                r = post_init(&p->trimmer, world->children, world->event, ROLE_TRIMMER, target->device, &trimmer_ops, p);
        if (r < 0)
                return r;
        partition_tell(p, EVENT_GUARDING, target->n_roots > 0 ? target->roots[0].path : target->look_path);
        *ret_partition = TAKE_PTR(p);
        return 0;
}

Partition *partition_free(Partition *p) {
        if (!p)
                return NULL;
        for (size_t i = 0; i < TRIMS_MAX; i++)
                if (p->trims[i].on_done)
                        p->trims[i].on_done(&p->trims[i].act, NULL, -ENOTCONN, p->trims[i].userdata);
        post_done(&p->watcher);
        post_done(&p->trimmer);
        sd_event_source_disable_unref(p->decide);
        engine_free(p->engine);
        free(p);
        return NULL;
}

void partition_retarget(Partition *p, const PartitionTarget *target) {
        Message message = {.type = MESSAGE_TARGET, .target = *target};

        if (memcmp(&p->target, target, sizeof(*target)) == 0)
                return;
        p->target = *target;
        p->look_pending = false; /* a watcher that starts afresh has forgotten the order */
        (void) post_send(&p->watcher, &message);
        (void) post_send(&p->trimmer, &message);
}

void partition_configure(Partition *p) {
        engine_configure(p->engine, p->world.config);
        partition_decide(p);
}

void partition_set_docker(Partition *p, uint32_t root, uint32_t major, const char *text) {
        Observation o = {.type = OBSERVATION_DOCKER, .time_usec = clock_monotonic_usec(),
                         .docker = {.root = root, .version_major = major}};

        (void) snprintf(p->docker[root], sizeof(p->docker[root]), "%s", text);
        (void) engine_observe(p->engine, &o);
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

void partition_trim(Partition *p, uint32_t slot, uint64_t keep_bytes, Method method, bool dry_run,
                    const Asker *asker, PartitionTrimmed on_done, void *userdata) {
        Trim *trim = NULL;
        Act act = {};
        int r;

        for (size_t i = 0; i < TRIMS_MAX && !trim; i++)
                if (!p->trims[i].on_done)
                        trim = p->trims + i;
        if (!trim) {
                on_done(NULL, NULL, -EAGAIN, userdata);
                return;
        }
        r = engine_trim(p->engine, clock_monotonic_usec(), slot, keep_bytes, method, dry_run, &act);
        if (r == ENGINE_E_BUSY)
                for (size_t i = 0; i < ACTS_MAX; i++)
                        if (p->acts[i].id && p->acts[i].slot == slot) {
                                *trim = (Trim){on_done, userdata, p->acts[i]};
                                return;
                        }
        if (r != 0 || dry_run) {
                on_done(r == 0 ? &act : NULL, NULL, r, userdata);
                return;
        }
        *trim = (Trim){on_done, userdata, act};
        Asked *asked = p->asked + p->n_asked++ % TRIMS_MAX;
        memcpy(asked->container, act.container, sizeof(asked->container));
        asked->asker = *asker;
        if (!partition_act(p, &act)) {
                /* settled as cancelled already, which told the caller where it had an entry */
                if (trim->on_done) {
                        trim->on_done = NULL;
                        on_done(&act, NULL, -ENOTCONN, userdata);
                }
        }
        partition_decide(p);
}

void partition_forget_trims(Partition *p, void *userdata) {
        for (size_t i = 0; i < TRIMS_MAX; i++)
                if (p->trims[i].on_done && p->trims[i].userdata == userdata)
                        p->trims[i].on_done = NULL;
}

bool partition_had_turn(const Partition *p) {
        /* A look that is not due yet is as good as an answer; a missed one has been acted on by its post. */
        return p->had_turn || p->watcher.missed ||
                clock_monotonic_usec() < p->look_at_usec + p->world.config->watcher_deadline_usec;
}

void partition_get_alert(const Partition *p, Event *ret_event) {
        EngineLog first;

        *ret_event = (Event){.type = EVENT_LEVEL_RAISED, .observing = p->world.config->mode == MODE_OBSERVE};
        partition_fill(p, ret_event);
        if (engine_get_logs(p->engine, &first, 1) == 0 || first.growth_bps <= 0)
                return;
        event_set_log(ret_event, &first);
}

GuardState partition_state(const Partition *p) {
        EngineStatus status;

        engine_get_status(p->engine, &status);
        if (p->watcher.missed || p->blind_said || status.blind || status.sampled_usec == 0)
                return GUARD_BLIND;
        if (p->world.config->mode == MODE_OBSERVE)
                return GUARD_OBSERVING;
        if (p->trimmer.missed || p->cannot_write)
                return GUARD_DEGRADED;
        return GUARD_GUARDING;
}

void partition_describe(const Partition *p, char *buf, size_t buf_bytes) {
        uint64_t now_usec = clock_monotonic_usec();
        char why[256];

        buf[0] = 0;
        post_describe(&p->watcher, now_usec, why, sizeof(why));
        if (why[0] || p->blind_said) {
                (void) snprintf(buf, buf_bytes, "blind: %s", why[0] ? why : p->lost_why);
                return;
        }
        post_describe(&p->trimmer, now_usec, why, sizeof(why));
        if (why[0])
                (void) snprintf(buf, buf_bytes, "cannot act: %s", why);
        else if (p->cannot_write)
                (void) snprintf(buf, buf_bytes, "cannot act: %s", p->cannot_write_why);
        else if (p->target.n_roots == 0)
                (void) snprintf(buf, buf_bytes, "no container logs here: watched and alerted on only");
}
