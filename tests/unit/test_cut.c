/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The marker, and finishing what a killed trimmer began, at points where no kill can be placed from outside: a line
 * that is half blank, a hole whose marker did not come. On a real file, where holes can be punched. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>

#include "cut.h"

#define ID "4f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d01234"
#define LINES 40000 /* some 6 MiB */

static char folder[64] = "/tmp/diskbrake-cut-XXXXXX";
static int containers_fd = -EBADF;
static StagePage page;
static LogFile f;
static char text[LINES * 200];

static size_t line_make(char *to, size_t i) {
        return (size_t) sprintf(to, "{\"log\":\"line %zu %*s\\n\",\"stream\":\"stdout\",\"time\":"
                                "\"2026-11-21T12:00:00.%09zuZ\"}\n", i, (int) (1 + i * 7919 % 130), "x", i);
}

static size_t make_log(void) {
        char path[300];
        size_t used = 0;
        FILE *file;

        for (size_t i = 0; i < LINES; i++)
                used += line_make(text + used, i);
        (void) snprintf(path, sizeof(path), "%s/" ID "/" ID "-json.log", folder);
        file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, used, file), used);
        assert_int_equal(fclose(file), 0);
        return used;
}

static void open_log(void) {
        char name[LOGFILE_NAME_MAX];
        struct stat st;

        logfile_name(ID, name);
        assert_int_equal(fstatat(containers_fd, name, &st, 0), 0);
        assert_int_equal(logfile_open(&f, &page, containers_fd, ID, st.st_dev, st.st_ino, geteuid()), 0);
}

/* What is in the file now, line by line: only blank lines, the marker, and lines 'from' to the last, in order. */
static void assert_valid(size_t *ret_first, size_t *ret_n) {
        char expected[512];
        size_t size, n = 0, first = 0, next = 0;
        const char *end, *at = text;

        assert_int_equal(logfile_stat(&f), 0);
        size = logfile_size_bytes(&f);
        assert_int_equal(logfile_read(&f, 0, text, size), 0);
        end = text + size;
        while (at < end) {
                const char *newline;

                for (; at < end && *at == 0; at++)
                        assert_true(at - text >= CUT_MARKER_BYTES);
                newline = memchr(at, '\n', (size_t) (end - at));
                assert_non_null(newline);
                if (strspn(at, " ") < (size_t) (newline - at) && !(at == text && cut_has_marker(at))) {
                        size_t k;

                        assert_int_equal(sscanf(at, "{\"log\":\"line %zu ", &k), 1);
                        if (n == 0)
                                first = k;
                        else
                                assert_true(k >= next);
                        next = k + 1;
                        n++;
                        k = line_make(expected, k);
                        assert_memory_equal(at, expected, k);
                        assert_int_equal(newline + 1 - at, k);
                }
                at = newline + 1;
        }
        assert_int_equal(next, LINES);
        *ret_first = first;
        *ret_n = n;
}

static ActResult do_it(void *userdata) {
        (void) userdata;
        return ACT_DONE;
}

static Act act_of(Method method, uint64_t want_bytes) {
        Act act = {.id = 1, .method = method, .want_bytes = want_bytes, .keep_bytes = MIB(1)};

        act.device = f.st.st_dev;
        act.inode = f.st.st_ino;
        (void) snprintf(act.container, sizeof(act.container), ID);
        return act;
}

static void intent_of(Intent *intent, uint32_t phase, uint64_t from, uint64_t to) {
        *intent = (Intent){.pending = phase, .method = METHOD_PUNCH, .size_bytes_before = logfile_size_bytes(&f),
                           .blank_from = from, .blank_to = to, .cut_from = CUT_MARKER_BYTES, .cut_to = MIB(3)};
        intent->device = f.st.st_dev;
        intent->inode = f.st.st_ino;
}

