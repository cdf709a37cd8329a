/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watcher at work: what it tells of a tree that lives, and what telling costs. */

#include <sys/mount.h>

#include "watcher_rig.h"
#include "process.h"

static void a_look_tells_of_the_space_and_ends(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_start(&rig);
        rig_look(&rig);
        assert_int_equal(rig.n_partitions, 1);
        assert_true(rig.space.total_bytes >= rig.space.free_bytes);
        assert_true(rig.space.free_bytes >= rig.space.avail_bytes);
        assert_false(rig.space.read_only);
        rig_look(&rig);
        assert_int_equal(rig.n_partitions, 2);
        assert_int_equal(rig_stop(&rig), 0); /* the end of the channel is no failure */
}

static void containers_that_are_there_are_introduced_with_name_and_size(void **state) {
        Rig rig;
        int slot;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_container_with_log(&rig, 2, "db");
        rig_shell("mkdir %s/containers/not-an-id %s/containers/%.63s", rig.root, rig.root, rig_id(3));
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_wait_known(&rig, 2);
        slot = rig_slot(&rig, 1);
        rig_wait_until(&rig, rig.logs[slot].n_samples > 0);
        assert_string_equal(rig.logs[slot].info.container.name, "web");
        assert_string_equal(rig.logs[slot].info.container.image, "nginx");
        assert_int_equal(rig.logs[slot].info.container.driver, LOG_DRIVER_JSON_FILE);
        assert_true(rig.logs[slot].info.container.running);
        assert_false(rig.logs[slot].info.odd);
        assert_int_equal(rig.logs[slot].info.writer.pid, 0);
        assert_int_equal(rig.logs[slot].sample.size_bytes, 18);
        assert_true(rig.logs[slot].sample.allocated_bytes > 0);
        assert_false(rig.logs[2].known);
        (void) rig_stop(&rig);
}

static void a_new_container_is_introduced_and_a_removed_one_is_gone(void **state) {
        Rig rig;
        int slot;

        (void) state;
        rig_new(&rig);
        rig_start(&rig);
        rig_look(&rig);
        rig_container_with_log(&rig, 7, "late");
        rig_wait_known(&rig, 7);
        slot = rig_slot(&rig, 7);
        rig_wait_until(&rig, streq(rig.logs[slot].info.container.name, "late"));
        rig_wait_until(&rig, rig.logs[slot].info.inode != 0);
        assert_int_equal(slot, 0);
        rig_commit(&rig, 7, "renamed", false);
        rig_wait_until(&rig, streq(rig.logs[slot].info.container.name, "renamed"));
        assert_false(rig.logs[slot].info.container.running);
        rig_shell("rm -r %s", rig_path(&rig, 7, ""));
        rig_wait_until(&rig, rig.n_gone == 1);
        assert_int_equal(rig_slot(&rig, 7), -1);
        rig_container_with_log(&rig, 8, "next");
        rig_wait_known(&rig, 8);
        assert_int_equal(rig_slot(&rig, 8), 0); /* the lowest free slot */
        assert_int_equal(rig.n_notices[NOTICE_CATALOG_BAD], 0); /* half-made and half-removed is not bad */
        (void) rig_stop(&rig);
}

static void the_first_write_to_a_cold_log_brings_a_look_forward(void **state) {
        Rig rig;
        uint64_t begin;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_look(&rig);
        rig_wait_until(&rig, rig.logs[0].n_samples > 0);
        rig_settle(&rig, 200 * USEC_PER_MSEC);
        assert_int_equal(rig.n_hastened, 0);
        begin = clock_monotonic_usec();
        rig_append(rig_path(&rig, 1, "-json.log"), "more\n");
        rig_wait_until(&rig, rig.n_hastened == 1);
        assert_in_range(clock_monotonic_usec() - begin, 0, USEC_PER_SEC);
        assert_int_equal(rig.logs[0].sample.size_bytes, 23);
        (void) rig_stop(&rig);
}

static void a_rotation_is_a_new_file_and_one_segment_more(void **state) {
        Rig rig;
        uint64_t inode;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        inode = rig.logs[0].info.inode;
        rig_shell("cd %s && L=%s-json.log && mv $L $L.1 && echo new > $L && echo packed > $L.2.gz && "
                  "echo x > $L.tmp", rig_path(&rig, 1, ""), rig_id(1));
        rig_wait_until(&rig, rig.logs[0].info.inode != inode && rig.logs[0].sample.n_segments == 2);
        assert_int_equal(rig.logs[0].sample.size_bytes, 4);
        assert_true(rig.logs[0].sample.segments_bytes > 0);
        rig_shell("rm %s.2.gz", rig_path(&rig, 1, "-json.log"));
        rig_wait_until(&rig, rig.logs[0].sample.n_segments == 1);
        (void) rig_stop(&rig);
}

