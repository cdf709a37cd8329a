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
#include "log_last.h"
#include "log_lines.h"
#include "log_output.h"
#include "log_overlap.h"
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
        LogLast last;
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

static int take_line(LogsCall *c, const char *line, size_t n_bytes) {
        LogRecord record;
        int r;

        if (log_record_parse(line, n_bytes, &record) != 0 || (c->is_searching && record.time_nsec < c->last.nsec))
                return 0;
        c->is_searching = false;
        r = log_last_remember(&c->last, line, n_bytes, record.time_nsec);
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

/* All whole lines that there are, up to an offset: what is written meanwhile does not end. piece: where they are the first of it
 * that are read, else NULL. */
static int print_lines(LogsCall *c, LogLines *lines, uint64_t end_offset, const LogPiece *piece) {
        const char *line;
        size_t n_bytes;
        int r = 0;

        while (!c->is_over && (end_offset == UINT64_MAX || log_lines_offset(lines) < end_offset) &&
               (r = log_lines_next(lines, &line, &n_bytes)) > 0) {
                /* It may have been cut right before the first was read: from there on that is seen. */
                if (piece && log_piece_has_changed(piece))
                        return -ESTALE;
                piece = NULL;
                r = take_line(c, line, n_bytes);
                if (r < 0)
                        return r;
        }
        return MIN(r, 0);
}

static void say_damaged(const LogsCall *c, const LogPiece *piece) {
        if (piece->is_archive)
                cli_error("%s is damaged: what follows in it is left out", piece->path);
        else
                cli_error("%s.%u.gz is damaged: what follows in it is left out", c->where.path, piece->number);
}

/* From that offset on. keep: the lines are handed out, not freed. */
static int print_piece(LogsCall *c, LogPiece *piece, uint64_t offset, LogLines **keep) {
        _cleanup_(log_lines_freep) LogLines *lines = NULL;
        int r;

        if (log_piece_has_changed(piece))
                return -ESTALE;
        r = log_piece_open(piece);
        if (r == -ENOENT) /* an archive that had to go meanwhile */
                return 0;
        if (r >= 0)
                r = log_lines_new(piece->fd, piece->packing, offset, &lines);
        if (r >= 0)
                r = print_lines(c, lines, piece->packing != LOG_PLAIN || keep ? UINT64_MAX : piece->size_bytes, piece);
        if (keep && r >= 0)
                *keep = TAKE_PTR(lines);
        return r;
}

/* Through all files from there on; the last one, which is written, stays in *ret_lines where --follow is wanted. Those that
 * have been read are closed: somebody may want to free them, and the reader of our output may take its time. */
static int print_pieces(LogsCall *c, LogPieces *pieces, const LogStart *start, LogLines **ret_lines) {
        int r = 0;

        c->skip = start->skip;
        for (size_t i = 0; i < start->piece; i++)
                log_piece_close(pieces->pieces + i);
        for (size_t i = start->piece; i < pieces->n && !c->is_over && r >= 0; i++) {
                LogPiece *piece = pieces->pieces + i;
                bool keep = ret_lines && i == pieces->n - 1 && log_piece_is_live(piece);

                r = log_overlap_settle(pieces, i);
                if (r >= 0)
                        r = print_piece(c, piece, i == start->piece ? start->offset : piece->from_offset, keep ? ret_lines : NULL);
                if (r == -EBADMSG) {
                        say_damaged(c, piece);
                        r = piece->is_archive ? log_last_pass(&c->last, pieces, i + 1) : 0;
                }
                if (!keep)
                        log_piece_close(piece);
        }
        return r;
}

/* ---- when the files change ----------------------------------------------------------------------------------- */

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
        if (c->last.line) {
                r = log_last_find(&c->last, pieces, &start);
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
                r = print_lines(c, *lines, UINT64_MAX, NULL);
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

static void say_failed(const Arguments *a, const LogsCall *c, int r) {
        if (c->where.path[0])
                cli_error("%s: %s", c->where.path, r == -EACCES ? "only root may read Docker's logs" : strerror(-r));
        else if (r == -ENOENT)
                cli_error("nothing was archived of the log of %s", a->operands[0]);
        else
                cli_error("what was archived of %s: %s", a->operands[0], r == -EACCES ? "only root may read it" : strerror(-r));
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
                say_failed(a, c, r);
        log_lines_free(lines);
        log_pieces_close(&pieces);
        log_last_done(&c->last);
        free(c);
        return r < 0 ? CLI_FAILED : CLI_OK;
}