static void a_marker_is_one_page_of_valid_json_that_counts(void **state) {
        static const struct {
                const char *line_end, *time;
        } table[] = {
                {"x\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T12:04:28.123456789Z\"}\n",
                 "\"time\":\"2026-11-21T12:04:28.123456789Z\"} "},
                {"\"time\":\"2026-11-21T12:04:28+01:00\"}\n", "\"time\":\"2026-11-21T12:04:28+01:00\"} "},
                {"\"time\":\"2026-11-21T12:04:28\"}\n", "\"time\":\"1970-01-01T00:00:00Z\"} "},
                {"\"time\":\"2026-11-21T12:04:28Z", "\"time\":\"1970-01-01T00:00:00Z\"} "},
                {"\"time\":\"2026-11-21 \\\",\\\"log\\\":Z\"}\n", "\"time\":\"1970-01-01T00:00:00Z\"} "},
                {"\\\"time\\\":\\\"2026-11-21T12:04:28Z\\\"", "\"time\":\"1970-01-01T00:00:00Z\"} "},
                {"          \n", "\"time\":\"1970-01-01T00:00:00Z\"} "},
                {"", "\"time\":\"1970-01-01T00:00:00Z\"} "},
        };
        static const uint64_t counts[] = {0, 1, MIB(30), UINT64_MAX};
        char head[CUT_MARKER_BYTES + 1] = {};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(table); i++)
                for (size_t k = 0; k < ELEMENTS(counts); k++) {
                        uint64_t freed = 7;

                        marker_make(head, counts[k], table[i].line_end, strlen(table[i].line_end));
                        assert_true(cut_has_marker(head));
                        assert_true(marker_read(head, &freed));
                        assert_true(freed == counts[k]);
                        assert_non_null(strstr(head, table[i].time));
                        assert_int_equal(strlen(head), CUT_MARKER_BYTES);
                        assert_ptr_equal(strchr(head, '\n'), head + CUT_MARKER_BYTES - 1);
                }
}

static void what_a_container_logs_is_no_marker(void **state) {
        char head[CUT_MARKER_BYTES], good[CUT_MARKER_BYTES];

        (void) state;
        marker_make(good, 12345, "", 0);
        for (size_t i = 0; i < CUT_MARKER_BYTES; i++) {
                /* Digits, and what stands in the time, may differ. */
                if ((good[i] >= '0' && good[i] <= '9') || (i > 150 && i < 220))
                        continue;
                memcpy(head, good, sizeof(head));
                head[i] = good[i] == '\n' ? ' ' : '\n';
                assert_false(cut_has_marker(head));
        }
        memset(head, 0, sizeof(head));
        assert_false(cut_has_marker(head));
        memcpy(head, good, sizeof(head));
        memset(head + 22, '9', 30); /* more than 64 bits */
        assert_false(cut_has_marker(head));
}

static void a_half_blank_line_is_blanked_to_its_end(void **state) {
        uint64_t start, end;
        size_t first, n;

        (void) state;
        for (int part = 0; part < 4; part++) {
                (void) make_log();
                open_log();
                assert_int_equal(logfile_find_line(&f, MIB(3), &start, &end), 0);
                intent_of(&page.intent, CUT_PHASE_BLANK, start, end - 1);
                assert_int_equal(logfile_blank(&f, start, start + (end - 1 - start) * (unsigned) part / 3), 0);
                assert_int_equal(cut_finish(&f, &page.intent), 0);
                assert_int_equal(page.intent.pending, CUT_PHASE_NONE);
                assert_valid(&first, &n);
                assert_int_equal(n, LINES - 1);
                assert_int_equal(logfile_stat(&f), 0);
                logfile_close(&f);
        }
}

static void an_intent_on_a_log_that_was_emptied_meanwhile_is_dropped(void **state) {
        uint64_t start, end;
        size_t first, n, used;

        (void) state;
        used = make_log();
        open_log();
        assert_int_equal(logfile_find_line(&f, MIB(3), &start, &end), 0);
        intent_of(&page.intent, CUT_PHASE_BLANK, start, end - 1);
        page.intent.size_bytes_before = used + 1; /* it is shorter now */
        assert_int_equal(cut_finish(&f, &page.intent), 0);
        assert_int_equal(page.intent.pending, CUT_PHASE_NONE);
        assert_valid(&first, &n);
        assert_int_equal(n, LINES);

        /* As long as before again, but with lines at other places. */
        for (int shift = 1; shift < 30; shift++) {
                intent_of(&page.intent, CUT_PHASE_BLANK, start + (unsigned) shift, end - 1);
                assert_int_equal(cut_finish(&f, &page.intent), 0);
                intent_of(&page.intent, CUT_PHASE_BLANK, start, end - 1 - (unsigned) shift);
                assert_int_equal(cut_finish(&f, &page.intent), 0);
                intent_of(&page.intent, CUT_PHASE_BLANK, start, end - 1 + (unsigned) shift);
                assert_int_equal(cut_finish(&f, &page.intent), 0);
        }
        intent_of(&page.intent, CUT_PHASE_BLANK, used, used + 100);
        assert_int_equal(cut_finish(&f, &page.intent), 0);
        assert_valid(&first, &n);
        assert_int_equal(n, LINES);
        logfile_close(&f);
}

