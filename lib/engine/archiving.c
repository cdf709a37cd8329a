/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Archive, then free: what a log is to give is kept first, where its policy wants that and as long as there is time
 * and room. One chunk after the other, each freed as soon as it is archived; and none at all once the forecast says that
 * freeing cannot wait: then the same bytes are freed unarchived, and the event says so. */

#include "engine_internal.h"

/* So much at a time: small enough to be over within a second or two, large enough that the flushes of each file do not
 * count. */
#define CHUNK_MAX_BYTES MIB(64)
/* Before anything was learned: hopeful, since it gives way at once where it turns out to be slower or to take more. zstd
 * reads 300 MB/s and more, and makes a tenth of what logs usually are. */
#define BPS_FIRST ((double) MIB(100))
#define RATIO_FIRST 0.5
/* Whatever its size: a process, two flushes, a rename. */
#define OVERHEAD_USEC (200 * USEC_PER_MSEC)
/* There must be so many times as much time as it is expected to take. */
#define TIME_FACTOR 2
/* It is given up when it takes so many times as long as it should. */
#define OVERDUE_FACTOR 4
#define OVERDUE_LEAST_USEC (3 * USEC_PER_SEC)
/* After giving way: what made it give way will not be over sooner. */
#define GAVE_WAY_USEC (5 * USEC_PER_SEC)
/* After an error (no room, no directory): somebody has to do something about it. */
#define FAILED_USEC (30 * USEC_PER_SEC)
/* Its process died, perhaps by accident; or it found other facts than were known, and the next sample has them. There is
 * time to try again, and not for ever. */
#define WAIT_USEC USEC_PER_SEC
#define WAITS_MAX 3
/* One that keeps dying: it may be memory that is short. */
#define DIED_USEC (10 * USEC_PER_SEC)
/* What was archived is freed at once. Later, dockerd may have emptied the file, or the archive may be gone. */
#define READY_USEC (10 * USEC_PER_SEC)
#define SAID_AGAIN_USEC (10 * USEC_PER_MINUTE)

static double expected_usec(const Engine *e, uint64_t bytes) {
        double bps = e->archive_bps > 0 ? e->archive_bps : BPS_FIRST;

        if (e->config.archive_rate_bps > 0)
                bps = MIN(bps, (double) e->config.archive_rate_bps);
        return (double) bytes / bps * (double) USEC_PER_SEC + (double) OVERHEAD_USEC;
}

/* Until the emergency is there, by space: with what archiving that much takes on the same partition. */
static double left_usec(const Engine *e, uint64_t log_bytes) {
        double ratio = e->archive_is_elsewhere ? 0 : e->archive_ratio > 0 ? e->archive_ratio : RATIO_FIRST;
        uint64_t floor_bytes = e->limits.emergency_bytes + (uint64_t) (ratio * (double) log_bytes);

        if (e->space.avail_bytes <= floor_bytes)
                return 0;
        if (e->bytes_view.worst_ps <= 0)
                return (double) USEC_PER_DAY;
        return (double) (e->space.avail_bytes - floor_bytes) / e->bytes_view.worst_ps * (double) USEC_PER_SEC;
}

/* What is done for MaxLogSize= keeps the partition from the emergency that is only forecast. */
static bool is_emergency(const Engine *e, bool by_limit) {
        return e->rules.level == LEVEL_EMERGENCY && (!by_limit || e->space.avail_bytes < e->limits.emergency_bytes);
}

/* The largest chunk that there is time and room for; 0: none. */
static uint64_t chunk_bytes(const Engine *e, uint64_t want_bytes) {
        uint64_t bytes = MIN(want_bytes, CHUNK_MAX_BYTES);

        for (; bytes >= PLAN_STEP_BYTES; bytes /= 2)
                if (left_usec(e, bytes) >= TIME_FACTOR * expected_usec(e, bytes) + (double) e->lead_usec)
                        return bytes / PLAN_STEP_BYTES * PLAN_STEP_BYTES;
        return 0;
}

static bool is_wanted(const Engine *e, const LogEntry *entry) {
        return entry->policy.policy == POLICY_ARCHIVE && e->config.archive_bytes > 0 && e->config.archive_permyriad > 0;
}

bool archiving_is_due(const Engine *e, const LogEntry *entry, uint64_t now_usec) {
        return is_wanted(e, entry) && !is_emergency(e, false) && now_usec >= e->archive_at_usec &&
                        now_usec >= entry->barred_until_usec[METHOD_ARCHIVE] && chunk_bytes(e, PLAN_STEP_BYTES) > 0;
}

static bool is_ready(const LogEntry *entry, uint64_t now_usec) {
        return entry->archived.bytes > 0 && now_usec < entry->archived.at_usec + READY_USEC;
}

