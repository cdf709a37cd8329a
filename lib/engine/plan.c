/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ladder: who gives space, in which order, and how far down.
 *
 *      critical                 the logs that explain the growth, down to what each must keep
 *      emergency by space       the same down to the emergency's keep; and once that does not hold the line:
 *                               the other logs, largest first; the ballast; truncation
 *
 * Each step is taken only as far as those before it do not reach the target. None of them takes what a log shipper has
 * not read yet, but at emergency: from those to blame, where the shipper hangs; and where neither the other logs nor
 * the ballast hold the line, from whoever has it, before a log is truncated. */

#include "engine_internal.h"

/* Observe mode says what it would do, and again while it stays needed, not every time it looks. */
#define PLANNED_AGAIN_USEC USEC_PER_MINUTE
#define NOTHING_LEFT_AGAIN_USEC (10 * USEC_PER_MINUTE)
/* A brake that worked this recently is still holding, even if right now there is nothing to take. */
#define GAIN_RECENT_USEC (10 * USEC_PER_SEC)
/* What a filesystem may keep to itself when it is full (ext4: up to 16 MiB). */
#define FULL_BYTES MIB(24)

typedef struct Ladder {
        Engine *e;
        Plan *plan;
        const Ranking *ranking;
        uint64_t now_usec;
        uint64_t need_bytes;
        uint64_t worth_bytes;
        ReadersRespect respect; /* for those who read the logs */
        double least_bps;    /* who grows slower is not to blame */
        uint64_t said_bytes; /* observe mode: what the acts of this plan would free */
        bool waiting;   /* something will give, only not yet */
        bool uncuttable; /* an offender has enough, and no method for it is left */
        LogEntry *unread; /* an offender has enough, and it is there for a log shipper that has not read it; NULL: none */
        uint32_t n_planned, n_max;
        uint32_t taken[PLAN_ACTS_MAX]; /* slots that are in this plan */
        uint32_t waits[PLAN_ACTS_MAX], n_waits; /* that are archived first, and whose turn it is not yet */
} Ladder;

unsigned plan_scale(const Engine *e) {
        /* The fastest scale is too short to compare samples that were taken one after the other. */
        return MAX(e->bytes_view.scale, 1U);
}

static bool is_observing(const Ladder *l) {
        return l->e->config.mode == MODE_OBSERVE;
}

static bool is_taken(const Ladder *l, const LogEntry *entry) {
        for (uint32_t i = 0; i < l->n_planned; i++)
                if (l->taken[i] == entry->info.slot)
                        return true;
        for (uint32_t i = 0; i < l->n_waits; i++)
                if (l->waits[i] == entry->info.slot)
                        return true;
        return entry->act != 0;
}

static bool is_full(const Ladder *l) {
        return l->need_bytes < PLAN_STEP_BYTES || l->n_planned >= l->n_max || l->n_waits == PLAN_ACTS_MAX ||
                        acts_queue_full(l->e, l->now_usec, l->n_max);
}

static void say_planned(Ladder *l, LogEntry *entry, const Act *act) {
        uint64_t *said_usec = entry ? &entry->planned_usec : &l->e->ballast_planned_usec;

        if (*said_usec != 0 && l->now_usec < *said_usec + PLANNED_AGAIN_USEC)
                return;
        Event *event = events_add(l->e, l->plan, EVENT_ACT_PLANNED, l->now_usec);
        if (!event)
                return;
        *said_usec = l->now_usec;
        event->method = act->method;
        event->wanted_bytes = act->want_bytes;
        if (entry)
                events_set_log(l->e, event, entry, l->ranking, l->now_usec);
}

