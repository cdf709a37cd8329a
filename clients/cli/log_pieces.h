/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that one container's log consists of: what was archived of it, rotated segments, then the one that is written.
 * Lines that were archived and not freed yet are in two of them; they are read from one. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log_lines.h"
#include "macros.h"

typedef struct LogHead LogHead;

typedef struct LogPiece {
        int fd; /* -EBADF: closed */
        LogPacking packing;
        bool is_archive; /* opened when it is needed: log_piece_open(); it may have been removed since */
        char *path;      /* of an archive */
        unsigned number; /* of the rotation: 1 is the newest; 0: the one that is written */
        uint64_t size_bytes; /* when it was opened; of an archive 0 */
        uint64_t from_offset; /* of what it is unpacked: what is in front of it is read from an archive */
        LogHead *head; /* a plain one: what stood at its first data */
        dev_t device;
        ino_t inode; /* of an archive: that of the file that it was read from */
        unsigned archive_folder; /* a container that was renamed has several */
        uint64_t archive_number, archive_from, archive_to;
        /* What log_ends.h has found in it. */
        bool first_is_known, has_first, newest_is_known, is_settled;
        int64_t first_nsec, newest_nsec; /* of its first record; the newest one near its end */
        uint64_t first_offset;
} LogPiece;

typedef struct LogPieces {
        LogPiece *pieces; /* the oldest first */
        size_t n;
} LogPieces;

/* path: of the file that is written; "": there is none any more, or it is not wanted. archives: the folder of all
 * archives, ""; id12: the first twelve digits of the container's id. All but archives are opened as they stood at one
 * moment, also while Docker rotates. -ENOENT: none of them is there; -EAGAIN: they are being rotated faster than they are
 * opened, or somebody has a lease; -E2BIG: too many. An open one cannot be freed: they are to be closed as soon as they
 * have been read. */
int log_pieces_open(const char *path, const char *archives, const char *id12, LogPieces *ret_pieces);
/* For those who fill it. NULL: no memory; valid until the next one is added. */
LogPiece *log_pieces_add(LogPieces *pieces);
/* -ENOENT: an archive that was removed. */
int log_piece_open(LogPiece *piece);
static inline bool log_piece_is_live(const LogPiece *piece) { return !piece->is_archive && piece->number == 0; }
/* It was cut in front, or begun again, since it was opened: what was archived meanwhile is not among the pieces. */
bool log_piece_has_changed(const LogPiece *piece);
void log_piece_close(LogPiece *piece);
void log_pieces_drop(LogPieces *pieces, size_t i);
void log_pieces_close(LogPieces *pieces);
