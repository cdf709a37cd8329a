/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What acting achieved, and what follows from it. */

#include "engine_internal.h"

/* A method that failed on a log is left alone for that long: what made it fail (a file that is being written
 * back, a shared extent) may be over by then. */
#define BARRED_USEC USEC_PER_MINUTE
/* Where a gain is shown late, one bad result may be the filesystem's lateness: try once more soon. */
#define BARRED_LATE_USEC (5 * USEC_PER_SEC)
/* Our numbers were stale; the next sample puts them right. */
#define BARRED_SHORT_USEC USEC_PER_SEC
/* Facts that differ again and again are not settled yet. */
#define CHANGES_MAX 3
/* A cut leaves a block for the marker, another one for alignment: that little less is not a failure. */
#define EFFECTIVE_MIN_BYTES KIB(512)
#define HEAL_BACKOFF_MIN_USEC USEC_PER_SEC
#define HEAL_BACKOFF_MAX_USEC USEC_PER_MINUTE
#define BALLAST_RELEASE_AGAIN_USEC USEC_PER_SEC

/* Segments that a reader has open were emptied only at emergency; else he goes on reading what has no name any more, or
 * they were left alone. */
static void tell_segment_reader(Event *event, const LogEntry *entry, const Act *act, const Outcome *o) {
        event->held_bytes = act->emergency ? 0 : o->held_bytes;
        if (!entry || !act->emergency || o->held_bytes == 0 || entry->readers.n_segments == 0)
                return;
        event->reader = entry->readers.segment_reader;
        event->lost_bytes = MIN(entry->readers.segments_unread_bytes, o->held_bytes);
}

/* Whom it hurt, and by how much: what is gone and lies behind what the slowest reader had read. Where he was right
 * before the cut counts, as far as the trimmer could tell. */
static void tell_reader(Event *event, const LogEntry *entry, const Act *act, const Outcome *o) {
        uint64_t from_bytes = o->cut_to_bytes - MIN(o->cut_to_bytes, o->cut_bytes);
        uint64_t read_bytes = MAX(act->reader.offset_bytes, o->reader_offset_bytes);

        if (o->method == METHOD_DELETE)
                tell_segment_reader(event, entry, act, o);
        if (o->method == METHOD_DELETE || act->reader.pid == 0 || o->cut_to_bytes <= MAX(from_bytes, read_bytes))
                return;
        event->reader = act->reader;
        event->reader.offset_bytes = read_bytes;
        event->lost_bytes = o->cut_to_bytes - MAX(from_bytes, read_bytes);
}

Event *settle_tell(Engine *e, EventType type, const LogEntry *entry, const ActUnderWay *u, const Outcome *o,
                uint64_t now_usec) {
        Event *event = events_add_pending(e, type, now_usec);

        event->method = o->method;
        event->wanted_bytes = u->act.want_bytes;
        event->freed_bytes = o->freed_bytes;
        event->cut_bytes = o->cut_bytes;
        event->error = o->error;
        event->archived = u->act.until_offset != 0 || u->act.segment_inode != 0;
        event->should_archive = entry && entry->policy.policy == POLICY_ARCHIVE && e->config.archive_bytes != 0 &&
                                e->config.archive_permyriad != 0 && u->act.method != METHOD_HEAL &&
                                !repair_is_one(u->act.method);
        memcpy(event->detail, o->stage, sizeof(o->stage));
        event->detail[sizeof(o->stage) - 1] = 0;
        tell_reader(event, entry, &u->act, o);
        if (u->act.by_hand)
                event->reason = REASON_REQUEST;
        if (u->act.by_limit)
                event->reason = REASON_LIMIT;
        if (entry)
                events_set_log(e, event, entry, NULL, now_usec);
        return event;
}

static void bar(LogEntry *entry, Method method, uint64_t until_usec) {
        if (entry)
                entry->barred_until_usec[method] = until_usec;
}

static void postpone_heal(LogEntry *entry, uint64_t now_usec) {
        entry->heal_backoff_usec = entry->heal_backoff_usec == 0 ? HEAL_BACKOFF_MIN_USEC
                                                                 : 2 * entry->heal_backoff_usec;
        entry->heal_backoff_usec = MIN(entry->heal_backoff_usec, HEAL_BACKOFF_MAX_USEC);
        entry->heal_at_usec = now_usec + entry->heal_backoff_usec;
}