static void a_hole_without_its_marker_gets_it(void **state) {
        uint64_t start, end, from, to;
        size_t first, n;

        (void) state;
        for (int punched = 0; punched < 2; punched++) {
                (void) make_log();
                open_log();
                assert_int_equal(logfile_find_line(&f, MIB(3), &start, &end), 0);
                intent_of(&page.intent, CUT_PHASE_LATE, MIB(3), end - 1);
                if (punched)
                        assert_int_equal(logfile_fallocate(&f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                                           CUT_MARKER_BYTES, MIB(3) - CUT_MARKER_BYTES), 0);
                assert_int_equal(cut_finish(&f, &page.intent), 0);
                assert_int_equal(page.intent.pending, CUT_PHASE_NONE);
                assert_valid(&first, &n);
                assert_int_equal(n, LINES - first);
                assert_int_equal(cut_find_hole(&f, &from, &to), 0);
                assert_int_equal(from, CUT_MARKER_BYTES);
                assert_int_equal(to, MIB(3));
                logfile_close(&f);
        }
}

static void a_cut_is_aligned_and_takes_no_more_than_wanted(void **state) {
        size_t first, n;

        (void) state;
        for (uint64_t want = 1; want < MIB(5); want += KIB(700)) {
                uint64_t from, to;
                Outcome o = {};
                Act act;

                (void) make_log();
                open_log();
                act = act_of(METHOD_PUNCH, want);
                assert_int_equal(cut_punch(&f, &page.intent, &act, do_it, NULL, &o), ACT_DONE);
                assert_valid(&first, &n);
                assert_int_equal(n, LINES - first);
                assert_int_equal(cut_find_hole(&f, &from, &to), 0);
                assert_int_equal(to, MIN((want + MIB(1) - 1) / MIB(1), logfile_size_bytes(&f) / MIB(1) - 1) * MIB(1));
                assert_int_equal(o.freed_bytes, to - from);
                assert_true(o.cut_bytes >= to && o.cut_bytes < to + 512);
                logfile_close(&f);
        }
}

static ActResult refuse(void *userdata) {
        (*(int *) userdata)++;
        return ACT_CHANGED;
}

static void nothing_is_changed_when_the_last_look_refuses(void **state) {
        size_t first, n;
        int looks = 0;
        Act act;

        (void) state;
        (void) make_log();
        open_log();
        act = act_of(METHOD_PUNCH, MIB(2));
        assert_int_equal(cut_punch(&f, &page.intent, &act, refuse, &looks, &(Outcome){}), ACT_CHANGED);
        assert_int_equal(cut_collapse(&f, &page.intent, &act, refuse, &looks, &(Outcome){}), ACT_CHANGED);
        assert_int_equal(looks, 2);
        assert_int_equal(page.intent.pending, CUT_PHASE_NONE);
        assert_valid(&first, &n);
        assert_int_equal(n, LINES);
        logfile_close(&f);
}

static void a_log_is_open_for_one_trimmer_at_a_time(void **state) {
        static LogFile other;

        (void) state;
        (void) make_log();
        open_log();
        assert_int_equal(logfile_open(&other, &page, containers_fd, ID, f.st.st_dev, f.st.st_ino, geteuid()),
                         LOGFILE_E_BUSY);
        assert_true(other.fd < 0);
        assert_int_equal(logfile_open(&other, &page, containers_fd, ID, f.st.st_dev, f.st.st_ino + 1, geteuid()),
                         LOGFILE_E_CHANGED);
        assert_int_equal(logfile_open(&other, &page, containers_fd, "../../etc", 1, 1, geteuid()), LOGFILE_E_ODD);
        logfile_close(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_marker_is_one_page_of_valid_json_that_counts),
                cmocka_unit_test(what_a_container_logs_is_no_marker),
                cmocka_unit_test(a_half_blank_line_is_blanked_to_its_end),
                cmocka_unit_test(an_intent_on_a_log_that_was_emptied_meanwhile_is_dropped),
                cmocka_unit_test(a_hole_without_its_marker_gets_it),
                cmocka_unit_test(a_cut_is_aligned_and_takes_no_more_than_wanted),
                cmocka_unit_test(nothing_is_changed_when_the_last_look_refuses),
                cmocka_unit_test(a_log_is_open_for_one_trimmer_at_a_time),
        };
        char path[300];
        int r;

        if (!mkdtemp(folder))
                return 77;
        containers_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void) mkdirat(containers_fd, ID, 0700);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) snprintf(path, sizeof(path), "%s/" ID "/" ID "-json.log", folder);
        (void) unlink(path);
        (void) unlinkat(containers_fd, ID, AT_REMOVEDIR);
        (void) close(containers_fd);
        (void) rmdir(folder);
        return r;
}
