/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The socket's transport with real sockets: what it answers, and what it drops. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "varlink.h"
#include "varlink_server.h"

#define OTHER_UID 65534
#define SOME_GROUP 54321

typedef struct Fixture {
        sd_event *event;
        VarlinkServer *server;
        int listener;
        struct sockaddr_un address;
        /* what the handler saw and keeps */
        VarlinkCall *held[4];
        size_t n_held, n_calls, n_gone;
        char seen[256];
} Fixture;

static uint64_t now_usec(void) {
        struct timespec ts;
        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

/* Status answers at once, Alerts is kept, Events streams two and is kept. */
static void on_gone(VarlinkCall *call, void *userdata) {
        Fixture *f = userdata;
        f->n_gone++;
        assert_true(varlink_call_is_gone(call));
        for (size_t i = 0; i < f->n_held; i++)
                if (f->held[i] == call)
                        f->held[i] = NULL;
        varlink_call_release(call);
}

static void on_call(VarlinkCall *call, void *userdata) {
        Fixture *f = userdata;
        int64_t n = -1;

        f->n_calls++;
        (void) varlink_get_int(varlink_call_parameters(call), "logs_max", &n);
        char word[64];
        (void) snprintf(word, sizeof(word), "%s:%d ", varlink_call_method(call), (int) n);
        strncat(f->seen, word, sizeof(f->seen) - strlen(f->seen) - 1);

        if (streq(varlink_call_method(call), "Status")) {
                (void) snprintf(word, sizeof(word), "{\"n\":%d}", (int) n);
                varlink_call_reply(call, word);
                return;
        }
        if (streq(varlink_call_method(call), "Events") && varlink_call_wants_more(call)) {
                assert_int_equal(varlink_call_continue(call, "{\"event\":1}"), 0);
                assert_int_equal(varlink_call_continue(call, "{\"event\":2}"), 0);
        }
        varlink_call_set_on_gone(call, on_gone, f);
        f->held[f->n_held++] = call;
}

static void fixture_start(Fixture *f, const VarlinkServerConfig *config) {
        *f = (Fixture){.address.sun_family = AF_UNIX};
        (void) snprintf(f->address.sun_path, sizeof(f->address.sun_path), "/tmp/test-varlink-%d.sock",
                (int) getpid());
        (void) unlink(f->address.sun_path);
        f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(f->listener >= 0);
        assert_int_equal(bind(f->listener, (struct sockaddr *) &f->address, sizeof(f->address)), 0);
        assert_int_equal(chmod(f->address.sun_path, 0666), 0);
        assert_int_equal(listen(f->listener, 128), 0);
        assert_int_equal(sd_event_new(&f->event), 0);
        assert_int_equal(varlink_server_new(f->event, config, on_call, f, &f->server), 0);
        assert_int_equal(varlink_server_listen_fd(f->server, f->listener), 0);
}

static void fixture_stop(Fixture *f) {
        for (size_t i = 0; i < f->n_held; i++)
                if (f->held[i])
                        varlink_call_release(f->held[i]);
        f->server = varlink_server_free(f->server);
        f->event = sd_event_unref(f->event);
        (void) unlink(f->address.sun_path);
}

static int dial(const Fixture *f) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_true(fd >= 0);
        assert_int_equal(connect(fd, (const struct sockaddr *) &f->address, sizeof(f->address)), 0);
        return fd;
}

/* Turns the loop until nothing has happened for quiet_msec. */
static void spin(Fixture *f, unsigned quiet_msec) {
        for (int i = 0; i < 100000; i++) {
                int r = sd_event_run(f->event, quiet_msec * USEC_PER_MSEC);
                assert_true(r >= 0);
                if (r == 0)
                        return;
        }
        fail_msg("the loop does not come to rest");
}

static void say(int fd, const char *json) {
        size_t n = strlen(json) + 1;
        assert_int_equal(send(fd, json, n, MSG_NOSIGNAL), n);
}

