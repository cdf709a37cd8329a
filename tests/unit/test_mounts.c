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
                {"22 21 8:2 / /d rw - ext4 /dev/b\n", -ENOENT},
                {"22 21 8:2 / /d rw - tmpfs  ro,size=1k\n", 1}, /* the source is empty */
                {"22 21 8:2 / /d rw - ext4 /dev/b rw,x=ro,roo\n", 0},
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

static void a_line_is_taken_apart_whatever_its_shape(void **state) {
        static const struct {
                const char *line;
                int32_t id;
                unsigned device_major, device_minor;
                const char *root, *point, *fs_type, *options;
        } cases[] = {
                {"36 35 98:0 /below /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue\n", 36, 98, 0, "/below", "/mnt", "ext4",
                 "rw,errors=continue"},
                /* optional fields: none, some, and what a later kernel may add */
                {"36 35 98:0 / /mnt rw - ext4 /dev/sda1 rw\n", 36, 98, 0, "/", "/mnt", "ext4", "rw"},
                {"36 35 98:0 / /mnt rw shared:1 master:2 propagate_from:3 unbindable x:y - ext4 /dev/sda1 rw\n", 36, 98, 0, "/", "/mnt",
                 "ext4", "rw"},
                {"36 35 98:0 / /mnt - ext4 /dev/sda1 rw\n", 36, 98, 0, "/", "/mnt", "ext4", "rw"},
                /* what Docker has mounted for a container */
                {"700 650 0:61 / / rw,relatime master:300 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/o/1/diff,workdir=/o/1/work\n",
                 700, 0, 61, "/", "/", "overlay", "rw,lowerdir=/l/A:/l/B,upperdir=/o/1/diff,workdir=/o/1/work"},
                {"701 700 8:1 /var/lib/docker/volumes/pg/_data /data rw - xfs /dev/sda1 rw\n", 701, 8, 1,
                 "/var/lib/docker/volumes/pg/_data", "/data", "xfs", "rw"},
                {"702 700 0:4 net:[4026532281] /run/netns/x rw - nsfs nsfs rw\n", 702, 0, 4, "net:[4026532281]", "/run/netns/x", "nsfs",
                 "rw"},
                {"703 700 0:40 /@docker /var/lib/docker rw - btrfs /dev/b rw,subvolid=5,subvol=/@docker\n", 703, 0, 40, "/@docker",
                 "/var/lib/docker", "btrfs", "rw,subvolid=5,subvol=/@docker"},
                {"704 700 8:1 /gone//deleted /x rw - ext4 /dev/b rw\n", 704, 8, 1, "/gone//deleted", "/x", "ext4", "rw"},
                /* escapes: names are unescaped, options are not, since a comma may be among them */
                {"36 35 98:0 /a\\040b /c\\011d\\012e\\134f rw - ext4 /dev/a\\040b rw,upperdir=/a\\054b\\040c\n", 36, 98, 0, "/a b",
                 "/c\td\ne\\f", "ext4", "rw,upperdir=/a\\054b\\040c"},
                {"36 35 98:0 /a\\04 /b\\477\\ rw - ext4 x rw\n", 36, 98, 0, "/a\\04", "/b\\477\\", "ext4", "rw"},
                {"36 35 98:0 / /mnt\\040-\\040x rw - ext4 x rw\n", 36, 98, 0, "/", "/mnt - x", "ext4", "rw"},
                {"36 35 98:0 /\xff /\x1b rw - ext4 x rw\n", 36, 98, 0, "/\xff", "/\x1b", "ext4", "rw"},
                /* cut off, as far as it makes sense */
                {"36 35 98:0 / /mnt rw - ext4 /dev/sda1 rw", 36, 98, 0, "/", "/mnt", "ext4", "rw"},
                {"36 35 98:0 / /mnt rw - ext4 /dev/sda1 \n", 36, 98, 0, "/", "/mnt", "ext4", ""},
                {"36 35 98:0 / /mnt rw - ext4 /dev/sda1\n", 36, 98, 0, "/", "/mnt", "ext4", ""},
                {"36 35 98:0 / /mnt rw - ext4 \n", 36, 98, 0, "/", "/mnt", "ext4", ""},
                {"36 35 98:0 / /mnt rw - ext4\n", 36, 98, 0, "/", "/mnt", "ext4", ""},
                {"36 35 98:0 / /mnt rw - ext4", 36, 98, 0, "/", "/mnt", "ext4", ""},
                {"36 35 98:0 / /mnt rw - tmpfs  rw,size=1k\n", 36, 98, 0, "/", "/mnt", "tmpfs", "rw,size=1k"}, /* an empty source */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char line[512];
                MountLine l = {};

                (void) snprintf(line, sizeof(line), "%s", cases[i].line);
                if (!mounts_parse_line(line, &l))
                        fail_msg("%s", cases[i].line);
                assert_int_equal(l.id, cases[i].id);
                assert_true(l.device == makedev(cases[i].device_major, cases[i].device_minor));
                assert_string_equal(l.root, cases[i].root);
                assert_string_equal(l.point, cases[i].point);
                assert_string_equal(l.fs_type, cases[i].fs_type);
                assert_string_equal(l.options, cases[i].options);
        }
}

