/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading a container's log from its files: lines, holes, segments, ranges, and what is printed. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "filler_record.h"
#include "log_lines.h"
#include "log_output.h"
#include "log_range.h"

#define SEC INT64_C(1000000000)
#define BASE_SEC INT64_C(1795811472) /* 2026-11-27T20:31:12Z */

typedef struct Folder {
        char path[64], log[96];
} Folder;

static int set_up(void **state) {
        Folder *f = calloc(1, sizeof(*f));

        (void) snprintf(f->path, sizeof(f->path), "/tmp/test_cli_logs.XXXXXX");
        if (!mkdtemp(f->path))
                return -1;
        (void) snprintf(f->log, sizeof(f->log), "%s/log", f->path);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Folder *f = *state;
        static const char *const names[] = {"", ".1", ".2", ".3", ".10", ".1.gz", ".2.gz", ".x", ".01", ".2.gz.tmp"};
        char path[128];

        for (size_t i = 0; i < ELEMENTS(names); i++) {
                (void) snprintf(path, sizeof(path), "%s%s", f->log, names[i]);
                (void) unlink(path);
        }
        (void) rmdir(f->path);
        free(f);
        return 0;
}

/* Record number n was written n seconds after BASE_SEC. */
static size_t make_record(char *buf, size_t n_bytes, unsigned n) {
        return (size_t) snprintf(buf, n_bytes,
                        "{\"log\":\"line %u\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T%02u:%02u:%02u.000000000Z\"}\n", n,
                        (20 * 3600 + 31 * 60 + 12 + n) / 3600, (31 * 60 + 12 + n) / 60 % 60, (12 + n) % 60);
}

static void write_records(const char *path, unsigned from, unsigned to) {
        FILE *f = fopen(path, "a");
        char line[256];

        assert_non_null(f);
        for (unsigned i = from; i < to; i++) {
                size_t n = make_record(line, sizeof(line), i);

                assert_int_equal(fwrite(line, 1, n, f), n);
        }
        assert_int_equal(fclose(f), 0);
}

static void write_text(const char *path, const char *text, size_t n) {
        int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, n), (ssize_t) n);
        (void) close(fd);
}

static void write_gzip(const char *path, unsigned from, unsigned to) {
        gzFile f = gzopen(path, "wb");
        char line[256];

        assert_non_null(f);
        for (unsigned i = from; i < to; i++) {
                size_t n = make_record(line, sizeof(line), i);

                assert_int_equal(gzwrite(f, line, (unsigned) n), (int) n);
        }
        assert_int_equal(gzclose(f), Z_OK);
}

/* The numbers of the records from there on, as "3 4 7". */
static void numbers(const LogPieces *pieces, const LogRange *range, char *ret, size_t n_bytes) {
        LogStart start;
        size_t used = 0;

        ret[0] = 0;
        assert_int_equal(log_range_find_start(range, pieces, &start), 0);
        for (size_t i = start.piece; i < pieces->n; i++) {
                LogLines *lines = NULL;
                const char *line;
                LogRecord r;
                size_t n;

                assert_int_equal(log_lines_new(pieces->pieces[i].fd, pieces->pieces[i].packing,
                                         i == start.piece ? start.offset : 0, &lines), 0);
                while (log_lines_next(lines, &line, &n) > 0) {
                        if (log_record_parse(line, n, &r) != 0 || !log_range_has(range, &r))
                                continue;
                        if (start.skip > 0) {
                                start.skip--;
                                continue;
                        }
                        used += (size_t) snprintf(ret + used, n_bytes - used, "%s%d", used ? " " : "", atoi(r.log.text + 5));
                }
                log_lines_free(lines);
        }
}

static void assert_numbers(const Folder *f, LogRange range, const char *wanted) {
        char found[4096];
        LogPieces pieces;

        assert_int_equal(log_pieces_open(f->log, "", "", &pieces), 0);
        numbers(&pieces, &range, found, sizeof(found));
        assert_string_equal(found, wanted);
        log_pieces_close(&pieces);
}

static LogRange range_of(int64_t since, int64_t until, uint64_t last) {
        return (LogRange){since < 0 ? INT64_MIN : (BASE_SEC + since) * SEC, until < 0 ? INT64_MAX : (BASE_SEC + until) * SEC, last};
}

