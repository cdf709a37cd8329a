/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One container's log, from its files: what Docker's own readers do not get past is no obstacle here. */

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log_find.h"
#include "log_lines.h"
#include "log_output.h"
#include "log_range.h"
#include "units.h"

#define NSEC_PER_USEC 1000
/* How soon a new line is seen with --follow. */
#define FOLLOW_MSEC 200
/* In the middle of a rotation there is no file for a moment; longer, and the container was removed. */
#define GONE_LOOKS_MAX 10
/* Quiet for so many looks (2 s), a file is at rest: with a writer that goes on it is held open, by Docker as well. */
#define IDLE_LOOKS 10
/* Each cut of a flooded log frees at least some MiB: nobody cuts so often while that is read. */
#define ATTEMPTS_MAX 100

typedef struct LogsCall {
        LogRange range;
        LogFormat format;
        uint64_t skip; /* so many of the records in the range are not printed */
        bool is_over;  /* past --until, or nobody reads any more */
        bool has_printed;
        LogPlace where;
        /* The last one that was read, to find the place again when the file has shrunk: how often it came in a row, since
         * the pieces of a very long line may all be alike. */
        int64_t last_nsec;
        char *last_line;
        size_t last_bytes;
        uint64_t last_times;
        bool is_searching; /* it is gone: what is older is passed over until there is one that is not */
} LogsCall;

/* ---- arguments ----------------------------------------------------------------------------------------------- */

static int parse_time(const char *option, const char *text, int64_t *ret_nsec) {
        struct timespec now;
        uint64_t usec;

        if (log_record_parse_time(text, strlen(text), ret_nsec) == 0)
                return CLI_OK;
        if (span_parse(text, &usec) < 0 || usec >= UINT64_C(1) << 52) {
                cli_error("%s %s is neither a time nor a duration: 2026-11-27T20:31:00Z, 10min, 2h", option, text);
                return CLI_USAGE;
        }
        (void) clock_gettime(CLOCK_REALTIME, &now);
        *ret_nsec = now.tv_sec * INT64_C(1000000000) + now.tv_nsec - (int64_t) usec * NSEC_PER_USEC;
        return CLI_OK;
}

static int read_arguments(const Arguments *a, LogsCall *c) {
        char *end;
        int r = CLI_OK;

        c->range = (LogRange){INT64_MIN, INT64_MAX, LOG_RANGE_ALL};
        if (a->lines && !streq(a->lines, "all")) {
                errno = 0;
                c->range.last = strtoull(a->lines, &end, 10);
                if (a->lines[0] < '0' || a->lines[0] > '9' || *end || errno) {
                        cli_error("--lines %s is not a number of lines", a->lines);
                        return CLI_USAGE;
                }
        }
        if (a->since)
                r = parse_time("--since", a->since, &c->range.since_nsec);
        if (a->until && r == CLI_OK)
                r = parse_time("--until", a->until, &c->range.until_nsec);
        c->format = a->json ? LOG_FORMAT_JSON : isatty(STDOUT_FILENO) ? LOG_FORMAT_TERMINAL : LOG_FORMAT_PLAIN;
        return r;
}

/* ---- printing ------------------------------------------------------------------------------------------------ */

static bool is_last(const LogsCall *c, const char *line, size_t n_bytes) {
        return c->last_line && n_bytes == c->last_bytes && memcmp(line, c->last_line, n_bytes) == 0;
}

static int remember(LogsCall *c, const char *line, size_t n_bytes, int64_t nsec) {
        char *copy;

        if (is_last(c, line, n_bytes)) {
                c->last_times++;
                return 0;
        }
        copy = realloc(c->last_line, n_bytes + 1);
        if (!copy)
                return -ENOMEM;
        c->last_times = 1;
        c->last_line = copy;
        memcpy(c->last_line, line, n_bytes);
        c->last_bytes = n_bytes;
        c->last_nsec = nsec;
        return 0;
}

static int take_line(LogsCall *c, const char *line, size_t n_bytes) {
        LogRecord record;
        int r;

        if (log_record_parse(line, n_bytes, &record) != 0 || (c->is_searching && record.time_nsec < c->last_nsec))
                return 0;
        c->is_searching = false;
        r = remember(c, line, n_bytes, record.time_nsec);
        if (r < 0)
                return r;
        if (log_range_is_behind(&c->range, &record))
                c->is_over = true;
        if (!log_range_has(&c->range, &record))
                return 0;
        if (c->skip > 0) {
                c->skip--;
                return 0;
        }
        c->has_printed = true;
        r = log_output_print(stdout, c->format, &record);
        c->is_over = c->is_over || ferror(stdout);
        return r;
}

