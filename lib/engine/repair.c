/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damaged logs: who is repaired and when, and who is only named. Where the damage is, the watcher has found. */

#include "engine_internal.h"

/* Another try where the log was not what was expected, or the trimmer was away; and where it failed. */
#define AGAIN_MIN_USEC USEC_PER_SEC
#define AGAIN_MAX_USEC USEC_PER_MINUTE
#define FAILED_AGAIN_USEC (10 * USEC_PER_MINUTE)
/* What becomes of a head of NULs takes up to 1 MiB: it is not for the last room that there is. */
#define HEAD_ROOM_BYTES MIB(64)

bool repair_is_one(Method method) { return method == METHOD_BLANK || method == METHOD_MARK; }

/* A head of NULs comes first: what is behind it cannot be seen before. */
DamageKind repair_kind(const LogEntry *entry) {
        return entry->sample.nul_bytes > 0 ? DAMAGE_NUL_HEAD : entry->torn ? DAMAGE_TORN : DAMAGE_NONE;
}

/* Why it stays as it is for as long as nobody changes anything; NULL: it does not. */
static const char *why_never(const Engine *e, const LogEntry *entry) {
        if (entry->policy.is_protected)
                return "it is protected";
        if (e->config.mode == MODE_OBSERVE)
                return "mode observe, nothing is touched";
        return NULL;
}

const char *repair_hindrance(const Engine *e, const LogEntry *entry, uint64_t now_usec) {
        const char *why = why_never(e, entry);

        if (why)
                return why;
        if (entry->info.odd || entry->info.container.driver != LOG_DRIVER_JSON_FILE)
                return "it is not known to be a log of the driver json-file";
        if (e->space.read_only)
                return "the partition is read-only";
        if (now_usec < e->paused_until_usec)
                return "acts are paused";
        if (entry->repair_failed && entry->repair_at_usec > now_usec)
                return "the last try failed, see the journal";
        if (e->acting)
                return "space is being freed first";
        if (entry->sample.nul_bytes > 0 && (e->rules.level >= LEVEL_CRITICAL || e->space.avail_bytes < HEAD_ROOM_BYTES))
                return "there is no room for it now";
        return "";
}

int engine_may_repair(const Engine *e, uint64_t now_usec, uint32_t slot) {
        const LogEntry *entry = log_table_get(&e->logs, slot);

        if (!entry || entry->info.odd || entry->info.container.driver != LOG_DRIVER_JSON_FILE || entry->info.inode == 0)
                return ENGINE_E_NO_LOG;
        if (entry->policy.is_protected)
                return ENGINE_E_PROTECTED;
        return now_usec < e->paused_until_usec ? ENGINE_E_PAUSED : 0;
}

/* ---- what is known */

static LogDamage *find_damage(Engine *e, uint32_t slot) {
        for (size_t i = 0; i < ENGINE_DAMAGES_MAX; i++)
                if (e->damages[i].n > 0 && e->damages[i].slot == slot)
                        return &e->damages[i];
        return NULL;
}

static void forget_damage(Engine *e, uint32_t slot) {
        LogDamage *damage = find_damage(e, slot);

        if (damage)
                damage->n = 0;
}

int repair_observe(Engine *e, const LogDamage *damage) {
        LogEntry *entry = log_table_get(&e->logs, damage->slot);
        LogDamage *known;

        if (!entry || damage->n > LOG_RANGES_MAX)
                return -EINVAL;
        forget_damage(e, damage->slot);
        entry->torn = damage->n > 0 && damage->inode == entry->info.inode;
        if (!entry->torn)
                return 0;
        for (size_t i = 0; i < ENGINE_DAMAGES_MAX; i++) {
                known = &e->damages[i];
                if (known->n > 0)
                        continue;
                *known = *damage;
                return 0;
        }
        return 0; /* no room: it is told again as long as it is there */
}

/* ---- saying */

/* Once for each damage; what is repaired is told then. Returns whether there was room. */
static bool tell_one(Engine *e, Plan *plan, LogEntry *entry, uint64_t now_usec) {
        const char *why = why_never(e, entry);
        Event *event;

        if (entry->damage_said || !why)
                return true;
        event = events_add(e, plan, EVENT_DAMAGED, now_usec);
        if (!event)
                return false;
        entry->damage_said = true;
        events_set_log(e, event, entry, NULL, now_usec);
        event->method = repair_kind(entry) == DAMAGE_TORN ? METHOD_BLANK : METHOD_MARK;
        strncpy(event->detail, why, sizeof(event->detail) - 1);
        return true;
}

