/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding who reads a log: with this process as the log shipper, and with children of its own. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "log_readers.h"
#include "writer.h"

#define ID "4f1c2a9be6d00000000000000000000000000000000000000000000000000000"

static char folder[64];
static int proc_fd = -EBADF;
static Message order, found;
static const ReadersLimits no_limits = {.deadline_usec = USEC_INFINITY / 2, .n_descriptors = UINT32_MAX};

static const char *path_of(const char *name) {
        static char path[256];

        (void) snprintf(path, sizeof(path), "%s/containers/%s/%s", folder, ID, name);
        return path;
}

static void make_log(const char *name, size_t n) {
        int fd = open(path_of(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t) n), 0);
        (void) close(fd);
}

static void want_log(const char *name) {
        uint32_t i = order.spot.n_logs++;
        struct stat st;

        assert_int_equal(stat(path_of(name), &st), 0);
        order.spot.logs[i].slot = 40 + i;
        order.spot.logs[i].device = st.st_dev;
        order.spot.logs[i].inode = st.st_ino;
        (void) snprintf(order.spot.logs[i].container, CONTAINER_ID_MAX, "%s", ID);
}

static int set_up(void **state) {
        char path[256];

        (void) state;
        (void) snprintf(folder, sizeof(folder), "/tmp/diskbrake-readers-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(path, sizeof(path), "%s/containers", folder);
        (void) mkdir(path, 0700);
        (void) snprintf(path, sizeof(path), "%s/containers/" ID, folder);
        (void) mkdir(path, 0700);
        memset(&order, 0, sizeof(order));
        (void) snprintf(order.spot.roots[0], sizeof(order.spot.roots[0]), "%s", folder);
        make_log(ID "-json.log", 100000);
        make_log("other.log", 100000);
        want_log(ID "-json.log");
        return writer_open_proc(&proc_fd);
}

static int tear_down(void **state) {
        char command[128];

        (void) state;
        (void) close(proc_fd);
        (void) snprintf(command, sizeof(command), "rm -rf %s", folder);
        return system(command);
}

static const LogReaders *look(void) {
        memset(&found, 0xAA, sizeof(found));
        assert_int_equal(log_readers_scan(proc_fd, &order.spot, &no_limits, &found.spotted), 0);
        assert_int_equal(found.spotted.next_pid, 0);
        assert_int_equal(found.spotted.n_logs, order.spot.n_logs);
        assert_true(found.spotted.n_processes > 0);
        return found.spotted.logs;
}

static int open_at(const char *name, int flags, off_t offset) {
        int fd = open(path_of(name), flags | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(lseek(fd, offset, SEEK_SET), offset);
        return fd;
}

/* ---- what the kernel says of one descriptor --------------------------------------------------------------------- */

static void fdinfo_is_read_as_the_kernel_writes_it(void **state) {
        static const struct {
                const char *text;
                bool is_reader;
                uint64_t offset_bytes, inode;
        } cases[] = {
                {"pos:\t4096\nflags:\t0100000\nmnt_id:\t29\nino:\t131075\n", true, 4096, 131075},
                {"pos:\t0\nflags:\t02100000\nmnt_id:\t29\nino:\t7\nlock:\t1: FLOCK  ADVISORY  READ 1 00:1:2 0 EOF\n", true, 0, 7},
                {"pos:\t12\nflags:\t00\nmnt_id:\t29\n", true, 12, 0},                        /* before 5.14 */
                {"pos:\t18446744073709551615\nflags:\t0100000\n", true, UINT64_MAX, 0},
                {"pos:\t12\nflags:\t0100001\nmnt_id:\t29\nino:\t7\n", false, 0, 0},          /* written */
                {"pos:\t12\nflags:\t02102\nmnt_id:\t29\nino:\t7\n", false, 0, 0},            /* both */
                {"pos:\t0\nflags:\t012000000\nmnt_id:\t29\nino:\t7\n", false, 0, 0},         /* O_PATH */
                {"pos:\t-1\nflags:\t0100000\nino:\t7\n", false, 0, 0},
                {"pos:\t99999999999999999999999\nflags:\t0\nino:\t7\n", false, 0, 0},
                {"pos:\t12x\nflags:\t0\n", false, 0, 0},
                {"pos:\t12\nflags:\t8\n", false, 0, 0},                                      /* not octal */
                {"xpos:\t12\nflags:\t0\n", false, 0, 0},
                {"flags:\t0\n", false, 0, 0},
                {"pos:\t12\n", false, 0, 0},
                {"pos:", false, 0, 0},
                {"", false, 0, 0},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                FdInfo info = {};

                if ((fdinfo_parse(cases[i].text, &info) && log_readers_is_reading(&info)) != cases[i].is_reader)
                        fail_msg("%zu: %s", i, cases[i].text);
                if (!cases[i].is_reader)
                        continue;
                assert_int_equal(info.mount_id, strstr(cases[i].text, "mnt_id") ? 29 : -1);
                assert_true(info.offset_bytes == cases[i].offset_bytes);
                assert_int_equal(info.inode, cases[i].inode);
        }
}

/* What it tells beside who reads: kernels before 5.14 leave the inode out, and before 3.15 the mount. */
static void flags_inode_and_mount_are_read_where_they_are_told(void **state) {
        static const struct {
                const char *text;
                unsigned flags;
                uint64_t inode;
                int32_t mount_id;
        } cases[] = {
                {"pos:\t7\nflags:\t0102001\nmnt_id:\t29\nino:\t131075\n", O_WRONLY | O_APPEND | 0100000, 131075, 29},
                {"pos:\t7\nflags:\t02\nmnt_id:\t0\nino:\t0\n", O_RDWR, 0, 0},
                {"pos:\t7\nflags:\t012000000\nmnt_id:\t29\nino:\t7", O_PATH | O_CLOEXEC, 7, 29}, /* without an end */
                {"pos: 7\nflags: \t 01\nmnt_id: 29\nino:   7\n", O_WRONLY, 7, 29},
                {"pos:\t7\nflags:\t01\nino:\t18446744073709551615\nmnt_id:\t2147483647\n", O_WRONLY, UINT64_MAX, INT32_MAX},
                {"pos:\t7\nflags:\t01\n", O_WRONLY, 0, -1},
                {"pos:\t7\nflags:\t01\nmnt_id:\t2147483648\n", O_WRONLY, 0, -1}, /* no id of a mount */
                {"pos:\t7\nflags:\t01\nmnt_id:\t-1\nino:\t-1\n", O_WRONLY, 0, -1},
                {"pos:\t7\nflags:\t01\nmnt_id:\t29x\nino:\t7 7\n", O_WRONLY, 0, -1},
                {"pos:\t7\nflags:\t01\nmnt_id:\nino:", O_WRONLY, 0, -1},
                {"pos:\t7\nflags:\t01\nmnt_id:\t29\ninotify wd:1 ino:9e7e sdev:800013 mask:800afce\n", O_WRONLY, 0, 29},
                {"pos:\t7\nflags:\t037777777777\n", UINT32_MAX, 0, -1},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                FdInfo info = {};

                if (!fdinfo_parse(cases[i].text, &info) || info.offset_bytes != 7 || info.flags != cases[i].flags ||
                    info.inode != cases[i].inode || info.mount_id != cases[i].mount_id)
                        fail_msg("%zu: %s", i, cases[i].text);
        }
}

static void what_is_no_fdinfo_is_refused_and_changes_nothing(void **state) {
        static const char *const texts[] = {
                "", "\n", "pos:\t7\n", "flags:\t01\nmnt_id:\t29\n", "pos:\t7\nflags:\n", "pos:\nflags:\t01\n", "pos:\t7\nflags:\t09\n",
                "pos:\t7\nflags:\t040000000000\n", "pos:\t7\nflags:\t0x1\n", "pos:\t7 flags:\t01\n", "POS:\t7\nFLAGS:\t01\n",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(texts); i++) {
                FdInfo info = {.mount_id = 4711};

                if (fdinfo_parse(texts[i], &info) || info.mount_id != 4711)
                        fail_msg("'%s'", texts[i]);
        }
}

static void the_kernel_tells_of_an_open_file(void **state) {
        int fd = open_at("other.log", O_WRONLY | O_APPEND, 5), self_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        char number[16];
        struct stat st;
        FdInfo info;

        (void) state;
        assert_true(self_fd >= 0);
        (void) snprintf(number, sizeof(number), "%d", fd);
        assert_true(fdinfo_read(self_fd, number, &info));
        assert_true(info.offset_bytes == 5);
        assert_int_equal(info.flags & (O_ACCMODE | O_APPEND), O_WRONLY | O_APPEND);
        assert_true(info.mount_id >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_true(info.inode == 0 || info.inode == st.st_ino);
        (void) close(fd);
        assert_false(fdinfo_read(self_fd, number, &info));
        assert_false(fdinfo_read(self_fd, "nobody", &info));
        assert_false(fdinfo_read(self_fd, "", &info)); /* a folder */
        assert_false(fdinfo_read(-EBADF, number, &info));
        (void) close(self_fd);
}

/* ---- who is found ------------------------------------------------------------------------------------------------ */

static void who_has_it_open_is_found_with_how_far_it_has_read(void **state) {
        const LogReaders *r;
        int fd, other;

        (void) state;
        assert_int_equal(look()->n, 0);
        other = open_at("other.log", O_RDONLY, 5);
        assert_int_equal(look()->n, 0);
        fd = open_at(ID "-json.log", O_RDONLY, 4711);
        (void) prctl(PR_SET_NAME, "fluent-bit");
        r = look();
        assert_int_equal(r->n, 1);
        assert_int_equal(r->slot, 40);
        assert_int_equal(r->slowest.pid, getpid());
        assert_int_equal(r->slowest.fd, fd);
        assert_int_equal(r->slowest.offset_bytes, 4711);
        assert_string_equal(r->slowest.command, "fluent-bit");
        (void) close(fd);
        (void) close(other);
        assert_int_equal(look()->n, 0);
}

static void who_only_writes_is_no_reader(void **state) {
        static const int flags[] = {O_WRONLY | O_APPEND, O_RDWR, O_PATH};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(flags); i++) {
                int fd = open(path_of(ID "-json.log"), flags[i] | O_CLOEXEC);

                assert_true(fd >= 0);
                assert_int_equal(look()->n, 0);
                (void) close(fd);
        }
}

/* As rsyslog does it: one that has read the first 512 bytes for good, and one that reads on. */
static void of_the_descriptors_of_one_process_the_furthest_counts(void **state) {
        int fds[3];

        (void) state;
        for (int i = 0; i < 3; i++)
                fds[i] = open_at(ID "-json.log", O_RDONLY, (const off_t[]){512, 9000, 30}[i]);
        assert_int_equal(look()->n, 1);
        assert_int_equal(found.spotted.logs[0].slowest.fd, fds[1]);
        assert_int_equal(found.spotted.logs[0].slowest.offset_bytes, 9000);
        for (int i = 0; i < 3; i++)
                (void) close(fds[i]);
}

static void of_several_processes_the_slowest_counts(void **state) {
        static const off_t offsets[] = {500, 30, 9000};
        int to_child[2], from_child[2];
        pid_t pids[3];
        char byte;

        (void) state;
        assert_int_equal(pipe2(to_child, O_CLOEXEC) | pipe2(from_child, O_CLOEXEC), 0);
        for (int i = 0; i < 3; i++) {
                pids[i] = fork();
                if (pids[i] != 0)
                        continue;
                (void) close(to_child[1]);
                (void) open_at(ID "-json.log", O_RDONLY, offsets[i]);
                _exit(write(from_child[1], "x", 1) == 1 && read(to_child[0], &byte, 1) == 0 ? 0 : 1);
        }
        for (int i = 0; i < 3; i++)
                assert_int_equal(read(from_child[0], &byte, 1), 1);
        assert_int_equal(look()->n, 3);
        assert_int_equal(found.spotted.logs[0].slowest.pid, pids[1]);
        assert_int_equal(found.spotted.logs[0].slowest.offset_bytes, 30);
        (void) close(to_child[1]);
        for (int i = 0; i < 3; i++)
                assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
        (void) close(to_child[0]);
        (void) close(from_child[0]);
        (void) close(from_child[1]);
}

static void what_dockerd_reads_is_counted_apart(void **state) {
        int fd = open_at(ID "-json.log", O_RDONLY, 10);

        (void) state;
        order.spot.dockerd_pid[1] = getpid();
        assert_int_equal(look()->n, 0);
        assert_int_equal(found.spotted.logs[0].n_docker, 1);
        (void) close(fd);
}

static void our_own_processes_are_left_out(void **state) {
        static const char *const ours[] = {"dbrk-watcher", "diskbrake"};
        int fd = open_at(ID "-json.log", O_RDONLY, 10);

        (void) state;
        for (size_t i = 0; i < ELEMENTS(ours); i++) {
                (void) prctl(PR_SET_NAME, ours[i]);
                assert_int_equal(look()->n, 0);
        }
        (void) prctl(PR_SET_NAME, "diskbrakes");
        assert_int_equal(look()->n, 1);
        (void) close(fd);
}

static void a_name_that_was_chosen_to_deceive_is_made_harmless(void **state) {
        int fd = open_at(ID "-json.log", O_RDONLY, 10);

        (void) state;
        (void) prctl(PR_SET_NAME, "a\033[2J\nb\xff");
        assert_string_equal(look()->slowest.command, "a?[2J?b?");
        (void) prctl(PR_SET_NAME, "");
        assert_string_equal(look()->slowest.command, "?");
        (void) close(fd);
}

/* As a shipper in a container: another mount namespace, and the log at another place under another name. */
static void a_reader_behind_a_bind_mount_is_found(void **state) {
        int to_child[2], from_child[2], status;
        char other[256], byte = 0;
        pid_t pid;

        (void) state;
        if (geteuid() != 0)
                skip();
        (void) snprintf(other, sizeof(other), "%s", path_of("other.log"));
        assert_int_equal(pipe2(to_child, O_CLOEXEC) | pipe2(from_child, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(to_child[1]);
                if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
                    mount(path_of(ID "-json.log"), other, NULL, MS_BIND, NULL) < 0)
                        _exit(77);
                byte = open_at("other.log", O_RDONLY, 77) >= 0;
                (void) !write(from_child[1], &byte, 1);
                (void) !read(to_child[0], &byte, 1);
                _exit(0);
        }
        (void) close(from_child[1]);
        if (read(from_child[0], &byte, 1) == 1) {
                assert_int_equal(look()->n, 1);
                assert_int_equal(found.spotted.logs[0].slowest.pid, pid);
                assert_int_equal(found.spotted.logs[0].slowest.offset_bytes, 77);
        }
        (void) close(to_child[1]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        (void) close(to_child[0]);
        (void) close(from_child[0]);
        if (WEXITSTATUS(status) == 77)
                skip();
}

static void a_rotated_segment_is_found_by_its_place_and_not_by_its_name(void **state) {
        char fake[256];
        int fd;

        (void) state;
        make_log(ID "-json.log.1", 50000);
        fd = open_at(ID "-json.log.1", O_RDONLY, 20000);
        look();
        assert_int_equal(found.spotted.logs[0].n, 0);
        assert_int_equal(found.spotted.logs[0].n_segments, 1);
        assert_int_equal(found.spotted.logs[0].segments_unread_bytes, 30000);
        assert_int_equal(found.spotted.logs[0].segment_reader.pid, getpid());
        assert_int_equal(lseek(fd, 50000, SEEK_SET), 50000); /* read to its end: nobody minds */
        assert_int_equal(look()->n_segments, 0);
        (void) close(fd);

        (void) snprintf(fake, sizeof(fake), "%s/" ID "-json.log.1", folder);
        fd = open(fake, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(ftruncate(fd, 5000), 0);
        (void) close(fd);
        fd = open(fake, O_RDONLY | O_CLOEXEC);
        assert_int_equal(look()->n_segments, 0);
        (void) close(fd);
}

static void the_same_inode_on_another_device_is_another_file(void **state) {
        int fd = open_at(ID "-json.log", O_RDONLY, 10);

        (void) state;
        order.spot.logs[0].device++;
        assert_int_equal(look()->n, 0);
        (void) close(fd);
}

/* ---- bounds ------------------------------------------------------------------------------------------------------ */

static void a_look_that_is_cut_short_goes_on_where_it_was(void **state) {
        const ReadersLimits few = {.deadline_usec = USEC_INFINITY / 2, .n_descriptors = 1};
        int fd = open_at(ID "-json.log", O_RDONLY, 10);
        LogReaders all = {};
        int n = 0;

        (void) state;
        do {
                assert_int_equal(log_readers_scan(proc_fd, &order.spot, &few, &found.spotted), 0);
                assert_true(found.spotted.next_pid == 0 || found.spotted.next_pid > order.spot.from_pid);
                order.spot.from_pid = found.spotted.next_pid;
                log_readers_merge(&all, found.spotted.logs);
                n++;
        } while (found.spotted.next_pid != 0);
        assert_int_equal(all.n, 1);
        assert_int_equal(all.slowest.pid, getpid());
        assert_true(n > 1);
        (void) close(fd);
}

static void who_opens_it_a_thousand_times_is_seen_and_holds_nothing_up(void **state) {
        int fds[1000];

        (void) state;
        for (int i = 0; i < 1000; i++)
                fds[i] = open_at(ID "-json.log", O_RDONLY, 1 + i);
        assert_int_equal(look()->n, 1);
        assert_int_equal(found.spotted.logs[0].slowest.offset_bytes, 1000);
        for (int i = 0; i < 1000; i++)
                (void) close(fds[i]);
}

static void as_many_logs_as_there_is_room_for(void **state) {
        int fds[READERS_LOGS_MAX];
        char name[32];

        (void) state;
        for (int i = 1; i < READERS_LOGS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "many.%d", i);
                make_log(name, 5000);
                want_log(name);
                fds[i] = open_at(name, O_RDONLY, i);
        }
        look();
        for (int i = 1; i < READERS_LOGS_MAX; i++) {
                assert_int_equal(found.spotted.logs[i].slot, 40 + i);
                assert_int_equal(found.spotted.logs[i].slowest.offset_bytes, i);
                (void) close(fds[i]);
        }
        order.spot.n_logs++;
        assert_int_equal(log_readers_scan(proc_fd, &order.spot, &no_limits, &found.spotted), -EINVAL);
}

/* ---- right before a cut ------------------------------------------------------------------------------------------ */

static void how_far_one_is_by_now(void **state) {
        const uint64_t device = order.spot.logs[0].device, inode = order.spot.logs[0].inode;
        LogReader reader = {.pid = getpid()};

        (void) state;
        reader.fd = open_at(ID "-json.log", O_RDONLY, 1234);
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device, inode), 1234);
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device + 1, inode), 0);
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device, inode + 1), 0);
        (void) close(reader.fd);
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device, inode), 0);
        reader.pid = INT32_MAX;
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device, inode), 0);
        reader.pid = 0;
        assert_int_equal(log_readers_find_offset(proc_fd, &reader, device, inode), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(fdinfo_is_read_as_the_kernel_writes_it),
                cmocka_unit_test(flags_inode_and_mount_are_read_where_they_are_told),
                cmocka_unit_test(what_is_no_fdinfo_is_refused_and_changes_nothing),
                TEST(the_kernel_tells_of_an_open_file),
                TEST(who_has_it_open_is_found_with_how_far_it_has_read),
                TEST(who_only_writes_is_no_reader),
                TEST(of_the_descriptors_of_one_process_the_furthest_counts),
                TEST(of_several_processes_the_slowest_counts),
                TEST(what_dockerd_reads_is_counted_apart),
                TEST(our_own_processes_are_left_out),
                TEST(a_name_that_was_chosen_to_deceive_is_made_harmless),
                TEST(a_reader_behind_a_bind_mount_is_found),
                TEST(a_rotated_segment_is_found_by_its_place_and_not_by_its_name),
                TEST(the_same_inode_on_another_device_is_another_file),
                TEST(a_look_that_is_cut_short_goes_on_where_it_was),
                TEST(who_opens_it_a_thousand_times_is_seen_and_holds_nothing_up),
                TEST(as_many_logs_as_there_is_room_for),
                TEST(how_far_one_is_by_now),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
