/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What status shows: the getters of engine.h. */

#include "engine_internal.h"

/* For so long after a level was reached or left it is of interest how it goes on. */
#define AFTERMATH_USEC (10 * USEC_PER_MINUTE)

static EngineFilling filling_of(const Alarm *alarm, const Filling *now) {
        return (EngineFilling){alarm->raised ? alarm->filling : *now, alarm->raised};
}

void engine_get_status(const Engine *e, EngineStatus *ret_status) {
        *ret_status = (EngineStatus){
                .level = e->rules.level,
                .reason = e->rules.reason,
                .level_since_usec = e->rules.level_since_usec,
                .alert_id = e->alert_id,
                .acknowledgement = e->acknowledgement,
                .space = e->space,
                .sampled_usec = e->sampled_usec,
                .fill_bps = (int64_t) e->bytes_view.trend_ps,
                .fill_inodes_ps = (int64_t) e->inodes_view.trend_ps,
                .full = e->bytes_full,
                .inodes_full = e->inodes_full,
                .bytes_filling = filling_of(&e->rules.bytes_alarm, &e->bytes_filling),
                .inodes_filling = filling_of(&e->rules.inodes_alarm, &e->inodes_filling),
                .away_usec = MAX(e->config.clear_hold_usec, e->rules.away_usec),
                .blind = e->blind,
                .falling = e->rules.falling,
                .paused_until_usec = e->paused_until_usec,
                .ballast_bytes = e->ballast_bytes,
                .freed_total_bytes = e->freed_total_bytes,
                .n_acts_total = e->n_acts_total,
                .n_acts_under_way = acts_count(e),
                .n_logs = e->logs.n_logs,
                .logs_allocated_bytes = e->logs.allocated_bytes,
                .act_below_bytes = e->limits.act_below_bytes,
                .target_bytes = e->limits.target_bytes,
        };
        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++)
                ret_status->level_below_bytes[l] = level_rules_space_bytes(&e->config, l, e->space.total_bytes);
}

bool engine_is_calm(const Engine *e) {
        bool stands_still = !e->rules.falling && !e->rules.bytes_alarm.raised && !e->rules.inodes_alarm.raised &&
                        e->sampled_usec >= e->rules.level_since_usec + AFTERMATH_USEC;

        return (e->rules.level == LEVEL_OK || stands_still) && !acts_any_under_way(e);
}

static double partition_bps(const Engine *e) {
        const Attribution *a = &e->attribution;
        double logs_bps = 0;

        for (const LogEntry *entry = e->logs.first[LOG_LIST_ACTIVE]; entry; entry = entry->links[LOG_LIST_ACTIVE].next) {
                double bps = attribution_log_bps(a, entry, plan_scale(e), e->sampled_usec);
                logs_bps += MAX(bps, 0.0);
        }
        double all_bps = a->started ? rate_read(&a->partition, plan_scale(e), a->since_usec, e->sampled_usec)
                                    : 0;
        return MAX(all_bps, logs_bps);
}

static void fill(const Engine *e, const LogEntry *entry, double all_bps, EngineLog *ret_log) {
        double bps = attribution_log_bps(&e->attribution, entry, plan_scale(e), e->sampled_usec);
        Ranking ranking = {.partition_bps = all_bps};

        *ret_log = (EngineLog){
                .info = &entry->info,
                .sample = entry->sample,
                .growth_bps = (int64_t) bps,
                .share_permyriad = attribution_share_permyriad(&ranking, bps),
                .policy = entry->policy.policy,
                .keep_bytes = entry->policy.keep_bytes,
                .max_log_bytes = entry->policy.max_log_bytes,
                .is_protected = entry->policy.is_protected,
                .last_act_usec = entry->last_act_usec,
                .damage = repair_kind(entry),
                .damage_detail = repair_kind(entry) == DAMAGE_NONE ? "" : repair_hindrance(e, entry, e->sampled_usec),
        };
        if (readers_is_fresh(entry, e->sampled_usec))
                ret_log->readers = entry->readers;
}

static bool comes_before(const EngineLog *a, const EngineLog *b) {
        int64_t a_bps = MAX(a->growth_bps, (int64_t) 0), b_bps = MAX(b->growth_bps, (int64_t) 0);

        if (a_bps != b_bps)
                return a_bps > b_bps;
        return a->sample.allocated_bytes + a->sample.segments_bytes >
                        b->sample.allocated_bytes + b->sample.segments_bytes;
}

/* A heap with the one on top that comes last of all: what comes before it takes its place. */
static void sift_down(EngineLog *heap, size_t n, size_t i) {
        for (;;) {
                size_t last = i;

                for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
                        if (comes_before(&heap[last], &heap[child]))
                                last = child;
                if (last == i)
                        return;
                EngineLog swapped = heap[i];
                heap[i] = heap[last];
                heap[last] = swapped;
                i = last;
        }
}

size_t engine_get_logs(const Engine *e, EngineLog *ret_logs, size_t n_max) {
        double all_bps = partition_bps(e);
        const LogEntry *entry;
        uint32_t cursor = 0;
        size_t n = 0;

        while (n_max > 0 && (entry = log_table_next(&e->logs, &cursor))) {
                EngineLog log;
                fill(e, entry, all_bps, &log);
                if (n < n_max) {
                        ret_logs[n++] = log;
                        for (size_t i = n / 2; n == n_max && i-- > 0;)
                                sift_down(ret_logs, n, i);
                } else if (comes_before(&log, &ret_logs[0])) {
                        ret_logs[0] = log;
                        sift_down(ret_logs, n, 0);
                }
        }
        for (size_t i = n / 2; n < n_max && i-- > 0;)
                sift_down(ret_logs, n, i);
        for (size_t left = n; left > 1; left--) {
                EngineLog swapped = ret_logs[0];
                ret_logs[0] = ret_logs[left - 1];
                ret_logs[left - 1] = swapped;
                sift_down(ret_logs, left - 1, 0);
        }
        return n;
}

int engine_get_log(const Engine *e, uint32_t slot, EngineLog *ret_log) {
        const LogEntry *entry = log_table_get(&e->logs, slot);

        if (!entry)
                return -ENOENT;
        fill(e, entry, partition_bps(e), ret_log);
        return 0;
}

/* 2: the name or the whole id; 1: the beginning of the id; 0: not meant. */
static int is_meant(const LogEntry *entry, const char *name, size_t n) {
        const ContainerInfo *container = &entry->info.container;
        char bare_name[CONTAINER_NAME_MAX];

        policy_bare_name(container->name, bare_name);
        if (streq(container->name, name) || streq(bare_name, name) || streq(container->id, name))
                return 2;
        return n >= 4 && strncmp(container->id, name, n) == 0;
}

int engine_find_log(const Engine *e, const char *name, EngineLog *ret_log) {
        const LogEntry *entry, *found = NULL;
        size_t n = strlen(name);
        uint32_t cursor = 0;
        int best = 0, n_best = 0;

        if (n == 0)
                return -ENOENT;
        while ((entry = log_table_next(&e->logs, &cursor))) {
                int meant = is_meant(entry, name, n);
                if (meant > best) {
                        best = meant;
                        n_best = 0;
                }
                if (meant > 0 && meant == best) {
                        found = entry;
                        n_best++;
                }
        }
        if (!found)
                return -ENOENT;
        if (n_best > 1)
                return -ENOTUNIQ;
        fill(e, found, partition_bps(e), ret_log);
        return 0;
}
