/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Entries on their way to the journal, in order. One stays here until it is as good as certain that journald has it,
 * since journald acknowledges nothing: at least once, never not at all. Does no I/O and has no clock. */

#include "event.h"
#include "macros.h"

/* More than a night of alerts makes; 160 KiB, allocated at start. */
#define OUTBOX_MAX 128

typedef struct OutboxEntry {
        Event event;
        uint64_t wall_usec;
        uint64_t told_usec;  /* monotonic, as all that follow */
        uint64_t sent_usec;  /* handed to the socket; 0: waits */
        uint64_t taken_usec; /* read by journald; 0: not known to be */
        bool on_console;     /* in the kernel log already */
} OutboxEntry;

typedef struct Outbox {
        OutboxEntry entries[OUTBOX_MAX]; /* oldest first */
        uint32_t n;
        uint64_t n_dropped;
        uint64_t n_unsure; /* let go of after they were sent, before they were read */
} Outbox;

/* When it is full, room is made by what was taken, then by the least important of all others, sent or not, the oldest
 * of these first (which may be the new one itself). One that waited is counted as dropped; one that was sent is counted
 * as unsure. */
void outbox_add(Outbox *o, const Event *event, uint64_t wall_usec, uint64_t now_usec);

/* The oldest that waits; NULL: none does. */
OutboxEntry *outbox_next(Outbox *o);
bool outbox_has_sent(const Outbox *o); /* and is not known to be taken */
void outbox_remove(Outbox *o, OutboxEntry *entry);

/* Everything that was sent has been read. */
void outbox_set_taken(Outbox *o, uint64_t now_usec);
/* Lets go of what was taken before that. Returns whether there is more that was taken. */
bool outbox_settle(Outbox *o, uint64_t taken_before_usec);
/* Who read it is gone, perhaps before it was written down: all that is still here is sent again. */
void outbox_rewind(Outbox *o);

/* What should be in the kernel log by now: critical or worse, told before that, not read by journald, not there yet;
 * the most important first, then the oldest. At most n_max. */
size_t outbox_find_unheard(Outbox *o, uint64_t told_before_usec, OutboxEntry **ret_entries, size_t n_max);
/* When the next one will be due for that, counted from when it was told; USEC_INFINITY: none. */
uint64_t outbox_first_unheard_usec(const Outbox *o);

uint32_t outbox_n_waiting(const Outbox *o); /* not known to be read */