void repair_tell(Engine *e, Plan *plan, uint64_t now_usec) {
        for (LogEntry *entry = e->logs.first[LOG_LIST_HOLED]; entry; entry = entry->links[LOG_LIST_HOLED].next)
                if (entry->sample.nul_bytes > 0 && !tell_one(e, plan, entry, now_usec))
                        return;
        for (size_t i = 0; i < ENGINE_DAMAGES_MAX; i++) {
                LogEntry *entry = e->damages[i].n > 0 ? log_table_get(&e->logs, e->damages[i].slot) : NULL;

                if (entry && entry->torn && !tell_one(e, plan, entry, now_usec))
                        return;
        }
}

/* ---- planning */

/* false: no more acts in this plan. */
static bool plan_one(Engine *e, Plan *plan, LogEntry *entry, Act *act, uint64_t now_usec, uint64_t *wake_usec) {
        if (entry->act != 0 || repair_hindrance(e, entry, now_usec)[0])
                return true;
        if (entry->repair_at_usec > now_usec) {
                *wake_usec = MIN(*wake_usec, entry->repair_at_usec);
                return true;
        }
        if (plan->n_acts == PLAN_ACTS_MAX || acts_queue_full(e, now_usec, ACTS_QUEUED_MAX) ||
                        !acts_begin(e, entry, act, now_usec))
                return false;
        plan->acts[plan->n_acts++] = *act;
        return true;
}

static bool plan_lines(Engine *e, Plan *plan, LogDamage *damage, uint64_t now_usec, uint64_t *wake_usec) {
        LogEntry *entry = log_table_get(&e->logs, damage->slot);
        Act act;

        if (!entry || !entry->torn || entry->info.inode != damage->inode) {
                damage->n = 0; /* the log is another one by now */
                return true;
        }
        act = acts_make(e, entry, METHOD_BLANK, 0, 0, now_usec);
        act.n_ranges = damage->n;
        memcpy(act.ranges, damage->ranges, sizeof(act.ranges));
        return plan_one(e, plan, entry, &act, now_usec, wake_usec);
}

void repair_plan(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        for (LogEntry *entry = e->logs.first[LOG_LIST_HOLED]; entry; entry = entry->links[LOG_LIST_HOLED].next) {
                Act act;

                if (entry->sample.nul_bytes == 0)
                        continue;
                act = acts_make(e, entry, METHOD_MARK, 0, 0, now_usec);
                if (!plan_one(e, plan, entry, &act, now_usec, wake_usec))
                        return;
        }
        for (size_t i = 0; i < ENGINE_DAMAGES_MAX; i++)
                if (e->damages[i].n > 0 && !plan_lines(e, plan, &e->damages[i], now_usec, wake_usec))
                        return;
}

/* ---- settling */

static void postpone(LogEntry *entry, uint64_t now_usec) {
        entry->repair_backoff_usec = CLAMP(2 * entry->repair_backoff_usec, AGAIN_MIN_USEC, AGAIN_MAX_USEC);
        entry->repair_at_usec = now_usec + entry->repair_backoff_usec;
}

static void settle_repaired(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        Event *event = settle_tell(e, EVENT_REPAIRED, entry, u, o, now_usec);

        if (o->method == METHOD_MARK)
                event->wanted_bytes = o->hole_bytes; /* what is left of the head */
        if (!entry)
                return;
        settle_rebase(e, entry, o, now_usec);
        entry->repair_backoff_usec = entry->repair_at_usec = 0;
        entry->repair_failed = entry->damage_said = false;
        if (o->method == METHOD_BLANK)
                entry->torn = false; /* the watcher looks on from there */
}

void repair_settle(Engine *e, LogEntry *entry, const ActUnderWay *u, const Outcome *o, uint64_t now_usec) {
        if (o->method == METHOD_BLANK)
                forget_damage(e, u->act.slot); /* what is left is found again */
        switch (o->result) {
        case ACT_DONE:
                settle_repaired(e, entry, u, o, now_usec);
                break;
        case ACT_FAILED:
        case ACT_REFUSED:
        case ACT_UNSUPPORTED:
                settle_tell(e, EVENT_ACT_FAILED, entry, u, o, now_usec);
                if (entry) {
                        entry->repair_failed = true;
                        entry->repair_at_usec = now_usec + FAILED_AGAIN_USEC;
                }
                break;
        default: /* it was another file, was busy, was as it should be; or the trimmer is gone */
                if (entry)
                        postpone(entry, now_usec);
        }
}