static void put(Ladder *l, LogEntry *entry, Method method, uint64_t want_bytes, uint64_t keep_bytes) {
        Act act = acts_make(l->e, entry, method, want_bytes, keep_bytes, l->now_usec);
        uint64_t limit_bytes = entry ? readers_limit_bytes(entry, l->respect, l->now_usec) : UINT64_MAX;

        if (limit_bytes != UINT64_MAX)
                act.max_offset_bytes = limit_bytes;
        if (entry && !is_observing(l) && !archiving_first(l->e, entry, &act, l->now_usec)) {
                l->waiting = true;
                l->waits[l->n_waits++] = act.slot;
                return;
        }
        want_bytes = act.want_bytes;
        if (is_observing(l)) {
                say_planned(l, entry, &act);
                l->said_bytes += want_bytes;
        } else {
                if (!acts_begin(l->e, entry, &act, l->now_usec))
                        return;
                l->plan->acts[l->plan->n_acts++] = act;
        }
        l->taken[l->n_planned++] = act.slot;
        l->need_bytes -= MIN(l->need_bytes, want_bytes);
}

static bool is_cooling(const Ladder *l, const LogEntry *entry) {
        /* Archiving takes its time itself. */
        return !archiving_is_due(l->e, entry, l->now_usec) && l->e->rules.level != LEVEL_EMERGENCY && entry->last_act_usec != 0 &&
                        l->now_usec < entry->last_act_usec + l->e->config.cooldown_usec;
}

typedef struct Quote {
        LogEntry *entry; /* NULL: nothing to be had */
        Method method;
        uint64_t yield_bytes, keep_bytes;
} Quote;

/* What of the live log its readers let go. */
static uint64_t limited(Ladder *l, LogEntry *entry, uint64_t live_bytes) {
        uint64_t limit_bytes = readers_limit_bytes(entry, l->respect, l->now_usec), read_bytes;

        if (limit_bytes == UINT64_MAX)
                return live_bytes;
        read_bytes = readers_let_go_bytes(entry, limit_bytes, l->now_usec);
        if (read_bytes < MIN(live_bytes, l->need_bytes) && !l->unread)
                l->unread = entry;
        return MIN(live_bytes, read_bytes);
}

/* What one log can give towards the need. */
static Quote quote(Ladder *l, LogEntry *entry, uint64_t keep_bytes) {
        Quote q = {.keep_bytes = keep_bytes};

        if (entry->policy.is_protected || !entry->sampled || is_taken(l, entry))
                return q;

        MethodFacts facts = acts_facts(l->e, entry, l->now_usec);
        if (!method_may_cut(&facts)) {
                l->uncuttable = true;
                return q;
        }
        PlanYield yield = plan_yield(&entry->sample, keep_bytes);
        yield.live_bytes = limited(l, entry, yield.live_bytes);
        /* Segments first, but not a few bytes of them while the live log has what is needed: a log has one act at a
         * time, and others must not give in its place. */
        bool delete = yield.segments_bytes >= PLAN_STEP_BYTES && method_may_delete(&facts) &&
                        (yield.segments_bytes >= MIN(l->need_bytes, yield.live_bytes) ||
                                        method_choose(&facts) == METHOD_NONE);
        /* What is archived keeps its order: older lines first, however few. */
        bool in_order = yield.segments_bytes > 0 && method_may_delete(&facts) &&
                        archiving_is_due(l->e, entry, l->now_usec);
        delete = delete || in_order;
        q.yield_bytes = delete ? yield.segments_bytes : yield.live_bytes;
        if (q.yield_bytes < PLAN_STEP_BYTES && !in_order)
                return q;
        q.method = delete ? METHOD_DELETE : method_choose(&facts);
        if (q.method == METHOD_NONE)
                l->uncuttable = true;
        else if (is_cooling(l, entry) || (!in_order && q.yield_bytes < MIN(l->worth_bytes, l->need_bytes)))
                l->waiting = true;
        else
                q.entry = entry;
        return q;
}

static void take(Ladder *l, const Quote *q) {
        put(l, q->entry, q->method, plan_want_bytes(l->need_bytes, q->yield_bytes), q->keep_bytes);
}

static uint64_t keep_of(const LogEntry *entry, bool emergency) {
        return emergency ? entry->policy.emergency_keep_bytes : entry->policy.keep_bytes;
}

/* Most from those that grow most, but from whom there is something to be had: the fewest acts. */
static void consider(Ladder *l, LogEntry *entry, double bps, bool emergency_keep, Quote *best,
                double *best_score) {
        Quote q = quote(l, entry, keep_of(entry, emergency_keep));
        double score = bps * (double) MIN(q.yield_bytes, l->need_bytes);

        if (q.entry && score > *best_score) {
                *best = q;
                *best_score = score;
        }
}