/* ---- cost
 * ---------------------------------------------------------------------------------------------------- */

static unsigned long switches(pid_t pid) {
        char path[64], text[4096];
        unsigned long n = 0;
        int fd = -EBADF;

        (void) snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_CLOEXEC);
        assert_true(process_read(fd, "status", text, sizeof(text)) > 0);
        (void) close(fd);
        assert_int_equal(
                sscanf(strstr(text, "\nvoluntary_ctxt_switches:"), "\nvoluntary_ctxt_switches: %lu", &n), 1);
        return n;
}

/* How often the watcher wakes up and speaks while so many lines are written to four logs in turns, and
 * two looks are ordered. */
static void count_cost(Rig *rig, unsigned n_writes, unsigned long *ret_wakes, uint32_t *ret_messages) {
        unsigned long wakes_before;
        uint32_t messages_before;
        int fds[4];

        for (unsigned i = 0; i < 4; i++)
                fds[i] = open(rig_path(rig, i + 1, "-json.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
        rig_settle(rig, 200 * USEC_PER_MSEC);
        wakes_before = switches(rig->pid);
        messages_before = rig->n_messages;
        for (unsigned i = 0; i < n_writes; i++)
                assert_int_equal(write(fds[i % 4], "line\n", 5), 5);
        rig_look(rig);
        rig_look(rig);
        *ret_messages = rig->n_messages - messages_before;
        *ret_wakes = switches(rig->pid) - wakes_before;
        for (unsigned i = 0; i < 4; i++)
                (void) close(fds[i]);
        rig_settle(rig, 300 * USEC_PER_MSEC); /* what closing them brings */
}

static void the_cost_does_not_grow_with_what_is_written(void **state) {
        unsigned long few_wakes, many_wakes;
        uint32_t few, many;
        Rig rig;

        (void) state;
        rig_new(&rig);
        for (unsigned i = 1; i <= 4; i++)
                rig_container_with_log(&rig, i, "web");
        rig_start(&rig);
        rig_look(&rig);
        for (unsigned i = 1; i <= 4; i++)
                rig_wait_known(&rig, i);
        count_cost(&rig, 1000, &few_wakes, &few);
        count_cost(&rig, 100000, &many_wakes, &many);
        print_message("1,000 writes: %lu wake-ups, %u messages; 100,000: %lu and %u\n", few_wakes, few,
                      many_wakes, many);
        assert_in_range(many, 0, few + 8);
        assert_in_range(many_wakes, 0, few_wakes + 16);
        (void) rig_stop(&rig);
}

static unsigned count_watches(pid_t pid) {
        char command[200], line[64] = "";
        FILE *f;

        (void) snprintf(command, sizeof(command), "cat /proc/%d/fdinfo/* 2>/dev/null | grep -c ^inotify",
                        pid);
        f = popen(command, "re");
        assert_non_null(f);
        assert_non_null(fgets(line, sizeof(line), f));
        (void) pclose(f);
        return (unsigned) strtoul(line, NULL, 10);
}

static void a_hot_log_has_no_watch_and_gets_one_again_when_it_is_still(void **state) {
        uint64_t begin;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_look(&rig);
        assert_int_equal(count_watches(rig.pid), 3); /* containers/, the folder, the log */
        rig_append(rig_path(&rig, 1, "-json.log"), "more\n");
        rig_wait_until(&rig, rig.n_hastened == 1);
        assert_int_equal(count_watches(rig.pid), 2);
        begin = clock_monotonic_usec();
        while (count_watches(rig.pid) == 2) {
                rig_look(&rig);
                rig_settle(&rig, 200 * USEC_PER_MSEC);
                assert_in_range(clock_monotonic_usec() - begin, 0, RIG_WAIT_USEC);
        }
        rig_append(rig_path(&rig, 1, "-json.log"), "again\n");
        rig_wait_until(&rig, rig.n_hastened == 2);
        assert_int_equal(rig.logs[0].sample.size_bytes, 18 + 5 + 6);
        (void) rig_stop(&rig);
}

static void between_turns_nothing_on_the_partition_is_open(void **state) {
        char command[CONFIG_PATH_MAX + 200];
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_append(rig_path(&rig, 1, "-json.log"), "more\n");
        rig_look(&rig);
        rig_settle(&rig, 300 * USEC_PER_MSEC);
        (void) snprintf(command, sizeof(command), "ls -l /proc/%d/fd | grep -q %s", rig.pid, rig.root);
        assert_int_not_equal(system(command), 0);
        (void) rig_stop(&rig);
}

/* ---- trouble
 * ------------------------------------------------------------------------------------------------- */

static void lost_events_lead_to_a_notice_and_a_full_scan(void **state) {
        unsigned n_events = 16384;
        FILE *f;
        Rig rig;

        (void) state;
        f = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
        if (f && fscanf(f, "%u", &n_events) != 1)
                n_events = 16384;
        if (f)
                (void) fclose(f);
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "old");
        rig_container_with_log(&rig, 2, "stays");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_wait_known(&rig, 2);
        rig_look(&rig);
        (void) kill(rig.pid, SIGSTOP);
        /* Two files in turns: an event merges only with the last one in the queue. */
        for (unsigned i = 0; i <= n_events; i++) {
                const char *path = rig_path(&rig, 2, i % 2 ? "one" : "two");
                int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fd >= 0);
                (void) close(fd);
        }
        rig_shell("rm -r %s", rig_path(&rig, 1, ""));
        rig_container_with_log(&rig, 3, "new");
        rig_append(rig_path(&rig, 2, "-json.log"), "unseen\n");
        (void) kill(rig.pid, SIGCONT);
        rig_wait_until(&rig, rig.n_notices[NOTICE_QUEUE_OVERFLOW] == 1);
        rig_wait_known(&rig, 3);
        rig_wait_until(&rig, rig_slot(&rig, 1) < 0);
        rig_wait_until(&rig, rig.logs[rig_slot(&rig, 2)].sample.size_bytes == 18 + 7);
        assert_int_equal(rig.n_notices[NOTICE_QUEUE_OVERFLOW], 1);
        (void) rig_stop(&rig);
}

