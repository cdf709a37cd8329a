/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_overlap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_ends.h"
#include "log_marker.h"
#include "log_order.h"

/* Whatever is taken out of a file is a multiple of that, so offsets within it stay. Where lines are all alike to the last
 * byte (pieces of a line without an end), that tells them apart. */
#define BLOCK_BYTES 4096

/* Times ascend only roughly. */
#define DISORDER_NSEC INT64_C(60000000000)

/* One may lie within an older one (archived, cut less, archived again): so many that are older have to be seen in a row. */
#define OLDER_MAX 3

#define COMPARE_BYTES (64 * 1024)

/* ---- where an archive lies in a file ------------------------------------------------------------------------- */

static bool bytes_are_at(const LogPiece *file, int64_t offset, const char *bytes, size_t n) {
        char *there;
        bool are = false;

        if (offset < 0)
                return false;
        there = malloc(n);
        if (there)
                are = pread(file->fd, there, n, offset) == (ssize_t) n && memcmp(there, bytes, n) == 0;
        free(there);
        return are;
}

/* Where a piece began in the file that it was read from. */
static int64_t base(const LogPiece *piece) { return piece->is_archive ? (int64_t) piece->archive_from : 0; }

/* Whether the archive may begin there in a piece; it may be in front of it. */
static bool may_begin_at(const LogPiece *archive, const LogPiece *piece, int64_t offset) {
        return (base(piece) + offset - (int64_t) archive->archive_from) % BLOCK_BYTES == 0;
}

/* By reading the file, up to limit. */
static int search(const LogPiece *file, uint64_t limit, const LogPiece *archive, const LogEnd *end, int64_t *ret_begin) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        unsigned n_others = 0;
        int64_t begin, other = 0;
        const char *line;
        size_t n;
        int r;

        r = log_lines_new(file->fd, file->packing, file->first_offset, &lines);
        while (r >= 0 && (r = log_lines_next(lines, &line, &n)) > 0 && log_lines_offset(lines) <= limit)
                for (size_t i = 0; i < ELEMENTS(end->last); i++) {
                        if (!end->last[i].bytes || end->last[i].n_bytes != n + 1 || memcmp(end->last[i].bytes, line, n) != 0)
                                continue;
                        begin = (int64_t) log_lines_offset(lines) - (int64_t) end->last[i].end_offset;
                        if (may_begin_at(archive, file, begin)) {
                                *ret_begin = begin;
                                return 1;
                        }
                        n_others += n_others == 0 || begin != other;
                        other = begin;
                }
        *ret_begin = other;
        return r < 0 && r != -EBADMSG ? r : n_others == 1;
}

/* The file may be an archive as well. 1, and where the archive begins in the file, or would if that were still there; 0: its end is not in it. */
static int find_in(const LogPiece *file, const LogPiece *archive, const LogEnd *end, int64_t *ret_begin) {
        /* Of the line that a cut goes through there are only spaces left: so the one before counts as well. */
        *ret_begin = (int64_t) archive->archive_from;
        for (size_t i = 0; i < ELEMENTS(end->last) && file->packing == LOG_PLAIN; i++)
                if (end->last[i].bytes && bytes_are_at(file, *ret_begin + (int64_t) (end->last[i].end_offset - end->last[i].n_bytes),
                                                  end->last[i].bytes, end->last[i].n_bytes))
                        return 1;
        /* What follows the archive is the first: all of it was freed. */
        if (may_begin_at(archive, file, (int64_t) file->first_offset - (int64_t) end->last[0].end_offset) &&
            (archive->first_nsec != file->first_nsec || archive->first_nsec == end->last_nsec))
                return 0;
        /* What is cut moves it to the front. */
        return search(file, archive->archive_to - MIN((uint64_t) base(file), archive->archive_to), archive, end, ret_begin);
}

typedef enum Overlap { IS_OLDER = 1, IS_ELSEWHERE, IS_WHOLE, IS_CUT } Overlap;

static bool is_older(const LogPiece *file, const LogPiece *archive) {
        return archive->newest_is_known && archive->newest_nsec < file->first_nsec && archive->first_nsec != file->first_nsec;
}

/* ret_behind: where in the file it ends. Negative errno, or an Overlap. */
static int examine(const LogPiece *file, LogPiece *archive, uint64_t *ret_behind) {
        LogEnd end;
        int64_t begin;
        int r;

        if (!log_ends_find_first(archive))
                return IS_ELSEWHERE;
        if (is_older(file, archive))
                return IS_OLDER;
        r = log_ends_find_last(archive, &end);
        if (r <= 0)
                return r == -ENOMEM ? r : IS_ELSEWHERE;
        if (is_older(file, archive))
                r = IS_OLDER;
        else {
                r = find_in(file, archive, &end, &begin);
                if (r > 0) {
                        *ret_behind = (uint64_t) (begin + (int64_t) end.last[0].end_offset);
                        /* In the file, lines that a cut is to go through may be blank already: in the archive they are not. */
                        begin += (int64_t) archive->first_offset - (int64_t) file->first_offset;
                        r = begin > 0 || (begin == 0 && file->packing != LOG_PLAIN) ? IS_WHOLE : IS_CUT;
                } else if (r == 0)
                        r = IS_ELSEWHERE;
        }
        log_end_done(&end);
        return r;
}

