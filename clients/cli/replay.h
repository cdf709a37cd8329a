/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The engine of the daemon over a recording: what the two kinds of recordings share. */

#include "cli.h"
#include "engine.h"

#define REPLAY_MOUNTS_MAX 16

/* One partition of a recording. */
typedef struct Replayed {
        char mount[EVENT_MOUNT_MAX];
        Engine *engine;
        uint64_t wake_usec;   /* when it wants to be asked again */
        uint64_t now_usec;
        unsigned n_raised, n_recorded; /* to warning or worse: by this engine, by the one that was recorded */
        struct {
                uint64_t ours, recorded; /* acts: what they are called here and there; ours 0: free */
                Method method;
                uint32_t slot;
        } acts[64];
} Replayed;

typedef struct Replay {
        const char *path;     /* of what is read, for messages */
        size_t line;
        Config config;
        bool config_is_given; /* --config: not that of the recording */
        bool as_text;         /* sentences instead of JSON */
        bool with_mount;      /* each line says which partition it is about */
        double offset_sec;    /* what is printed as "at" is the engine's time and this */
        Replayed partitions[REPLAY_MOUNTS_MAX];
        size_t n_partitions;
        Plan plan;
} Replay;

void replay_done(Replay *replay);

/* The one of that mount, made where it is new. Negative errno; -ENOSPC: too many. */
int replay_find(Replay *replay, const char *mount, Replayed **ret);
/* Decides as of then, and prints what changed. */
int replay_decide(Replay *replay, Replayed *p, uint64_t now_usec);
/* Decides whenever the engine wanted to be asked before then. */
int replay_wait(Replay *replay, Replayed *p, uint64_t until_usec);

/* CLI_OK, or what went wrong has been said. */
int replay_csv(Replay *replay, const char *path);
int replay_trace(Replay *replay, const char *path);
