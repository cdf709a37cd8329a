/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_marker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log_ends.h"

#define MARKER_TEXT "diskbrake freed "
#define MARKER_BYTES 4096

bool log_marker_is(const char *line, size_t n_bytes, const LogRecord *record, uint64_t *ret_freed_bytes) {
        const size_t n = sizeof(MARKER_TEXT) - 1;

        if (n_bytes == 0 || line[n_bytes - 1] != ' ' || record->log.n_bytes <= n || memcmp(record->log.text, MARKER_TEXT, n) != 0)
                return false;
        /* Quotes end the text: it does not read on. */
        *ret_freed_bytes = strtoull(record->log.text + n, NULL, 10);
        return true;
}

typedef struct Marker {
        int64_t nsec; /* of the newest line that was freed */
        uint64_t freed_bytes, end_offset;
} Marker;

static bool find_marker(LogPiece *piece, Marker *ret) {
        LogLines *lines = NULL;
        const char *line;
        size_t n;
        LogRecord record;
        bool is_marker = false;

        if (log_piece_open(piece) < 0)
                return false;
        if (log_lines_new(piece->fd, piece->packing, 0, &lines) == 0 && log_lines_next(lines, &line, &n) > 0 &&
            log_record_parse(line, n, &record) == 0 && log_marker_is(line, n, &record, &ret->freed_bytes)) {
                is_marker = true;
                ret->nsec = record.time_nsec;
                ret->end_offset = log_lines_offset(lines);
        }
        lines = log_lines_free(lines);
        if (piece->is_archive)
                log_piece_close(piece);
        return is_marker;
}

/* Whether the archives up to that one hold all that the marker says was freed, as far back as there are any. They
 * must join: a cut goes through the last line of what was archived, and the next archive begins where the cut was. */
static bool hold_all(const LogPieces *archives, size_t last, uint64_t freed_bytes) {
        uint64_t held = 0;

        for (size_t i = last;; i--) {
                const LogPiece *archive = archives->pieces + i, *before = archive - 1;

                held += archive->archive_to - archive->archive_from;
                if (held >= freed_bytes || archive->archive_from == 0 || i == 0)
                        return true;
                if (before->inode != archive->inode)
                        return false;
                /* Behind the marker: the hole of before was collapsed. */
                if (archive->archive_from != MARKER_BYTES &&
                    (before->archive_to < archive->archive_from || before->archive_to - archive->archive_from > LOG_LINE_MAX))
                        return false;
        }
}

/* The marker says how much is missing where it stands: nothing is, if archives hold it. n: of the archives, which are in front of
 * that piece. */
static int pass_marker(LogPiece *piece, const LogPieces *archives, size_t n) {
        Marker marker;
        LogEnd end;
        int r;

        while (n > 0 && archives->pieces[n - 1].inode != piece->inode)
                n--;
        if (n == 0 || archives->pieces[n - 1].packing != LOG_ZSTD || !find_marker(piece, &marker))
                return 0;
        r = log_ends_find_last(archives->pieces + n - 1, &end);
        if (r > 0 && end.last_nsec == marker.nsec && hold_all(archives, n - 1, marker.freed_bytes))
                piece->from_offset = MAX(piece->from_offset, marker.end_offset);
        log_end_done(&end);
        return r == -ENOMEM ? r : 0;
}

/* In an archive there is one where all of a segment was kept: the last of its file. */
int log_marker_pass(LogPieces *archives, LogPieces *files) {
        int r = 0;

        for (size_t i = 0; i < files->n && r >= 0; i++)
                if (files->pieces[i].packing == LOG_PLAIN)
                        r = pass_marker(files->pieces + i, archives, archives->n);
        for (size_t i = 1; i < archives->n && r >= 0; i++) {
                LogPiece *archive = archives->pieces + i;

                if (archive->packing == LOG_ZSTD && archive->archive_from == 0 && archive[-1].inode == archive->inode &&
                    (i + 1 == archives->n || archive[1].inode != archive->inode))
                        r = pass_marker(archive, archives, i);
        }
        return r;
}