/* The next message, or "" when the server hung up, or NULL when nothing is there. */
static const char *hear(Fixture *f, int fd) {
        static char buf[65536];
        size_t n = 0;

        spin(f, 20);
        for (;;) {
                ssize_t k = recv(fd, buf + n, 1, MSG_DONTWAIT);
                if (k < 0)
                        return errno == EAGAIN ? NULL : "";
                if (k == 0)
                        return "";
                if (buf[n++] == 0)
                        return buf;
                assert_true(n < sizeof(buf));
        }
}

#define DESCRIBE(interface)                                                                                \
        "{\"method\":\"org.varlink.service.GetInterfaceDescription\","                                      \
        "\"parameters\":{\"interface\":" interface "}}"
#define ERROR(name, key, value) "{\"error\":\"" name "\",\"parameters\":{\"" key "\":\"" value "\"}}"
#define SERVICE_ERROR(name, key, value) ERROR("org.varlink.service." name, key, value)
#define STATUS(n) "{\"method\":\"io.diskbrake.Status\",\"parameters\":{\"logs_max\":" #n "}}"
#define DENIED "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}"
#define TOO_MANY "{\"error\":\"io.diskbrake.TooManyRequests\",\"parameters\":{}}"
#define ALERTS "{\"method\":\"io.diskbrake.Alerts\"}"
#define EVENTS_MORE "{\"method\":\"io.diskbrake.Events\",\"more\":true}"
static const VarlinkServerConfig usual = {.group = VARLINK_NO_GROUP};

static void a_call_is_answered(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, STATUS(7));
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":7}}");
        say(fd, STATUS(8)); /* the connection stays */
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":8}}");
        (void) close(fd);
        spin(&f, 20);
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        fixture_stop(&f);
}

static void introspection_and_errors_are_answered_by_the_transport(void **state) {
        static const struct {
                const char *request, *answer_begin;
        } cases[] = {
                {"{\"method\":\"org.varlink.service.GetInfo\"}",
                        "{\"parameters\":{\"vendor\":\"diskbrake\""},
                {DESCRIBE("\"io.diskbrake\""), "{\"parameters\":{\"description\":\"# diskbrake keeps"},
                {DESCRIBE("\"x.y\""), SERVICE_ERROR("InterfaceNotFound", "interface", "x.y")},
                {DESCRIBE("3"), SERVICE_ERROR("InvalidParameter", "parameter", "interface")},
                {"{\"method\":\"io.diskbrake.Nope\"}",
                        SERVICE_ERROR("MethodNotFound", "method", "io.diskbrake.Nope")},
                {"{\"method\":\"io.diskbrake.Sta\"}",
                        SERVICE_ERROR("MethodNotFound", "method", "io.diskbrake.Sta")},
                {"{\"method\":\"io.diskbrakeX.Status\"}",
                        SERVICE_ERROR("InterfaceNotFound", "interface", "io.diskbrakeX")},
                {"{\"method\":\"Status\"}", SERVICE_ERROR("InterfaceNotFound", "interface", "")},
                {"{\"method\":\"\"}", SERVICE_ERROR("InterfaceNotFound", "interface", "")},
                {"{\"method\":\"io.diskbrake.Status\",\"upgrade\":true}",
                        SERVICE_ERROR("MethodNotImplemented", "method", "io.diskbrake.Status")},
        };
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                say(fd, cases[i].request);
                const char *answer = hear(&f, fd);
                assert_non_null(answer);
                if (strncmp(answer, cases[i].answer_begin, strlen(cases[i].answer_begin)) != 0)
                        fail_msg("%s: %s", cases[i].request, answer);
        }
        assert_int_equal(f.n_calls, 0);
        (void) close(fd);
        fixture_stop(&f);
}

static void garbage_is_dropped(void **state) {
        static const char *const garbage[] = {
                "", "nonsense", "[]", "{}", "{\"method\":3}", "{\"method\":\"a.b\",\"parameters\":[]}",
                        STATUS(1) "x",
                "{\"method\":\"io.diskbrake.Status\",\"more\":1}",
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        };
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        for (size_t i = 0; i < ELEMENTS(garbage); i++) {
                int fd = dial(&f);
                say(fd, garbage[i]);
                assert_string_equal(hear(&f, fd), "");
                (void) close(fd);
        }
        spin(&f, 20);
        assert_int_equal(f.n_calls, 0);
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        fixture_stop(&f);
}

