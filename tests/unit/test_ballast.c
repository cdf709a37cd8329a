/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ballast in a folder; what needs a full partition is in tests/faults/test_trim_matrix.py. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>

#include "ballast.h"
#include "macros.h"

static char folder[] = "/tmp/diskbrake-ballast-XXXXXX";
static int folder_fd = -EBADF;
static StagePage page;

static ActResult make(uint64_t bytes, Outcome *o) {
        const Act act = {.method = METHOD_BALLAST_MAKE, .want_bytes = bytes};

        *o = (Outcome){};
        return ballast_make(&page, folder_fd, &act, o);
}

static void it_grows_shrinks_is_released_and_comes_again(void **state) {
        static const uint64_t sizes[] = {MIB(1), MIB(4), MIB(4), MIB(2)};
        struct stat st;
        Outcome o;

        (void) state;
        assert_int_equal(ballast_bytes(&page, folder_fd), 0);
        assert_int_equal(ballast_release(&page, folder_fd, &o), ACT_NOTHING_TO_DO);
        for (size_t i = 0; i < ELEMENTS(sizes); i++) {
                assert_int_equal(make(sizes[i], &o), ACT_DONE);
                assert_true(o.ballast_bytes >= sizes[i] && o.ballast_bytes < sizes[i] + MIB(1));
                assert_int_equal(ballast_bytes(&page, folder_fd), o.ballast_bytes);
        }
        o = (Outcome){};
        assert_int_equal(ballast_release(&page, folder_fd, &o), ACT_DONE);
        assert_true(o.freed_bytes >= MIB(2) && o.ballast_bytes == 0);
        assert_int_equal(fstatat(folder_fd, BALLAST_NAME, &st, 0), 0);
        assert_int_equal(st.st_size, 0);
        assert_int_equal(ballast_release(&page, folder_fd, &o), ACT_NOTHING_TO_DO);
        assert_int_equal(make(MIB(1), &o), ACT_DONE);
        assert_int_equal(unlinkat(folder_fd, BALLAST_NAME, 0), 0);
}

static void what_is_not_ours_in_its_place_is_refused(void **state) {
        struct stat st;
        Outcome o;

        (void) state;
        for (int kind = 0; kind < 4; kind++) {
                if (kind == 0)
                        assert_int_equal(symlinkat("/etc/passwd", folder_fd, BALLAST_NAME), 0);
                else if (kind == 1)
                        assert_int_equal(mkdirat(folder_fd, BALLAST_NAME, 0700), 0);
                else if (kind == 2)
                        assert_int_equal(mkfifoat(folder_fd, BALLAST_NAME, 0600), 0);
                else {
                        assert_int_equal(make(MIB(1), &o), ACT_DONE);
                        assert_int_equal(linkat(folder_fd, BALLAST_NAME, folder_fd, "second", 0), 0);
                }
                assert_int_equal(ballast_bytes(&page, folder_fd), 0);
                assert_int_equal(make(MIB(2), &o), ACT_REFUSED);
                assert_int_equal(o.error, -EEXIST);
                assert_int_equal(ballast_release(&page, folder_fd, &o), ACT_REFUSED);
                assert_int_equal(fstatat(folder_fd, BALLAST_NAME, &st, AT_SYMLINK_NOFOLLOW), 0);
                assert_int_equal(unlinkat(folder_fd, BALLAST_NAME, kind == 1 ? AT_REMOVEDIR : 0), 0);
        }
        assert_int_equal(fstatat(folder_fd, "second", &st, 0), 0);
        assert_int_equal(st.st_size, MIB(1));
        assert_int_equal(unlinkat(folder_fd, "second", 0), 0);
}

static void one_that_cannot_be_made_leaves_nothing_behind(void **state) {
        struct stat st;
        Outcome o;

        (void) state;
        assert_int_equal(make(UINT64_C(1) << 62, &o), ACT_FAILED); /* larger than any filesystem */
        assert_true(o.error < 0);
        assert_string_equal(o.stage, "fallocate");
        assert_int_equal(fstatat(folder_fd, BALLAST_NAME, &st, AT_SYMLINK_NOFOLLOW), -1);
        assert_int_equal(page.since_usec, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_grows_shrinks_is_released_and_comes_again),
                cmocka_unit_test(what_is_not_ours_in_its_place_is_refused),
                cmocka_unit_test(one_that_cannot_be_made_leaves_nothing_behind),
        };
        int r;

        if (!mkdtemp(folder))
                return 77;
        folder_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) close(folder_fd);
        (void) rmdir(folder);
        return r;
}