static void a_containers_folder_that_goes_is_said_and_found_again(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_shell("mv %s/containers %s/elsewhere", rig.root, rig.root);
        rig_wait_until(&rig, rig.n_lost == 1);
        assert_int_equal(rig.lost_error, -ENOENT);
        rig_wait_until(&rig, rig.n_gone == 1);
        rig_look(&rig);
        /* from here on there is simply no container, and the space is seen */
        assert_int_equal(rig.n_lost, 1);
        assert_int_equal(rig.n_partitions, 1);
        rig_shell("mv %s/elsewhere %s/containers", rig.root, rig.root);
        rig_look(&rig);
        rig_wait_known(&rig, 1);
        rig_container_with_log(&rig, 2, "watched-again");
        rig_wait_known(&rig, 2);
        (void) rig_stop(&rig);
}

static void another_partition_in_its_place_is_blindness_at_every_look(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        rig.target.device++;
        rig_start(&rig);
        rig_look(&rig);
        rig_look(&rig);
        assert_int_equal(rig.n_lost, 2);
        assert_int_equal(rig.lost_error, -ENODEV);
        assert_int_equal(rig.n_partitions, 0);
        assert_int_equal(rig_slot(&rig, 1), -1);
        (void) rig_stop(&rig);
}

static void a_partition_can_be_unmounted_under_it(void **state) {
        struct stat st;
        Rig rig;

        (void) state;
        rig_new(&rig);
        if (mount("tmpfs", rig.root, "tmpfs", 0, NULL) < 0) {
                print_message("skipped: cannot mount: %m\n");
                (void) rmdir(rig.root);
                skip();
        }
        rig_shell("mkdir %s/containers", rig.root);
        assert_int_equal(stat(rig.root, &st), 0);
        rig.target.device = st.st_dev;
        rig_container_with_log(&rig, 1, "web");
        rig_start(&rig);
        rig_wait_known(&rig, 1);
        rig_look(&rig);
        rig_settle(&rig, 100 * USEC_PER_MSEC);
        assert_int_equal(umount(rig.root), 0); /* -EBUSY: something was held open */
        rig_look(&rig);
        assert_int_equal(rig.n_partitions, 1);
        assert_true(rig.n_lost >= 1);
        assert_int_equal(rig.lost_error, -ENODEV);
        (void) rig_stop(&rig);
}

/* ---- the writer
 * ---------------------------------------------------------------------------------------------- */

/* A stand-in for dockerd: a process that holds the log open, at first with O_APPEND, after SIGUSR1 a new
 * one without. */
