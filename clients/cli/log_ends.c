/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_ends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zstd.h>

#include "log_marker.h"

/* Of an archive's end: a frame is as large as the longest line, and the last line may be in two. */
#define LAST_FRAMES 3

/* ---- the first ----------------------------------------------------------------------------------------------- */

static bool find_first(LogPiece *piece, LogLines *lines) {
        const char *line;
        size_t n_bytes;
        LogRecord record;
        uint64_t freed;

        while (log_lines_next(lines, &line, &n_bytes) > 0) {
                if (log_record_parse(line, n_bytes, &record) != 0 || log_marker_is(line, n_bytes, &record, &freed))
                        continue;
                piece->first_nsec = record.time_nsec;
                piece->first_offset = log_lines_offset(lines) - 1 - n_bytes;
                return true;
        }
        return false;
}

bool log_ends_find_first(LogPiece *piece) {
        LogLines *lines = NULL;

        if (piece->first_is_known)
                return piece->has_first;
        piece->first_is_known = true;
        if (log_piece_open(piece) < 0)
                return false;
        if (log_lines_new(piece->fd, piece->packing, 0, &lines) == 0)
                piece->has_first = find_first(piece, lines);
        lines = log_lines_free(lines);
        if (piece->is_archive)
                log_piece_close(piece);
        return piece->has_first;
}

/* ---- the last ------------------------------------------------------------------------------------------------ */

void log_end_done(LogEnd *end) {
        for (size_t i = 0; i < ELEMENTS(end->last); i++)
                free(end->last[i].bytes);
        *end = (LogEnd){};
}

/* Where the last frames begin, in the archive and in what it is unpacked. false: it is damaged. */
static bool walk(const char *packed, size_t n, uint64_t *ret_at, uint64_t *ret_unpacked) {
        uint64_t begins[LAST_FRAMES] = {}, unpacked[LAST_FRAMES] = {}, total = 0;
        size_t n_frames = 0, k, first;

        for (size_t at = 0; at < n; at += k, n_frames++) {
                unsigned long long content = ZSTD_getFrameContentSize(packed + at, n - at);

                k = ZSTD_findFrameCompressedSize(packed + at, n - at);
                if (ZSTD_isError(k) || content > INT64_MAX) /* unknown, or an error */
                        return false;
                begins[n_frames % LAST_FRAMES] = at;
                unpacked[n_frames % LAST_FRAMES] = total;
                total += content;
        }
        first = n_frames < LAST_FRAMES ? 0 : n_frames % LAST_FRAMES;
        *ret_at = begins[first];
        *ret_unpacked = unpacked[first];
        return n_frames > 0;
}

static bool find_last_frames(const LogPiece *archive, uint64_t *ret_at, uint64_t *ret_unpacked) {
        struct stat st;
        bool is_whole;
        char *packed;

        if (fstat(archive->fd, &st) < 0 || st.st_size <= 0)
                return false;
        packed = mmap(NULL, (size_t) st.st_size, PROT_READ, MAP_PRIVATE, archive->fd, 0);
        if (packed == MAP_FAILED)
                return false;
        is_whole = walk(packed, (size_t) st.st_size, ret_at, ret_unpacked);
        (void) munmap(packed, (size_t) st.st_size);
        return is_whole;
}

static int keep(LogEnd *end, const char *line, size_t n_bytes, uint64_t end_offset) {
        char *bytes = realloc(end->last[1].bytes, n_bytes + 1);

        if (!bytes)
                return -ENOMEM;
        memcpy(bytes, line, n_bytes);
        bytes[n_bytes] = '\n';
        end->last[1] = end->last[0];
        end->last[0].bytes = bytes;
        end->last[0].n_bytes = n_bytes + 1;
        end->last[0].end_offset = end_offset;
        return 0;
}

/* From that frame on, up to the end or to where it is damaged: 1, or -EBADMSG; 0: no record is there. */
static int read_records(LogPiece *archive, uint64_t at, uint64_t unpacked, LogEnd *end) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        const char *line;
        size_t n_bytes;
        LogRecord record;
        int r;

        log_end_done(end);
        archive->newest_nsec = INT64_MIN;
        r = log_lines_new_at_frame(archive->fd, at, &lines);
        while (r >= 0 && (r = log_lines_next(lines, &line, &n_bytes)) > 0) {
                if (log_record_parse(line, n_bytes, &record) != 0)
                        continue;
                r = keep(end, line, n_bytes, unpacked + log_lines_offset(lines));
                end->last_nsec = record.time_nsec;
                archive->newest_nsec = MAX(archive->newest_nsec, record.time_nsec);
        }
        return r < 0 ? r : end->last[0].bytes != NULL;
}

int log_ends_find_last(LogPiece *archive, LogEnd *ret_end) {
        uint64_t at = 0, unpacked = 0;
        bool is_whole;
        int r;

        *ret_end = (LogEnd){};
        if (archive->packing != LOG_ZSTD)
                return 0;
        r = log_piece_open(archive);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        is_whole = find_last_frames(archive, &at, &unpacked);
        r = read_records(archive, is_whole ? at : 0, is_whole ? unpacked : 0, ret_end);
        /* Damaged: as far as it can be read. */
        if (r == -EBADMSG && is_whole)
                r = read_records(archive, 0, 0, ret_end);
        log_piece_close(archive);
        if (r == -EBADMSG)
                r = ret_end->last[0].bytes != NULL;
        archive->newest_is_known = r >= 0;
        if (r < 0)
                log_end_done(ret_end);
        return r;
}
