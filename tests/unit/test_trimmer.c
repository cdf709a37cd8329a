/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The trimmer as a process behind its channel: what it answers, what it refuses, and that it keeps nothing open. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "macros.h"
#include "message.h"
#include "role.h"

#define ID "4f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d01234"
#define LINE "{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T12:04:28.123456789Z\"}\n"

static char root[64] = "/tmp/diskbrake-trimmer-XXXXXX";
static char log_path[300];
static StagePage *page;
static Message message;

typedef struct Process {
        pid_t pid;
        int fd;
} Process;

static int start(void **state) {
        static Process process;
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -1;
        process.pid = fork();
        if (process.pid == 0) {
                const RoleContext context = {.role = ROLE_TRIMMER, .channel_fd = pair[1], .stage = page};

                (void) close(pair[0]);
                _exit(trimmer_run(&context));
        }
        (void) close(pair[1]);
        process.fd = pair[0];
        *state = &process;
        return 0;
}

/* The end of the channel is the end of the trimmer. */
static int stop(void **state) {
        const Process *p = *state;
        int status = -1;

        (void) close(p->fd);
        return waitpid(p->pid, &status, 0) == p->pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static void ask(const Process *p, uint32_t type) {
        assert_int_equal(message_send(p->fd, &message, false), 0);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(message.type, type);
}

static void give_target(const Process *p, const char *path) {
        struct stat st = {};

        (void) stat(root, &st);
        message = (Message){.type = MESSAGE_TARGET};
        message.target.device = st.st_dev;
        message.target.n_roots = 1;
        (void) snprintf(message.target.roots[0].path, sizeof(message.target.roots[0].path), "%s", path);
        (void) snprintf(message.target.look_path, sizeof(message.target.look_path), "%s", path);
        message.target.roots[0].owner_uid = geteuid();
        ask(p, MESSAGE_ALIVE);
}

static Act act_of(Method method) {
        Act act = {.id = 42, .method = method, .slot = 7, .want_bytes = MIB(2), .keep_bytes = MIB(1)};
        struct stat st = {};

        (void) stat(log_path, &st);
        act.device = st.st_dev;
        act.inode = st.st_ino;
        (void) snprintf(act.container, sizeof(act.container), ID);
        return act;
}

static const Outcome *do_act(const Process *p, Act act) {
        message = (Message){.type = MESSAGE_ACT, .act = act};
        ask(p, MESSAGE_OUTCOME);
        assert_int_equal(message.outcome.act, act.id);
        assert_int_equal(message.outcome.slot, act.slot);
        assert_true(message.outcome.begin_usec > 0 && message.outcome.end_usec >= message.outcome.begin_usec);
        assert_int_equal(page->act, 0);
        assert_int_equal(page->since_usec, 0);
        return &message.outcome;
}

static void make_log(void) {
        FILE *f = fopen(log_path, "w");

        assert_non_null(f);
        for (size_t i = 0; i < MIB(4); i += sizeof(LINE) - 1)
                assert_int_equal(fputs(LINE, f) >= 0, 1);
        assert_int_equal(fclose(f), 0);
}

static size_t count_open(pid_t pid) {
        char path[64];
        size_t n = 0;
        DIR *d;

        (void) snprintf(path, sizeof(path), "/proc/%d/fd", (int) pid);
        d = opendir(path);
        assert_non_null(d);
        while (readdir(d))
                n++;
        (void) closedir(d);
        return n;
}

static void it_says_that_it_is_there_and_what_it_may_write(void **state) {
        const Process *p = *state;

        message = (Message){.type = MESSAGE_ALIVE};
        ask(p, MESSAGE_ALIVE);
        give_target(p, root);
        assert_true(message.alive.writable);
        assert_int_equal(message.alive.error, 0);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(message.type, MESSAGE_OBSERVATION);
        assert_int_equal(message.observation.type, OBSERVATION_FILESYSTEM);

        give_target(p, "/nonexistent/root");
        assert_true(message.alive.writable); /* what is not there is the watcher's to tell */
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(message.type, MESSAGE_OBSERVATION);
        assert_int_equal(do_act(p, act_of(METHOD_PUNCH))->result, ACT_FAILED);
        assert_int_equal(message.outcome.error, -ENOENT);
        assert_string_equal(message.outcome.stage, "openat2");
}

static void orders_that_make_no_sense_are_refused(void **state) {
        const Process *p = *state;
        Act act;

        make_log();
        assert_int_equal(do_act(p, act_of(METHOD_TRUNCATE))->result, ACT_REFUSED); /* no target yet */
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);

        act = act_of(METHOD_NONE);
        assert_int_equal(do_act(p, act)->result, ACT_REFUSED);
        act.method = 1000;
        assert_int_equal(do_act(p, act)->result, ACT_REFUSED);
        act = act_of(METHOD_TRUNCATE);
        act.root = 1;
        assert_int_equal(do_act(p, act)->result, ACT_REFUSED);
        act.root = UINT32_MAX;
        assert_int_equal(do_act(p, act)->result, ACT_REFUSED);
        act = act_of(METHOD_TRUNCATE);
        (void) snprintf(act.container, sizeof(act.container), "../%.61s", ID);
        assert_int_equal(do_act(p, act)->result, ACT_REFUSED);
        memset(act.container, 'a', sizeof(act.container)); /* without an end */
        assert_int_equal(do_act(p, act)->result, ACT_CHANGED);
        act = act_of(METHOD_COLLAPSE); /* nobody known to write */
        assert_int_equal(do_act(p, act)->result, ACT_CHANGED);
        assert_true(message.outcome.size_bytes >= MIB(4));
}

