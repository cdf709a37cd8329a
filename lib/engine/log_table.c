/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logs by slot: contract in log_table.h. */

#include "log_table.h"

void log_table_done(LogTable *t) {
        for (uint32_t i = 0; i < t->n_chunks; i++)
                free(t->chunks[i]);
        *t = (LogTable){};
}

static LogEntry *entry_at(const LogTable *t, uint32_t slot) {
        if (slot >= ENGINE_LOGS_MAX || !t->chunks[slot / LOG_CHUNK])
                return NULL;
        return &t->chunks[slot / LOG_CHUNK][slot % LOG_CHUNK];
}

LogEntry *log_table_get(const LogTable *t, uint32_t slot) {
        LogEntry *entry = entry_at(t, slot);

        return entry && entry->used ? entry : NULL;
}

int log_table_add(LogTable *t, uint32_t slot, LogEntry **ret_entry) {
        if (slot >= ENGINE_LOGS_MAX)
                return -ENOSPC;

        LogEntry **chunk = &t->chunks[slot / LOG_CHUNK];
        if (!*chunk) {
                *chunk = calloc(LOG_CHUNK, sizeof(LogEntry));
                if (!*chunk)
                        return -ENOMEM;
                t->n_chunks = MAX(t->n_chunks, slot / LOG_CHUNK + 1);
        }

        LogEntry *entry = &(*chunk)[slot % LOG_CHUNK];
        if (!entry->used) {
                *entry = (LogEntry){.used = true};
                entry->info.slot = entry->sample.slot = slot;
                t->n_logs++;
        }
        *ret_entry = entry;
        return 0;
}

void log_table_list(LogTable *t, LogEntry *entry, LogList list, bool in) {
        LogLink *link = entry->links + list;

        if (link->in == in)
                return;
        link->in = in;
        if (in) {
                link->prev = NULL;
                link->next = t->first[list];
                if (link->next)
                        link->next->links[list].prev = entry;
                t->first[list] = entry;
                return;
        }
        if (link->prev)
                link->prev->links[list].next = link->next;
        else
                t->first[list] = link->next;
        if (link->next)
                link->next->links[list].prev = link->prev;
}

static void list_over(LogTable *t, LogEntry *entry) {
        uint64_t max_bytes = entry->policy.max_log_bytes;

        log_table_list(t, entry, LOG_LIST_OVER, entry->sampled && max_bytes > 0 &&
                        log_entry_live_bytes(entry) + entry->sample.segments_bytes > max_bytes);
}

void log_table_set_sample(LogTable *t, LogEntry *entry, const LogSample *sample) {
        t->allocated_bytes -= log_entry_total_bytes(entry);
        entry->sample = *sample;
        entry->sample.slot = entry->info.slot;
        t->allocated_bytes += log_entry_total_bytes(entry);
        log_table_list(t, entry, LOG_LIST_HOLED, sample->hole_bytes > 0 || sample->filler_bytes > 0 || sample->nul_bytes > 0);
        if (sample->nul_bytes == 0 && !entry->torn)
                entry->damage_said = false;
        list_over(t, entry);
}

void log_table_set_policy(LogTable *t, LogEntry *entry, const LogPolicy *policy) {
        entry->policy = *policy;
        list_over(t, entry);
}

LogSample log_sample_with_filler(const LogSample *sample, const LogSample *before) {
        LogSample known = *sample;
        uint64_t all_bytes = sample->allocated_bytes + sample->filler_bytes;

        if (sample->filler_usec >= before->filler_usec || sample->size_bytes < before->size_bytes)
                return known;
        known.filler_usec = before->filler_usec;
        known.filler_bytes = MIN(before->filler_bytes, all_bytes);
        known.allocated_bytes = all_bytes - known.filler_bytes;
        return known;
}

void log_table_remove(LogTable *t, LogEntry *entry) {
        for (LogList list = 0; list < _LOG_LIST_MAX; list++)
                log_table_list(t, entry, list, false);
        t->allocated_bytes -= log_entry_total_bytes(entry);
        t->n_logs--;
        entry->used = false;
}

LogEntry *log_table_next(const LogTable *t, uint32_t *cursor) {
        while (*cursor < t->n_chunks * LOG_CHUNK) {
                uint32_t slot = (*cursor)++;

                if (!t->chunks[slot / LOG_CHUNK]) {
                        *cursor = (slot / LOG_CHUNK + 1) * LOG_CHUNK;
                        continue;
                }
                LogEntry *entry = log_table_get(t, slot);
                if (entry)
                        return entry;
        }
        return NULL;
}
