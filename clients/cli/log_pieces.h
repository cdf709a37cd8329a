/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The files that one container's log consists of: rotated segments, then the one that is written. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "macros.h"

/* Docker's max-file is rarely above 100. */
#define LOG_PIECES_MAX 1024

typedef struct LogPiece {
        int fd; /* -EBADF: closed */
        unsigned number; /* of the rotation: 1 is the newest; 0: the one that is written */
        bool gzip;
        uint64_t size_bytes; /* when it was opened */
        dev_t device;
        ino_t inode;
} LogPiece;

typedef struct LogPieces {
        LogPiece *pieces; /* the oldest first */
        size_t n;
} LogPieces;

/* path: of the file that is written. All are opened as they stood at one moment, also while Docker rotates. -ENOENT: none
 * of them is there; -EAGAIN: they are being rotated faster than they are opened, or somebody has a lease; -E2BIG: too many.
 * An open one cannot be freed: they are to be closed as soon as they have been read. */
int log_pieces_open(const char *path, LogPieces *ret_pieces);
void log_piece_close(LogPiece *piece);
void log_pieces_close(LogPieces *pieces);
