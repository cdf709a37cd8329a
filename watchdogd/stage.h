/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The page that a watcher or a trimmer shares with the supervisor (a memfd kept by the launcher, so that it
 * outlives both). Before a call that may hang, the worker writes here what it is about to do: "stuck in fallocate on
 * the log of web since 14 s" can then be said without asking the kernel. The trimmer's intent lies here too: what a
 * killed trimmer began, the next one finishes. */

#include <stdatomic.h>
#include <stdint.h>

#include "act.h"

/* A cut that has begun. Written before the first byte of the log is changed, cleared after the last step. Offsets in
 * bytes. Doing all steps again does no harm as long as size and inode still fit. */
typedef struct Intent {
        _Atomic uint32_t pending; /* set last, cleared first */
        Method method;
        uint32_t root;
        char container[CONTAINER_ID_MAX];
        uint64_t device, inode;
        uint64_t size_bytes_before; /* tells a collapse that was done from one that was not */
        uint64_t blank_from, blank_to; /* the whole line that the cut goes through becomes spaces */
        uint64_t cut_from, cut_to;     /* the range that is collapsed or punched, block-aligned */
        uint64_t behind_hash;          /* METHOD_BLANK: of what stands behind the blank, in the same line */
} Intent;

typedef struct StagePage {
        uint64_t version;            /* STAGE_VERSION */
        _Atomic uint64_t since_usec; /* monotonic; 0: in no call that may hang */
        char call[24];               /* "statvfs", "fallocate" */
        char subject[72];            /* "the log of 4f1c2a9be6d0", a path: sanitised */
        uint64_t act;                /* id of the act under way */
        Intent intent;
} StagePage;

/* Says which structs these are, where a page has survived an upgrade of the program. */
#define STAGE_VERSION (UINT64_C(0x5354414745000001) + (sizeof(StagePage) << 16))

/* Around each call that may hang on a disk. Not nested: the later one counts. */
void stage_enter(StagePage *page, const char *call, const char *subject);
void stage_leave(StagePage *page);