/* A segment that Docker had compressed, kept as it is, also where the archive was cut short since. */
static int examine_gzip(const LogPiece *file, LogPiece *archive) {
        char *bytes;
        struct stat st, whole;
        int r = IS_ELSEWHERE;

        if (log_piece_open(archive) < 0)
                return IS_ELSEWHERE;
        bytes = malloc(COMPARE_BYTES);
        if (!bytes)
                r = -ENOMEM;
        else if (fstat(archive->fd, &st) == 0 && fstat(file->fd, &whole) == 0 &&
                 (file->is_archive ? st.st_size == whole.st_size : st.st_size <= whole.st_size)) {
                size_t n = (size_t) MIN(st.st_size, (off_t) COMPARE_BYTES);

                if (pread(archive->fd, bytes, n, 0) == (ssize_t) n && bytes_are_at(file, 0, bytes, n) &&
                    pread(archive->fd, bytes, n, st.st_size - (off_t) n) == (ssize_t) n &&
                    bytes_are_at(file, st.st_size - (off_t) n, bytes, n))
                        r = IS_WHOLE;
        }
        free(bytes);
        log_piece_close(archive);
        return r;
}

/* Whether it may be of that file: an inode stays, but for one that Docker compresses. */
static bool may_be_of(const LogPiece *archive, const LogPiece *file) {
        if (file->packing == LOG_PLAIN)
                return archive->packing == LOG_ZSTD && archive->inode == file->inode;
        return archive->packing == LOG_ZSTD || archive->inode == file->inode;
}

/* ---- archives and files ----------------------------------------------------------------------------------------- */

/* limit_nsec: the file holds nothing that is newer. */
static int tell_apart(LogPieces *archives, LogPiece *file, int64_t limit_nsec) {
        size_t i = archives->n;
        unsigned n_older = 0;
        uint64_t behind = 0;
        int r = 0;

        if (file->packing != LOG_PLAIN && limit_nsec < INT64_MAX - DISORDER_NSEC)
                i = log_order_find(archives, limit_nsec + DISORDER_NSEC);
        while (i-- > 0 && r >= 0 && n_older < OLDER_MAX) {
                LogPiece *archive = archives->pieces + i;

                if (!may_be_of(archive, file))
                        continue;
                r = archive->packing == LOG_GZIP ? examine_gzip(file, archive) : examine(file, archive, &behind);
                n_older = r == IS_OLDER ? n_older + 1 : 0;
                /* The file as it is holds more than an archive may: a part of that may have been removed. */
                if (r == IS_WHOLE)
                        log_pieces_drop(archives, i);
                else if (r == IS_CUT)
                        file->from_offset = MAX(file->from_offset, behind);
        }
        return MIN(r, 0);
}

int log_overlap_tell_apart(LogPieces *archives, LogPieces *files) {
        int64_t limit_nsec = INT64_MAX;
        int r = 0;

        if (archives->n == 0)
                return 0;
        for (size_t i = files->n; i-- > 0 && r >= 0;) {
                LogPiece *file = files->pieces + i;

                if (!log_ends_find_first(file))
                        continue;
                r = tell_apart(archives, file, limit_nsec);
                limit_nsec = file->first_nsec;
        }
        return r < 0 ? r : log_marker_pass(archives, files);
}

/* ---- archives and archives ------------------------------------------------------------------------------------ */

/* Told by their names: nothing was moved in between, or only to the front. */
static bool is_behind(const LogPiece *piece, const LogPiece *before) {
        return piece->packing == LOG_ZSTD && piece->inode == before->inode && piece->archive_from > 0 &&
                piece->archive_from + LOG_LINE_MAX >= before->archive_to;
}

/* All of it is in an older one. */
static int find_within(LogPiece *piece, LogPiece *before) {
        LogEnd end;
        int64_t begin;
        int r;

        r = log_ends_find_last(piece, &end);
        if (r > 0)
                r = log_piece_open(before);
        if (r >= 0 && end.last[0].bytes && search(before, UINT64_MAX, piece, &end, &begin) > 0)
                piece->from_offset = INT64_MAX;
        log_piece_close(before);
        log_end_done(&end);
        return r == -ENOMEM ? r : IS_ELSEWHERE;
}

static int settle(LogPiece *piece, LogPiece *before) {
        uint64_t behind = 0;
        int r;

        if (before->packing == LOG_GZIP) {
                r = examine_gzip(piece, before);
                if (r == IS_WHOLE)
                        piece->from_offset = INT64_MAX;
                return r;
        }
        r = examine(piece, before, &behind);
        if (r == IS_WHOLE || r == IS_CUT)
                piece->from_offset = MAX(piece->from_offset, behind);
        return r == IS_ELSEWHERE ? find_within(piece, before) : r;
}

int log_overlap_settle(const LogPieces *pieces, size_t n) {
        LogPiece *piece = pieces->pieces + n;
        unsigned n_older = 0;
        int r = 0;

        if (!piece->is_archive || piece->is_settled)
                return 0;
        piece->is_settled = true;
        if (n == 0 || !log_ends_find_first(piece))
                return 0;
        for (size_t i = n; i-- > 0 && r >= 0 && n_older < OLDER_MAX;) {
                LogPiece *before = pieces->pieces + i;

                if (!before->is_archive || !may_be_of(before, piece))
                        continue;
                r = log_piece_open(piece);
                if (r >= 0)
                        r = is_behind(piece, before) ? IS_OLDER : settle(piece, before);
                n_older = r == IS_OLDER ? n_older + 1 : 0;
        }
        log_piece_close(piece);
        return r == -ENOMEM ? r : 0;
}
