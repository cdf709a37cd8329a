/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One container's live log, opened for an act and closed after it. Its path is built from the container's id alone and
 * opened beneath the root; it must be the very file that the act names, regular, with one link and a fit owner.
 *
 * While it is open it is locked (flock): a trimmer that was killed but is still stuck in the kernel with this log keeps
 * its lock until its call has ended, so two never change one log at a time.
 *
 * Every call that can hang on a disk writes itself to the stage page first; f->call names the last one, for the
 * report of a failure. Nothing is allocated: the struct is large and lives as long as the process. */

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "macros.h"
#include "stage.h"

/* Docker splits what it logs at 16 KiB; escapes (six bytes for one) and attributes inflate that to some 100 KiB. What
 * is longer than this is not a line of a log that we understand. Also the longest run of spaces we leave behind:
 * readers buffer leading white space whole. */
#define LOGFILE_LINE_MAX MIB(1)

#define LOGFILE_CHUNK_BYTES 65536u

typedef struct LogFile {
        StagePage *stage;
        int fd;
        const char *call; /* the last call that was made */
        char subject[40];
        struct stat st;   /* of the last logfile_stat() */
        char chunk[LOGFILE_CHUNK_BYTES];
} LogFile;

/* The name of a container's log, relative to the containers directory. */
#define LOGFILE_NAME_MAX 160
void logfile_name(const char *container, char ret_name[static LOGFILE_NAME_MAX]);

/* Positive: nothing was touched, nothing is open. */
#define LOGFILE_E_CHANGED 1 /* gone, or another file than device/inode */
#define LOGFILE_E_ODD 2     /* not regular, a second link, a strange owner, behind a symlink or a mount */
#define LOGFILE_E_BUSY 3    /* another trimmer still has it */
#define LOGFILE_E_FIXED 6   /* append-only or immutable (chattr +a, +i): the kernel allows no cut; f->call says which */
int logfile_open(LogFile *f, StagePage *stage, int containers_fd, const char *container, uint64_t device,
                 uint64_t inode, uint32_t owner_uid);
/* The same without the lock, and nothing can be changed in it. */
int logfile_open_reading(LogFile *f, StagePage *stage, int containers_fd, const char *container, uint64_t device,
                         uint64_t inode, uint32_t owner_uid);
void logfile_close(LogFile *f);

/* Looks at it again. LOGFILE_E_CHANGED: removed meanwhile; LOGFILE_E_ODD: it got a second link. */
int logfile_stat(LogFile *f);
static inline uint64_t logfile_size_bytes(const LogFile *f) { return (uint64_t) f->st.st_size; }
static inline uint64_t logfile_allocated_bytes(const LogFile *f) { return (uint64_t) f->st.st_blocks * 512; }

/* A write lease: granted only while nobody else has it open, and makes anybody who wants to wait until it is closed.
 * LOGFILE_E_BUSY: refused. Closing releases it. */
int logfile_lease(LogFile *f);

/* All of n bytes, or -ENODATA where the file is shorter. */
int logfile_read(LogFile *f, uint64_t offset, void *buf, size_t n);
/* All of n bytes in one call as far as the kernel does it; a negative errno may leave a part of it written. */
int logfile_write(LogFile *f, uint64_t offset, const void *buf, size_t n);
/* Spaces over [from, to), one call for up to LOGFILE_LINE_MAX. */
int logfile_blank(LogFile *f, uint64_t from, uint64_t to);
/* Waits until the bytes [from, to) have left for the disk. */
int logfile_flush(LogFile *f, uint64_t from, uint64_t to);
/* Sends them, and does not wait. */
int logfile_flush_begin(LogFile *f, uint64_t from, uint64_t to);
int logfile_fallocate(LogFile *f, int mode, uint64_t offset, uint64_t n);
/* [offset, offset + n) becomes what source_fd holds at its beginning, without a byte being copied. */
int logfile_clone(LogFile *f, int source_fd, uint64_t offset, uint64_t n);
/* Takes off what lies behind size_bytes. */
int logfile_truncate(LogFile *f, uint64_t size_bytes);
/* Writes out the whole filesystem: only where space that was freed is not there before (btrfs). */
int logfile_sync_filesystem(LogFile *f);

/* The first byte of data (of a hole) at or after offset; the size where there is none. */
int logfile_seek_data(LogFile *f, uint64_t offset, uint64_t *ret_offset);
int logfile_seek_hole(LogFile *f, uint64_t offset, uint64_t *ret_offset);

/* How much of [from, to) is data and not hole, by asking only: the first that many pieces; the rest counts as data. */
#define LOGFILE_PIECES_MAX 64
int logfile_data_bytes(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_bytes);

/* How much of [from, to) is shared with a snapshot or a reflink copy, and so is not free when it is freed here: exact, but
 * for a log of more pieces than are looked at, of which the rest counts as not shared. Negative: it cannot be asked. */
int logfile_shared_bytes(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_bytes);

/* The whole line that the offset lies in: [start, end), newline included. start == end == offset: a line begins right
 * there. A NUL before it counts as the end of a line. LOGFILE_E_NO_LINE: longer than LOGFILE_LINE_MAX, not ended yet,
 * or the offset lies in a hole. */
#define LOGFILE_E_NO_LINE 4
int logfile_find_line(LogFile *f, uint64_t offset, uint64_t *ret_start, uint64_t *ret_end);

/* Whether [from, to) still lies inside one line, with that line's newline right at to. 0; LOGFILE_E_NO_LINE. */
int logfile_check_line(LogFile *f, uint64_t from, uint64_t to);
