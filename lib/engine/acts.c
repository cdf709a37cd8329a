/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Acts under way: at most one on a log, few in all. */

#include "engine_internal.h"

/* Nothing is expected any more of an act that takes longer: the trimmer is stuck, the disk fills on. */
#define OVERDUE_USEC (10 * USEC_PER_SEC)

static bool is_overdue(const ActUnderWay *u, uint64_t now_usec) {
        return now_usec > u->planned_usec + OVERDUE_USEC;
}

uint32_t acts_count(const Engine *e) {
        uint32_t n = 0;

        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++)
                n += e->under_way[i].act.id != 0;
        return n;
}

bool acts_any_under_way(const Engine *e) {
        return acts_count(e) > 0;
}

uint64_t acts_expected_bytes(const Engine *e, uint64_t now_usec) {
        uint64_t bytes = 0;

        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++) {
                const ActUnderWay *u = &e->under_way[i];
                if (u->act.id != 0 && !u->act.by_limit && !is_overdue(u, now_usec) && u->act.method != METHOD_HEAL &&
                                u->act.method != METHOD_BALLAST_MAKE)
                        bytes += u->act.want_bytes;
        }
        /* Freed after the last look, or not yet shown by a filesystem that shows it late. */
        if (now_usec <= e->demand.credit_until_usec &&
                        (e->freed_is_late || e->settled_usec > e->sampled_usec))
                bytes += (uint64_t) e->demand.credit_bytes;
        return bytes;
}

bool acts_queue_full(const Engine *e, uint64_t now_usec, uint32_t n_max) {
        uint32_t n = 0, n_timely = 0;

        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++) {
                if (e->under_way[i].act.id == 0 || e->under_way[i].act.method == METHOD_ARCHIVE)
                        continue; /* that one is not the trimmer's */
                n++;
                n_timely += !is_overdue(&e->under_way[i], now_usec);
        }
        /* One place is the archiver's. */
        return n + 1 >= ACTS_UNDER_WAY_MAX || n_timely >= n_max;
}

uint32_t acts_count_by_limit(const Engine *e) {
        uint32_t n = 0;

        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++)
                n += e->under_way[i].act.id != 0 && e->under_way[i].act.by_limit;
        return n;
}

bool acts_has_method(const Engine *e, Method method) {
        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++)
                if (e->under_way[i].act.id != 0 && e->under_way[i].act.method == method)
                        return true;
        return false;
}

Act acts_make(Engine *e, LogEntry *entry, Method method, uint64_t want_bytes, uint64_t keep_bytes,
                uint64_t now_usec) {
        Act act = {
                .method = method,
                .slot = UINT32_MAX,
                .want_bytes = want_bytes,
                .keep_bytes = keep_bytes,
                .emergency = e->rules.level == LEVEL_EMERGENCY,
        };

        if (entry) {
                act.slot = entry->info.slot;
                act.root = entry->info.root;
                memcpy(act.container, entry->info.container.id, sizeof(act.container));
                act.device = entry->info.device;
                act.inode = entry->info.inode;
                act.writer = entry->info.writer;
                if (readers_has_any(entry, now_usec))
                        act.reader = entry->readers.slowest;
        }
        return act;
}

bool acts_begin(Engine *e, LogEntry *entry, Act *act, uint64_t now_usec) {
        for (size_t i = 0; i < ACTS_UNDER_WAY_MAX; i++) {
                ActUnderWay *u = &e->under_way[i];
                if (u->act.id != 0)
                        continue;
                act->id = e->next_act++;
                *u = (ActUnderWay){*act, now_usec};
                if (act->method == METHOD_ARCHIVE) {
                        e->archive_act = act->id;
                        entry->archive_is_freed = false; /* whatever becomes of it */
                }
                if (entry) {
                        entry->act = act->id;
                        /* What was archived is freed as soon as it is; what is done at no pressure holds up nothing; a repair
                         * frees nothing. */
                        if (act->method != METHOD_ARCHIVE && !act->by_limit && !repair_is_one(act->method))
                                entry->last_act_usec = now_usec;
                }
                return true;
        }
        return false;
}

bool acts_end(Engine *e, uint64_t id, ActUnderWay *ret_ended) {
        for (size_t i = 0; id != 0 && i < ACTS_UNDER_WAY_MAX; i++)
                if (e->under_way[i].act.id == id) {
                        *ret_ended = e->under_way[i];
                        e->under_way[i].act.id = 0;
                        return true;
                }
        return false;
}

MethodFacts acts_facts(const Engine *e, const LogEntry *entry, uint64_t now_usec) {
        MethodFacts facts = {
                .driver = entry->info.container.driver,
                .odd = entry->info.odd,
                .running = entry->info.container.running,
                .held_open = entry->held_open,
                .writer = entry->info.writer,
                .docker_major = entry->info.root < CONFIG_ROOTS_MAX ? e->docker_major[entry->info.root] : 0,
                .can_collapse = e->can_collapse,
                .can_punch = e->can_punch,
                .can_reflink = e->can_reflink,
                .has_offset_reader = readers_has_any(entry, now_usec),
        };

        for (int m = 0; m < _METHOD_MAX; m++)
                if (entry->barred_until_usec[m] > now_usec) /* METHOD_ARCHIVE among them */
                        facts.barred |= UINT32_C(1) << m;
        return facts;
}
