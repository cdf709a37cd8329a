/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "event_text.h"
#include "outbox.h"

/* Syslog's: critical. */
#define CONSOLE_PRIORITY 2

void outbox_remove(Outbox *o, OutboxEntry *entry) {
        size_t i = (size_t) (entry - o->entries);

        memmove(o->entries + i, o->entries + i + 1, (o->n - i - 1) * sizeof(*entry));
        o->n--;
}

static OutboxEntry *find_taken(Outbox *o) {
        for (uint32_t i = 0; i < o->n; i++)
                if (o->entries[i].taken_usec)
                        return o->entries + i;
        return NULL;
}

/* The least important one that is not taken, the oldest of these; NULL: all are more important than that. */
static OutboxEntry *find_least(Outbox *o, int priority) {
        OutboxEntry *least = NULL;

        for (uint32_t i = o->n; i-- > 0;) {
                int p = event_priority(&o->entries[i].event);

                if (o->entries[i].taken_usec || p < priority)
                        continue;
                priority = p;
                least = o->entries + i;
        }
        return least;
}

void outbox_add(Outbox *o, const Event *event, uint64_t wall_usec, uint64_t now_usec) {
        if (o->n == OUTBOX_MAX) {
                OutboxEntry *victim = find_taken(o);

                if (!victim) {
                        victim = find_least(o, event_priority(event));
                        /* What lies in journald's socket may still be read, or be lost with it. */
                        if (victim && victim->sent_usec)
                                o->n_unsure++;
                        else
                                o->n_dropped++;
                }
                if (!victim)
                        return;
                outbox_remove(o, victim);
        }
        o->entries[o->n++] = (OutboxEntry){.event = *event, .wall_usec = wall_usec, .told_usec = now_usec};
}

OutboxEntry *outbox_next(Outbox *o) {
        for (uint32_t i = 0; i < o->n; i++)
                if (!o->entries[i].sent_usec)
                        return o->entries + i;
        return NULL;
}

bool outbox_has_sent(const Outbox *o) {
        for (uint32_t i = 0; i < o->n; i++)
                if (o->entries[i].sent_usec && !o->entries[i].taken_usec)
                        return true;
        return false;
}

void outbox_set_taken(Outbox *o, uint64_t now_usec) {
        o->n_unsure = 0;
        for (uint32_t i = 0; i < o->n; i++)
                if (o->entries[i].sent_usec && !o->entries[i].taken_usec)
                        o->entries[i].taken_usec = now_usec;
}

bool outbox_settle(Outbox *o, uint64_t taken_before_usec) {
        bool more = false;

        for (uint32_t i = o->n; i-- > 0;) {
                if (!o->entries[i].taken_usec)
                        continue;
                if (o->entries[i].taken_usec <= taken_before_usec)
                        outbox_remove(o, o->entries + i);
                else
                        more = true;
        }
        return more;
}

void outbox_rewind(Outbox *o) {
        o->n_dropped += o->n_unsure;
        o->n_unsure = 0;
        for (uint32_t i = 0; i < o->n; i++)
                o->entries[i].sent_usec = o->entries[i].taken_usec = 0;
}

static bool is_unheard(const OutboxEntry *entry) {
        return !entry->taken_usec && !entry->on_console && event_priority(&entry->event) <= CONSOLE_PRIORITY;
}

size_t outbox_find_unheard(Outbox *o, uint64_t told_before_usec, OutboxEntry **ret_entries, size_t n_max) {
        size_t n = 0;

        for (int priority = 0; priority <= CONSOLE_PRIORITY; priority++)
                for (uint32_t i = 0; i < o->n && n < n_max; i++) {
                        OutboxEntry *entry = o->entries + i;

                        if (is_unheard(entry) && entry->told_usec <= told_before_usec &&
                            event_priority(&entry->event) == priority)
                                ret_entries[n++] = entry;
                }
        return n;
}

uint64_t outbox_first_unheard_usec(const Outbox *o) {
        uint64_t first_usec = USEC_INFINITY;

        for (uint32_t i = 0; i < o->n; i++)
                if (is_unheard(o->entries + i))
                        first_usec = MIN(first_usec, o->entries[i].told_usec);
        return first_usec;
}

uint32_t outbox_n_waiting(const Outbox *o) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < o->n; i++)
                n += !o->entries[i].taken_usec;
        return n;
}
