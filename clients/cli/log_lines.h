/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The lines of one file of a log, plain or packed, from an offset on. Holes, NULs and filler (what a punch, somebody's
 * truncate or a fill leaves) are passed over, and so is what is longer than any line of Docker's. */

#include <stddef.h>
#include <stdint.h>

#include "macros.h"

/* Docker cuts messages at 16 KiB; escaped, six times as much, and labels beside it. */
#define LOG_LINE_MAX (1024 * 1024)

typedef enum LogPacking { LOG_PLAIN, LOG_GZIP, LOG_ZSTD } LogPacking;

typedef struct LogLines LogLines;

/* Borrows fd. Plain: from that offset on, which may lie within a line: then only what follows the line is whole.
 * Packed: the same of what is unpacked, which is read through from its beginning; only one reader of an fd at a time.
 * -ENOMEM. */
int log_lines_new(int fd, LogPacking packing, uint64_t offset, LogLines **ret_lines);
/* zstd: from the frame on that begins at that offset of the file. log_lines_offset() counts from there. */
int log_lines_new_at_frame(int fd, uint64_t offset, LogLines **ret_lines);
LogLines *log_lines_free(LogLines *lines);
static inline void log_lines_freep(LogLines **lines) { *lines = log_lines_free(*lines); }

/* 1 and a line without its newline, valid until the next call. 0: no whole one any more; of a plain file that has grown
 * there may be one later. -errno; -EBADMSG: not packed so, or cut off; -ESTALE: what was read last is no longer where it was, since
 * the file was cut in front of it or begun again. */
int log_lines_next(LogLines *lines, const char **ret_line, size_t *ret_bytes);

/* Plain: the same file by another descriptor, borrowed. */
void log_lines_set_fd(LogLines *lines, int fd);

/* Where the next line begins, in what is unpacked. */
uint64_t log_lines_offset(const LogLines *lines);
