/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The arithmetic of the plan: contract in plan.h. */

#include "plan.h"

#include "level_rules.h"

/* From learned duration to lead: an act may take longer than the mean, the writer may get faster, and what
 * is freed is soon written again. */
#define LEAD_FACTOR 4
/* So many leads from full, those who are not to blame must help. */
#define RESCUE_LEADS 4
#define WORTH_MAX_BYTES MIB(64)

uint64_t plan_lead_usec(uint64_t mean_duration_usec) {
        if (mean_duration_usec >= PLAN_LEAD_MAX_USEC)
                return PLAN_LEAD_MAX_USEC;
        return MIN(LEAD_FACTOR * mean_duration_usec + PLAN_LEAD_MIN_USEC, PLAN_LEAD_MAX_USEC);
}

PlanLimits plan_limits(const Config *config, uint64_t total_bytes, double worst_bps, uint64_t lead_usec) {
        uint64_t critical = level_rules_space_bytes(config, LEVEL_CRITICAL, total_bytes);
        uint64_t warning = level_rules_space_bytes(config, LEVEL_WARNING, total_bytes);
        PlanLimits l = {.emergency_bytes = level_rules_space_bytes(config, LEVEL_EMERGENCY, total_bytes)};
        double lead_bytes_exact = worst_bps * (double) lead_usec / (double) USEC_PER_SEC;
        uint64_t lead_bytes = (uint64_t) MIN(lead_bytes_exact, (double) (total_bytes / 2));

        l.act_below_bytes = MAX(lead_bytes, critical);
        l.target_bytes = MAX(warning + warning / 10, l.act_below_bytes + l.act_below_bytes / 4);
        l.target_bytes = MIN(l.target_bytes, total_bytes / 4 * 3);

        /* A host that lives with 4 % free is not rescued by taking its neighbours' logs: what grows is
         * braked, and the others help only when that does not hold the line. */
        l.rescue_below_bytes = MAX(RESCUE_LEADS * lead_bytes, l.emergency_bytes / 2);
        l.rescue_below_bytes = MIN(l.rescue_below_bytes, l.emergency_bytes);
        l.rescue_bytes = l.rescue_below_bytes + l.rescue_below_bytes / 4;
        return l;
}

PlanYield plan_yield(const LogSample *sample, uint64_t keep_bytes) {
        uint64_t live = sample->allocated_bytes, segments = sample->segments_bytes;
        PlanYield y = {};

        if (live + segments > keep_bytes)
                y.segments_bytes = MIN(segments, live + segments - keep_bytes);
        if (live > keep_bytes)
                y.live_bytes = (live - keep_bytes) / PLAN_STEP_BYTES * PLAN_STEP_BYTES;
        return y;
}

uint64_t plan_worth_bytes(uint64_t avail_bytes, size_t n_offenders) {
        uint64_t worth = avail_bytes / 8 / MAX(n_offenders, (size_t) 1);

        worth = MIN(worth, WORTH_MAX_BYTES);
        return MAX(worth, PLAN_STEP_BYTES);
}

uint64_t plan_want_bytes(uint64_t need_bytes, uint64_t yield_bytes) {
        uint64_t want = (need_bytes + PLAN_STEP_BYTES - 1) / PLAN_STEP_BYTES * PLAN_STEP_BYTES;

        return MIN(want, yield_bytes);
}