static pid_t start_writer(const char *path) {
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                sigset_t set;
                int sig, fd;

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) sigemptyset(&set);
                (void) sigaddset(&set, SIGUSR1);
                (void) sigprocmask(SIG_BLOCK, &set, NULL);
                fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0640);
                (void) !write(ready[1], "r", 1);
                (void) sigwait(&set, &sig);
                (void) close(fd);
                rig_shell("mv %s %s.1", path, path);
                (void) open(path, O_WRONLY | O_TRUNC | O_CREAT, 0640);
                (void) sigwait(&set, &sig);
                _exit(0);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        (void) close(ready[1]);
        return pid;
}

static uint64_t start_of(pid_t pid) {
        _cleanup_close_ int fd = -EBADF;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_CLOEXEC);
        return process_read_start(fd);
}

static void the_writer_is_known_through_rotation_and_its_end(void **state) {
        Rig rig;
        pid_t writer;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        writer = start_writer(rig_path(&rig, 1, "-json.log"));
        rig.target.roots[0].dockerd_pid = writer;
        rig.target.roots[0].dockerd_start = start_of(writer);
        rig_start(&rig);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == writer);
        assert_int_equal(rig.logs[0].info.writer.append, YES);
        assert_int_equal(rig.logs[0].n_infos, 1); /* known with the first introduction */
        (void) kill(writer, SIGUSR1);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == writer && rig.logs[0].info.writer.append == NO);
        assert_int_equal(rig.logs[0].sample.n_segments, 1);
        assert_int_equal(rig.n_dockerd_gone, 0);
        (void) kill(writer, SIGKILL);
        (void) waitpid(writer, NULL, 0);
        rig_wait_until(&rig, rig.n_dockerd_gone == 1 && rig.logs[0].info.writer.pid == 0);
        /* the next life of dockerd: only the target says so */
        writer = start_writer(rig_path(&rig, 1, "-json.log"));
        rig.target.roots[0].dockerd_pid = writer;
        rig.target.roots[0].dockerd_start = start_of(writer);
        rig_send_target(&rig);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == writer);
        (void) kill(writer, SIGKILL);
        (void) waitpid(writer, NULL, 0);
        (void) rig_stop(&rig);
}

static void a_log_that_is_closed_has_no_writer(void **state) {
        Rig rig;
        int fd;

        (void) state;
        rig_new(&rig);
        rig_container_with_log(&rig, 1, "web");
        fd = open(rig_path(&rig, 1, "-json.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
        rig.target.roots[0].dockerd_pid = getpid();
        rig.target.roots[0].dockerd_start = start_of(getpid());
        rig_start(&rig);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == getpid());
        assert_int_equal(rig.logs[0].info.writer.fd, fd);
        rig_commit(&rig, 1, "died", false); /* while dockerd still writes its last lines */
        rig_wait_until(&rig, !rig.logs[0].info.container.running);
        assert_int_equal(rig.logs[0].info.writer.pid, getpid());
        (void) close(fd);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == 0);
        fd = open(rig_path(&rig, 1, "-json.log"), O_WRONLY | O_APPEND | O_CLOEXEC);
        rig_commit(&rig, 1, "started", true);
        rig_wait_until(&rig, rig.logs[0].info.writer.pid == getpid());
        (void) close(fd);
        (void) rig_stop(&rig);
}

static void a_pid_of_another_life_is_not_dockerd(void **state) {
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig.target.roots[0].dockerd_pid = getpid();
        rig.target.roots[0].dockerd_start = start_of(getpid()) + 1;
        rig_start(&rig);
        rig_wait_until(&rig, rig.n_dockerd_gone == 1);
        (void) rig_stop(&rig);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_look_tells_of_the_space_and_ends),
                cmocka_unit_test(containers_that_are_there_are_introduced_with_name_and_size),
                cmocka_unit_test(a_new_container_is_introduced_and_a_removed_one_is_gone),
                cmocka_unit_test(the_first_write_to_a_cold_log_brings_a_look_forward),
                cmocka_unit_test(a_rotation_is_a_new_file_and_one_segment_more),
                cmocka_unit_test(the_cost_does_not_grow_with_what_is_written),
                cmocka_unit_test(a_hot_log_has_no_watch_and_gets_one_again_when_it_is_still),
                cmocka_unit_test(between_turns_nothing_on_the_partition_is_open),
                cmocka_unit_test(lost_events_lead_to_a_notice_and_a_full_scan),
                cmocka_unit_test(a_containers_folder_that_goes_is_said_and_found_again),
                cmocka_unit_test(another_partition_in_its_place_is_blindness_at_every_look),
                cmocka_unit_test(a_partition_can_be_unmounted_under_it),
                cmocka_unit_test(the_writer_is_known_through_rotation_and_its_end),
                cmocka_unit_test(a_log_that_is_closed_has_no_writer),
                cmocka_unit_test(a_pid_of_another_life_is_not_dockerd),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