static void segments_are_read_in_order(void **state) {
        Folder *f = *state;
        char path[128];

        (void) snprintf(path, sizeof(path), "%s.10", f->log);
        write_records(path, 0, 2);
        (void) snprintf(path, sizeof(path), "%s.2.gz", f->log);
        write_gzip(path, 2, 5);
        (void) snprintf(path, sizeof(path), "%s.1", f->log);
        write_records(path, 5, 7);
        write_records(f->log, 7, 9);
        /* Not Docker's, or not finished. */
        (void) snprintf(path, sizeof(path), "%s.1.gz", f->log);
        write_text(path, "unfinished", 10);
        (void) snprintf(path, sizeof(path), "%s.x", f->log);
        write_records(path, 100, 101);
        (void) snprintf(path, sizeof(path), "%s.01", f->log);
        write_records(path, 101, 102);
        (void) snprintf(path, sizeof(path), "%s.2.gz.tmp", f->log);
        write_records(path, 102, 103);
        (void) snprintf(path, sizeof(path), "%s.3", f->log);
        assert_int_equal(symlink("log.x", path), 0);

        assert_numbers(f, range_of(-1, -1, LOG_RANGE_ALL), "0 1 2 3 4 5 6 7 8");
        assert_numbers(f, range_of(-1, -1, 0), "");
        assert_numbers(f, range_of(-1, -1, 1), "8");
        assert_numbers(f, range_of(-1, -1, 3), "6 7 8");
        assert_numbers(f, range_of(-1, -1, 6), "3 4 5 6 7 8");
        assert_numbers(f, range_of(-1, -1, 100), "0 1 2 3 4 5 6 7 8");
        assert_numbers(f, range_of(4, -1, LOG_RANGE_ALL), "4 5 6 7 8");
        assert_numbers(f, range_of(1, 6, LOG_RANGE_ALL), "1 2 3 4 5");
        assert_numbers(f, range_of(1, 6, 2), "4 5");
        assert_numbers(f, range_of(1, 6, 100), "1 2 3 4 5");
        assert_numbers(f, range_of(100, -1, LOG_RANGE_ALL), "");
}

static void no_file_is_an_error(void **state) {
        Folder *f = *state;
        LogPieces pieces;

        assert_int_equal(log_pieces_open(f->log, "", "", &pieces), -ENOENT);
        assert_int_equal(log_pieces_open("/nowhere/log", "", "", &pieces), -ENOENT);
}

static void what_is_no_record_is_passed_over(void **state) {
        Folder *f = *state;
        static char nuls[3 * LOG_LINE_MAX];
        char *longest = malloc(3 * LOG_LINE_MAX);

        write_text(f->log, nuls, sizeof(nuls));
        write_records(f->log, 0, 1); /* right behind NULs, more of them than the longest line */
        write_text(f->log, "      \n\n", 8);
        write_text(f->log, "{\"log\":\"torn", 12);
        write_text(f->log, nuls, 5);
        write_records(f->log, 1, 2);
        write_text(f->log, "{\"log\":\"torn\n", 13);
        memset(longest, 'x', 3 * LOG_LINE_MAX);
        longest[3 * LOG_LINE_MAX - 1] = '\n';
        write_text(f->log, longest, 3 * LOG_LINE_MAX);
        write_records(f->log, 2, 4);
        write_text(f->log, "{\"log\":\"not yet whole", 21);
        free(longest);

        assert_numbers(f, range_of(-1, -1, LOG_RANGE_ALL), "0 1 2 3");
        assert_numbers(f, range_of(-1, -1, 2), "2 3");
        assert_numbers(f, range_of(-1, -1, 3), "1 2 3");
        assert_numbers(f, range_of(2, -1, LOG_RANGE_ALL), "2 3");
}

/* All numbers of windows and searches, against reading everything. */
static void seeking_finds_what_reading_finds(void **state) {
        Folder *f = *state;
        enum { N = 12000 };
        LogPieces pieces;
        LogStart start;
        struct stat st;
        int fd;

        write_records(f->log, 0, N);
        assert_int_equal(stat(f->log, &st), 0);
        assert_int_equal(log_pieces_open(f->log, "", "", &pieces), 0);
        for (unsigned i = 1; i < N; i += 371) {
                LogRange last = range_of(-1, -1, i), since = range_of(i, -1, LOG_RANGE_ALL), both = range_of(i, i + 50, 7);
                unsigned from[3] = {N - i, i, MIN(i + 50, (unsigned) N) - MIN(7u, N - i)};
                const LogRange *ranges[3] = {&last, &since, &both};

                for (int k = 0; k < 3; k++) {
                        LogLines *lines = NULL;
                        const char *line;
                        LogRecord r;
                        size_t n;

                        assert_int_equal(log_range_find_start(ranges[k], &pieces, &start), 0);
                        assert_int_equal(log_lines_new(pieces.pieces[0].fd, false, start.offset, &lines), 0);
                        do {
                                do
                                        assert_int_equal(log_lines_next(lines, &line, &n), 1);
                                while (log_record_parse(line, n, &r) != 0 || !log_range_has(ranges[k], &r));
                        } while (start.skip-- > 0);
                        assert_int_equal(atoi(r.log.text + 5), from[k]);
                        log_lines_free(lines);
                }
                /* Not by reading it through. */
                assert_int_equal(log_range_find_start(&since, &pieces, &start), 0);
                if (i > 3000)
                        assert_true(start.offset + 512 * 1024 > (uint64_t) st.st_size * i / N);
        }
        log_pieces_close(&pieces);

        /* With a hole in front, as a punch leaves it. */
        fd = open(f->log, O_WRONLY);
        assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 800 * 1000), 0);
        (void) close(fd);
        assert_numbers(f, range_of(-1, -1, 2), "11998 11999");
        assert_numbers(f, range_of(11998, -1, LOG_RANGE_ALL), "11998 11999");
        assert_numbers(f, range_of(5, 7, LOG_RANGE_ALL), "5 6");
}

