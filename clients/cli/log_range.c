/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>

#include "log_lines.h"
#include "log_order.h"
#include "log_overlap.h"
#include "log_range.h"

/* Times ascend only roughly: a line waits for Docker's lock, and the pieces of a line without an end carry the time of its
 * beginning. So far back, and on, it is worth reading. */
#define DISORDER_NSEC INT64_C(60000000000)
/* Searching on within so little is not worth a seek. */
#define SEARCH_BYTES (128 * 1024)
/* The last lines are looked for in so much from the end, then in 4 times as much, ... */
#define TAIL_BYTES (64 * 1024)

bool log_range_has(const LogRange *range, const LogRecord *record) {
        return record->time_nsec >= range->since_nsec && record->time_nsec < range->until_nsec;
}

bool log_range_is_behind(const LogRange *range, const LogRecord *record) {
        return range->until_nsec < INT64_MAX - DISORDER_NSEC && record->time_nsec >= range->until_nsec + DISORDER_NSEC;
}

/* The next record from there on. 1: there is one; 0: none. */
static int next_record(LogLines *lines, LogRecord *ret_record) {
        const char *line;
        size_t n_bytes;
        int r;

        while ((r = log_lines_next(lines, &line, &n_bytes)) > 0)
                if (log_record_parse(line, n_bytes, ret_record) == 0)
                        return 1;
        return r == -EBADMSG ? 0 : r; /* as far as a damaged one can be read */
}

static bool is_packed(const LogPiece *piece) { return piece->packing != LOG_PLAIN; }

/* Time and end of the first record behind that offset of a plain file. */
static int record_behind(const LogPiece *piece, uint64_t offset, int64_t *ret_nsec, uint64_t *ret_end) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        LogRecord record;
        int r;

        r = log_lines_new(piece->fd, piece->packing, offset, &lines);
        if (r >= 0)
                r = next_record(lines, &record);
        if (r <= 0)
                return r;
        *ret_nsec = record.time_nsec;
        *ret_end = log_lines_offset(lines);
        return 1;
}

/* Where to begin in a plain file so as to miss nothing since then. */
static int find_time(const LogPiece *piece, int64_t since_nsec, uint64_t *ret_offset) {
        uint64_t low = piece->from_offset, high = piece->size_bytes, end;
        int64_t nsec;
        int r;

        while (high - low > SEARCH_BYTES) {
                uint64_t middle = low + (high - low) / 2;

                r = record_behind(piece, middle, &nsec, &end);
                if (r < 0)
                        return r;
                if (r > 0 && end <= high && nsec < since_nsec)
                        low = end;
                else
                        high = middle;
        }
        *ret_offset = low;
        return 0;
}

static int count_from(const LogRange *range, LogPiece *piece, uint64_t offset, uint64_t *ret_n) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        LogRecord record;
        int r;

        *ret_n = 0;
        r = log_piece_open(piece);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = log_lines_new(piece->fd, piece->packing, offset, &lines);
        while (r >= 0 && (r = next_record(lines, &record)) > 0 && !log_range_is_behind(range, &record) &&
               /* What is written meanwhile does not end. */
               (is_packed(piece) || log_lines_offset(lines) <= piece->size_bytes))
                *ret_n += log_range_has(range, &record);
        if (piece->is_archive) {
                lines = log_lines_free(lines);
                log_piece_close(piece);
        }
        return r < 0 ? r : 0;
}

/* Counts from the end on until there are enough, or all from `first` on are counted. */
static int count_last(const LogRange *range, LogPiece *piece, uint64_t first, uint64_t want, uint64_t *ret_offset,
                      uint64_t *ret_n) {
        uint64_t at_most = piece->size_bytes - MIN(first, piece->size_bytes), window = TAIL_BYTES;
        int r;

        do {
                *ret_offset = is_packed(piece) || window >= at_most ? first : piece->size_bytes - window;
                r = count_from(range, piece, *ret_offset, ret_n);
                window *= 4;
        } while (r >= 0 && *ret_n < want && *ret_offset > first);
        return r;
}

/* The piece in which `since` lies, and where. */
static int find_since(const LogRange *range, const LogPieces *pieces, LogStart *ret_start) {
        int64_t since_nsec = range->since_nsec;
        size_t n;
        int r;

        *ret_start = (LogStart){.offset = pieces->pieces[0].from_offset};
        if (since_nsec == INT64_MIN)
                return 0;
        since_nsec -= since_nsec > INT64_MIN + DISORDER_NSEC ? DISORDER_NSEC : 0;
        n = log_order_find(pieces, since_nsec - 1);
        if (n == 0)
                return 0;
        r = log_overlap_settle(pieces, n - 1);
        if (r < 0)
                return r;
        *ret_start = (LogStart){.piece = n - 1, .offset = pieces->pieces[n - 1].from_offset};
        return is_packed(pieces->pieces + n - 1) ? 0 : find_time(pieces->pieces + n - 1, since_nsec, &ret_start->offset);
}

int log_range_find_start(const LogRange *range, const LogPieces *pieces, LogStart *ret_start) {
        uint64_t want = range->last, offset = 0, n;
        LogStart since;
        int r;

        r = find_since(range, pieces, &since);
        if (r < 0 || range->last == LOG_RANGE_ALL) {
                *ret_start = since;
                return r;
        }
        for (size_t i = pieces->n; i-- > since.piece;) {
                r = log_overlap_settle(pieces, i);
                if (r >= 0)
                        r = count_last(range, pieces->pieces + i, i == since.piece ? since.offset : pieces->pieces[i].from_offset, want, &offset, &n);
                if (r < 0)
                        return r;
                if (n >= want) {
                        *ret_start = (LogStart){i, offset, n - want};
                        return 0;
                }
                want -= n;
        }
        *ret_start = since;
        return 0;
}