/* All whole lines that there are, up to an offset: what is written meanwhile does not end. */
static int print_lines(LogsCall *c, LogLines *lines, uint64_t end_offset) {
        const char *line;
        size_t n_bytes;
        int r = 0;

        while (!c->is_over && (end_offset == UINT64_MAX || log_lines_offset(lines) < end_offset) &&
               (r = log_lines_next(lines, &line, &n_bytes)) > 0) {
                r = take_line(c, line, n_bytes);
                if (r < 0)
                        return r;
        }
        return MIN(r, 0);
}

/* Through all files from there on; the last one, which is written, stays in *ret_lines where --follow is wanted. Those that
 * have been read are closed: somebody may want to free them, and the reader of our output may take its time. */
static int print_pieces(LogsCall *c, LogPieces *pieces, const LogStart *start, LogLines **ret_lines) {
        int r = 0;

        c->skip = start->skip;
        for (size_t i = 0; i < pieces->n && !c->is_over && r >= 0; i++) {
                _cleanup_(log_lines_freep) LogLines *lines = NULL;
                LogPiece *piece = pieces->pieces + i;
                bool is_live = i == pieces->n - 1 && log_piece_is_live(piece), packed = piece->packing != LOG_PLAIN;

                if (i < start->piece) {
                        log_piece_close(piece);
                        continue;
                }
                if (log_piece_has_changed(piece))
                        return -ESTALE;
                r = log_piece_open(piece);
                if (r == -ENOENT) { /* an archive that had to go meanwhile */
                        r = 0;
                        continue;
                }
                if (r >= 0)
                        r = log_lines_new(piece->fd, piece->packing, i == start->piece ? start->offset : piece->from_offset, &lines);
                if (r >= 0)
                        r = print_lines(c, lines, packed || (is_live && ret_lines) ? UINT64_MAX : piece->size_bytes);
                if (r == -EBADMSG) {
                        if (piece->is_archive)
                                cli_error("%s is damaged: what follows in it is left out", piece->path);
                        else
                                cli_error("%s.%u.gz is damaged: what follows in it is left out", c->where.path, piece->number);
                        r = 0;
                }
                if (is_live && ret_lines)
                        *ret_lines = TAKE_PTR(lines);
                else
                        log_piece_close(piece);
        }
        return r;
}

/* ---- when the files change ----------------------------------------------------------------------------------- */

/* In one piece. 1: it is there, and where to begin behind it; 0: it is not. */
static int find_place_in(const LogsCall *c, LogPiece *piece, uint64_t from_offset, LogStart *ret_start) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        uint64_t times = 0, n_in_range = 0;
        const char *line;
        size_t n_bytes;
        LogRecord record;
        int r;

        r = log_piece_open(piece);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        r = log_lines_new(piece->fd, piece->packing, from_offset, &lines);
        while (r >= 0 && times < c->last_times && (r = log_lines_next(lines, &line, &n_bytes)) > 0) {
                if (log_record_parse(line, n_bytes, &record) != 0)
                        continue;
                if (is_last(c, line, n_bytes)) {
                        times++;
                        if (piece->packing == LOG_PLAIN)
                                ret_start->offset = log_lines_offset(lines);
                } else if (times > 0)
                        break; /* the first of them were cut away */
                n_in_range += log_range_has(&c->range, &record);
        }
        if (times == 0)
                return r == -EBADMSG ? 0 : MIN(r, 0);
        /* A compressed one can only be read from its beginning. */
        ret_start->skip = piece->packing != LOG_PLAIN ? n_in_range : 0;
        return 1;
}

/* Behind the last line that was read, wherever that is now: 1. Where it is gone: 0, and where to look for newer ones. */
static int find_place(const LogsCall *c, const LogPieces *pieces, LogStart *ret_start) {
        LogRange range = {c->last_nsec, INT64_MAX, LOG_RANGE_ALL};
        LogStart start;
        int r;

        r = log_range_find_start(&range, pieces, ret_start);
        for (size_t i = ret_start->piece; r == 0 && i < pieces->n; i++) {
                start = (LogStart){.piece = i};
                r = find_place_in(c, pieces->pieces + i, i == ret_start->piece ? ret_start->offset : pieces->pieces[i].from_offset, &start);
                if (r > 0)
                        *ret_start = start;
        }
        return r;
}

/* They were rotated, or cut under us. lines: NULL where --follow is not wanted. */
static int go_on(LogsCall *c, LogPieces *pieces, LogLines **lines) {
        LogPieces fresh = {};
        LogStart start = {};
        int r = 0;

        r = log_pieces_open(c->where.path, c->where.archives, c->where.id12, &fresh);
        if (r < 0)
                return r;
        if (lines)
                *lines = log_lines_free(*lines);
        log_pieces_close(pieces);
        *pieces = fresh;
        if (c->last_line) {
                r = find_place(c, pieces, &start);
                c->is_searching = r == 0;
        }
        return r < 0 ? r : print_pieces(c, pieces, &start, lines);
}

