/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The logs of a partition by their slot, with a list of those that grew lately, one of those with a hole or filler to heal
 * or a head of NULs, and one of those that are larger than they may be. Memory is taken in chunks when a slot appears that
 * needs one; entries never move. */

#include "engine.h"
#include "policy.h"
#include "rate.h"

#define LOG_CHUNK 32
#define LOG_CHUNKS_MAX ((ENGINE_LOGS_MAX + LOG_CHUNK - 1) / LOG_CHUNK)

/* What lies in the archive and is to be freed next. */
typedef struct Archived {
        uint64_t bytes;         /* 0: nothing */
        uint64_t at_usec;       /* when it had been archived: soon that is no longer what the log is */
        uint64_t keep_bytes;    /* as it was meant to be */
        bool by_limit;
        uint64_t until_offset;  /* of the live log; 0: it is ... */
        uint64_t segment_inode; /* ... a segment */
} Archived;

typedef enum LogList {
        LOG_LIST_ACTIVE, /* grew lately */
        LOG_LIST_HOLED,
        LOG_LIST_OVER,   /* above its MaxLogSize= */
        _LOG_LIST_MAX,
} LogList;

typedef struct LogEntry LogEntry;
typedef struct LogLink {
        bool in;
        LogEntry *next, *prev;
} LogLink;

struct LogEntry {
        bool used, sampled;
        LogInfo info;
        LogSample sample;
        uint64_t sampled_usec; /* what is older is from before our own act */
        LogPolicy policy;

        Rate growth;        /* of log and segments, our own acts taken out */
        uint64_t grown_usec; /* when it last grew */
        LogLink links[_LOG_LIST_MAX];

        uint64_t act;           /* under way; 0: none */
        uint64_t last_act_usec; /* begun; 0: never */
        uint64_t barred_until_usec[_METHOD_MAX];
        bool held_open;         /* a lease was refused, and nothing new was heard since */
        uint32_t n_ineffective; /* acts in a row that yielded too little */
        uint32_t changes;       /* acts in a row that found other facts than were known */
        uint64_t planned_usec;  /* observe mode: when it was last said; 0: never */
        uint64_t heal_at_usec, heal_backoff_usec;
        uint64_t limit_at_usec;    /* the next act for its MaxLogSize= not before ... */
        uint64_t limit_size_bytes; /* ... and not before it is larger than that */
        uint64_t limit_said_usec;  /* 0: never */
        Archived archived;
        uint64_t archive_wait_usec; /* until then it is not archived, and not freed either: it is looked at again first */
        uint32_t n_archive_waits;   /* in a row */
        bool archive_is_freed; /* nothing of what is archived is still in the log; false: not known */

        bool torn;              /* it has torn lines, as the watcher has said last */
        bool damage_said;       /* that this damage stays */
        bool repair_failed;     /* the last try */
        uint64_t repair_at_usec, repair_backoff_usec;
        LogReaders readers;         /* as seen last ... */
        uint64_t readers_usec;      /* ... then; 0: never */
        uint64_t reader_moved_usec; /* when the slowest was last seen to have read on */
        uint64_t reader_full_usec;  /* until then: what readers let go of it is gone already, as an act has found */
};

typedef struct LogTable {
        LogEntry *chunks[LOG_CHUNKS_MAX];
        uint32_t n_chunks; /* up to the highest that is there */
        uint32_t n_logs;
        uint64_t allocated_bytes; /* of all, with segments */
        LogEntry *first[_LOG_LIST_MAX];
} LogTable;

void log_table_done(LogTable *t);

/* NULL: no such log. */
LogEntry *log_table_get(const LogTable *t, uint32_t slot);
/* A fresh entry, or the one that is there. -ENOMEM, -ENOSPC. */
int log_table_add(LogTable *t, uint32_t slot, LogEntry **ret_entry);
void log_table_remove(LogTable *t, LogEntry *entry);
/* All of them: begin with a cursor of 0; NULL at the end. */
LogEntry *log_table_next(const LogTable *t, uint32_t *cursor);

void log_table_list(LogTable *t, LogEntry *entry, LogList list, bool in);
/* New facts on its size; keeps the totals and the lists that go by it. */
void log_table_set_sample(LogTable *t, LogEntry *entry, const LogSample *sample);
/* Its policy is another one. */
void log_table_set_policy(LogTable *t, LogEntry *entry, const LogPolicy *policy);

/* What of the live log is there: a filesystem may have allocated more than that, and after a punch or a fill less than its size. */
static inline uint64_t log_entry_live_bytes(const LogEntry *entry) {
        const LogSample *sample = &entry->sample;

        return MIN(sample->allocated_bytes,
                        sample->size_bytes - MIN(sample->hole_bytes + sample->filler_bytes, sample->size_bytes));
}

/* A sample as it is with the filler that is known from before, where it was looked at later than the sample's. What has
 * shrunk since is not what was filled. */
LogSample log_sample_with_filler(const LogSample *sample, const LogSample *before);

static inline uint64_t log_entry_total_bytes(const LogEntry *entry) {
        return entry->sample.allocated_bytes + entry->sample.segments_bytes;
}