static void a_message_of_10_mb_is_dropped_at_64_kib(void **state) {
        static char blob[10 << 20];
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        memset(blob, 'x', sizeof(blob));
        assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        size_t sent = 0;
        for (int i = 0; i < 1000; i++) {
                ssize_t k = send(fd, blob + sent, sizeof(blob) - sent, MSG_NOSIGNAL);
                sent += k > 0 ? (size_t) k : 0;
                if (k < 0 && errno == EPIPE)
                        break;
                spin(&f, 1);
        }
        assert_true(sent < (1 << 20));
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        (void) close(fd);
        fixture_stop(&f);
}

static void half_a_message_is_dropped_after_its_time_and_silence_is_not(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.half_message_usec = 150 * USEC_PER_MSEC;
        fixture_start(&f, &config);
        int half = dial(&f), silent = dial(&f);
        assert_int_equal(send(half, "{\"method\"", 9, 0), 9);
        spin(&f, 50);
        assert_int_equal(varlink_server_n_connections(f.server), 2);
        for (int i = 0; i < 12; i++) { /* a byte now and then does not count as the rest */
                (void) send(half, " ", 1, MSG_NOSIGNAL);
                uint64_t end_usec = now_usec() + 50 * USEC_PER_MSEC;
                while (now_usec() < end_usec)
                        (void) sd_event_run(f.event, 10 * USEC_PER_MSEC);
        }
        assert_int_equal(varlink_server_n_connections(f.server), 1);
        assert_string_equal(hear(&f, half), "");
        say(silent, STATUS(1));
        assert_string_equal(hear(&f, silent), "{\"parameters\":{\"n\":1}}");
        (void) close(half);
        (void) close(silent);
        fixture_stop(&f);
}

static void pipelined_calls_are_answered_in_order_and_one_at_a_time(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, STATUS(1));
        say(fd, ALERTS);
        say(fd, STATUS(2));
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":1}}");
        assert_null(hear(&f, fd));
        assert_string_equal(f.seen, "Status:1 Alerts:-1 ");
        VarlinkCall *call = TAKE_PTR(f.held[0]);
        varlink_call_reply(call, "{\"alerts\":[]}");
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"alerts\":[]}}");
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":2}}");
        (void) close(fd);
        fixture_stop(&f);
}

static void oneway_calls_are_done_without_an_answer_even_when_the_client_has_gone(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, "{\"method\":\"io.diskbrake.Status\",\"oneway\":true,\"parameters\":{\"logs_max\":5}}");
        assert_null(hear(&f, fd));
        say(fd, "{\"method\":\"io.diskbrake.Status\",\"oneway\":true,\"parameters\":{\"logs_max\":6}}");
        say(fd, "{\"method\":\"io.diskbrake.Status\",\"oneway\":true,\"parameters\":{\"logs_max\":7}}");
        (void) close(fd);
        spin(&f, 20);
        assert_string_equal(f.seen, "Status:5 Status:6 Status:7 ");
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        fixture_stop(&f);
}

static void a_stream_continues_until_it_is_ended(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, EVENTS_MORE);
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"event\":1},\"continues\":true}");
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"event\":2},\"continues\":true}");
        VarlinkCall *call = TAKE_PTR(f.held[0]);
        varlink_call_error(call, "io.diskbrake.Busy", "{\"detail\":\"enough\"}");
        assert_string_equal(hear(&f, fd), ERROR("io.diskbrake.Busy", "detail", "enough"));

        say(fd, ALERTS); /* did not ask for more */
        assert_null(hear(&f, fd));
        assert_int_equal(varlink_call_continue(f.held[1], "{}"), -EINVAL);
        (void) close(fd);
        spin(&f, 20);
        fixture_stop(&f);
}