/* A segment is deleted as a whole, and so it is archived. */
static uint64_t segment_chunk_bytes(const Engine *e, const LogSample *sample) {
        uint64_t bytes = MAX(sample->segments_bytes / MAX(sample->n_segments, 1U), PLAN_STEP_BYTES);

        return left_usec(e, bytes) >= TIME_FACTOR * expected_usec(e, bytes) + (double) e->lead_usec ? bytes : 0;
}

typedef enum Step {
        STEP_NOT,   /* the policy does not want it, it cannot be had, or there is no time */
        STEP_FIRST, /* archive so much of it first */
        STEP_READY, /* that is done: free what was archived, and no more */
        STEP_WAIT,  /* another log is being archived */
} Step;

static Step find_step(const Engine *e, const LogEntry *entry, const Act *act, uint64_t now_usec, uint64_t *ret_bytes) {
        bool segment = act->method == METHOD_DELETE;

        if (!is_wanted(e, entry) || act->method == METHOD_TRUNCATE)
                return STEP_NOT;
        /* Also in an emergency: it costs no time any more. */
        if (is_ready(entry, now_usec) && (entry->archived.segment_inode != 0) == segment) {
                *ret_bytes = entry->archived.bytes;
                return STEP_READY;
        }
        if (is_emergency(e, act->by_limit) || now_usec < e->archive_at_usec ||
                        now_usec < entry->barred_until_usec[METHOD_ARCHIVE])
                return STEP_NOT;
        *ret_bytes = segment ? segment_chunk_bytes(e, &entry->sample) : chunk_bytes(e, act->want_bytes);
        if (*ret_bytes == 0)
                return STEP_NOT;
        return e->archive_act != 0 || now_usec < entry->archive_wait_usec ? STEP_WAIT : STEP_FIRST;
}

bool archiving_first(Engine *e, const LogEntry *entry, Act *act, uint64_t now_usec) {
        uint64_t bytes;

        switch (find_step(e, entry, act, now_usec, &bytes)) {
        case STEP_FIRST:
                act->then = act->method;
                act->method = METHOD_ARCHIVE;
                act->want_bytes = bytes;
                act->is_archived = entry->archive_is_freed ? NO : UNKNOWN;
                return true;
        case STEP_READY:
                archiving_limit(act, &entry->archived);
                act->want_bytes = bytes;
                return true;
        case STEP_WAIT:
                return false;
        default:
                return true;
        }
}

void archiving_limit(Act *act, const Archived *archived) {
        act->until_offset = archived->until_offset;
        act->segment_inode = archived->segment_inode;
}

LogEntry *archiving_take_ready(Engine *e, uint64_t now_usec) {
        LogEntry *entry = e->archived_slot != UINT32_MAX ? log_table_get(&e->logs, e->archived_slot) : NULL;

        e->archived_slot = UINT32_MAX;
        return entry && is_ready(entry, now_usec) && entry->act == 0 && !entry->policy.is_protected ? entry : NULL;
}

/* entry: where it concerns that log alone. */
static void say_stopped(Engine *e, const LogEntry *entry, const char *why, int error, uint64_t now_usec) {
        Event *event;

        if (e->archive_said_usec != 0 && now_usec < e->archive_said_usec + SAID_AGAIN_USEC)
                return;
        e->archive_said_usec = now_usec;
        event = events_add_pending(e, EVENT_ARCHIVE_STOPPED, now_usec);
        event->error = error;
        strncpy(event->detail, why, sizeof(event->detail) - 1);
        if (entry)
                events_set_log(e, event, entry, NULL, now_usec);
}

static void say_goes_on(Engine *e, uint64_t now_usec) {
        if (e->archive_said_usec == 0)
                return;
        e->archive_said_usec = 0;
        (void) events_add_pending(e, EVENT_ARCHIVE_GOES_ON, now_usec);
}

/* The act that is under way is given up, and the shell is to be told. */
static void give_up(Engine *e) {
        ActUnderWay u = {};
        LogEntry *entry;

        if (e->archive_act == 0 || !acts_end(e, e->archive_act, &u))
                return;
        e->archive_cancelled = u.act.id;
        e->archive_act = 0;
        entry = log_table_get(&e->logs, u.act.slot);
        if (entry && entry->act == u.act.id)
                entry->act = 0;
}

bool archiving_give_up(Engine *e, LogEntry *entry) {
        if (e->archive_act == 0 || entry->act != e->archive_act)
                return false;
        give_up(e);
        return true;
}

static const ActUnderWay *find_under_way(const Engine *e) {
        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX && e->archive_act != 0; i++)
                if (e->under_way[i].act.id == e->archive_act)
                        return e->under_way + i;
        return NULL;
}

