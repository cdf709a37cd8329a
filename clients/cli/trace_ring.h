/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A ring of files in a folder, with a budget: the oldest go first. Each begins afresh and can be read alone. */

#include <dirent.h>

#include "macros.h"

typedef struct TraceRing {
        int dir_fd;
        uint64_t budget_bytes;
        int fd;               /* of the file that is written; < 0: none */
        char name[64];        /* of that file */
        int64_t begun_sec;    /* CLOCK_MONOTONIC */
        uint64_t file_bytes;
        uint64_t n_lost;      /* lines that did not get onto the disk since the last one that did */
} TraceRing;

/* path: made where it is missing (0750), its parent is not. Negative errno. */
int trace_ring_open(const char *path, uint64_t budget_bytes, TraceRing *ret_ring);
void trace_ring_done(TraceRing *ring);

/* The next file: named by the time (CLOCK_REALTIME), then by a number where that is taken. Makes room for it; one that stayed
 * empty goes. Negative errno: there is none, and nothing can be written until this works. */
int trace_ring_next(TraceRing *ring);
/* A line, without its line feed. A file that is full stays as it is: trace_ring_is_full(). A line that does not fit the disk
 * is left out as a whole, and counted. */
int trace_ring_write(TraceRing *ring, const char *line);
/* Each begins with all that the guard knows: one that has hardly been begun is not full yet, as long as the budget allows. */
bool trace_ring_is_full(const TraceRing *ring);
/* Nothing is in it: without its beginning no file can be read. */
bool trace_ring_is_empty(const TraceRing *ring);

#define TRACE_RING_NAMES_MAX 1024
/* The files of a folder, oldest first: names to be freed one by one. Negative errno. */
int trace_ring_list(int dir_fd, char *ret_names[static TRACE_RING_NAMES_MAX], size_t *ret_n);
