/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The first record of a piece and the last ones of an archive: they tell in which order the pieces are to be read, and
 * which lines are in two of them. */

#include "log_pieces.h"

/* Time and offset (of what it is unpacked) of its first record that is no marker. Looked for once. false: there is none
 * that can be read. The piece must be open, but for an archive. */
bool log_ends_find_first(LogPiece *piece);

typedef struct LogEnd {
        struct {
                char *bytes; /* with newline; NULL: there are not so many */
                size_t n_bytes;
                uint64_t end_offset; /* behind it, of what is unpacked */
        } last[2]; /* [0] is the last one, [1] that before */
        int64_t last_nsec;
} LogEnd;

/* The last records of an archive, of those that can be read. 1; 0: there is none, or it is a gzip; -errno. */
int log_ends_find_last(LogPiece *archive, LogEnd *ret_end);
void log_end_done(LogEnd *end);
