/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the engine has to say, with everything that a message needs. Ids are given where all events come
 * together. */

#include "engine_internal.h"

static int64_t to_ps(double ps) {
        /* Far beyond any disk, far within 64 bits. */
        const double most = 1e17;

        if (ps >= most)
                return (int64_t) most;
        return ps <= -most ? -(int64_t) most : (int64_t) ps;
}

void events_begin(const Engine *e, Event *event, EventType type, uint64_t now_usec) {
        memset(event, 0, sizeof(*event));
        event->type = type;
        event->time_usec = now_usec;
        event->alert_id = e->alert_id;
        event->level = event->from = e->rules.level;
        event->reason = e->rules.reason;
        event->observing = e->config.mode == MODE_OBSERVE;
        memcpy(event->mount, e->mount, sizeof(event->mount));
        event->space = e->space;
        event->fill_bps = to_ps(e->bytes_view.trend_ps);
        event->fill_inodes_ps = to_ps(e->inodes_view.trend_ps);
        bool inodes = e->rules.reason == REASON_INODES || e->rules.reason == REASON_INODES_FORECAST;
        event->full = inodes ? e->inodes_full : e->bytes_full;
}

void events_set_log(const Engine *e, Event *event, const LogEntry *entry, const Ranking *ranking,
                uint64_t now_usec) {
        const ContainerInfo *container = &entry->info.container;

        memcpy(event->container_id, container->id, sizeof(event->container_id));
        memcpy(event->container_name, container->name, sizeof(event->container_name));
        memcpy(event->image, container->image, sizeof(event->image));
        event->is_protected = entry->policy.is_protected;
        event->allocated_bytes = log_entry_total_bytes(entry);
        event->line_bytes = entry->sample.line_bytes;
        event->growth_bps =
                        to_ps(attribution_log_bps(&e->attribution, entry, e->bytes_view.scale, now_usec));
        if (ranking)
                event->share_permyriad = attribution_share_permyriad(ranking,
                                attribution_log_bps(&e->attribution, entry, plan_scale(e), now_usec));
}

Event *events_add(const Engine *e, Plan *plan, EventType type, uint64_t now_usec) {
        if (plan->n_events == PLAN_EVENTS_MAX) {
                plan->more = true;
                return NULL;
        }
        Event *event = &plan->events[plan->n_events++];
        events_begin(e, event, type, now_usec);
        return event;
}

Event *events_add_pending(Engine *e, EventType type, uint64_t now_usec) {
        if (e->n_pending == EVENTS_PENDING_MAX) {
                memmove(e->pending, e->pending + 1, (EVENTS_PENDING_MAX - 1) * sizeof(Event));
                e->n_pending--;
        }
        Event *event = &e->pending[e->n_pending++];
        events_begin(e, event, type, now_usec);
        return event;
}

void events_take_pending(Engine *e, Plan *plan) {
        memcpy(plan->events, e->pending, e->n_pending * sizeof(Event));
        plan->n_events = e->n_pending;
        e->n_pending = 0;
}

static void add_raise(
                Engine *e, Plan *plan, Level level, Level from, const Ranking *ranking, uint64_t now_usec) {
        if (level >= LEVEL_WARNING && e->alert_id == 0) {
                e->alert_id = e->next_alert;
                e->next_alert += e->alert_stride;
                e->acknowledgement = (Acknowledgement){};
        }

        Event *event = events_add(e, plan, EVENT_LEVEL_RAISED, now_usec);
        if (!event)
                return;
        event->level = level;
        event->from = from;
        if (ranking->logs_explain)
                events_set_log(e, event, ranking->logs[0].entry, ranking, now_usec);
        events_set_causes(e, event, now_usec);
}

void events_add_levels(Engine *e, Plan *plan, Level from, const Ranking *ranking, uint64_t now_usec) {
        Level level = e->rules.level;

        if (level > from) {
                /* Nobody has taken on what it is now, nor does he when it is back. */
                if (level > e->acknowledgement.level)
                        e->acknowledgement = (Acknowledgement){};
                /* Whoever follows the journal sees every step, however fast it went; a notice only where it
                 * is all. */
                Level step = level == LEVEL_NOTICE ? level : MAX(from + 1, LEVEL_WARNING);
                for (; step <= level; step++) {
                        add_raise(e, plan, step, from, ranking, now_usec);
                        from = step;
                }
                return;
        }
        if (level == from)
                return;

        Event *event = events_add(e, plan, EVENT_LEVEL_CLEARED, now_usec);
        if (event)
                event->from = from;
        if (level < LEVEL_WARNING) {
                e->alert_id = 0;
                e->acknowledgement = (Acknowledgement){};
                e->nothing_left_usec = 0;
                e->nothing_left_why = NOTHING_LEFT_NOT_SAID;
                causes_forget(&e->causes, now_usec);
        }
}