static void a_client_that_dies_is_told_to_the_handler_once(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, EVENTS_MORE);
        (void) hear(&f, fd);
        (void) close(fd);
        spin(&f, 20);
        assert_int_equal(f.n_gone, 1);
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        fixture_stop(&f);
}

static void a_call_outlives_its_client_and_the_server(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, EVENTS_MORE);
        (void) hear(&f, fd);
        VarlinkCall *call = TAKE_PTR(f.held[0]);
        varlink_call_set_on_gone(call, NULL, NULL);
        (void) close(fd);
        spin(&f, 20);
        assert_true(varlink_call_is_gone(call));
        assert_int_equal(varlink_call_continue(call, "{}"), -ENOTCONN);
        varlink_call_reply(call, "{}");

        fd = dial(&f);
        say(fd, ALERTS);
        spin(&f, 20);
        call = TAKE_PTR(f.held[1]);
        f.server = varlink_server_free(f.server);
        assert_true(varlink_call_is_gone(call));
        assert_string_equal(varlink_call_method(call), "Alerts");
        varlink_call_reply(call, "{}");
        assert_int_equal(f.n_gone, 0);
        (void) close(fd);
        fixture_stop(&f);
}

static void a_client_that_has_no_more_to_ask_still_gets_its_answer(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, ALERTS);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_null(hear(&f, fd));
        varlink_call_reply(TAKE_PTR(f.held[0]), "{}");
        assert_string_equal(hear(&f, fd), "{\"parameters\":{}}");
        assert_string_equal(hear(&f, fd), "");
        (void) close(fd);
        fixture_stop(&f);
}

/* Streams until the client is dropped; the bytes that were sent. */
static size_t flood(VarlinkCall *call, size_t bytes_max) {
        static char blob[100000];
        size_t n = 0;

        memset(blob, 'x', sizeof(blob) - 1);
        blob[0] = blob[sizeof(blob) - 2] = '"';
        while (n < bytes_max && varlink_call_continue(call, blob) == 0)
                n += sizeof(blob);
        return n;
}

static void a_client_that_never_reads_is_dropped_at_the_cap(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.output_max_bytes = MIB(2);
        fixture_start(&f, &config);
        int fd = dial(&f);
        say(fd, EVENTS_MORE);
        spin(&f, 20);
        size_t n = flood(f.held[0], MIB(100));
        assert_in_range(n, MIB(2) - 100000, MIB(4)); /* and what the socket itself holds */
        spin(&f, 20);
        assert_int_equal(f.n_gone, 1);
        assert_int_equal(varlink_server_n_connections(f.server), 0);
        (void) close(fd);
        fixture_stop(&f);
}

static void slow_clients_together_stay_below_the_cap_of_all(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.output_total_max_bytes = MIB(3);
        fixture_start(&f, &config);
        int a = dial(&f), b = dial(&f);
        say(a, EVENTS_MORE);
        say(b, EVENTS_MORE);
        spin(&f, 20);
        assert_int_equal(flood(f.held[0], MIB(2)) / MIB(2), 1);
        assert_true(flood(f.held[1], MIB(4)) < MIB(3));
        spin(&f, 20);
        assert_int_equal(varlink_server_n_connections(f.server), 1);
        (void) close(a);
        (void) close(b);
        fixture_stop(&f);
}

static void a_stalled_reader_is_dropped_and_a_slow_one_gets_everything(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.stall_usec = 300 * USEC_PER_MSEC;
        fixture_start(&f, &config);
        int stalled = dial(&f), slow = dial(&f);
        say(stalled, EVENTS_MORE);
        say(slow, EVENTS_MORE);
        spin(&f, 20);
        size_t n = 0, want = flood(f.held[0], MIB(2)) + flood(f.held[1], MIB(2));
        static char buf[200000];
        uint64_t end_usec = now_usec() + 900 * USEC_PER_MSEC;
        while (now_usec() < end_usec) {
                ssize_t k = recv(slow, buf, sizeof(buf), MSG_DONTWAIT);
                n += k > 0 ? (size_t) k : 0;
                (void) sd_event_run(f.event, 50 * USEC_PER_MSEC);
        }
        assert_int_equal(f.n_gone, 1);
        assert_int_equal(varlink_server_n_connections(f.server), 1);
        assert_true(n > want / 2 - 10);
        (void) close(stalled);
        (void) close(slow);
        fixture_stop(&f);
}

