/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of archives and of their folders, also those that others might think of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "archive_name.h"
#include "macros.h"

#define ID "4f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c"

static void a_folder_is_named_after_the_container_and_is_never_a_path(void **state) {
        static const struct {
                const char *name, *folder;
        } cases[] = {
                {"web", "web-4f1c2a9be6d0"},
                {"shop-web-1", "shop-web-1-4f1c2a9be6d0"},
                {"shop-web-1 (shop)", "shop-web-1-4f1c2a9be6d0"},
                {"../../etc/cron.d/x", "_._.._etc_cron.d_x-4f1c2a9be6d0"},
                {"..", "_.-4f1c2a9be6d0"},
                {".", "_-4f1c2a9be6d0"},
                {"", "_-4f1c2a9be6d0"},
                {" ", "_-4f1c2a9be6d0"},
                {"-rf", "_rf-4f1c2a9be6d0"},
                {"a\nb\x1b[31m", "a_b__31m-4f1c2a9be6d0"},
                {"\xff\xfe\xc3\xa9", "____-4f1c2a9be6d0"},
                {"$(reboot);`x`", "__reboot___x_-4f1c2a9be6d0"},
        };
        char folder[ARCHIVE_FOLDER_MAX], id[ARCHIVE_SHORT_ID + 1], long_name[5000];
        size_t n;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                archive_folder_format(cases[i].name, ID, folder);
                assert_string_equal(folder, cases[i].folder);
                assert_true(archive_folder_parse(folder, id, &n));
                assert_string_equal(id, "4f1c2a9be6d0");
                assert_int_equal(n, strlen(folder) - 13);
        }
        memset(long_name, 'x', sizeof(long_name) - 1);
        long_name[sizeof(long_name) - 1] = 0;
        archive_folder_format(long_name, ID, folder);
        assert_int_equal(strlen(folder), ARCHIVE_FOLDER_MAX - 1);
        assert_true(archive_folder_parse(folder, id, &n));
}

static void what_is_no_such_folder_is_not_taken_for_one(void **state) {
        static const char *const others[] = {"", "-", "web", "-4f1c2a9be6d0", "web-4f1c2a9be6dX", "web4f1c2a9be6d0", ".x-4f1c2a9be6d0",
                "a/b-4f1c2a9be6d0", "web-4F1C2A9BE6D0", "lost+found",
                "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-4f1c2a9be6d0"};
        char id[ARCHIVE_SHORT_ID + 1];
        size_t n;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(others); i++)
                assert_false(archive_folder_parse(others[i], id, &n));
}

static void names_say_what_they_hold(void **state) {
        static const ArchiveName names[] = {
                {17, 1234567, 0, 67108864, false}, {1, 2, 3, 3, true}, {UINT64_MAX, UINT64_MAX, 0, UINT64_MAX, false},
        };
        char text[ARCHIVE_NAME_MAX];
        ArchiveName name;

        (void) state;
        archive_name_format(names, text);
        assert_string_equal(text, "00000017.inode-1234567.bytes-0-67108864.json.zst");
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                archive_name_format(names + i, text);
                assert_int_equal(archive_name_parse(text, &name), 0);
                assert_int_equal(name.number, names[i].number);
                assert_int_equal(name.inode, names[i].inode);
                assert_int_equal(name.from, names[i].from);
                assert_int_equal(name.to, names[i].to);
                assert_int_equal(name.gzip, names[i].gzip);
        }
}

static void other_names_are_not_ours(void **state) {
        static const char *const others[] = {"", "incomplete", "00000017", "x.inode-1.bytes-0-1.json.zst",
                "1.inode-.bytes-0-1.json.zst", "1.inode-1.bytes-0.json.zst", "1.inode-1.bytes-2-1.json.zst",
                "1.inode-1.bytes-0-1.json.zst~", "1.inode-1.bytes-0-1.json.xz", "1.inode-1.bytes-0-1.json", " 1.inode-1.bytes-0-1.json.zst",
                "-1.inode-1.bytes-0-1.json.zst", "99999999999999999999.inode-1.bytes-0-1.json.zst",
                "1.inode-18446744073709551616.bytes-0-1.json.gz"};
        ArchiveName name;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(others); i++)
                assert_int_equal(archive_name_parse(others[i], &name), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_folder_is_named_after_the_container_and_is_never_a_path),
                cmocka_unit_test(what_is_no_such_folder_is_not_taken_for_one),
                cmocka_unit_test(names_say_what_they_hold),
                cmocka_unit_test(other_names_are_not_ours),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
