/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an attacker, a dying disk or another tool may leave in a container's folder: each is at most one
 * notice, and the other containers are told as if nothing were. */

#include "watcher_rig.h"
#include "marker.h"

static void check_odd(const char *command, const char *expected) {
        Rig rig;
        int slot;

        rig_new(&rig);
        rig_container(&rig, 1, "odd", "json-file");
        rig_container_with_log(&rig, 2, "sane");
        rig_write(rig_path(&rig, 2, "target"), "secret\n");
        rig_shell("cd %s && L=%s-json.log T=%s && %s", rig_path(&rig, 1, ""), rig_id(1),
                  rig_path(&rig, 2, "target"), command);
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_wait_known(&rig, 2);
        slot = rig_slot(&rig, 1);
        rig_wait_until(&rig, rig.n_notices[NOTICE_LOG_ODD] == 1);
        assert_true(rig.logs[slot].info.odd);
        assert_string_equal(rig.notice.detail, expected);
        assert_int_equal(rig.notice.slot, slot);
        assert_false(rig.logs[rig_slot(&rig, 2)].info.odd);
        rig_commit(&rig, 1, "told-again", true);
        rig_wait_until(&rig, streq(rig.logs[slot].info.container.name, "told-again"));
        rig_look(&rig);
        assert_int_equal(rig.n_notices[NOTICE_LOG_ODD], 1); /* once */
        assert_int_equal(rig.logs[slot].sample.size_bytes, 0);
        /* a real log in its place is welcome */
        rig_shell("cd %s && L=%s-json.log && rm -r $L && echo sane > $L", rig_path(&rig, 1, ""), rig_id(1));
        rig_wait_until(&rig, !rig.logs[slot].info.odd && rig.logs[slot].sample.size_bytes == 5);
        (void) rig_stop(&rig);
}

static void a_log_that_is_no_plain_file_of_its_own_is_odd(void **state) {
        (void) state;
        check_odd("ln -s $T $L", "a symbolic link");
        check_odd("ln -s /nowhere $L", "a symbolic link");
        check_odd("mkfifo $L", "not a regular file");
        check_odd("mkdir $L", "not a regular file");
        check_odd("ln $T $L", "has a second name (a hard link)");
        if (geteuid() == 0)
                check_odd("echo x > $L && chown 12345 $L", "belongs to somebody else");
}

static void a_catalog_that_cannot_be_read_leaves_the_id(void **state) {
        static const struct {
                const char *command; /* makes $C, the config.v2.json */
                const char *detail;  /* a part of the notice */
        } cases[] = {
                {"printf '{\"ID\":\"abc\",\"Na' > $C", "config.v2.json"},
                {"echo 'no json' > $C", "config.v2.json"},
                {": > $C", "config.v2.json"},
                {"printf '[%.0s' $(seq 100000) > $C", "config.v2.json"},
                {"truncate -s 100M $C", "larger than 4 MiB"},
                {"mkfifo $C", "not a regular file"},
                {"ln -s /etc/passwd $C", "a link"},
                {"mkdir $C", "not a regular file"},
                {":", "is missing"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Rig rig;
                int slot;

                rig_new(&rig);
                rig_container_with_log(&rig, 1, "bad");
                rig_container_with_log(&rig, 2, "good");
                rig_shell("cd %s && C=config.v2.json && rm $C && %s", rig_path(&rig, 1, ""),
                          cases[i].command);
                rig_start(&rig);
                rig_wait_known(&rig, 1);
                rig_wait_known(&rig, 2);
                slot = rig_slot(&rig, 1);
                rig_wait_until(&rig, rig.n_notices[NOTICE_CATALOG_BAD] == 1 && rig.logs[slot].n_samples > 0);
                assert_non_null(strstr(rig.notice.detail, cases[i].detail));
                assert_int_equal(rig.notice.slot, slot);
                assert_int_equal(rig.logs[slot].info.container.driver, LOG_DRIVER_UNKNOWN);
                assert_memory_equal(rig.logs[slot].info.container.name, rig_id(1), 12);
                assert_int_equal(strlen(rig.logs[slot].info.container.name), 12);
                assert_int_equal(rig.logs[slot].sample.size_bytes, 18);
                assert_string_equal(rig.logs[rig_slot(&rig, 2)].info.container.name, "good");
                rig_shell("cd %s && rm -rf config.v2.json", rig_path(&rig, 1, ""));
                rig_commit(&rig, 1, "mended", true);
                rig_wait_until(&rig, streq(rig.logs[slot].info.container.name, "mended"));
                assert_int_equal(rig.n_notices[NOTICE_CATALOG_BAD], 1);
                (void) rig_stop(&rig);
        }
}

static void a_bad_hostconfig_costs_only_the_driver(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "half");
        rig_write(rig_path(&rig, 1, "hostconfig.json"), "{\"LogConf");
        rig_start(&rig);
        rig_wait_until(&rig, rig.n_notices[NOTICE_CATALOG_BAD] == 1);
        assert_string_equal(rig.logs[0].info.container.name, "half");
        assert_int_equal(rig.logs[0].info.container.driver, LOG_DRIVER_UNKNOWN);
        (void) rig_stop(&rig);
}

