/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The records of the state (state.h): what a supervisor leaves to the next one. */

#include "engine_memory.h"
#include "message.h"
#include "state.h"

/* Undelivered entries that are kept over a crash, the most important ones; each is more than a KiB of locked memory. */
#define RECORDS_ENTRIES_MAX 32

enum {
        RECORD_PULSE,
        RECORD_CONFIG, /* Config: in force; guarding goes on with it before any file was read */
        RECORD_JOURNAL,
        RECORD_PARTITION, /* the first of PARTITIONS_MAX */
        _RECORD_MAX = RECORD_PARTITION + PARTITIONS_MAX,
};

/* The last sign of life. */
typedef struct PulseRecord {
        uint64_t time_usec; /* monotonic */
        bool stopping;      /* it was asked to end */
} PulseRecord;

/* Entries that the journal has not certainly got, oldest first. */
typedef struct JournalRecord {
        uint64_t n_dropped; /* were given up, and nobody has been told yet */
        uint32_t n;
        struct {
                Event event;
                uint64_t wall_usec;
        } entries[RECORDS_ENTRIES_MAX];
} JournalRecord;

/* What one partition is and what its engine knows. */
typedef struct PartitionRecord {
        PartitionTarget target;
        bool blind_said, stuck_said, cannot_write;
        EngineMemory engine;
} PartitionRecord;

extern const StateLayout records_layout;