static void it_keeps_no_log_open_between_acts(void **state) {
        const Process *p = *state;
        size_t before;

        make_log();
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        before = count_open(p->pid);
        assert_int_equal(do_act(p, act_of(METHOD_PUNCH))->result, ACT_DONE);
        assert_true(message.outcome.hole_bytes > MIB(1));
        for (Method m = 0; m < _METHOD_MAX; m++) {
                Act act = act_of(m);

                act.want_bytes = KIB(64);
                (void) do_act(p, act);
        }
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(count_open(p->pid), before);
}

/* An open descriptor would keep the partition from being unmounted. */
static void it_keeps_folders_open_only_while_it_is_told_to(void **state) {
        const Process *p = *state;
        size_t before;

        make_log();
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        before = count_open(p->pid);
        message = (Message){.type = MESSAGE_ALIVE, .alive = {.hold = true}};
        ask(p, MESSAGE_ALIVE);
        assert_int_equal(count_open(p->pid), before + 2); /* containers/, and the folder for the ballast */
        assert_int_equal(do_act(p, act_of(METHOD_PUNCH))->result, ACT_DONE);
        assert_int_equal(count_open(p->pid), before + 2);
        message = (Message){.type = MESSAGE_ALIVE};
        ask(p, MESSAGE_ALIVE);
        assert_int_equal(count_open(p->pid), before);
        assert_int_equal(do_act(p, act_of(METHOD_PUNCH))->result, ACT_NOTHING_TO_DO);
        assert_int_equal(count_open(p->pid), before);
}

/* Unmounted, the same path lies on another partition: nothing may be done there. */
static void a_folder_on_another_partition_is_not_touched(void **state) {
        const Process *p = *state;
        struct stat st;

        make_log();
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        message = (Message){.type = MESSAGE_TARGET};
        message.target.device = 1;
        message.target.n_roots = 1;
        message.target.ballast_bytes = MIB(1);
        (void) snprintf(message.target.roots[0].path, sizeof(message.target.roots[0].path), "%s", root);
        (void) snprintf(message.target.look_path, sizeof(message.target.look_path), "%s", root);
        ask(p, MESSAGE_ALIVE);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(do_act(p, act_of(METHOD_TRUNCATE))->result, ACT_FAILED);
        assert_int_equal(message.outcome.error, -ENODEV);
        assert_int_equal(do_act(p, act_of(METHOD_BALLAST_MAKE))->result, ACT_FAILED);
        assert_int_equal(stat(log_path, &st), 0);
        assert_true(st.st_size >= (off_t) MIB(4));
}

static void it_finishes_what_a_killed_one_began_when_it_gets_its_target(void **state) {
        const Process *p = *state;
        char line[sizeof(LINE)] = {};
        struct stat st;
        int fd;

        make_log();
        fd = open(log_path, O_RDWR | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(pwrite(fd, "     ", 5, 0), 5); /* that far it came */
        page->intent = (Intent){.pending = 1, .method = METHOD_COLLAPSE, .device = st.st_dev, .inode = st.st_ino,
                                .size_bytes_before = (uint64_t) st.st_size, .blank_to = sizeof(LINE) - 2};
        (void) snprintf(page->intent.container, sizeof(page->intent.container), ID);
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(page->intent.pending, 0);
        assert_int_equal(pread(fd, line, sizeof(LINE) - 1, 0), sizeof(LINE) - 1);
        assert_int_equal(strspn(line, " "), sizeof(LINE) - 2);
        assert_int_equal(line[sizeof(LINE) - 2], '\n');
        (void) close(fd);

        /* Of a log that is gone, it is forgotten. */
        page->intent.pending = 1;
        assert_int_equal(unlink(log_path), 0);
        give_target(p, root);
        assert_int_equal(message_receive(p->fd, &message, false), 0);
        assert_int_equal(page->intent.pending, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(it_says_that_it_is_there_and_what_it_may_write, start, stop),
                cmocka_unit_test_setup_teardown(orders_that_make_no_sense_are_refused, start, stop),
                cmocka_unit_test_setup_teardown(it_keeps_no_log_open_between_acts, start, stop),
                cmocka_unit_test_setup_teardown(it_keeps_folders_open_only_while_it_is_told_to, start, stop),
                cmocka_unit_test_setup_teardown(a_folder_on_another_partition_is_not_touched, start, stop),
                cmocka_unit_test_setup_teardown(it_finishes_what_a_killed_one_began_when_it_gets_its_target, start,
                                                stop),
        };
        char path[200];
        int r;

        page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED || !mkdtemp(root))
                return 77;
        (void) snprintf(path, sizeof(path), "%s/containers", root);
        (void) mkdir(path, 0700);
        (void) snprintf(path, sizeof(path), "%s/containers/" ID, root);
        (void) mkdir(path, 0700);
        (void) snprintf(log_path, sizeof(log_path), "%s/" ID "-json.log", path);
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) unlink(log_path);
        (void) rmdir(path);
        (void) snprintf(path, sizeof(path), "%s/containers", root);
        (void) rmdir(path);
        (void) snprintf(path, sizeof(path), "%s/diskbrake-ballast", root);
        (void) unlink(path);
        (void) rmdir(root);
        return r;
}