static void a_leftover_folder_without_catalog_and_log_is_nobody(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_shell("mkdir %s %s", rig_path(&rig, 1, ""), rig_path(&rig, 2, ""));
        rig_container_with_log(&rig, 3, "real");
        rig_start(&rig);
        rig_wait_known(&rig, 3);
        rig_shell("mkdir %s", rig_path(&rig, 4, ""));
        rig_settle(&rig, 1500 * USEC_PER_MSEC);
        assert_int_equal(rig_slot(&rig, 1), -1);
        assert_int_equal(rig_slot(&rig, 4), -1);
        assert_int_equal(rig.n_notices[NOTICE_CATALOG_BAD], 0);
        (void) rig_stop(&rig);
}

static void a_folder_that_is_a_link_is_not_followed(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "real");
        rig_shell("mv %s %s/elsewhere && ln -s %s/elsewhere %s", rig_path(&rig, 1, ""), rig.root, rig.root,
                  rig_path(&rig, 1, ""));
        rig_container_with_log(&rig, 2, "last");
        rig_start(&rig);
        rig_wait_known(&rig, 2);
        rig_settle(&rig, 100 * USEC_PER_MSEC);
        assert_int_equal(rig_slot(&rig, 1), -1);
        (void) rig_stop(&rig);
}

static void other_drivers_are_counted(void **state) {
        Rig rig;
        int slot;

        (void) state;
        rig_new(&rig);
        rig_container(&rig, 1, "local", "local");
        rig_shell("cd %s && mkdir local-logs && head -c 9000 /dev/zero > local-logs/container.log && "
                  "head -c 500 /dev/zero > local-logs/container.log.1.gz", rig_path(&rig, 1, ""));
        rig_container(&rig, 2, "remote", "fluentd");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_wait_known(&rig, 2);
        slot = rig_slot(&rig, 1);
        rig_wait_until(&rig, rig.logs[slot].n_samples > 0);
        assert_int_equal(rig.logs[slot].info.container.driver, LOG_DRIVER_LOCAL);
        assert_int_equal(rig.logs[slot].sample.size_bytes, 9000);
        assert_int_equal(rig.logs[slot].sample.n_segments, 1);
        assert_int_equal(rig.logs[rig_slot(&rig, 2)].info.container.driver, LOG_DRIVER_OTHER);
        assert_int_equal(rig.logs[rig_slot(&rig, 2)].info.inode, 0);
        (void) rig_stop(&rig);
}

/* A log as a punch leaves it: a marker, a hole, lines. */
static void write_punched(const char *path, bool marked, uint64_t hole_bytes) {
        char head[MARKER_BYTES], line[101];
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

        assert_true(fd >= 0);
        memset(head, ' ', sizeof(head));
        if (marked)
                marker_make(head, hole_bytes, "", 0);
        assert_int_equal(write(fd, head, sizeof(head)), sizeof(head));
        assert_true(lseek(fd, (off_t) hole_bytes, SEEK_CUR) > 0);
        memset(line, 'x', sizeof(line));
        line[100] = '\n';
        for (int i = 0; i < 1000; i++)
                assert_int_equal(write(fd, line, sizeof(line)), sizeof(line));
        (void) close(fd);
}

