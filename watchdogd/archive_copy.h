/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bytes of a log on their way into an archive: zstd, a frame for each ARCHIVE_FRAME_BYTES of log, so that a part of it
 * can be unpacked alone; or as they are, where Docker has compressed them already. */

#include <stdbool.h>
#include <stdint.h>

#include "macros.h"

#define ARCHIVE_FRAME_BYTES MIB(1)

typedef struct ArchiveCopy {
        int from_fd, to_fd;
        uint64_t from, to; /* of from_fd */
        bool compress;
        uint64_t rate_bps; /* 0: no limit */
        int (*check)(void *userdata); /* before each piece; a negative errno ends it */
        void *userdata;
} ArchiveCopy;

/* -ENODATA: the log became shorter; -ENOMEM; what read, write and check say. *ret_call: the call that failed. */
int archive_copy(const ArchiveCopy *copy, const char **ret_call);

/* Whether an archive of the bytes [from, to) of a file is whole, and still in that file from `at` (>= from) on: the same
 * bytes, but for some that were blanked meanwhile. 1, 0, negative errno. */
int archive_is_in(int archive_fd, bool compressed, uint64_t from, uint64_t to, int log_fd, uint64_t at);
