/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What was seen in the simulated world. */

#include "sim.h"

#include <stdio.h>

const SimEntry *sim_find_raise(const Sim *s, Level level) {
        for (size_t i = 0; i < s->n_journal; i++)
                if (!s->journal[i].is_act && s->journal[i].type == EVENT_LEVEL_RAISED &&
                                s->journal[i].level == level)
                        return &s->journal[i];
        return NULL;
}

const SimEntry *sim_find_act(const Sim *s) {
        for (size_t i = 0; i < s->n_journal; i++)
                if (s->journal[i].is_act && s->journal[i].method != METHOD_BALLAST_MAKE)
                        return &s->journal[i];
        return NULL;
}

size_t sim_count(const Sim *s, EventType type) {
        size_t n = 0;

        for (size_t i = 0; i < s->n_journal; i++)
                n += !s->journal[i].is_act && s->journal[i].type == type;
        return n;
}

void sim_print(const Sim *s) {
        for (size_t i = 0; i < MIN(s->n_journal, (size_t) (s->verbose ? SIM_JOURNAL_MAX : 40)); i++) {
                const SimEntry *entry = &s->journal[i];
                printf("  %12.3f s  %5.1f %%  %s type=%d level=%s method=%s want=%.1fM freed=%.1fM %s %s\n",
                                entry->at_sec, 100 * entry->used_share, entry->is_act ? "ACT  " : "event",
                                entry->type, level_to_string(entry->level), method_to_string(entry->method),
                                entry->wanted_bytes / 1048576, entry->freed_bytes / 1048576,
                                entry->container, entry->detail);
        }
        printf("  looks %llu, decisions %llu, acts %llu, journal %zu, least avail %.1f MiB, denied %.1f "
               "MiB\n",
                        (unsigned long long)s->n_looks, (unsigned long long)s->n_decisions,
                        (unsigned long long)s->n_acts, s->n_journal, s->least_avail_bytes / 1048576,
                        s->denied_bytes / 1048576);
}