static void a_hole_counts_as_ours_only_behind_a_marker(void **state) {
        uint64_t hole_bytes = MIB(8) - MARKER_BYTES;
        Rig rig;

        (void) state;
        rig_new(&rig);
        for (unsigned i = 1; i <= 2; i++) {
                rig_container(&rig, i, "web", "json-file");
                write_punched(rig_path(&rig, i, "-json.log"), i == 1, hole_bytes);
        }
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_wait_known(&rig, 2);
        rig_wait_until(&rig, rig.logs[0].n_samples > 0 && rig.logs[1].n_samples > 0);
        assert_int_equal(rig.logs[rig_slot(&rig, 1)].sample.hole_bytes, hole_bytes);
        assert_int_equal(rig.logs[rig_slot(&rig, 2)].sample.hole_bytes, 0);
        /* healed: nothing left of it */
        rig_shell(": > %s", rig_path(&rig, 1, "-json.log"));
        rig_look(&rig);
        rig_wait_until(&rig, rig.logs[rig_slot(&rig, 1)].sample.hole_bytes == 0);
        (void) rig_stop(&rig);
}

static void the_length_of_lines_is_measured_where_they_come_fast(void **state) {
        Rig rig;
        int fd;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_until(&rig, rig.logs[0].n_samples > 0);
        fd = open(rig_path(&rig, 1, "-json.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
        for (int i = 0; i < 20000; i++)
                assert_int_equal(dprintf(fd, "%99d\n", i), 100);
        rig_look(&rig);
        assert_int_equal(rig.logs[0].sample.line_bytes, 100);
        (void) close(fd);
        (void) rig_stop(&rig);
}

#ifndef __has_feature
#define __has_feature(x) 0 /* clang's word for it; gcc has a macro */
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define MEMORY_IS_OURS 0 /* a sanitizer's own memory drowns it */
#else
#define MEMORY_IS_OURS 1
#endif

static unsigned long memory_of(pid_t pid) {
        char command[200];
        unsigned long kib = 0;
        FILE *f;

        (void) snprintf(command, sizeof(command), "awk '/RssAnon/ { print $2 }' /proc/%d/status", pid);
        f = popen(command, "re");
        assert_non_null(f);
        assert_int_equal(fscanf(f, "%lu", &kib), 1);
        (void) pclose(f);
        return kib;
}

static void a_container_costs_less_than_300_bytes(void **state) {
        const unsigned n = 2000;
        unsigned long before, after;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, n, "first");
        rig_start(&rig);
        rig_wait_known(&rig, n);
        rig_look(&rig);
        before = memory_of(rig.pid);
        for (unsigned i = 0; i < n; i++)
                rig_container_with_log(&rig, i, "web");
        rig_wait_until(&rig, rig.n_beyond >= n - RIG_LOGS);
        rig_look(&rig);
        after = memory_of(rig.pid);
        print_message("%u containers: %lu KiB more\n", n, after - before);
        if (MEMORY_IS_OURS)
                assert_in_range(after - before, 0, n * 300 / 1024);
        (void) rig_stop(&rig);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_log_that_is_no_plain_file_of_its_own_is_odd),
                cmocka_unit_test(a_catalog_that_cannot_be_read_leaves_the_id),
                cmocka_unit_test(a_bad_hostconfig_costs_only_the_driver),
                cmocka_unit_test(a_leftover_folder_without_catalog_and_log_is_nobody),
                cmocka_unit_test(a_folder_that_is_a_link_is_not_followed),
                cmocka_unit_test(other_drivers_are_counted),
                cmocka_unit_test(a_hole_counts_as_ours_only_behind_a_marker),
                cmocka_unit_test(the_length_of_lines_is_measured_where_they_come_fast),
                cmocka_unit_test(a_container_costs_less_than_300_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