static Quote best_offender(Ladder *l, bool emergency_keep) {
        const Ranking *r = l->ranking;
        Quote best = {};
        double best_score = 0;

        for (size_t i = 0; i < r->n_logs && r->logs[i].bps >= l->least_bps; i++)
                consider(l, r->logs[i].entry, r->logs[i].bps, emergency_keep, &best, &best_score);
        if (r->n_logs < RANKING_MAX)
                return best;
        for (LogEntry *entry = l->e->logs.first[LOG_LIST_ACTIVE]; entry; entry = entry->links[LOG_LIST_ACTIVE].next) {
                double bps = attribution_log_bps(&l->e->attribution, entry, plan_scale(l->e), l->now_usec);
                if (bps >= l->least_bps)
                        consider(l, entry, bps, emergency_keep, &best, &best_score);
        }
        return best;
}

static void ask_offenders(Ladder *l, bool emergency_keep) {
        while (l->ranking->logs_explain && !is_full(l)) {
                Quote q = best_offender(l, emergency_keep);
                if (!q.entry)
                        return;
                take(l, &q);
        }
}

/* The largest log that could give something and is smaller than the last one that was asked. */
static LogEntry *next_largest(const Ladder *l, uint64_t below_bytes) {
        LogEntry *largest = NULL, *entry;
        uint32_t cursor = 0;

        while ((entry = log_table_next(&l->e->logs, &cursor))) {
                uint64_t bytes = log_entry_total_bytes(entry);
                if (bytes >= below_bytes || bytes < PLAN_STEP_BYTES || entry->policy.is_protected ||
                                is_taken(l, entry))
                        continue;
                if (!largest || bytes > log_entry_total_bytes(largest))
                        largest = entry;
        }
        return largest;
}

static void ask_others(Ladder *l, bool emergency_keep) {
        uint64_t below_bytes = UINT64_MAX;
        LogEntry *entry;

        /* More than a few fruitless ones (unsupported, at their keep) mean that there is nothing to have. */
        for (unsigned i = 0; i < 2 * PLAN_ACTS_MAX && !is_full(l); i++) {
                entry = next_largest(l, below_bytes);
                if (!entry)
                        return;
                below_bytes = log_entry_total_bytes(entry);
                Quote q = quote(l, entry, keep_of(entry, emergency_keep));
                if (q.entry)
                        take(l, &q);
        }
}

static void release_ballast(Ladder *l) {
        Engine *e = l->e;

        if (is_full(l) || e->ballast_bytes == 0 || l->now_usec < e->ballast_release_at_usec ||
                        acts_has_method(e, METHOD_BALLAST_RELEASE))
                return;
        put(l, NULL, METHOD_BALLAST_RELEASE, e->ballast_bytes, 0);
}

/* btrfs shows a gain late, and what it shows is not this log's alone: one such verdict is none. */
static bool has_failed_for_good(const Engine *e, const LogEntry *entry) {
        return !e->freed_is_late || entry->n_ineffective != 1;
}

static void truncate_one(Ladder *l) {
        LogEntry *worst = NULL, *entry;
        double worst_bps = -1;
        uint32_t cursor = 0;

        if (is_full(l) || l->n_planned > 0 || acts_any_under_way(l->e))
                return;
        while ((entry = log_table_next(&l->e->logs, &cursor))) {
                MethodFacts facts = acts_facts(l->e, entry, l->now_usec);
                if (entry->policy.is_protected || !entry->sampled || !method_may_cut(&facts) ||
                                entry->sample.allocated_bytes < 2 * PLAN_STEP_BYTES ||
                                method_choose(&facts) != METHOD_NONE || !has_failed_for_good(l->e, entry) ||
                                facts.barred & (UINT32_C(1) << METHOD_TRUNCATE))
                        continue;
                double bps = attribution_log_bps(&l->e->attribution, entry, plan_scale(l->e), l->now_usec);
                bps = MAX(bps, 0.0);
                if (bps > worst_bps || (bps == worst_bps &&
                                log_entry_total_bytes(entry) > log_entry_total_bytes(worst))) {
                        worst = entry;
                        worst_bps = bps;
                }
        }
        if (worst)
                put(l, worst, METHOD_TRUNCATE, worst->sample.allocated_bytes, 0);
}

