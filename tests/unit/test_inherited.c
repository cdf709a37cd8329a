/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What systemd hands over at start, the right and the wrong; and the stage pages that are kept that way. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "inherited.h"
#include "records.h"
#include "role.h"
#include "stages.h"

static char folder[] = "/tmp/diskbrake-inherited-XXXXXX";

static int make_stage(uint64_t version) {
        int fd = memfd_create("stage", MFD_CLOEXEC);

        assert_int_equal(ftruncate(fd, sizeof(StagePage)), 0);
        assert_int_equal(pwrite(fd, &version, sizeof(version), offsetof(StagePage, version)), sizeof(version));
        return fd;
}

/* In a process of its own, where descriptors can be put from 3 on. Returns what check said. */
static int hand_over(const int *fds, size_t n, const char *names, int (*check)(Inherited *)) {
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                char text[16];
                Inherited in;

                for (size_t i = 0; i < n; i++)
                        if (dup2(fds[i] == (int) (3 + i) ? fds[i] : dup(fds[i]), (int) (100 + i)) < 0)
                                _exit(99);
                for (size_t i = 0; i < n; i++)
                        if (dup2((int) (100 + i), (int) (3 + i)) < 0)
                                _exit(99);
                (void) snprintf(text, sizeof(text), "%d", getpid());
                (void) setenv("LISTEN_PID", text, 1);
                (void) snprintf(text, sizeof(text), "%zu", n);
                (void) setenv("LISTEN_FDS", text, 1);
                if (names)
                        (void) setenv("LISTEN_FDNAMES", names, 1);
                inherited_take(&in);
                _exit(getenv("LISTEN_FDS") ? 98 : check(&in));
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static int check_all(Inherited *in) {
        if (in->listen_fd != 3 || in->state_fd != 4 || in->n_stale != 2)
                return 1;
        if (in->stages[0].fd != 5 || in->stages[0].role != ROLE_TRIMMER || in->stages[0].key != 0x2a)
                return 2;
        if (in->stages[1].fd >= 0)
                return 3;
        if (!streq(in->stale[0], "stage-1-2b") || !streq(in->stale[1], "whatever"))
                return 4;
        if (!(fcntl(4, F_GETFD) & FD_CLOEXEC))
                return 5;
        return fcntl(6, F_GETFD) >= 0 || fcntl(7, F_GETFD) >= 0 ? 6 : 0; /* not used: closed */
}

static int check_socket_alone(Inherited *in) { return in->listen_fd == 3 && in->state_fd < 0 ? 0 : 1; }

static int check_nothing(Inherited *in) { return in->listen_fd < 0 && in->state_fd < 0 && in->stages[0].fd < 0 ? 0 : 1; }

static void each_is_known_by_its_name_and_looked_at(void **state) {
        char names[128];
        int fds[5];

        (void) state;
        fds[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(state_make(&records_layout, fds + 1), 0);
        fds[2] = make_stage(STAGE_VERSION);
        fds[3] = make_stage(STAGE_VERSION + 1); /* of another version */
        fds[4] = memfd_create("x", MFD_CLOEXEC);
        (void) snprintf(names, sizeof(names), "varlink:state:stage-%d-2a:stage-1-2b:whatever", ROLE_TRIMMER);
        assert_int_equal(hand_over(fds, 5, names, check_all), 0);
        assert_int_equal(hand_over(fds, 1, NULL, check_socket_alone), 0); /* an old systemd gives no names */
        assert_int_equal(hand_over(fds + 4, 1, "state", check_nothing), 0); /* no state, whatever it is called */
        assert_int_equal(hand_over(NULL, 0, "", check_nothing), 0);
        for (size_t i = 0; i < 5; i++)
                (void) close(fds[i]);
}

/* ---- the stage pages ------------------------------------------------------------------------------------------- */

static uint64_t used_key;

static bool is_used(uint32_t role, uint64_t key, void *userdata) {
        (void) role, (void) userdata;
        return key == used_key;
}

static void a_post_has_one_page_and_an_old_one_makes_room(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char text[256];
        Notify notify;
        Inherited none = {};
        Stages s;
        int listener, first, fd;
        ssize_t n;

        (void) state;
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", folder);
        listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        (void) setenv("NOTIFY_SOCKET", address.sun_path, 1);
        notify_init(&notify);
        for (size_t i = 0; i < STAGES_MAX; i++)
                none.stages[i].fd = -EBADF;
        stages_init(&s, none.stages);

        assert_int_equal(stages_get(&s, &notify, ROLE_WATCHER, 1, is_used, NULL, &first), 0);
        n = recv(listener, text, sizeof(text) - 1, 0);
        assert_true(n > 0);
        text[n] = 0;
        assert_string_equal(text, "FDSTORE=1\nFDNAME=stage-1-1");
        assert_int_equal(stages_get(&s, &notify, ROLE_WATCHER, 1, is_used, NULL, &fd), 0);
        assert_int_equal(fd, first);
        used_key = 1;
        for (uint64_t key = 2; key <= STAGES_MAX; key++) {
                assert_int_equal(stages_get(&s, &notify, ROLE_WATCHER, key, is_used, NULL, &fd), 0);
                while (recv(listener, text, sizeof(text), 0) > 0)
                        ;
        }
        /* No place is left: the one that was used longest ago goes, but not one that somebody writes into. */
        assert_int_equal(stages_get(&s, &notify, ROLE_TRIMMER, 1000, is_used, NULL, &fd), 0);
        n = recv(listener, text, sizeof(text) - 1, 0);
        assert_true(n > 0);
        text[n] = 0;
        assert_string_equal(text, "FDSTOREREMOVE=1\nFDNAME=stage-1-2");
        assert_int_equal(stages_get(&s, &notify, ROLE_WATCHER, 1, is_used, NULL, &fd), 0);
        assert_int_equal(fd, first);
        for (size_t i = 0; i < STAGES_MAX; i++)
                (void) close_safe(s.items[i].fd);
        notify_done(&notify);
        (void) close(listener);
        (void) unlink(address.sun_path);
}

/* What systemd must not miss is owed to it until it reads again. */
static void that_it_is_ready_is_said_until_it_is_heard(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        char text[256] = "";
        Notify notify;
        int listener, pair[2], n_ready = 0, n_alive = 0;

        (void) state;
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", folder);
        listener = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_int_equal(bind(listener, (struct sockaddr *) &address, sizeof(address)), 0);
        (void) setenv("NOTIFY_SOCKET", address.sun_path, 1);
        notify_init(&notify);
        assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), 0);
        /* PID 1 hangs: its queue is full. */
        while (send(notify.fd, "WATCHDOG=1", 10, MSG_DONTWAIT) > 0)
                ;
        assert_int_equal(send(pair[1], "READY=1", 7, 0), 7);
        notify_relay(&notify, pair[0]);
        assert_int_equal(send(pair[1], "WATCHDOG=1", 10, 0), 10);
        notify_relay(&notify, pair[0]);
        assert_int_equal(send(pair[1], "MAINPID=1", 9, 0), 9); /* not what a guard has to say */
        notify_relay(&notify, pair[0]);
        assert_true(notify_pay(&notify));
        while (recv(listener, text, sizeof(text) - 1, 0) > 0)
                assert_null(strstr(text, "READY"));
        assert_false(notify_pay(&notify)); /* it reads again: that it is ready, and alive */
        for (ssize_t n; (n = recv(listener, text, sizeof(text) - 1, 0)) > 0;) {
                text[n] = 0;
                n_ready += streq(text, "READY=1");
                n_alive += streq(text, "WATCHDOG=1");
                assert_null(strstr(text, "MAINPID"));
        }
        assert_int_equal(n_ready, 1);
        assert_int_equal(n_alive, 1);
        notify_done(&notify);
        (void) close(listener);
        (void) close(pair[0]);
        (void) close(pair[1]);
        (void) unlink(address.sun_path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_is_known_by_its_name_and_looked_at),
                cmocka_unit_test(a_post_has_one_page_and_an_old_one_makes_room),
                cmocka_unit_test(that_it_is_ready_is_said_until_it_is_heard),
        };
        int r;

        if (!mkdtemp(folder))
                return 77;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) rmdir(folder);
        return r;
}
