/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is done in quiet times: healing punched and filled logs that are at rest, repairing damaged ones, and making the
 * ballast. */

#include "engine_internal.h"

#define BALLAST_AGAIN_USEC (10 * USEC_PER_MINUTE)
/* Ample room: so many times the ballast, above the warning. */
#define BALLAST_ROOM 4

static bool may_heal(const Engine *e, const LogEntry *entry) {
        return entry->act == 0 && entry->sample.hole_bytes + entry->sample.filler_bytes > 0 && !entry->info.odd &&
                        e->can_collapse && !entry->info.container.running &&
                        entry->info.writer.pid == 0 && entry->info.container.driver == LOG_DRIVER_JSON_FILE;
}

static void heal(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        for (LogEntry *entry = e->logs.first[LOG_LIST_HOLED]; entry; entry = entry->links[LOG_LIST_HOLED].next) {
                if (!may_heal(e, entry))
                        continue;
                if (entry->heal_at_usec > now_usec) {
                        *wake_usec = MIN(*wake_usec, entry->heal_at_usec);
                        continue;
                }
                if (plan->n_acts == PLAN_ACTS_MAX || acts_queue_full(e, now_usec, ACTS_QUEUED_MAX))
                        return;
                Act act = acts_make(e, entry, METHOD_HEAL, entry->sample.hole_bytes + entry->sample.filler_bytes, 0, now_usec);
                if (!acts_begin(e, entry, &act, now_usec))
                        return;
                plan->acts[plan->n_acts++] = act;
        }
}

static uint64_t ballast_wanted_bytes(const Engine *e) {
        uint64_t share = (uint64_t) ((double) e->space.total_bytes * e->config.ballast_permyriad / 10000);

        return MIN(share, e->config.ballast_bytes);
}

static void make_ballast(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        uint64_t wanted = ballast_wanted_bytes(e);
        uint64_t warning = level_rules_space_bytes(&e->config, LEVEL_WARNING, e->space.total_bytes);

        if (!e->ballast_known || e->ballast_bytes + PLAN_STEP_BYTES > wanted || !e->bytes_view.known ||
                        e->rules.level > LEVEL_NOTICE || e->rules.falling || e->space.read_only ||
                        e->space.avail_bytes < warning + BALLAST_ROOM * wanted ||
                        acts_has_method(e, METHOD_BALLAST_MAKE))
                return;
        if (e->ballast_make_at_usec > now_usec) {
                *wake_usec = MIN(*wake_usec, e->ballast_make_at_usec);
                return;
        }
        if (plan->n_acts == PLAN_ACTS_MAX || acts_queue_full(e, now_usec, ACTS_QUEUED_MAX))
                return;
        Act act = acts_make(e, NULL, METHOD_BALLAST_MAKE, wanted, 0, now_usec);
        if (!acts_begin(e, NULL, &act, now_usec))
                return;
        e->ballast_make_at_usec = now_usec + BALLAST_AGAIN_USEC;
        demand_debit(&e->demand, wanted - e->ballast_bytes, now_usec);
        plan->acts[plan->n_acts++] = act;
}

void plan_upkeep(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *ret_wake_usec) {
        uint64_t wake_usec = USEC_INFINITY;

        if (e->config.mode == MODE_ENFORCE && !e->acting) {
                heal(e, plan, now_usec, &wake_usec);
                repair_plan(e, plan, now_usec, &wake_usec);
                make_ballast(e, plan, now_usec, &wake_usec);
                log_limit_plan(e, plan, now_usec, &wake_usec);
        }
        *ret_wake_usec = wake_usec;
}
