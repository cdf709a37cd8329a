/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Filler on disk: how much of a log it is, and the file that it is cloned from.
 *
 * That file lies beside the ballast: one block of filler, made once while there is room, and clones of it up to
 * FILLER_SOURCE_BYTES, which take no space. So filling a log needs no free byte, and one call for so much of it. Only a
 * regular file of ours with one link is ever touched. */

#include "filler_record.h"
#include "stage.h"

#define FILLER_NAME "diskbrake-filler"

/* What one call clones: while it lasts, the log's writer waits. */
#define FILLER_SOURCE_BYTES MIB(64)

/* How much of the head of an open log is filler that takes no space: blocks that say so and are shared. A copy of them
 * that is not shared, as in a log that was moved to another disk, is as good as any other line to be freed. */
uint64_t filler_measure(int fd, uint64_t size_bytes);

/* The file, for reading, made where it is not there or not whole. look_fd: the directory that it lies in. A descriptor;
 * -EOPNOTSUPP: the filesystem cannot share blocks; -EEXIST: something else has its name; -EBUSY: another trimmer is at it.
 * ret_call: the call that failed. */
int filler_open(StagePage *stage, int look_fd, const char **ret_call);