static void what_is_no_line_of_mountinfo_is_refused_and_changes_nothing(void **state) {
        static const char *const lines[] = {
                "", "\n", " - ", " - \n", "garbage", "36 35 98:0 / /mnt rw", "36 35 98:0 / /mnt rw -", "36 35 98:0 / /mnt rw - ",
                "36 35 98:0 / /mnt rw - \n", "36 35 98:0 / - ext4 x rw\n", "36 35 98:0 - ext4 x rw\n", "36 35 - ext4 x rw\n",
                "36 - ext4 x rw\n",
                "- ext4 x rw\n", "x 35 98:0 / /mnt rw - ext4 x rw\n", "36x 35 98:0 / /mnt rw - ext4 x rw\n",
                "36 35 98 / /mnt rw - ext4 x rw\n",
                "36 35 x:y / /mnt rw - ext4 x rw\n", "36 35 98:0 / mnt rw - ext4 x rw\n", "36 35 98:0 / /mnt rw shared:1 -ext4 x rw\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(lines); i++) {
                MountLine l = {.id = 4711};
                char line[128];

                (void) snprintf(line, sizeof(line), "%s", lines[i]);
                if (mounts_parse_line(line, &l) || l.id != 4711)
                        fail_msg("'%s'", lines[i]);
        }
}

/* Wherever it is cut off: nothing beyond its end is read, and what is taken from it lies within it. */
static void a_line_may_end_anywhere(void **state) {
        static const char whole[] = "36 35 98:0 /a\\040b /mnt\\134 rw shared:1 - overlay overlay rw,upperdir=/x\\040y\n";

        (void) state;
        for (size_t n = 0; n < sizeof(whole); n++) {
                char *line = malloc(n + 1);
                MountLine l = {};

                assert_non_null(line);
                memcpy(line, whole, n);
                line[n] = 0;
                if (mounts_parse_line(line, &l)) {
                        const char *const all[] = {l.root, l.point, l.fs_type, l.options};
                        for (size_t i = 0; i < ELEMENTS(all); i++)
                                assert_true(all[i] >= line && all[i] + strlen(all[i]) <= line + n);
                        assert_true(n > strlen("36 35 98:0 /a\\040b /mnt\\134 rw shared:1 - "));
                }
                free(line);
        }
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
                cmocka_unit_test(a_line_is_taken_apart_whatever_its_shape),
                cmocka_unit_test(what_is_no_line_of_mountinfo_is_refused_and_changes_nothing),
                cmocka_unit_test(a_line_may_end_anywhere),
                cmocka_unit_test(the_longest_prefix_with_the_device_wins),
                cmocka_unit_test(an_empty_list_has_no_answer),
                cmocka_unit_test(the_kernels_own_list_has_the_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