/* What the other logs, the ballast and truncation are asked for: only as much as takes us out of danger. */
static void rescue(Ladder *l) {
        Engine *e = l->e;
        const PlanLimits *limits = &e->limits;
        uint64_t coming_bytes = e->space.avail_bytes + acts_expected_bytes(e, l->now_usec) + l->said_bytes;

        if (e->space.avail_bytes >= limits->rescue_below_bytes || coming_bytes >= limits->rescue_bytes)
                return;
        l->need_bytes = MIN(l->need_bytes, limits->rescue_bytes - coming_bytes);
        l->worth_bytes = PLAN_STEP_BYTES;
        l->n_max = ACTS_QUEUED_RESCUE_MAX;
        l->respect = READERS_HOLD;
        ask_others(l, false);
        ask_others(l, true);
        release_ballast(l);
        if (l->unread) {
                l->respect = READERS_LOSE;
                ask_offenders(l, false);
                ask_offenders(l, true);
                ask_others(l, false);
                ask_others(l, true);
        }
        truncate_one(l);
}

static void ask_at_emergency(Ladder *l) {
        ask_offenders(l, true);
        if (l->unread) {
                l->respect = READERS_MOVE_HOLD;
                ask_offenders(l, false);
                ask_offenders(l, true);
        }
        rescue(l);
}

static const char *const nothing_left_texts[] = {
        [NOTHING_LEFT_OTHERS] = "what grows is not a container's log",
        [NOTHING_LEFT_PROTECTED] = "the log that grows is protected",
        [NOTHING_LEFT_UNCUTTABLE] = "the logs that grow cannot be cut",
        [NOTHING_LEFT_KEPT] = "the logs that grow are down to what they must keep",
        [NOTHING_LEFT_UNREAD] = "a log shipper has not read the rest of the log that grows",
        [NOTHING_LEFT_READ_ONLY] = "the partition is read-only",
};

static NothingLeft why_nothing(const Ladder *l) {
        const Ranking *r = l->ranking;
        double protected_bps = 0;

        if (!r->logs_explain)
                return NOTHING_LEFT_OTHERS;
        for (size_t i = 0; i < r->n_logs; i++)
                if (r->logs[i].entry->policy.is_protected)
                        protected_bps += r->logs[i].bps;
        if (protected_bps >= r->logs_bps / 2)
                return NOTHING_LEFT_PROTECTED;
        if (l->uncuttable)
                return NOTHING_LEFT_UNCUTTABLE;
        if (l->unread)
                return NOTHING_LEFT_UNREAD;
        return NOTHING_LEFT_KEPT;
}

static void say_nothing_left(Ladder *l, NothingLeft why) {
        Engine *e = l->e;

        if (e->nothing_left_why == why && l->now_usec < e->nothing_left_usec + NOTHING_LEFT_AGAIN_USEC)
                return;
        Event *event = events_add(e, l->plan, EVENT_NOTHING_LEFT, l->now_usec);
        if (!event)
                return;
        e->nothing_left_why = why;
        e->nothing_left_usec = l->now_usec;
        event->wanted_bytes = l->need_bytes;
        strncpy(event->detail, nothing_left_texts[why], sizeof(event->detail) - 1);
        if (why == NOTHING_LEFT_UNREAD) {
                event->reader = l->unread->readers.slowest;
                events_set_log(e, event, l->unread, l->ranking, l->now_usec);
        } else if (l->ranking->logs_explain)
                events_set_log(e, event, l->ranking->logs[0].entry, l->ranking, l->now_usec);
        if (why != NOTHING_LEFT_UNREAD && why != NOTHING_LEFT_READ_ONLY)
                events_set_causes(e, event, l->now_usec);
}

