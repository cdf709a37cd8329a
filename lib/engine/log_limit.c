/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MaxLogSize=: a log that is larger than it may be is archived or trimmed in small steps, at no pressure at all. That is
 * what `docker update` cannot do. It takes nothing from the ladder of plan.c: its acts bar no method, start no cooldown,
 * are not what a braked flood counts on, and wait while the ladder acts. */

#include "engine_internal.h"

/* It may grow by a quarter of what it may be before it is cut again, so that it is not cut for each line; not by more
 * than that much, and not less than what a cut is worth. */
#define SLACK_PART 4
#define SLACK_MAX_BYTES MIB(64)
/* At the same time: the trimmer is for emergencies. */
#define LIMIT_ACTS_MAX 1
/* After one that failed or yielded nothing. */
#define LIMIT_AGAIN_USEC USEC_PER_MINUTE
/* One that found other facts than were known: the next sample has them. */
#define LIMIT_CHANGED_USEC USEC_PER_SEC
/* While who reads it is being looked for. */
#define LIMIT_LOOK_USEC (100 * USEC_PER_MSEC)
/* A log that keeps reaching its limit is no news each time. */
#define LIMIT_SAID_USEC (10 * USEC_PER_MINUTE)

/* What is left of it after a cut. */
static uint64_t goal_bytes(const LogEntry *entry) {
        uint64_t max = entry->policy.max_log_bytes;

        return max - MIN(CLAMP(max / SLACK_PART, PLAN_STEP_BYTES, SLACK_MAX_BYTES), max);
}

static uint64_t size_bytes(const LogEntry *entry) { return log_entry_live_bytes(entry) + entry->sample.segments_bytes; }

static uint64_t over_bytes(const LogEntry *entry) { return size_bytes(entry) - MIN(size_bytes(entry), goal_bytes(entry)); }

static bool is_due(const LogEntry *entry, uint64_t now_usec, uint64_t *wake_usec) {
        if (entry->act != 0 || entry->policy.is_protected || size_bytes(entry) <= entry->limit_size_bytes)
                return false;
        if (entry->limit_at_usec > now_usec) {
                *wake_usec = MIN(*wake_usec, entry->limit_at_usec);
                return false;
        }
        return true;
}

/* Segments go first, since they are older: but not one that is so large that less would be left than may be. */
static Method choose(Engine *e, const LogEntry *entry, uint64_t now_usec) {
        const LogSample *sample = &entry->sample;
        MethodFacts facts = acts_facts(e, entry, now_usec);

        if (sample->n_segments == 0)
                return method_choose(&facts);
        if (size_bytes(entry) - sample->segments_bytes / sample->n_segments < goal_bytes(entry) || !method_may_delete(&facts))
                return METHOD_NONE;
        return METHOD_DELETE;
}

static LogEntry *find_largest_over(Engine *e, uint64_t now_usec, uint64_t *wake_usec) {
        LogEntry *found = NULL;

        for (LogEntry *entry = e->logs.first[LOG_LIST_OVER]; entry; entry = entry->links[LOG_LIST_OVER].next)
                if (is_due(entry, now_usec, wake_usec) && (!found || over_bytes(entry) > over_bytes(found)) &&
                                choose(e, entry, now_usec) != METHOD_NONE)
                        found = entry;
        return found;
}

void log_limit_plan(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        LogEntry *entry;
        Act act;

        if (e->space.read_only || plan->n_acts == PLAN_ACTS_MAX || acts_count_by_limit(e) >= LIMIT_ACTS_MAX || acts_queue_full(e, now_usec, ACTS_QUEUED_MAX))
                return;
        entry = find_largest_over(e, now_usec, wake_usec);
        if (!entry)
                return;
        /* Who reads it is not looked for in quiet times: so now, and the limit waits for that moment. */
        if (readers_wait(&e->readers, now_usec)) {
                *wake_usec = MIN(*wake_usec, now_usec + LIMIT_LOOK_USEC);
                return;
        }
        act = acts_make(e, entry, choose(e, entry, now_usec), over_bytes(entry), goal_bytes(entry), now_usec);
        /* Where it is known who reads it: he has not read that, and a limit can wait. */
        uint64_t read_bytes = readers_limit_bytes(entry, READERS_HOLD, now_usec);
        if (read_bytes != UINT64_MAX)
                act.max_offset_bytes = MAX(read_bytes, UINT64_C(1));
        act.emergency = false;
        act.by_limit = true;
        if (archiving_first(e, entry, &act, now_usec) && acts_begin(e, entry, &act, now_usec))
                plan->acts[plan->n_acts++] = act;
}

void log_limit_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        bool failed = o->result == ACT_FAILED || o->result == ACT_REFUSED || o->result == ACT_UNSUPPORTED;

        if (o->result == ACT_DONE) {
                e->n_acts_total++;
                e->freed_total_bytes += o->freed_bytes;
                engine_unseen_cancel(e, o->freed_bytes);
        }
        if (!entry)
                return;
        if (o->result == ACT_CHANGED || o->result == ACT_BUSY)
                entry->limit_at_usec = now_usec + LIMIT_CHANGED_USEC;
        else if (o->result != ACT_DONE || o->freed_bytes < PLAN_STEP_BYTES) {
                entry->limit_at_usec = now_usec + LIMIT_AGAIN_USEC;
                entry->limit_size_bytes = size_bytes(entry);
        } else
                entry->limit_size_bytes = 0;
        if (o->result == ACT_BUSY && o->method == METHOD_COLLAPSE_LEASED)
                entry->held_open = true;
        if ((!failed && o->result != ACT_DONE) ||
                        (entry->limit_said_usec != 0 && now_usec < entry->limit_said_usec + LIMIT_SAID_USEC))
                return;
        entry->limit_said_usec = now_usec;
        settle_tell(e, failed ? EVENT_ACT_FAILED : EVENT_ACT_DONE, entry, u, o, now_usec);
}
