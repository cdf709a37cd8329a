/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which mount a path lies on, from the kernel's list and from lists made up. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "mounts.h"

static Mounts read_text(const char *text) {
        char path[] = "/tmp/mounts-XXXXXX";
        int fd = mkstemp(path);
        Mounts mounts = {};

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void) close(fd);
        assert_int_equal(mounts_read(path, &mounts), 0);
        (void) unlink(path);
        return mounts;
}

static void a_superblock_that_takes_no_writes_is_told_by_its_options(void **state) {
        static const struct {
                const char *line;
                int read_only;
        } cases[] = {
                {"22 21 8:2 / /d rw,noatime shared:2 - ext4 /dev/b rw\n", 0},
                {"22 21 8:2 / /d ro,noatime shared:2 - ext4 /dev/b rw,errors=remount-ro\n", 0}, /* the mount alone */
                {"22 21 8:2 / /d rw,noatime shared:2 - ext4 /dev/b rw,errors=remount-ro,emergency_ro\n", 1},
                {"22 21 8:2 / /d rw,noatime - xfs /dev/b ro,attr2\n", 1},
                {"22 21 8:2 / /d rw - ext4 /dev/b rw,shutdown", 1},
                {"22 21 8:3 / /d rw - ext4 /dev/b ro\n", -ENOENT}, /* another one */
                {"22 21 8:2 / /d rw - ext4\n", -ENOENT},
                {"22 21 8:2\n", -ENOENT},
                {" - ext4 x ro\n", -ENOENT},
        };
        char path[] = "/tmp/mounts-XXXXXX";
        int fd = mkstemp(path);

        (void) state;
        assert_true(fd >= 0);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(ftruncate(fd, 0), 0);
                assert_int_equal(pwrite(fd, cases[i].line, strlen(cases[i].line), 0), strlen(cases[i].line));
                assert_int_equal(mounts_is_read_only(path, makedev(8, 2)), cases[i].read_only);
        }
        (void) close(fd);
        (void) unlink(path);
        assert_int_equal(mounts_is_read_only(path, makedev(8, 2)), -ENOENT);
}

static void the_longest_prefix_with_the_device_wins(void **state) {
        static const struct {
                const char *path;
                unsigned device_minor;
                const char *point;
        } cases[] = {
                {"/", 1, "/"},
                {"/var/lib/docker/containers", 2, "/var/lib/docker"},
                {"/var/lib/docker", 2, "/var/lib/docker"},
                {"/var/lib/dockerx", 1, "/"},                /* whole components only */
                {"/var/lib/docker/volumes/a b", 3, "/var/lib/docker/volumes/a b"},
                {"/mnt/over/deep/x", 5, "/mnt/over"},        /* /mnt/over was mounted over /mnt/over/deep */
                {"/mnt/over/deep/x", 4, "/mnt/over/deep"},
                {"/twice/x", 7, "/twice"},
                {"/sub/volume", 99, "/sub"},                 /* btrfs: no line has that device */
                {"/odd\\name\n/x", 8, "/odd\\name\n"},
        };
        Mounts mounts = read_text("21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"
                                  "22 21 8:2 / /var/lib/docker rw,noatime shared:2 - xfs /dev/b rw\n"
                                  "23 22 8:3 / /var/lib/docker/volumes/a\\040b rw - ext4 /dev/sdc rw\n"
                                  "24 21 8:4 / /mnt/over/deep rw - ext4 /dev/sdd rw\n"
                                  "25 21 8:5 / /mnt/over rw - ext4 /dev/sde rw\n"
                                  "26 21 8:6 / /twice rw - ext4 /dev/sdf rw\n"
                                  "27 26 8:7 / /twice rw - btrfs /dev/sdg rw\n"
                                  "28 21 0:40 / /sub rw - btrfs /dev/sdh rw\n"
                                  "29 21 8:8 / /odd\\134name\\012 rw - ext4 /dev/sdi rw\n"
                                  "garbage\n\n30 21 x:y / /bad rw - ext4 a b\n"
                                  "31 21 8:9 / relative rw - ext4 a b\n"
                                  "32 21 8:9 / /cut");

        (void) state;
        assert_int_equal(mounts.n, 9);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const Mount *mount = mounts_find(&mounts, cases[i].path, makedev(8, cases[i].device_minor));
                assert_non_null(mount);
                assert_string_equal(mount->point, cases[i].point);
        }
        assert_string_equal(mounts_find(&mounts, "/twice/x", makedev(8, 7))->fs_type, "btrfs");
        mounts_done(&mounts);
}

static void an_empty_list_has_no_answer(void **state) {
        Mounts mounts = read_text("");

        (void) state;
        assert_null(mounts_find(&mounts, "/var", 1));
        mounts_done(&mounts);
        assert_int_equal(mounts_read("/nowhere/mountinfo", &mounts), -ENOENT);
}

static void the_kernels_own_list_has_the_root(void **state) {
        Mounts mounts = {};
        struct stat st;

        (void) state;
        assert_int_equal(stat("/proc", &st), 0);
        assert_int_equal(mounts_read("/proc/self/mountinfo", &mounts), 0);
        assert_string_equal(mounts_find(&mounts, "/proc/self", st.st_dev)->point, "/proc");
        assert_string_equal(mounts_find(&mounts, "/proc/self", st.st_dev)->fs_type, "proc");
        mounts_done(&mounts);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_superblock_that_takes_no_writes_is_told_by_its_options),
                cmocka_unit_test(the_longest_prefix_with_the_device_wins),
                cmocka_unit_test(an_empty_list_has_no_answer),
                cmocka_unit_test(the_kernels_own_list_has_the_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