/* Does it fill, or is it so full that it cannot fill any more? */
static bool is_pressed(Engine *e) {
        const PartitionSample *s = &e->space;
        uint64_t brim_bytes = s->total_bytes / 1000;

        if (s->avail_bytes == 0 && s->free_bytes <= MAX(FULL_BYTES, brim_bytes))
                e->pressed = true; /* found full: nothing can grow, and nothing works */
        else if (e->rules.falling && s->avail_bytes <= brim_bytes)
                e->pressed = true;
        else if (s->avail_bytes >= e->limits.rescue_below_bytes)
                e->pressed = false;
        return e->pressed || e->rules.falling;
}

/* While the writer goes on, every act ends a little below the target: within a quarter of the way up, it is
 * reached. Without that, the last bytes would be chased with one tiny act after another. */
static uint64_t near_enough_bytes(const PlanLimits *limits) {
        return limits->target_bytes -
               (limits->target_bytes - MIN(limits->act_below_bytes, limits->target_bytes)) / 4;
}

/* From act_below up to the target, and not again before it is below act_below again: a few larger acts, not
 * many small ones. What is archived first comes in small steps: critical may be over long before the target is reached,
 * and would be back soon. coming: what is available or on its way to be. */
static bool is_acting(Engine *e, uint64_t coming_bytes) {
        if (!is_pressed(e) || coming_bytes + PLAN_STEP_BYTES > near_enough_bytes(&e->limits))
                e->acting = false;
        else if (e->rules.level >= LEVEL_CRITICAL && coming_bytes < e->limits.act_below_bytes)
                e->acting = true;
        return e->acting;
}

void plan_archived(Engine *e, Plan *plan, uint64_t now_usec) {
        LogEntry *entry = archiving_take_ready(e, now_usec);
        Method method;
        Act act;

        if (!entry || e->config.mode == MODE_OBSERVE || e->space.read_only || plan->n_acts == PLAN_ACTS_MAX ||
                        acts_queue_full(e, now_usec, ACTS_QUEUED_MAX))
                return;
        MethodFacts facts = acts_facts(e, entry, now_usec);
        method = entry->archived.segment_inode != 0 ? METHOD_DELETE : method_choose(&facts);
        if (method == METHOD_NONE || (method == METHOD_DELETE && !method_may_delete(&facts)))
                return;
        /* Without a reader's limit: no more was archived than readers let go. */
        act = acts_make(e, entry, method, entry->archived.bytes, entry->archived.keep_bytes, now_usec);
        act.by_limit = entry->archived.by_limit;
        archiving_limit(&act, &entry->archived);
        if (acts_begin(e, entry, &act, now_usec))
                plan->acts[plan->n_acts++] = act;
}

void plan_acts(Engine *e, Plan *plan, const Ranking *ranking, uint64_t now_usec) {
        uint64_t coming_bytes = e->space.avail_bytes + acts_expected_bytes(e, now_usec);

        if (!is_acting(e, coming_bytes))
                return;
        Ladder l = {
                .e = e,
                .plan = plan,
                .ranking = ranking,
                .now_usec = now_usec,
                .need_bytes = e->limits.target_bytes - coming_bytes,
                .least_bps = ranking->offender_bps,
                .n_max = ACTS_QUEUED_MAX,
                .worth_bytes = plan_worth_bytes(e->space.avail_bytes, ranking->n_offenders),
        };
        bool emergency = e->rules.level == LEVEL_EMERGENCY &&
                         e->space.avail_bytes < e->limits.emergency_bytes;
        if (!emergency && readers_wait(&e->readers, now_usec))
                return;
        if (e->space.read_only) {
                say_nothing_left(&l, NOTHING_LEFT_READ_ONLY);
                return;
        }
        if (emergency)
                l.least_bps = ranking->minor_bps;
        ask_offenders(&l, false);
        if (emergency)
                ask_at_emergency(&l);

        if (l.need_bytes < PLAN_STEP_BYTES && !is_observing(&l))
                e->acting = false; /* all that is needed is under way */
        bool held = e->last_gain_usec != 0 && now_usec < e->last_gain_usec + GAIN_RECENT_USEC;
        if (l.n_planned > 0 || l.waiting || held || acts_any_under_way(e))
                return;
        if (e->rules.level >= LEVEL_CRITICAL)
                say_nothing_left(&l, why_nothing(&l));
        else
                e->acting = false; /* short of the target, and out of danger */
}