static void give_way(Engine *e, const ActUnderWay *u, uint64_t now_usec) {
        double took_usec = (double) (now_usec - MIN(now_usec, u->planned_usec));
        double most_usec = OVERDUE_FACTOR * expected_usec(e, u->act.want_bytes) + (double) OVERDUE_LEAST_USEC;
        double want_bytes = (double) u->act.want_bytes;

        if (!is_emergency(e, u->act.by_limit) && took_usec < most_usec && left_usec(e, 0) >= (double) e->lead_usec)
                return;
        give_up(e);
        e->archive_at_usec = now_usec + GAVE_WAY_USEC;
        if (took_usec < most_usec)
                return;
        /* It is slower than it was taken for: the next try counts with that. */
        e->archive_bps = want_bytes / took_usec * (double) USEC_PER_SEC;
        say_stopped(e, NULL, "it takes too long", 0, now_usec);
}

void archiving_give_way(Engine *e, Plan *plan, uint64_t now_usec) {
        const ActUnderWay *u = find_under_way(e);

        if (u)
                give_way(e, u, now_usec);
        plan->cancel = e->archive_cancelled;
        e->archive_cancelled = 0;
}

/* Worse is believed at once, better only slowly. */
static void learn(Engine *e, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        double took_usec = (double) MAX(now_usec - MIN(now_usec, u->planned_usec), USEC_PER_MSEC);
        double log_bytes = (double) o->archived.log_bytes, bps, ratio;

        if (o->archived.file_bytes == 0 || o->archived.log_bytes == 0)
                return;
        took_usec = MAX(took_usec - (double) OVERHEAD_USEC, took_usec / 4);
        bps = log_bytes / took_usec * (double) USEC_PER_SEC;
        ratio = (double) o->archived.file_bytes / log_bytes;
        e->archive_bps = e->archive_bps > 0 && bps > e->archive_bps ? (3 * e->archive_bps + bps) / 4 : bps;
        e->archive_ratio = e->archive_ratio > 0 && ratio < e->archive_ratio ? (3 * e->archive_ratio + ratio) / 4 : ratio;
}

static void settle_done(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        e->archive_is_elsewhere = o->archived.elsewhere;
        learn(e, u, o, now_usec);
        say_goes_on(e, now_usec);
        e->n_archivers_died = 0;
        if (!entry)
                return;
        entry->n_archive_waits = 0;
        entry->archived.at_usec = now_usec;
        entry->archived.bytes = o->archived.log_bytes;
        entry->archived.keep_bytes = u->act.keep_bytes;
        entry->archived.by_limit = u->act.by_limit;
        entry->archived.until_offset = u->act.then == METHOD_DELETE ? 0 : o->archived.to_offset;
        entry->archived.segment_inode = u->act.then == METHOD_DELETE ? o->archived.segment_inode : 0;
        e->archived_slot = entry->info.slot;
        /* It is this log that makes the archive grow: else it would look as if something else filled the partition. */
        if (!o->archived.elsewhere)
                attribution_push_log(&e->attribution, entry, now_usec, (double) o->archived.file_bytes);
}

/* What is wrong with one log must not keep the others from being archived. */
static bool concerns_log_alone(const Outcome *o) {
        return o->result == ACT_REFUSED || o->result == ACT_UNSUPPORTED || o->error == -EDQUOT || o->error == -EIO ||
                        o->error == -ELOOP;
}

static void settle_failed(Engine *e, LogEntry *entry, const Outcome *o, uint64_t now_usec) {
        if (o->error == -ECHILD && ++e->n_archivers_died <= WAITS_MAX) {
                if (entry)
                        entry->archive_wait_usec = now_usec + WAIT_USEC;
                return;
        }
        if (entry && concerns_log_alone(o)) {
                entry->barred_until_usec[METHOD_ARCHIVE] = now_usec + FAILED_USEC;
                say_stopped(e, entry, o->stage, o->error, now_usec);
                return;
        }
        e->archive_at_usec = now_usec + (o->error == -ECHILD ? DIED_USEC : FAILED_USEC);
        say_stopped(e, NULL, o->stage, o->error, now_usec);
}

/* It is looked at again first, and nothing of it is freed until then: but not for ever. */
static void settle_other(LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        if (o->result == ACT_BUSY && u->act.then == METHOD_DELETE) { /* dockerd is at it: the live log gives instead */
                entry->barred_until_usec[METHOD_DELETE] = now_usec + WAIT_USEC;
                return;
        }
        entry->archive_wait_usec = now_usec + WAIT_USEC;
        if (++entry->n_archive_waits <= WAITS_MAX)
                return;
        entry->n_archive_waits = 0;
        entry->barred_until_usec[METHOD_ARCHIVE] = now_usec + FAILED_USEC;
}

void archiving_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        e->archive_act = 0;
        if (o->result == ACT_DONE)
                settle_done(e, entry, u, o, now_usec);
        else if (o->result == ACT_FAILED || o->result == ACT_REFUSED || o->result == ACT_UNSUPPORTED)
                settle_failed(e, entry, o, now_usec);
        else if (entry)
                settle_other(entry, u, o, now_usec);
}
