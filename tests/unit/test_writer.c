/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding the writer of a log, with this process in the place of dockerd. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "macros.h"
#include "writer.h"

static char folder[] = "/tmp/diskbrake-writer-XXXXXX";
static int proc_fd = -EBADF;

static int open_log(const char *name, int flags, struct stat *ret_st) {
        char path[128];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, ret_st), 0);
        return fd;
}

static void remove_log(const char *name) {
        char path[128];

        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        (void) unlink(path);
}

static void the_flags_of_one_descriptor_are_told(void **state) {
        static const struct {
                int flags;
                int result;
                Tristate append;
        } table[] = {
                {O_WRONLY | O_APPEND, 0, YES},
                {O_RDWR | O_APPEND, 0, YES},
                {O_WRONLY, 0, NO},
                {O_RDWR, 0, NO},
                {O_RDONLY, WRITER_E_GONE, UNKNOWN},
                {O_RDONLY | O_APPEND, WRITER_E_GONE, UNKNOWN},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(table); i++) {
                LogWriter found = {.pid = -7}, expected = {.pid = getpid(), .append = UNKNOWN};
                struct stat st;

                expected.fd = open_log("a-json.log", table[i].flags, &st);
                assert_int_equal(writer_check(proc_fd, &expected, st.st_dev, st.st_ino, &found), table[i].result);
                if (table[i].result == 0) {
                        assert_int_equal(found.pid, getpid());
                        assert_int_equal(found.fd, expected.fd);
                        assert_int_equal(found.append, table[i].append);
                } else
                        assert_int_equal(found.pid, -7);
                assert_int_equal(writer_check(proc_fd, &expected, st.st_dev, st.st_ino + 1, &found), WRITER_E_GONE);
                (void) close(expected.fd);
                assert_int_equal(writer_check(proc_fd, &expected, st.st_dev, st.st_ino, &found), WRITER_E_GONE);
        }
        remove_log("a-json.log");
}

static void a_process_that_is_gone_has_nothing_open(void **state) {
        static const LogWriter nobody[] = {{.pid = 0, .fd = 1}, {.pid = -1, .fd = 1}, {.pid = INT32_MAX, .fd = 1}};
        LogWriter found;
        size_t n, total;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(nobody); i++) {
                assert_int_equal(writer_check(proc_fd, &nobody[i], 1, 1, &found), WRITER_E_GONE);
                assert_int_equal(writer_find(proc_fd, nobody[i].pid, 1, 1, &found), WRITER_E_GONE);
                assert_int_equal(writer_scan(proc_fd, nobody[i].pid, NULL, 0, &n, &total), WRITER_E_GONE);
        }
}

static void a_log_is_found_among_other_descriptors(void **state) {
        struct stat st, other;
        LogWriter found;
        int reader, writer, noise;

        (void) state;
        noise = open_log("noise", O_WRONLY | O_APPEND, &other);
        reader = open_log("a-json.log", O_RDONLY, &st);
        assert_int_equal(writer_find(proc_fd, getpid(), st.st_dev, st.st_ino, &found), WRITER_E_GONE);
        writer = open_log("a-json.log", O_WRONLY | O_APPEND, &st);
        assert_int_equal(writer_find(proc_fd, getpid(), st.st_dev, st.st_ino, &found), 0);
        assert_int_equal(found.fd, writer);
        assert_int_equal(found.append, YES);
        assert_int_equal(writer_find(proc_fd, getpid(), other.st_dev, other.st_ino, &found), WRITER_E_GONE);
        remove_log("a-json.log"); /* a removed log is nobody's any more */
        assert_int_equal(writer_find(proc_fd, getpid(), st.st_dev, st.st_ino, &found), WRITER_E_GONE);
        (void) close(noise);
        (void) close(reader);
        (void) close(writer);
        remove_log("noise");
}

static void of_two_writers_the_one_that_does_not_append_counts(void **state) {
        struct stat st;
        LogWriter found;
        int a, b;

        (void) state;
        for (int first = 0; first < 2; first++) {
                a = open_log("a-json.log", O_WRONLY | (first ? 0 : O_APPEND), &st);
                b = open_log("a-json.log", O_WRONLY | (first ? O_APPEND : 0), &st);
                assert_int_equal(writer_find(proc_fd, getpid(), st.st_dev, st.st_ino, &found), 0);
                assert_int_equal(found.append, NO);
                assert_int_equal(found.fd, first ? a : b);
                (void) close(a);
                (void) close(b);
        }
        remove_log("a-json.log");
}

static void one_scan_finds_all_logs(void **state) {
        WriterEntry entries[300];
        struct stat st[300];
        int fds[300];
        size_t n, total;
        char name[64];

        (void) state;
        for (int i = 0; i < 300; i++) {
                (void) snprintf(name, sizeof(name), "%d-json.log", i);
                fds[i] = open_log(name, O_WRONLY | (i % 3 ? O_APPEND : 0), &st[i]);
        }
        assert_int_equal(writer_scan(proc_fd, getpid(), entries, 300, &n, &total), 0);
        assert_int_equal(n, 300);
        assert_int_equal(total, 300);
        for (int i = 0; i < 300; i++) {
                const WriterEntry *e = writer_lookup(entries, n, st[i].st_dev, st[i].st_ino);

                assert_non_null(e);
                assert_int_equal(e->fd, fds[i]);
                assert_int_equal(e->append, i % 3 ? YES : NO);
        }
        assert_null(writer_lookup(entries, n, st[0].st_dev, 0));
        assert_null(writer_lookup(entries, 0, st[0].st_dev, st[0].st_ino));

        assert_int_equal(writer_scan(proc_fd, getpid(), entries, 10, &n, &total), 0);
        assert_int_equal(n, 10);
        assert_int_equal(total, 300);
        for (int i = 0; i < 300; i++) {
                (void) snprintf(name, sizeof(name), "%d-json.log", i);
                (void) close(fds[i]);
                remove_log(name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_flags_of_one_descriptor_are_told),
                cmocka_unit_test(a_process_that_is_gone_has_nothing_open),
                cmocka_unit_test(a_log_is_found_among_other_descriptors),
                cmocka_unit_test(of_two_writers_the_one_that_does_not_append_counts),
                cmocka_unit_test(one_scan_finds_all_logs),
        };
        int r;

        if (!mkdtemp(folder) || writer_open_proc(&proc_fd) < 0)
                return 77;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) close(proc_fd);
        (void) rmdir(folder);
        return r;
}
