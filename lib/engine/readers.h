/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Log shippers: who reads the logs, when that is worth a look, and how far the head of a log may be cut for the sake of
 * those that read it. What is known is a lower bound: a reader that goes on is further than it was seen to be, unless it
 * has begun again. */

#include "log_table.h"

/* Who is not given more respect than that in one step of the ladder (plan.c). */
typedef enum ReadersRespect {
        READERS_HOLD,      /* nobody loses what he has not read */
        READERS_MOVE_HOLD, /* but for those that have not read on for long: a shipper that hangs must not fill the disk */
        READERS_LOSE,      /* the disk comes first */
} ReadersRespect;

/* Looks at who reads, while that may matter. */
typedef struct ReadersWatch {
        bool promised;       /* somebody looks when asked to */
        uint64_t waited_usec; /* an act has waited for the first look since then; 0: none has */
        uint64_t next_usec;  /* not before */
        uint64_t due_usec;   /* one is under way, and has ended by then; 0: none is */
        uint64_t begun_usec; /* ... and since then */
        uint64_t seen_usec;  /* when the last complete one began; 0: never */
} ReadersWatch;

/* Who reads it was looked for a short while ago. */
bool readers_is_fresh(const LogEntry *entry, uint64_t now_usec);
/* Somebody other than dockerd reads it, as was seen a short while ago. */
bool readers_has_any(const LogEntry *entry, uint64_t now_usec);

/* The head may be cut up to that offset; UINT64_MAX: nobody minds. */
uint64_t readers_limit_bytes(const LogEntry *entry, ReadersRespect respect, uint64_t now_usec);

/* What a cut can free of the live log without going beyond that offset: whole steps, but for the one that the line at
 * the cut may reach through. */
uint64_t readers_let_go_bytes(const LogEntry *entry, uint64_t offset_bytes, uint64_t now_usec);

void readers_observe(LogEntry *entry, const LogReaders *readers, uint64_t time_usec);
void readers_forget(LogEntry *entry);

void readers_look_begun(ReadersWatch *w, uint64_t now_usec, uint64_t until_usec);
void readers_look_ended(ReadersWatch *w, uint64_t now_usec, bool complete);
/* Nothing is known yet, and somebody is about to look: an act that can wait does, for that moment. */
bool readers_wait(ReadersWatch *w, uint64_t now_usec);