static void filler_is_passed_over_and_not_read_through(void **state) {
        Folder *f = *state;
        LogLines *lines = NULL;
        const char *line;
        LogPieces pieces;
        char *block = malloc(FILLER_BYTES);
        size_t n;

        assert_non_null(block);
        filler_make(block);
        for (int i = 0; i < 9; i++)
                write_text(f->log, block, FILLER_BYTES);
        write_text(f->log, "      \n", 7); /* the line that the cut went through */
        write_records(f->log, 10, 16);
        assert_numbers(f, range_of(-1, -1, LOG_RANGE_ALL), "10 11 12 13 14 15");
        assert_numbers(f, range_of(-1, -1, 2), "14 15");
        assert_numbers(f, range_of(14, -1, LOG_RANGE_ALL), "14 15");
        assert_numbers(f, range_of(-1, 12, LOG_RANGE_ALL), "10 11");

        assert_int_equal(log_pieces_open(f->log, "", "", &pieces), 0);
        for (uint64_t offset = 0; offset < 9 * FILLER_BYTES; offset += FILLER_BYTES - 7) {
                assert_int_equal(log_lines_new(pieces.pieces[0].fd, LOG_PLAIN, offset, &lines), 0);
                assert_true(log_lines_offset(lines) == 9 * FILLER_BYTES);
                lines = log_lines_free(lines);
        }
        /* It came while the log was read. */
        write_text(f->log, block, FILLER_BYTES);
        write_records(f->log, 30, 31);
        assert_int_equal(log_lines_new(pieces.pieces[0].fd, LOG_PLAIN, pieces.pieces[0].size_bytes, &lines), 0);
        assert_int_equal(log_lines_next(lines, &line, &n), 1);
        assert_memory_equal(line, "{\"log\":\"line 30", 15);
        lines = log_lines_free(lines);
        log_pieces_close(&pieces);
        free(block);
}

static void a_growing_file_is_followed(void **state) {
        Folder *f = *state;
        LogLines *lines = NULL;
        const char *line;
        size_t n;
        int fd;

        write_records(f->log, 0, 1);
        fd = open(f->log, O_RDWR);
        assert_int_equal(log_lines_new(fd, false, 0, &lines), 0);
        assert_int_equal(log_lines_next(lines, &line, &n), 1);
        assert_int_equal(log_lines_next(lines, &line, &n), 0);
        write_text(f->log, "{\"half", 6);
        assert_int_equal(log_lines_next(lines, &line, &n), 0);
        write_text(f->log, "\"}\n", 3);
        assert_int_equal(log_lines_next(lines, &line, &n), 1);
        assert_memory_equal(line, "{\"half\"}", 8);

        /* Begun again, and longer than before: no half of a line of it is taken for news. */
        assert_int_equal(ftruncate(fd, 0), 0);
        write_records(f->log, 50, 60);
        assert_int_equal(log_lines_next(lines, &line, &n), -ESTALE);
        log_lines_free(lines);
        (void) close(fd);
}

static void a_damaged_gzip_is_told_and_read_as_far_as_it_goes(void **state) {
        Folder *f = *state;
        char path[128];
        LogPieces pieces;
        LogLines *lines = NULL;
        const char *line;
        struct stat st;
        size_t n;
        int r, n_lines = 0;

        (void) snprintf(path, sizeof(path), "%s.1.gz", f->log);
        write_gzip(path, 0, 5000);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(truncate(path, st.st_size / 2), 0);
        write_records(f->log, 5000, 5001);
        assert_int_equal(log_pieces_open(f->log, "", "", &pieces), 0);
        assert_int_equal(log_lines_new(pieces.pieces[0].fd, LOG_GZIP, 0, &lines), 0);
        while ((r = log_lines_next(lines, &line, &n)) > 0)
                n_lines++;
        assert_int_equal(r, -EBADMSG);
        assert_true(n_lines > 100);
        log_lines_free(lines);
        log_pieces_close(&pieces);
        assert_numbers(f, range_of(-1, -1, 1), "5000");
        assert_numbers(f, range_of(98, 101, LOG_RANGE_ALL), "98 99 100");
        assert_numbers(f, range_of(4999, -1, LOG_RANGE_ALL), "5000");
        assert_int_equal(truncate(path, 15), 0);
        assert_numbers(f, range_of(-1, -1, 100), "5000");
        assert_numbers(f, range_of(4999, -1, LOG_RANGE_ALL), "5000");
}