/* What there is, although it is cut again and again. */
static int print_all(LogsCall *c, LogPieces *pieces, LogLines **lines) {
        LogStart start;
        int r = -ESTALE;

        /* From the start, as long as nothing was printed. */
        for (int i = 0; i < ATTEMPTS_MAX && r == -ESTALE && !c->has_printed; i++) {
                log_pieces_close(pieces);
                r = log_pieces_open(c->where.path, c->where.archives, c->where.id12, pieces);
                if (r >= 0)
                        r = log_range_find_start(&c->range, pieces, &start);
                if (r >= 0)
                        r = print_pieces(c, pieces, &start, lines);
        }
        for (int i = 0; i < ATTEMPTS_MAX && r == -ESTALE; i++)
                r = go_on(c, pieces, lines);
        return r;
}

/* ---- --follow ------------------------------------------------------------------------------------------------ */

/* Whether what is at the path is no longer what is read, or is shorter than that. -ENOENT: nothing is there. */
static int has_changed(const LogsCall *c, const LogPieces *pieces, const LogLines *lines) {
        const LogPiece *live = pieces->n > 0 ? pieces->pieces + pieces->n - 1 : NULL;
        struct stat st;

        if (lstat(c->where.path, &st) < 0)
                return -errno;
        return !live || !lines || !log_piece_is_live(live) || st.st_dev != live->device || st.st_ino != live->inode ||
                (uint64_t) st.st_size < log_lines_offset(lines);
}

/* A file that nobody writes is held open only while it is read: a container that is at rest can be trimmed and removed.
 * -errno of open(2). */
static int hold(LogsCall *c, LogPieces *pieces, LogLines *lines) {
        LogPiece *live = pieces->pieces + pieces->n - 1;

        if (live->fd >= 0)
                return 0;
        live->fd = open(c->where.path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (live->fd < 0)
                return -errno;
        log_lines_set_fd(lines, live->fd);
        return 0;
}

/* One look. 1: there was something new. */
static int look(LogsCall *c, LogPieces *pieces, LogLines **lines) {
        uint64_t before = *lines ? log_lines_offset(*lines) : 0;
        int changed = has_changed(c, pieces, *lines), r = 0;

        if (*lines && changed == 0)
                r = hold(c, pieces, *lines);
        /* Also what was rotated away, or whose name was removed, meanwhile. */
        if (*lines && r >= 0 && pieces->pieces[pieces->n - 1].fd >= 0)
                r = print_lines(c, *lines, UINT64_MAX);
        if (changed < 0)
                return changed;
        if (r == -ESTALE || (r == 0 && changed > 0)) {
                r = go_on(c, pieces, lines);
                return r < 0 ? r : 1;
        }
        return r < 0 ? r : *lines && log_lines_offset(*lines) != before;
}

static int follow(LogsCall *c, LogPieces *pieces, LogLines **lines) {
        const struct timespec pause = {.tv_nsec = FOLLOW_MSEC * 1000000L};
        unsigned gone = 0, idle = 0;
        int r;

        for (;;) {
                if (fflush(stdout) != 0 || c->is_over)
                        return 0;
                (void) nanosleep(&pause, NULL);
                r = look(c, pieces, lines);
                gone = r == -ENOENT ? gone + 1 : 0;
                if (gone == GONE_LOOKS_MAX)
                        return 0; /* the container was removed */
                /* In the middle of a rotation, cut again, or under a lease: with the next look. */
                if (r < 0 && r != -ENOENT && r != -EAGAIN && r != -ESTALE)
                        return r;
                idle = r == 0 ? idle + 1 : 0;
                if (idle >= IDLE_LOOKS && pieces->n > 0)
                        log_piece_close(pieces->pieces + pieces->n - 1);
        }
}

int command_logs(const Arguments *a) {
        LogsCall *c = calloc(1, sizeof(*c));
        LogPieces pieces = {};
        LogLines *lines = NULL;
        struct rlimit files;
        int r;

        if (!c) {
                cli_error("%s", strerror(ENOMEM));
                return CLI_FAILED;
        }
        r = read_arguments(a, c);
        if (r == CLI_OK)
                r = log_find(a, &c->where);
        if (r != CLI_OK) {
                free(c);
                return r;
        }
        /* A descriptor for each segment. */
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = files.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &files);
        }
        r = print_all(c, &pieces, a->follow ? &lines : NULL);
        if (r >= 0 && a->follow)
                r = follow(c, &pieces, &lines);
        if (r < 0)
                cli_error("%s: %s", c->where.path, r == -EACCES ? "only root may read Docker's logs" : strerror(-r));
        log_lines_free(lines);
        log_pieces_close(&pieces);
        free(c->last_line);
        free(c);
        return r < 0 ? CLI_FAILED : CLI_OK;
}
