/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A small world that closes the loop around the engine, with a clock of its own: a partition, container logs
 * and other writers whose rates change over time, rotations, a watcher that looks when it is asked to or
 * woken, and a trimmer that takes its time. What must never happen is checked at every act. */

#include "engine.h"

#define SIM_LOGS_MAX 64
#define SIM_WRITERS_MAX 8
#define SIM_PHASES_MAX 8
#define SIM_SEGMENTS_MAX 4
#define SIM_JOURNAL_MAX 20000
#define SIM_QUEUE_MAX 32
#define SIM_LATE_MAX 1024

typedef struct SimPhase {
        double from_sec, to_sec, bps;
} SimPhase;

typedef struct SimLog {
        /* what it is */
        char name[32];
        bool is_protected, stopped;
        LogDriver driver;
        SimPhase phases[SIM_PHASES_MAX];
        size_t n_phases;
        double line_bytes;      /* written at once: a wake-up each, at most */
        double burst_sec;       /* > 0: all that a span brings is written at its end, in one go */
        double max_size_bytes;  /* rotated beyond that; 0: never */
        size_t max_file;

        /* what became of it */
        double live_bytes, hole_bytes, filler_bytes;
        double seen_filler_bytes, seen_filler_sec; /* by the watcher, which looks at it now and then */
        double segments[SIM_SEGMENTS_MAX]; /* newest first */
        double burst_pending_bytes, burst_at_sec;
        double cut_bytes, lost_bytes; /* lost: cut and not archived */
        unsigned n_acts, n_truncated;
        bool introduced;
} SimLog;

/* Whatever else takes space: a pull, a database, the journal. */
typedef struct SimWriter {
        SimPhase phases[SIM_PHASES_MAX];
        size_t n_phases;
        double noise_bytes;     /* goes up and down by up to that ... */
        double noise_every_sec; /* ... that often */
        double vacuum_at_bytes; /* gives everything back when it reached that; 0: never */

        double bytes, noise_now, noise_at_sec;
} SimWriter;

typedef struct SimEntry {
        double at_sec;
        bool is_act;     /* an act began */
        EventType type;  /* otherwise */
        Level level;
        Method method;
        uint32_t slot;   /* of an act */
        double used_share;
        double wanted_bytes, freed_bytes;
        char container[32];
        char detail[64];
} SimEntry;

typedef struct Sim {
        Config config;
        Engine *engine;
        double now_sec;
        double total_bytes, used_share, reserved_bytes, static_bytes;

        SimLog logs[SIM_LOGS_MAX];
        size_t n_logs;
        SimWriter writers[SIM_WRITERS_MAX];
        size_t n_writers;

        /* the filesystem and the trimmer */
        bool can_collapse, can_punch, can_reflink;
        bool fill_frees_nothing;
        bool punch_frees_nothing, collapse_frees_nothing;
        double late_sec;         /* a gain shows only after that; 0: at once */
        unsigned docker_major;
        bool append;             /* of the writers of logs */
        double act_sec;          /* an act takes that, ... */
        double act_sec_per_gib;  /* ... and that */
        double stuck_from_sec;   /* the trimmer hangs from then on; < 0: never */
        double cancel_after_sec; /* the supervisor gives a stuck act up */
        double archive_bps;      /* how fast the archiver reads; 0: nothing is archived */
        double archive_ratio;    /* what it writes for that, on the same partition */
        double wake_sec;         /* the watcher is woken by a log at most that often */
        double blind_from_sec, blind_to_sec;

        struct {
                Act act;
                double begin_sec, end_sec;
        } queue[SIM_QUEUE_MAX];
        size_t n_queue;
        struct {
                double at_sec, bytes;
        } late[SIM_LATE_MAX];
        size_t n_late;
        double ballast_bytes, archive_bytes;
        Act archive; /* under way; id 0: none */
        double archive_begin_sec, archive_end_sec, archive_written_bytes;
        unsigned n_archived, n_gave_way;
        bool archive_refuses_first; /* the log in slot 0 alone */
        bool segments_are_busy;     /* dockerd never lets go of them */
        unsigned archiver_dies;     /* so many more times */
        double archive_fails_from_sec, archive_fails_to_sec; /* it finds no room */

        /* what was seen */
        SimEntry journal[SIM_JOURNAL_MAX];
        size_t n_journal;
        double denied_bytes;     /* that writers could not write: ENOSPC */
        double least_avail_bytes;
        uint64_t n_looks, n_decisions, n_acts;
        uint64_t random;
        bool verbose;
} Sim;

/* A partition that is used that far once the logs and writers are in it, ext4, Docker 26, a trimmer that
 * takes 50 ms. Sim is large: allocate it. */
Sim *sim_new(double total_bytes, double used_share, uint64_t seed);
Sim *sim_free(Sim *s);
DEFINE_CLEANUP(Sim, sim_free)

SimLog *sim_add_log(Sim *s, const char *name, double bytes, double bps);
SimWriter *sim_add_writer(Sim *s, double from_sec, double to_sec, double bps);
void sim_run(Sim *s, double until_sec);

double sim_avail_bytes(const Sim *s);
double sim_random(Sim *s); /* 0 .. 1 */

/* The first entry of that kind; NULL: none. */
const SimEntry *sim_find_raise(const Sim *s, Level level);
const SimEntry *sim_find_act(const Sim *s);
size_t sim_count(const Sim *s, EventType type);
void sim_print(const Sim *s);
