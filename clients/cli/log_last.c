/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_last.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log_ends.h"

void log_last_done(LogLast *last) {
        free(last->line);
        *last = (LogLast){};
}

static bool is_it(const LogLast *last, const char *line, size_t n_bytes) {
        return last->line && n_bytes == last->n_bytes && memcmp(line, last->line, n_bytes) == 0;
}

int log_last_remember(LogLast *last, const char *line, size_t n_bytes, int64_t nsec) {
        char *copy;

        if (is_it(last, line, n_bytes)) {
                last->times++;
                return 0;
        }
        copy = realloc(last->line, n_bytes + 1);
        if (!copy)
                return -ENOMEM;
        last->times = 1;
        last->line = copy;
        memcpy(copy, line, n_bytes);
        last->n_bytes = n_bytes;
        last->nsec = nsec;
        return 0;
}

/* Where it was found so far, and how often; behind all of it: is_over. */
typedef struct Search {
        uint64_t times, offset;
        bool is_over;
} Search;

/* In one piece. 1: it is there. */
static int find_in(const LogLast *last, LogPiece *piece, uint64_t from_offset, Search *s) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        uint64_t before = s->times;
        const char *line;
        size_t n_bytes;
        LogRecord record;
        int r;

        r = log_piece_open(piece);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = log_lines_new(piece->fd, piece->packing, from_offset, &lines);
        while (r >= 0 && !s->is_over && (r = log_lines_next(lines, &line, &n_bytes)) > 0) {
                if (log_record_parse(line, n_bytes, &record) != 0)
                        continue;
                if (is_it(last, line, n_bytes)) {
                        s->times++;
                        s->offset = log_lines_offset(lines);
                        s->is_over = s->times == last->times;
                } else
                        s->is_over = s->times > 0; /* the first of them were cut away */
        }
        if (piece->is_archive) {
                lines = log_lines_free(lines);
                log_piece_close(piece);
        }
        return s->times > before ? 1 : r == -EBADMSG ? 0 : MIN(r, 0);
}

int log_last_find(const LogLast *last, const LogPieces *pieces, LogStart *ret_start) {
        LogRange range = {last->nsec, INT64_MAX, LOG_RANGE_ALL};
        Search search = {};
        LogStart start;
        int r;

        r = log_range_find_start(&range, pieces, &start);
        *ret_start = start;
        for (size_t i = start.piece; r >= 0 && i < pieces->n && !search.is_over; i++) {
                r = find_in(last, pieces->pieces + i, i == start.piece ? start.offset : pieces->pieces[i].from_offset, &search);
                if (r > 0)
                        *ret_start = (LogStart){.piece = i, .offset = search.offset};
        }
        return r < 0 ? r : search.times > 0;
}

int log_last_pass(const LogLast *last, LogPieces *pieces, size_t i) {
        int r = 0;

        for (; last->line && i < pieces->n && r >= 0; i++) {
                LogPiece *piece = pieces->pieces + i;
                Search search = {};

                if (!log_ends_find_first(piece))
                        continue;
                if (piece->first_nsec > last->nsec)
                        break;
                /* What it was to begin with counts on more than could be read. */
                piece->from_offset = MIN(piece->from_offset, piece->first_offset);
                r = find_in(last, piece, piece->from_offset, &search);
                if (r > 0)
                        piece->from_offset = search.offset;
        }
        return r;
}