static void an_idle_server_does_not_wake(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        say(fd, STATUS(1));
        (void) hear(&f, fd);
        spin(&f, 20);
        assert_int_equal(sd_event_run(f.event, 300 * USEC_PER_MSEC), 0);
        (void) close(fd);
        spin(&f, 20);
        assert_int_equal(sd_event_run(f.event, 300 * USEC_PER_MSEC), 0);
        fixture_stop(&f);
}

static void one_user_gets_no_more_than_its_share(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.per_uid_max = 2;
        fixture_start(&f, &config);
        int a = dial(&f), b = dial(&f), c = dial(&f);
        assert_string_equal(hear(&f, c), TOO_MANY);
        assert_string_equal(hear(&f, c), "");
        (void) close(a);
        spin(&f, 20);
        int d = dial(&f);
        say(d, STATUS(1));
        assert_string_equal(hear(&f, d), "{\"parameters\":{\"n\":1}}");
        (void) close(b);
        (void) close(c);
        (void) close(d);
        fixture_stop(&f);
}

/* Connections that somebody left open make room, the oldest first; one that waits for an answer, or that has just come,
 * does not. */
static void what_is_left_open_locks_nobody_out(void **state) {
        (void) state;
        Fixture f;
        VarlinkServerConfig config = usual;
        config.per_uid_max = 2;
        config.idle_usec = USEC_PER_SEC;
        fixture_start(&f, &config);
        int a = dial(&f), b = dial(&f);
        spin(&f, 1100);
        int c = dial(&f);
        say(c, STATUS(1));
        assert_string_equal(hear(&f, c), "{\"parameters\":{\"n\":1}}");
        assert_string_equal(hear(&f, a), ""); /* closed */
        int d = dial(&f);
        say(d, STATUS(2));
        assert_string_equal(hear(&f, d), "{\"parameters\":{\"n\":2}}"); /* b has gone */
        int e = dial(&f);
        assert_string_equal(hear(&f, e), TOO_MANY);
        (void) close(a), (void) close(b), (void) close(c), (void) close(d), (void) close(e);
        fixture_stop(&f);
}

static void running_out_of_descriptors_does_not_spin(void **state) {
        (void) state;
        Fixture f;
        fixture_start(&f, &usual);
        int fd = dial(&f);
        struct rlimit old, none;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        none = (struct rlimit){3, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        int n = 0;
        uint64_t end_usec = now_usec() + 350 * USEC_PER_MSEC;
        while (now_usec() < end_usec)
                n += sd_event_run(f.event, 10 * USEC_PER_MSEC) > 0;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
        assert_in_range(n, 1, 20);
        say(fd, STATUS(1));
        spin(&f, 300);
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":1}}");
        (void) close(fd);
        fixture_stop(&f);
}

/* A child that connects as somebody else and copies what it hears to a pipe; it stays until it is killed. */
static pid_t stranger(const Fixture *f, gid_t supplementary, int *ret_fd) {
        int p[2];

        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                gid_t groups[100];
                for (size_t i = 0; i < ELEMENTS(groups); i++) /* more than what fits the usual buffer */
                        groups[i] = 60000 + (gid_t) i;
                groups[99] = supplementary;
                if (setgroups(ELEMENTS(groups), groups) < 0 || setgid(OTHER_UID) < 0 ||
                        setuid(OTHER_UID) < 0)
                        _exit(1);
                int fd = socket(AF_UNIX, SOCK_STREAM, 0);
                char buf[256];
                ssize_t n;
                if (connect(fd, (const struct sockaddr *) &f->address, sizeof(f->address)) < 0)
                        _exit(1);
                (void) !send(fd, STATUS(9), sizeof(STATUS(9)), MSG_NOSIGNAL);
                while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
                        (void) !write(p[1], buf, (size_t) n);
                (void) !write(p[1], "", 1);
                pause();
                _exit(0);
        }
        (void) close(p[1]);
        *ret_fd = p[0];
        return pid;
}

