/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Asking a dockerd for its version: dockerds that answer, that lie, and that say nothing. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "clock.h"
#include "macros.h"
#include "message.h"
#include "role.h"

#define BODY "{\"Platform\":{\"Name\":\"\"},\"Version\":\"26.1.5\",\"ApiVersion\":\"1.45\"}"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
#define EXPECTED "GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n"

static char folder[] = "/tmp/version-XXXXXX";

static int setup(void **state) {
        (void) state;
        return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
        (void) state;
        return rmdir(folder);
}

/* answer: NULL: none at all. step: bytes at a time. Ends with 0 where the request was the one and only. */
static pid_t serve(const char *path, const char *answer, size_t step) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int ready[2];
        char byte;
        pid_t pid;

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd;
                char request[512] = "";
                ssize_t n;

                if (bind(listener, (struct sockaddr *) &address, sizeof(address)) < 0 ||
                    listen(listener, 1) < 0)
                        _exit(3);
                (void) !write(ready[1], "r", 1);
                fd = accept(listener, NULL, NULL);
                n = read(fd, request, sizeof(request) - 1);
                for (size_t at = 0, all = answer ? strlen(answer) : 0; at < all; at += step)
                        if (send(fd, answer + at, MIN(step, all - at), MSG_NOSIGNAL) < 0)
                                break;
                if (!answer)
                        n += read(fd, request + n, sizeof(request) - 1 - (size_t) n);
                _exit(n < 0 || !streq(request, EXPECTED));
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        (void) close(ready[1]);
        return pid;
}

static void ask(const char *path, int32_t dockerd_pid, Message *ret_message) {
        static Message message;
        DockerRoot *root = &message.target.roots[1];
        int pair[2], status;
        pid_t pid;

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        pid = fork();
        if (pid == 0) {
                RoleContext context = {.role = ROLE_VERSION, .channel_fd = pair[1]};
                (void) close(pair[0]);
                _exit(version_run(&context));
        }
        (void) close(pair[1]);
        memset(&message, 0, sizeof(message));
        message.type = MESSAGE_TARGET;
        message.target.n_roots = 2;
        root->dockerd_pid = dockerd_pid;
        (void) snprintf(root->api_socket, sizeof(root->api_socket), "%s", path);
        assert_int_equal(message_send(pair[0], &message, false), 0);
        memset(&message, 0, sizeof(message));
        message.type = MESSAGE_DOCKERD_GONE;
        message.gone.root = 1;
        assert_int_equal(message_send(pair[0], &message, false), 0);
        assert_int_equal(message_receive(pair[0], ret_message, false), 0);
        assert_int_equal(ret_message->type, MESSAGE_VERSION);
        assert_int_equal(ret_message->version.root, 1);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        (void) close(pair[0]);
}

static void a_dockerd_is_believed_when_it_answers_as_one(void **state) {
        static const struct {
                const char *answer;
                size_t step;
                uint32_t major;
                bool other_pid;
        } cases[] = {
                {HEAD "Content-Length: 63\r\n\r\n" BODY, 4096, 26, false},
                {HEAD "Content-Length: 63\r\n\r\n" BODY, 1, 26, false},
                {HEAD "\r\n" BODY, 7, 26, false},
                {HEAD "Content-Length: 63\r\n\r\n" BODY, 4096, 0, true}, /* another process listens there */
                {"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 4096, 0, false},
                {"SSH-2.0-OpenSSH\r\n", 4096, 0, false},
                {HEAD "Content-Length: 63\r\n\r\n{\"Vers", 4096, 0, false}, /* and the end */
                {"", 1, 0, false},
        };
        static Message message;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char path[64];
                int status;
                pid_t pid;

                (void) snprintf(path, sizeof(path), "%s/socket", folder);
                pid = serve(path, cases[i].answer, cases[i].step);
                ask(path, cases[i].other_pid ? getpid() : pid, &message);
                if (message.version.major != cases[i].major)
                        fail_msg("case %zu: %u", i, message.version.major);
                if (cases[i].major != 0)
                        assert_string_equal(message.version.text, "26.1.5");
                if (cases[i].other_pid)
                        (void) kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, &status, 0), pid);
                if (!cases[i].other_pid)
                        assert_int_equal(status, 0);
                (void) unlink(path);
        }
}

static void a_silent_dockerd_is_given_up_after_two_seconds(void **state) {
        uint64_t begin = clock_monotonic_usec();
        static Message message;
        char path[64];
        pid_t pid;

        (void) state;
        (void) snprintf(path, sizeof(path), "%s/socket", folder);
        pid = serve(path, NULL, 1);
        ask(path, pid, &message);
        assert_int_equal(message.version.major, 0);
        assert_in_range(clock_monotonic_usec() - begin, USEC_PER_SEC, 6 * USEC_PER_SEC);
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        (void) unlink(path);
}

static void a_socket_that_is_none_is_an_unknown_version(void **state) {
        static const char *const paths[] = {"", "relative", "/nowhere/docker.sock", "/etc/passwd"};
        static Message message;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(paths); i++) {
                ask(paths[i], getpid(), &message);
                assert_int_equal(message.version.major, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_dockerd_is_believed_when_it_answers_as_one),
                cmocka_unit_test(a_silent_dockerd_is_given_up_after_two_seconds),
                cmocka_unit_test(a_socket_that_is_none_is_an_unknown_version),
        };
        return cmocka_run_group_tests(tests, setup, teardown);
}