void settle_rebase(Engine *e, LogEntry *entry, const Outcome *o, uint64_t now_usec) {
        double before = (double) log_entry_total_bytes(entry);
        LogSample sample = entry->sample;

        sample.segments_bytes = o->segments_bytes;
        sample.n_segments = o->n_segments;
        if (o->method != METHOD_DELETE) { /* which does not even look at the live log */
                sample.allocated_bytes = o->allocated_bytes;
                sample.size_bytes = o->size_bytes;
                sample.hole_bytes = o->hole_bytes;
                sample.filler_bytes = o->filler_bytes;
                sample.filler_usec = o->end_usec;
                if (o->method == METHOD_MARK)
                        sample.nul_bytes = 0;
        }
        log_table_set_sample(&e->logs, entry, &sample);
        entry->sampled_usec = MAX(entry->sampled_usec, now_usec);
        if (o->method != METHOD_DELETE)
                entry->info.writer = o->writer;

        double grown = (double) log_entry_total_bytes(entry) + (double) o->freed_bytes - before;
        attribution_push_log(&e->attribution, entry, now_usec, grown);
        engine_unseen_add(e, grown);
        if (grown > 0)
                log_table_list(&e->logs, entry, LOG_LIST_ACTIVE, true);
}

static void learn_lead(Engine *e, const ActUnderWay *u, uint64_t now_usec) {
        uint64_t took_usec = now_usec > u->planned_usec ? now_usec - u->planned_usec : 0;

        e->duration_usec = (7 * e->duration_usec + took_usec) / 8;
        /* Worse is believed at once, better only slowly. */
        e->duration_usec = MAX(e->duration_usec, took_usec / 2);
        e->lead_usec = plan_lead_usec(e->duration_usec);
}

static void credit(Engine *e, uint64_t freed_bytes, uint64_t now_usec) {
        if (freed_bytes > 0)
                e->settled_usec = MAX(e->settled_usec, now_usec);
        demand_credit(&e->demand, freed_bytes, now_usec, e->freed_is_late);
        engine_unseen_cancel(e, freed_bytes);
}

/* That a cut which went no further than a reader has read gave little says nothing of the method: where the disk comes
 * first, the same one goes further. */
static bool settle_limited(LogEntry *entry, const ActUnderWay *u, uint64_t now_usec) {
        if (!entry || u->act.max_offset_bytes == 0)
                return false;
        entry->reader_full_usec = now_usec + BARRED_SHORT_USEC;
        return true;
}

static void settle_cut(
                Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        uint64_t enough_bytes = MAX(EFFECTIVE_MIN_BYTES, u->act.want_bytes / 4);

        learn_lead(e, u, now_usec);
        e->n_acts_total++;
        e->freed_total_bytes += o->freed_bytes;
        /* What people have freed is no act against a fill that goes on: it may well be its end. */
        if (u->act.by_hand)
                engine_unseen_cancel(e, o->freed_bytes);
        else
                credit(e, o->freed_bytes, now_usec);
        if (entry)
                entry->changes = 0;
        if (o->freed_bytes >= enough_bytes) {
                e->last_gain_usec = now_usec;
                if (entry)
                        entry->n_ineffective = 0;
                settle_tell(e, EVENT_ACT_DONE, entry, u, o, now_usec);
                return;
        }
        if (settle_limited(entry, u, now_usec)) {
                settle_tell(e, EVENT_ACT_DONE, entry, u, o, now_usec);
                return;
        }
        if (entry)
                entry->n_ineffective++;
        bool again = e->freed_is_late && entry && entry->n_ineffective == 1;
        bar(entry, o->method, now_usec + (again ? BARRED_LATE_USEC : BARRED_USEC));
        settle_tell(e, EVENT_ACT_INEFFECTIVE, entry, u, o, now_usec);
}

static void settle_ballast(Engine *e, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        e->ballast_bytes = o->ballast_bytes;
        if (o->method == METHOD_BALLAST_RELEASE) {
                e->freed_total_bytes += o->freed_bytes;
                e->last_gain_usec = now_usec;
                credit(e, o->freed_bytes, now_usec);
        }
        settle_tell(e, EVENT_ACT_DONE, NULL, u, o, now_usec);
}

static void settle_done(
                Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        if (o->method == METHOD_BALLAST_MAKE || o->method == METHOD_BALLAST_RELEASE) {
                settle_ballast(e, u, o, now_usec);
                return;
        }
        if (entry)
                settle_rebase(e, entry, o, now_usec);
        if (o->method != METHOD_HEAL) {
                settle_cut(e, entry, u, o, now_usec);
                return;
        }
        if (o->hole_bytes + o->filler_bytes > 0 && entry) {
                postpone_heal(entry, now_usec);
                return;
        }
        if (entry)
                entry->heal_backoff_usec = 0;
        settle_tell(e, EVENT_HEALED, entry, u, o, now_usec);
}