static void end_stranger(pid_t pid, int fd) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        (void) close(fd);
}

static const char *hear_pipe(Fixture *f, int fd) {
        static char buf[256];

        for (int i = 0; i < 200; i++) {
                struct pollfd p = {.fd = fd, .events = POLLIN};
                spin(f, 5);
                if (poll(&p, 1, 0) > 0) {
                        ssize_t n = read(fd, buf, sizeof(buf) - 1);
                        buf[MAX(n, (ssize_t) 0)] = 0;
                        return buf;
                }
        }
        return "(nothing)";
}

static void only_root_and_the_group_may(void **state) {
        (void) state;
        Fixture f;
        if (geteuid() != 0)
                skip(); /* takes another uid */
        VarlinkServerConfig config = usual;
        config.group = SOME_GROUP;
        fixture_start(&f, &config);
        int out;
        pid_t pid = stranger(&f, 12345, &out);
        assert_string_equal(hear_pipe(&f, out), DENIED);
        end_stranger(pid, out);
        pid = stranger(&f, SOME_GROUP, &out);
        assert_string_equal(hear_pipe(&f, out), "{\"parameters\":{\"n\":9}}");
        end_stranger(pid, out);
        spin(&f, 20);
        fixture_stop(&f);
}

static void slots_are_kept_for_root(void **state) {
        (void) state;
        Fixture f;
        if (geteuid() != 0)
                skip();
        VarlinkServerConfig config = {.group = SOME_GROUP, .connections_max = 3, .root_slots = 2};
        fixture_start(&f, &config);
        int out_a, out_b;
        pid_t a = stranger(&f, SOME_GROUP, &out_a);
        assert_string_equal(hear_pipe(&f, out_a), "{\"parameters\":{\"n\":9}}");
        pid_t b = stranger(&f, SOME_GROUP, &out_b);
        assert_string_equal(hear_pipe(&f, out_b), TOO_MANY);
        int fd = dial(&f);
        say(fd, STATUS(1));
        assert_string_equal(hear(&f, fd), "{\"parameters\":{\"n\":1}}");
        (void) close(fd);
        end_stranger(a, out_a);
        end_stranger(b, out_b);
        spin(&f, 20);
        fixture_stop(&f);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_call_is_answered),
                cmocka_unit_test(introspection_and_errors_are_answered_by_the_transport),
                cmocka_unit_test(garbage_is_dropped),
                cmocka_unit_test(a_message_of_10_mb_is_dropped_at_64_kib),
                cmocka_unit_test(half_a_message_is_dropped_after_its_time_and_silence_is_not),
                cmocka_unit_test(pipelined_calls_are_answered_in_order_and_one_at_a_time),
                cmocka_unit_test(oneway_calls_are_done_without_an_answer_even_when_the_client_has_gone),
                cmocka_unit_test(a_stream_continues_until_it_is_ended),
                cmocka_unit_test(a_client_that_dies_is_told_to_the_handler_once),
                cmocka_unit_test(a_call_outlives_its_client_and_the_server),
                cmocka_unit_test(a_client_that_has_no_more_to_ask_still_gets_its_answer),
                cmocka_unit_test(a_client_that_never_reads_is_dropped_at_the_cap),
                cmocka_unit_test(slow_clients_together_stay_below_the_cap_of_all),
                cmocka_unit_test(a_stalled_reader_is_dropped_and_a_slow_one_gets_everything),
                cmocka_unit_test(an_idle_server_does_not_wake),
                cmocka_unit_test(one_user_gets_no_more_than_its_share),
                cmocka_unit_test(what_is_left_open_locks_nobody_out),
                cmocka_unit_test(running_out_of_descriptors_does_not_spin),
                cmocka_unit_test(only_root_and_the_group_may),
                cmocka_unit_test(slots_are_kept_for_root),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
