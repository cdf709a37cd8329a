/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a look at the partition says: to the demand, the forecasts, the memory of shapes, and the pace of the next look. */

#include "engine_internal.h"

#include "pace.h"

void space_look_ahead(Engine *e) {
        e->bytes_view = forecast_look(&e->bytes, e->space.avail_bytes);
        e->inodes_view = forecast_look(&e->inodes, e->space.avail_inodes);
        e->bytes_full = range_to_tell(&e->bytes_view, &e->bytes_filling);
        e->inodes_full = range_to_tell(&e->inodes_view, &e->inodes_filling);
        if (e->space.total_bytes > 0)
                e->limits = plan_limits(
                                &e->config, e->space.total_bytes, e->bytes_view.worst_ps, e->lead_usec);
}

/* How far it is down to the next threshold that matters. */
static uint64_t distance_bytes(const Engine *e) {
        uint64_t avail = e->space.avail_bytes, next = 0;

        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++) {
                uint64_t below = level_rules_space_bytes(&e->config, l, e->space.total_bytes);
                if (below <= avail)
                        next = MAX(next, below);
        }
        if (e->limits.act_below_bytes <= avail)
                next = MAX(next, e->limits.act_below_bytes);
        return avail - next;
}

static void set_pace(Engine *e, uint64_t moved_bytes, uint64_t time_usec) {
        PaceInput in = {
                .distance_bytes = distance_bytes(e),
                .moved_bytes = moved_bytes,
                .fastest_bps = e->bytes_view.worst_ps,
                .last_usec = e->look_interval_usec,
                .early = time_usec < e->look_at_usec,
                .acting = e->acting || acts_any_under_way(e),
        };

        e->look_interval_usec = pace_next_usec(&in);
        e->look_usec = time_usec;
        e->look_at_usec = time_usec + e->look_interval_usec;
        e->moved_bytes = 0;
}

static uint64_t used_inodes(const PartitionSample *s) {
        return s->total_inodes - s->avail_inodes;
}

static void observe_inodes(Engine *e, const PartitionSample *s, uint64_t time_usec) {
        if (s->total_inodes == 0)
                return;

        trend_push(&e->inodes_trend, time_usec, (double) used_inodes(s));
        e->inodes_filling = filling_look(&e->inodes_trend, (double) s->avail_inodes);
        bool first = e->sampled_usec == 0 || e->space.total_inodes == 0;
        double consumed = first ? 0 : (double) used_inodes(s) - (double) used_inodes(&e->space);
        if (-consumed >= (double) MAX(s->total_inodes / 64, UINT64_C(1)))
                forecast_reclaim(&e->inodes, time_usec);
        else
                forecast_push(&e->inodes, time_usec, consumed);
}

/* btrfs takes what was written into account only when it is written back and committed: up to 30 s after the write
 * (facts of statvfs: 0 MB of 600 for half a minute). Until then the logs' own growth, which shows at once in their
 * blocks, is taken off what statvfs says. What statvfs shows is taken off that again, the oldest first; what it has
 * not shown after two commits it never will (compressed, cut again). */
#define UNSEEN_USEC (35 * USEC_PER_SEC)

void engine_unseen_add(Engine *e, double grown_bytes) {
        if (e->freed_is_late && grown_bytes > 0)
                e->unseen_bytes[0] += (uint64_t) grown_bytes;
}

void engine_unseen_cancel(Engine *e, uint64_t freed_bytes) {
        for (int i = 1; i >= 0; i--) {
                uint64_t part = MIN(freed_bytes, e->unseen_bytes[i]);
                e->unseen_bytes[i] -= part;
                freed_bytes -= part;
        }
}

static void unseen_take_off(Engine *e, PartitionSample *s, uint64_t time_usec) {
        uint64_t shown = e->sampled_usec != 0 && s->avail_bytes < e->shown_avail_bytes
                        ? e->shown_avail_bytes - s->avail_bytes : 0;
        uint64_t unseen;

        e->shown_avail_bytes = s->avail_bytes;
        if (!e->freed_is_late)
                return;
        for (int i = 1; i >= 0; i--) {
                uint64_t part = MIN(shown, e->unseen_bytes[i]);
                e->unseen_bytes[i] -= part;
                shown -= part;
        }
        if (time_usec >= e->unseen_since_usec + UNSEEN_USEC) {
                e->unseen_bytes[1] = e->unseen_bytes[0];
                e->unseen_bytes[0] = 0;
                e->unseen_since_usec = time_usec;
        }
        unseen = e->unseen_bytes[0] + e->unseen_bytes[1];
        s->avail_bytes -= MIN(s->avail_bytes, unseen);
        s->free_bytes -= MIN(s->free_bytes, unseen);
}

void space_observe(Engine *e, const PartitionSample *sample, uint64_t time_usec) {
        PartitionSample s = *sample;

        if (e->sampled_usec != 0 && time_usec < e->sampled_usec)
                return;
        s.free_bytes = MIN(s.free_bytes, s.total_bytes);
        s.avail_bytes = MIN(s.avail_bytes, s.free_bytes);
        s.avail_inodes = MIN(s.avail_inodes, s.total_inodes);
        unseen_take_off(e, &s, time_usec);

        double instant_bps = forecast_instant_ps(&e->bytes);
        /* What is taken for MaxLogSize= is no emergency's gain: a log that is kept at its size fills nothing. */
        bool acting = acts_count(e) > acts_count_by_limit(e);
        DemandStep step = demand_step(&e->demand, &s, time_usec, instant_bps, acting);
        e->demanded_bytes = step.valid ? e->demanded_bytes + step.moved_bytes : (double) (s.total_bytes - s.free_bytes);
        trend_push(&e->bytes_trend, time_usec, e->demanded_bytes);
        e->bytes_filling = filling_look(&e->bytes_trend, (double) s.avail_bytes);
        if (step.reclaimed) {
                forecast_reclaim(&e->bytes, time_usec);
                causes_forget(&e->causes, time_usec);
        } else {
                forecast_push(&e->bytes, time_usec, step.consumed_bytes);
                attribution_push(&e->attribution, time_usec, step.consumed_bytes);
        }
        observe_inodes(e, &s, time_usec);

        uint64_t moved_bytes = e->moved_bytes;
        if (e->sampled_usec != 0)
                moved_bytes += s.free_bytes > e->space.free_bytes ? s.free_bytes - e->space.free_bytes
                                                                   : e->space.free_bytes - s.free_bytes;
        else if (e->rules.level_since_usec == 0)
                e->rules.level_since_usec = time_usec;
        changes_observe(e, &s, time_usec);
        e->space = s;
        e->sampled_usec = time_usec;
        e->blind = false;
        space_look_ahead(e);
        set_pace(e, moved_bytes, time_usec);
}
