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

static void set_holed(LogTable *t, LogEntry *entry, bool holed) {
        if (entry->holed == holed)
                return;
        entry->holed = holed;
        if (holed) {
                entry->prev_holed = NULL;
                entry->next_holed = t->holed;
                if (t->holed)
                        t->holed->prev_holed = entry;
                t->holed = entry;
                return;
        }
        if (entry->prev_holed)
                entry->prev_holed->next_holed = entry->next_holed;
        else
                t->holed = entry->next_holed;
        if (entry->next_holed)
                entry->next_holed->prev_holed = entry->prev_holed;
}

void log_table_set_active(LogTable *t, LogEntry *entry, bool active) {
        if (entry->active == active)
                return;
        entry->active = active;
        if (active) {
                entry->prev_active = NULL;
                entry->next_active = t->active;
                if (t->active)
                        t->active->prev_active = entry;
                t->active = entry;
                return;
        }
        if (entry->prev_active)
                entry->prev_active->next_active = entry->next_active;
        else
                t->active = entry->next_active;
        if (entry->next_active)
                entry->next_active->prev_active = entry->prev_active;
}

void log_table_set_sample(LogTable *t, LogEntry *entry, const LogSample *sample) {
        t->allocated_bytes -= log_entry_total_bytes(entry);
        entry->sample = *sample;
        entry->sample.slot = entry->info.slot;
        t->allocated_bytes += log_entry_total_bytes(entry);
        set_holed(t, entry, sample->hole_bytes > 0);
}

void log_table_remove(LogTable *t, LogEntry *entry) {
        set_holed(t, entry, false);
        log_table_set_active(t, entry, false);
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
