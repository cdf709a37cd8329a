/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds of traces: traces_logs.c, traces_archives.c, traces_files.c. Each is walked twice, to list what is there and to do
 * what was confirmed. The disks are looked at anew the second time, so nothing rests on what was seen before the answer. */

#include "catalog.h"
#include "finder_roots.h"
#include "logfile.h"
#include "role.h"

/* What came of a walk: found the first time, done the second. */
typedef struct Tally {
        uint64_t n, bytes;
        uint64_t n_stay;   /* of ours, and left as they are */
        uint64_t n_failed; /* said already */
} Tally;

typedef struct Traces {
        const Options *options;
        StagePage *stage;
        Config config;
        FoundRoots roots;
        Catalog catalog;
        ContainerInfo container;
        LogFile log;
} Traces;

/* act: do it; else only say what is there. Failing at one item does not keep the others from being done. */
void traces_walk_logs(Traces *t, bool act, Tally *tally);
void traces_walk_archives(Traces *t, bool act, Tally *tally);
void traces_walk_files(Traces *t, bool act, Tally *tally);

void traces_fail(Tally *tally, int error, const char *format, ...) _printf_(3, 4);

/* A folder by its path. Negative errno; -ENOENT: it is not there. */
int traces_open_folder(Traces *t, const char *path);

/* Only what is this is ever removed. */
bool traces_is_ours(const struct stat *st);

/* Whether a guard answers at the socket there, or systemd listens, which would start one. Starts none. */
bool traces_guard_is_there(const char *runtime_dir);
