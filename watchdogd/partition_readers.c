/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who reads the logs: has it looked for by a one-shot spotter while acting is near, never in quiet times, and tells the
 * engine. A spotter that hangs or fails costs that knowledge, and nothing else. */

#include <stdio.h>

#include "clock.h"
#include "log_readers.h"
#include "partition_internal.h"
#include "text.h"

/* It gives up by itself after less than that. */
#define SPOTTER_TIMEOUT_USEC (2 * USEC_PER_SEC)
/* So many times one look goes on with the processes that are left. */
#define ERRANDS_MAX 8

static void stuck_on_gone(void *userdata) { (void) userdata; }

void partition_init_readers(Partition *p) {
        p->readers.stuck = (ErrandStuck){.on_gone = stuck_on_gone, .userdata = p};
        engine_promise_readers(p->engine);
}

void partition_done_readers(Partition *p) {
        p->readers.spotter = errand_free(p->readers.spotter);
        p->readers.stuck.worker = worker_free(p->readers.stuck.worker);
        free(p->readers.order);
        p->readers.order = NULL;
}

static void tell_engine(Partition *p, bool ended, bool complete, uint64_t until_usec) {
        Observation o = {.type = OBSERVATION_READERS_LOOK, .time_usec = clock_monotonic_usec(),
                         .readers_look = {.ended = ended, .complete = complete, .until_usec = until_usec}};

        partition_observe(p, &o);
}

static void give_up(Partition *p, int error) {
        Event event = {.type = EVENT_NOTICE};

        tell_engine(p, true, false, 0);
        if (p->readers.failed_said)
                return;
        p->readers.failed_said = true;
        partition_fill(p, &event);
        event.alert_id = 0;
        (void) snprintf(event.detail, sizeof(event.detail),
                "looking who reads the logs failed: %s; log shippers are not taken care of until it works again",
                errand_error_to_string(error));
        teller_tell(p->world.teller, &event);
}

/* complete: where nobody was found, nobody reads; else nobody may just not have been looked at yet. */
static void take_found(Partition *p, bool complete) {
        const ReadersOrder *order = &p->readers.order->spot;

        for (uint32_t i = 0; i < order->n_logs; i++) {
                Observation o = {.type = OBSERVATION_LOG_READERS, .time_usec = p->readers.begun_usec,
                                 .log_readers = p->readers.found[i]};

                if (complete || o.log_readers.n > 0)
                        partition_observe(p, &o);
        }
}

static int send_spotter(Partition *p);

/* The spotter has seen names that others gave: its counts are not taken on trust. */
static bool answer_fits(const Partition *p, const Message *answer) {
        return answer && answer->type == MESSAGE_SPOTTED && answer->spotted.n_logs == p->readers.order->spot.n_logs;
}

static void on_answer(const Message *answer, int error, void *userdata) {
        Partition *p = userdata;
        ReadersLook *look = &p->readers;
        ReadersOrder *order = &look->order->spot;

        if (!answer_fits(p, answer)) {
                give_up(p, answer ? -EBADMSG : error);
                partition_decide(p);
                return;
        }
        for (uint32_t i = 0; i < order->n_logs; i++) {
                LogReaders one = answer->spotted.logs[i];

                one.slowest.command[sizeof(one.slowest.command) - 1] = 0;
                one.segment_reader.command[sizeof(one.segment_reader.command) - 1] = 0;
                log_readers_merge(look->found + i, &one);
        }
        int32_t next_pid = answer->spotted.next_pid;
        if (next_pid > order->from_pid && look->n_errands < ERRANDS_MAX) {
                take_found(p, false);
                order->from_pid = next_pid;
                if (send_spotter(p) >= 0)
                        return;
        }
        look->failed_said = false;
        take_found(p, next_pid == 0);
        tell_engine(p, true, true, 0);
        partition_decide(p);
}

static int send_spotter(Partition *p) {
        p->readers.n_errands++;
        return errand_start(p->world.children, p->world.event,
                &(ErrandOrder){.role = ROLE_SPOTTER, .say = {p->readers.order}, .timeout_usec = SPOTTER_TIMEOUT_USEC,
                               .on_done = on_answer, .userdata = p, .stuck = &p->readers.stuck},
                &p->readers.spotter);
}

/* Those that grow, then the largest. */
static int make_order(Partition *p) {
        _cleanup_free_ EngineLog *logs = calloc(READERS_LOGS_MAX, sizeof(*logs));
        ReadersLook *look = &p->readers;
        ReadersOrder *order;
        size_t n;

        if (!look->order)
                look->order = malloc(sizeof(*look->order));
        if (!logs || !look->order)
                return -ENOMEM;
        *look->order = (Message){.type = MESSAGE_SPOT};
        memset(look->found, 0, sizeof(look->found));
        order = &look->order->spot;
        for (uint32_t i = 0; i < p->target.n_roots; i++) {
                memcpy(order->roots[i], p->target.roots[i].path, sizeof(order->roots[i]));
                order->dockerd_pid[i] = p->target.roots[i].dockerd_pid;
        }
        n = engine_get_logs(p->engine, logs, READERS_LOGS_MAX);
        for (size_t i = 0; i < n; i++) {
                const LogInfo *info = logs[i].info;
                uint32_t at = order->n_logs;

                if (info->odd || info->inode == 0 || info->root >= PARTITION_ROOTS_MAX)
                        continue;
                order->logs[at].slot = info->slot;
                order->logs[at].root = info->root;
                order->logs[at].device = info->device;
                order->logs[at].inode = info->inode;
                memcpy(order->logs[at].container, info->container.id, sizeof(order->logs[at].container));
                look->found[at].slot = info->slot;
                look->found[at].inode = info->inode;
                order->n_logs++;
        }
        return 0;
}

void partition_look_at_readers(Partition *p, uint64_t now_usec) {
        int r;

        if (p->readers.spotter || p->readers.stuck.worker || !engine_wants_readers(p->engine, now_usec))
                return;
        r = make_order(p);
        p->readers.begun_usec = now_usec;
        p->readers.n_errands = 0;
        tell_engine(p, false, false, now_usec + SPOTTER_TIMEOUT_USEC);
        if (r >= 0)
                r = send_spotter(p);
        if (r < 0)
                give_up(p, r);
}
