/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Remembering and recalling: contract in engine_memory.h. */

#include "engine_internal.h"

static void remember_log(const LogEntry *entry, LogMemory *ret_memory) {
        *ret_memory = (LogMemory){
                .inode = entry->info.inode,
                .sample = entry->sample,
                .sampled_usec = entry->sampled_usec,
                .growth = entry->growth,
                .grown_usec = entry->grown_usec,
                .last_act_usec = entry->last_act_usec,
                .planned_usec = entry->planned_usec,
                .heal_at_usec = entry->heal_at_usec,
                .heal_backoff_usec = entry->heal_backoff_usec,
                .n_ineffective = entry->n_ineffective,
                .active = entry->links[LOG_LIST_ACTIVE].in,
        };
        memcpy(ret_memory->container, entry->info.container.id, sizeof(ret_memory->container));
        memcpy(ret_memory->barred_until_usec, entry->barred_until_usec, sizeof(entry->barred_until_usec));
}

/* Those that are there now, and those of before that have not been seen again yet. */
static void remember_logs(const Engine *e, LogMemory ret_memory[static ENGINE_MEMORY_LOGS_MAX]) {
        size_t n = 0;

        for (int acted_on = 1; acted_on >= 0; acted_on--)
                for (const LogEntry *entry = e->logs.first[LOG_LIST_ACTIVE]; entry && n < ENGINE_MEMORY_LOGS_MAX;
                                entry = entry->links[LOG_LIST_ACTIVE].next)
                        if (entry->sampled && (entry->last_act_usec != 0) == acted_on)
                                remember_log(entry, &ret_memory[n++]);
        for (size_t i = 0; i < ENGINE_MEMORY_LOGS_MAX && n < ENGINE_MEMORY_LOGS_MAX; i++)
                if (e->remembered[i].container[0])
                        ret_memory[n++] = e->remembered[i];
        for (; n < ENGINE_MEMORY_LOGS_MAX; n++)
                ret_memory[n].container[0] = 0;
}

void memory_recall_log(Engine *e, LogEntry *entry) {
        for (size_t i = 0; i < ENGINE_MEMORY_LOGS_MAX; i++) {
                LogMemory *m = &e->remembered[i];

                if (m->inode != entry->info.inode || !streq(m->container, entry->info.container.id))
                        continue;
                /* What it grew while nobody looked is growth, too. */
                entry->sampled = true;
                entry->sampled_usec = m->sampled_usec;
                entry->growth = m->growth;
                entry->grown_usec = m->grown_usec;
                entry->last_act_usec = m->last_act_usec;
                entry->planned_usec = m->planned_usec;
                entry->heal_at_usec = m->heal_at_usec;
                entry->heal_backoff_usec = m->heal_backoff_usec;
                entry->n_ineffective = m->n_ineffective;
                memcpy(entry->barred_until_usec, m->barred_until_usec, sizeof(entry->barred_until_usec));
                log_table_set_sample(&e->logs, entry, &m->sample);
                log_table_list(&e->logs, entry, LOG_LIST_ACTIVE, m->active);
                m->container[0] = 0;
                return;
        }
}

void engine_forget_logs(Engine *e) {
        LogMemory remembered[ENGINE_MEMORY_LOGS_MAX];
        LogEntry *entry;
        uint32_t cursor = 0;

        remember_logs(e, remembered);
        memcpy(e->remembered, remembered, sizeof(remembered));
        memset(e->damages, 0, sizeof(e->damages));
        while ((entry = log_table_next(&e->logs, &cursor)))
                log_table_remove(&e->logs, entry);
}

void engine_remember(const Engine *e, uint64_t now_usec, EngineMemory *ret_memory) {
#define FIELD(type, name) ret_memory->name = e->name;
        ENGINE_MEMORY_FIELDS(FIELD)
#undef FIELD
        ret_memory->expected_bytes = acts_expected_bytes(e, now_usec);
        remember_logs(e, ret_memory->logs);
}

void engine_recall(Engine *e, const EngineMemory *memory, uint64_t now_usec) {
#define FIELD(type, name) e->name = memory->name;
        ENGINE_MEMORY_FIELDS(FIELD)
#undef FIELD
        memcpy(e->remembered, memory->logs, sizeof(e->remembered));
        /* A gain that shows now is that of our own acts, and nobody's clean-up. */
        e->demand.credit_bytes = 0;
        demand_credit(&e->demand, memory->expected_bytes, now_usec, e->freed_is_late);
}