static void settle_unsupported(
                Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        switch (o->method) {
        case METHOD_COLLAPSE:
        case METHOD_COLLAPSE_LEASED:
        case METHOD_HEAL:
                e->can_collapse = false;
                break;
        case METHOD_PUNCH:
                e->can_punch = false;
                break;
        case METHOD_FILL:
                e->can_reflink = false;
                break;
        default:
                bar(entry, o->method, now_usec + BARRED_USEC);
        }
        settle_tell(e, EVENT_ACT_FAILED, entry, u, o, now_usec);
}

static void settle_failed(
                Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        bool refused = o->result == ACT_REFUSED;

        if (o->method == METHOD_BALLAST_RELEASE)
                e->ballast_release_at_usec = now_usec + BALLAST_RELEASE_AGAIN_USEC;
        for (int m = 0; refused && m < _METHOD_MAX; m++)
                bar(entry, m, now_usec + BARRED_USEC);
        bar(entry, o->method, now_usec + BARRED_USEC);
        if (entry && o->method == METHOD_HEAL) {
                entry->heal_backoff_usec = HEAL_BACKOFF_MAX_USEC;
                postpone_heal(entry, now_usec);
        }
        settle_tell(e, EVENT_ACT_FAILED, entry, u, o, now_usec);
}

static void settle_changed(LogEntry *entry, const Outcome *o, uint64_t now_usec) {
        entry->info.writer = o->writer;
        if (++entry->changes < CHANGES_MAX)
                return;
        entry->changes = 0;
        for (int m = 0; m < _METHOD_MAX; m++)
                bar(entry, m, MAX(entry->barred_until_usec[m], now_usec + BARRED_SHORT_USEC));
}

static void settle_log(
                Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        if (o->method == METHOD_ARCHIVE) {
                archiving_settle(e, entry, u, o, now_usec);
                return;
        }
        if (entry && o->result == ACT_DONE && u->act.until_offset != 0 && entry->archived.bytes > 0 && o->cut_bytes >= entry->archived.bytes)
                entry->archive_is_freed = true;
        if (entry && o->result != ACT_BUSY)
                entry->archived = (Archived){}; /* freed, or its offsets may mean something else now */
        if (u->act.by_limit) {
                if (entry && o->result == ACT_DONE)
                        settle_rebase(e, entry, o, now_usec);
                log_limit_settle(e, entry, u, o, now_usec);
                return;
        }
        switch (o->result) {
        case ACT_DONE:
                settle_done(e, entry, u, o, now_usec);
                break;
        case ACT_CHANGED:
                if (entry)
                        settle_changed(entry, o, now_usec);
                break;
        case ACT_BUSY:
                if (entry && o->method == METHOD_COLLAPSE_LEASED)
                        entry->held_open = true;
                else
                        bar(entry, o->method, now_usec + BARRED_SHORT_USEC);
                break;
        case ACT_UNSUPPORTED:
                settle_unsupported(e, entry, u, o, now_usec);
                break;
        case ACT_FAILED:
        case ACT_REFUSED:
                settle_failed(e, entry, u, o, now_usec);
                break;
        default: /* nothing to do, or the trimmer is gone */
                if (o->result == ACT_NOTHING_TO_DO && o->method == METHOD_BALLAST_RELEASE)
                        e->ballast_bytes = 0;
                if (o->result == ACT_NOTHING_TO_DO && settle_limited(entry, u, now_usec))
                        break;
                bar(entry, o->method, now_usec + BARRED_SHORT_USEC);
                /* Being away is no failure of the gentle method: the last resort does not take its place. */
                if (entry && o->method != METHOD_TRUNCATE)
                        bar(entry, METHOD_TRUNCATE, MAX(entry->barred_until_usec[METHOD_TRUNCATE],
                                                        now_usec + 2 * BARRED_SHORT_USEC));
        }
        if (entry && o->method == METHOD_HEAL && o->result != ACT_DONE && o->result != ACT_FAILED)
                postpone_heal(entry, now_usec);
}

void engine_settle(Engine *e, const Outcome *outcome) {
        Outcome o = *outcome;
        ActUnderWay u;

        if (!acts_end(e, o.act, &u)) {
                /* Of a supervisor before this one: its gain must not look like somebody's clean-up. */
                if (o.result == ACT_DONE && o.freed_bytes > 0)
                        credit(e, o.freed_bytes, o.end_usec);
                return;
        }
        o.method = u.act.method;
        uint64_t now_usec = o.end_usec != 0 ? o.end_usec : MAX(e->sampled_usec, u.planned_usec);

        LogEntry *entry = u.act.slot != UINT32_MAX ? log_table_get(&e->logs, u.act.slot) : NULL;
        if (entry && entry->act != u.act.id)
                entry = NULL; /* the slot is another log's by now */
        if (entry)
                entry->act = 0;
        if (repair_is_one(o.method))
                repair_settle(e, entry, &u, &o, now_usec);
        else
                settle_log(e, entry, &u, &o, now_usec);
}
