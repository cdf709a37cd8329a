/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The rotated segments of a json-file log: <id>-json.log.N and .N.gz, the higher N the older. Removing one from outside
 * is always safe: each step of Docker's rotation tolerates a missing segment. Names are built from the container's
 * id and the number, never taken from the directory. */

#include <stdint.h>
#include <sys/stat.h>

#include "act.h"
#include "stage.h"

typedef struct Segments {
        uint32_t n;
        uint64_t allocated_bytes;
} Segments;

/* What is there. A container that is gone has none. */
int segments_count(StagePage *stage, int containers_fd, const char *container, Segments *ret);

/* The oldest one, for reading. -ENOENT: there is none; -EAGAIN: Docker is compressing it. */
int segments_open_oldest(StagePage *stage, int containers_fd, const char *container, uint32_t owner_uid, int *ret_fd,
                         struct stat *ret_st, bool *ret_compressed);

/* Removes the oldest until want_bytes are freed, as long as the live log and the others together still have keep_bytes.
 * In the outcome: freed_bytes, cut_bytes, error, stage. */
ActResult segments_delete(StagePage *stage, int containers_fd, const Act *act, uint32_t owner_uid, Outcome *o);
