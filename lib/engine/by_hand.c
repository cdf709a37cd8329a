/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A trim that a person asked for: engine_trim() of engine.h. */

#include "engine_internal.h"

static int choose(const MethodFacts *facts, const PlanYield *yield, Method method, uint64_t keep_bytes,
                Method *ret_method) {
        if (!method_may_cut(facts))
                return ENGINE_E_NO_LOG;
        if (method != METHOD_NONE) {
                *ret_method = method;
                return method_is_safe(facts, method, keep_bytes) ? 0 : ENGINE_E_UNSAFE;
        }
        /* One act at a time: what gives more first. */
        if (yield->segments_bytes > yield->live_bytes)
                *ret_method = METHOD_DELETE;
        else
                *ret_method = method_choose(facts);
        return *ret_method == METHOD_NONE ? ENGINE_E_UNSAFE : 0;
}

static uint64_t wanted_bytes(const LogEntry *entry, const PlanYield *yield, Method method) {
        switch (method) {
        case METHOD_DELETE:
                return yield->segments_bytes;
        case METHOD_HEAL:
                return entry->sample.hole_bytes + entry->sample.filler_bytes;
        case METHOD_TRUNCATE:
                return entry->sample.allocated_bytes;
        default:
                return yield->live_bytes;
        }
}

int engine_trim(Engine *e, uint64_t now_usec, uint32_t slot, uint64_t keep_bytes, Method method,
                bool dry_run, Act *ret_act) {
        LogEntry *entry = log_table_get(&e->logs, slot);

        if (!entry || !entry->sampled || method == METHOD_BALLAST_MAKE || method == METHOD_BALLAST_RELEASE)
                return ENGINE_E_NO_LOG;
        if (entry->policy.is_protected)
                return ENGINE_E_PROTECTED;
        if (now_usec < e->paused_until_usec)
                return ENGINE_E_PAUSED;
        if (entry->act != 0 && entry->act != e->archive_act)
                return ENGINE_E_BUSY;
        if (keep_bytes == CONFIG_KEEP_UNSET)
                keep_bytes = entry->policy.keep_bytes;

        MethodFacts facts = acts_facts(e, entry, now_usec);
        facts.barred = 0; /* who asks by hand may try again */
        PlanYield yield = plan_yield(&entry->sample, keep_bytes);
        int r = choose(&facts, &yield, method, keep_bytes, &method);
        if (r != 0)
                return r;

        Act act = acts_make(e, entry, method, wanted_bytes(entry, &yield, method), keep_bytes, now_usec);
        act.by_hand = true;
        act.emergency = false;
        /* Who asks by hand does not wait for the archive. */
        if (!dry_run)
                (void) archiving_give_up(e, entry);
        if (!dry_run && !acts_begin(e, entry, &act, now_usec))
                return ENGINE_E_BUSY;
        *ret_act = act;
        return 0;
}
