/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that one container's log consists of: what was archived of it, rotated segments, then the one that is written.
 * Lines that were archived and not freed yet are in two of them; they are read from one. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log_lines.h"
#include "macros.h"

/* Docker's max-file is rarely above 100; archives of one container are some hundred at most, as shipped. */
#define LOG_PIECES_MAX 16384

/* The time of a line is in it, to the nanosecond. */
#define LOG_HEAD_BYTES 256

typedef struct LogPiece {
        int fd; /* -EBADF: closed */
        LogPacking packing;
        bool is_archive; /* opened when it is needed: log_piece_open(); it may have been removed since */
        char *path;      /* of an archive */
        unsigned number; /* of the rotation: 1 is the newest; 0: the one that is written */
        uint64_t size_bytes; /* when it was opened; of an archive 0 */
        uint64_t from_offset; /* what is in front of it was read from an archive */
        char head[LOG_HEAD_BYTES]; /* a plain one: what stood at its first data */
        uint64_t head_offset;
        size_t head_bytes;
        dev_t device;
        ino_t inode; /* of an archive: that of the file that it was read from */
        uint64_t archive_number, archive_to;
} LogPiece;

typedef struct LogPieces {
        LogPiece *pieces; /* the oldest first */
        size_t n;
} LogPieces;

/* path: of the file that is written; "": there is none any more, or it is not wanted. archives: the folder of all
 * archives, ""; id12: the first twelve digits of the container's id. All but archives are opened as they stood at one moment, also while Docker rotates. -ENOENT: none
 * of them is there; -EAGAIN: they are being rotated faster than they are opened, or somebody has a lease; -E2BIG: too many.
 * An open one cannot be freed: they are to be closed as soon as they have been read. */
int log_pieces_open(const char *path, const char *archives, const char *id12, LogPieces *ret_pieces);
/* For those who fill it. NULL: no memory, or too many; valid until the next one is added. */
LogPiece *log_pieces_add(LogPieces *pieces);
/* -ENOENT: an archive that was removed. */
int log_piece_open(LogPiece *piece);
static inline bool log_piece_is_live(const LogPiece *piece) { return !piece->is_archive && piece->number == 0; }
/* It was cut in front, or begun again, since it was opened: what was archived meanwhile is not among the pieces. */
bool log_piece_has_changed(const LogPiece *piece);
void log_piece_close(LogPiece *piece);
void log_pieces_close(LogPieces *pieces);
