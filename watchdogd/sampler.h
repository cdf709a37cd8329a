/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a log file and its rotated segments look like on disk: sizes, oddities, holes, the length of
 * lines. Reads only; keeps nothing open. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "watched.h"
#include "watcher.h"

#define SAMPLER_NAME_MAX 96 /* "<64 digits>-json.log" and a NUL fit */

/* Which file a driver writes. */
LogKind sampler_find_kind(LogDriver driver);

/* The log's name within the container's folder. */
const char *sampler_log_name(LogKind kind, const char *id, char buf[static SAMPLER_NAME_MAX]);

/* Why a file is not one that may ever be opened for writing; NULL: it is one. */
const char *sampler_find_oddity(const struct stat *st, uint64_t device, uint32_t owner_uid);

static inline uint64_t sampler_allocated_bytes(const struct stat *st) {
        return (uint64_t) st->st_blocks * 512;
}

/* Sums up <log name>.N and <log name>.N.gz. A folder that cannot be read counts as having none. */
typedef struct SamplerSegments {
        uint32_t n;
        uint64_t bytes;
} SamplerSegments;
int sampler_count_segments(int folder_fd, LogKind kind, const char *id, SamplerSegments *ret_segments);

/* Is that the name of a segment of the log? */
bool sampler_is_segment(const char *name, const char *log_name);

/* The hole of ours behind a marker line; 0: none. fd is open for reading. */
uint64_t sampler_measure_hole(int fd, uint64_t size_bytes);

/* How much of NULs a log begins with that no marker explains, about; 0: none. fd is open for reading. */
uint64_t sampler_measure_nuls(int fd, uint64_t size_bytes);

/* Mean length of the newest lines, their newlines included; 0: cannot be read. */
uint32_t sampler_measure_lines(int fd, uint64_t size_bytes);

/* ---- a log that is watched --------------------------------------------------------------------------*/

typedef struct SamplerSubject {
        char id[CONTAINER_ID_MAX];
        char text[32];                                  /* "the log of 4f1c2a9be6d0", for the stage page */
        char log_name[SAMPLER_NAME_MAX];                /* within the folder */
        char path[CONTAINER_ID_MAX + SAMPLER_NAME_MAX]; /* within containers/ */
} SamplerSubject;
void sampler_name(const Watched *log, SamplerSubject *ret_subject);

/* Returns whether the sizes differ from those that were known. */
bool sampler_take_size(Watched *log, const struct stat *st);

/* Opens the log for a moment where a hole, filler or a head of NULs may have come or gone (force: at any rate where there
 * may be some), or where it grows so fast that the length of its lines is worth knowing. */
void sampler_measure(Watcher *w, Watched *log, int dir_fd, const char *path, bool force);