static void assert_printed(LogFormat format, const char *line, const char *wanted, size_t wanted_bytes) {
        char *text = NULL;
        size_t n = 0;
        FILE *f = open_memstream(&text, &n);
        LogRecord r;

        assert_int_equal(log_record_parse(line, strlen(line), &r), 0);
        assert_int_equal(log_output_print(f, format, &r), 0);
        (void) fclose(f);
        assert_int_equal(n, wanted_bytes);
        assert_memory_equal(text, wanted, n);
        free(text);
}

#define TIME "\"time\":\"2026-11-27T20:31:12.5Z\""
#define assert_prints(format, line, wanted) assert_printed(format, line, wanted, sizeof(wanted) - 1)

static void a_terminal_is_not_at_the_containers_command(void **state) {
        (void) state;
        assert_prints(LOG_FORMAT_PLAIN, "{\"log\":\"a\\u001b]0;x\\u0007\\u0000b\\n\"," TIME "}", "a\x1B]0;x\x07\0b\n");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"a\\u001b]0;x\\u0007b\\n\"," TIME "}", "a?]0;x?b\n");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u001b[1;31mred\\u001b[0m\\u001b[2J\\t\\r\\nx\\ry\"," TIME "}",
                "\x1B[1;31mred\x1B[0m?[2J\t\r\nx?y\x1B[0m");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u001b[8mhidden\\u001b[1;8mx\"," TIME "}", "?[8mhidden?[1;8mx");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u001b[38;5;8mgrey\\u001b[48;2;8;8;8;1mx\"," TIME "}",
                "\x1B[38;5;8mgrey\x1B[48;2;8;8;8;1mx\x1B[0m");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u001b[38;5;1;8mx\"," TIME "}", "?[38;5;1;8mx");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u009bA \xC3\xA9 \xE2\x80\xAE \xFF\"," TIME "}", "?A \xC3\xA9 ? ?");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"log\":\"\\u001b[1\"," TIME "}", "?[1");
        assert_prints(LOG_FORMAT_TERMINAL, "{\"stream\":\"stdout\"," TIME "}", "");
}

static void json_is_json_whatever_was_logged(void **state) {
        (void) state;
        assert_prints(LOG_FORMAT_JSON, "{\"log\":\"a\\u001b\\n\",\"stream\":\"stderr\",\"attrs\":{\"k\":\"v\"}," TIME "}",
                "{" TIME ",\"stream\":\"stderr\",\"log\":\"a\\u001b\\n\",\"attrs\":{\"k\":\"v\"}}\n");
        assert_prints(LOG_FORMAT_JSON, "{\"log\":\"\xC3\xA9\xFF\xC0\xAF\xED\xA0\x80.\"," TIME "}",
                "{" TIME ",\"stream\":\"\",\"log\":\"\xC3\xA9??????.\"}\n");
        assert_prints(LOG_FORMAT_JSON, "{\"log\":\"\xC2\x9B" "2J\xE2\x80\xAE\x7F\"," TIME "}",
                "{" TIME ",\"stream\":\"\",\"log\":\"\\u009b2J\\u202e\\u007f\"}\n");
        assert_prints(LOG_FORMAT_JSON, "{\"attrs\":{\"k\":\"\xFF\"}," TIME "}",
                "{" TIME ",\"stream\":\"\",\"log\":\"\",\"attrs\":{\"k\":\"?\"}}\n");
        assert_prints(LOG_FORMAT_JSON, "{\"attrs\":{not json}," TIME "}", "{" TIME ",\"stream\":\"\",\"log\":\"\"}\n");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(segments_are_read_in_order, set_up, tear_down),
                cmocka_unit_test_setup_teardown(no_file_is_an_error, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_no_record_is_passed_over, set_up, tear_down),
                cmocka_unit_test_setup_teardown(seeking_finds_what_reading_finds, set_up, tear_down),
                cmocka_unit_test_setup_teardown(filler_is_passed_over_and_not_read_through, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_growing_file_is_followed, set_up, tear_down),
                cmocka_unit_test_setup_teardown(a_damaged_gzip_is_told_and_read_as_far_as_it_goes, set_up, tear_down),
                cmocka_unit_test(a_terminal_is_not_at_the_containers_command),
                cmocka_unit_test(json_is_json_whatever_was_logged),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
