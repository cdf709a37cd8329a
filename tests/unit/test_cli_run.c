/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The program `diskbrake` itself: its options, its exit codes, and what it says where. Arguments: the
 * program, and fake_guard, which it talks to. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client.h"
#include "config_read.h"

static const char *diskbrake, *fake_guard;
static char folder[64], socket_path[96];

typedef struct Output {
        int code;
        char out[65536], err[4096];
} Output;

static void read_back(FILE *f, char *buf, size_t n) {
        rewind(f);
        buf[fread(buf, 1, n - 1, f)] = 0;
        (void) fclose(f);
}

/* Words are parted by blanks; SOCKET stands for the fake guard's. */
static void run(const char *words, Output *ret) {
        FILE *out = tmpfile(), *err = tmpfile();
        char line[512];
        char *argv[16] = {(char *) diskbrake};
        int argc = 1, status;

        (void) snprintf(line, sizeof(line), "%s", words);
        for (char *w = strtok(line, " "); w; w = strtok(NULL, " "))
                argv[argc++] = streq(w, "SOCKET") ? socket_path : w;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) dup2(fileno(out), 1);
                (void) dup2(fileno(err), 2);
                execv(diskbrake, argv);
                _exit(127);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        read_back(out, ret->out, sizeof(ret->out));
        read_back(err, ret->err, sizeof(ret->err));
}

static pid_t guard_start(const char *scenario) {
        int p[2];
        char c;

        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL); /* a case that fails does not stop it */
                (void) dup2(p[1], 1);
                execl(fake_guard, fake_guard, socket_path, scenario, (char *) NULL);
                _exit(127);
        }
        (void) close(p[1]);
        assert_int_equal(read(p[0], &c, 1), 1);
        (void) close(p[0]);
        return pid;
}

static void guard_stop(pid_t pid) {
        assert_int_equal(kill(pid, SIGTERM), 0);
        (void) waitpid(pid, NULL, 0);
}

typedef struct Case {
        const char *words;
        int code;
        const char *out, *err; /* what is in it; "": it is empty; NULL: whatever */
} Case;

static void check_part(const char *words, const char *got, const char *expected) {
        if (expected && (*expected ? !strstr(got, expected) : *got != 0))
                fail_msg("%s: expected \"%s\" in \"%s\"", words, expected, got);
}

static void check_cases(const Case *cases, size_t n) {
        static Output o;

        for (size_t i = 0; i < n; i++) {
                run(cases[i].words, &o);
                if (o.code != cases[i].code)
                        fail_msg("%s: exit code %d, out %s, err %s", cases[i].words, o.code, o.out, o.err);
                check_part(cases[i].words, o.out, cases[i].out);
                check_part(cases[i].words, o.err, cases[i].err);
        }
}

static void mistakes_are_named_and_nothing_is_done(void **state) {
        static const Case cases[] = {
                {"", 2, "", "diskbrake --help"},
                {"--socket SOCKET", 2, "", "what to do?"},
                {"nonsense", 2, "", "nonsense is not a command"},
                {"status --nonsense", 2, "", "--nonsense is not an option"},
                {"--nonsense status", 2, "", "--nonsense is not an option"},
                {"-x status", 2, "", "-x is not an option"},
                {"status --socket", 2, "", "--socket needs a value"},
                {"status --json=3", 2, "", "is not an option"},
                {"status more", 2, "", "more is too much"},
                {"status --keep 1M", 2, "", "--keep is not an option of this command"},
                {"check --nonsense", 3, "", "--nonsense is not an option"},
                {"--dry-run check", 3, "", "--dry-run is not an option"},
                {"trim", 2, "", "needs NAME"},
                {"trim a b", 2, "", "b is too much"},
                {"trim web --keep much", 2, "", "not a size"},
                {"trim web --method burn", 2, "",
                "burn is none: delete, collapse, collapse-leased, fill, punch, truncate or heal"},
                {"trim web --method ballast-release", 2, "", "collapse"},
                {"trim web -n 5", 2, "", "5 is too much"},
                {"repair", 2, "", "needs NAME"},
                {"repair web --dry-run", 2, "", "--dry-run is not an option of this command"},
                {"logs", 2, "", "needs NAME"},
                {"logs web -n many", 2, "", "--lines many is not a number"},
                {"logs web -n -1", 2, "", "is not a number"},
                {"logs web --since yesterday", 2, "", "--since yesterday is neither a time nor a duration"},
                {"logs web --until 2026-11-27T20:31:00", 2, "", "is neither a time nor a duration"},
                {"logs web --dry-run", 2, "", "--dry-run is not an option of this command"},
                {"pause", 2, "", "--for"},
                {"pause --for 5min --off", 2, "", "--for"},
                {"ack web", 2, "", "web is no number of an alert"},
                {"ack 3 --for never", 2, "", "not a duration"},
                {"pause --for never", 2, "", "not a duration"},
                {"pause --for infinity", 2, "", "has to end"},
                {"pause --for 0", 2, "", "not a duration"},
                {"config", 2, "", "check"},
                {"config nonsense", 2, "", "check"},
        };
        (void) state;
        check_cases(cases, ELEMENTS(cases));
}

static void help_and_version_need_no_daemon(void **state) {
        static const Case cases[] = {
                {"--help", 0, "Usage: diskbrake COMMAND", ""},
                {"-h", 0, "config check [FILE]", ""},
                {"trim --help", 0, "--dry-run", ""},
                {"trim --help", 0, "delete, collapse, collapse-leased, fill, punch, truncate or heal", ""},
                {"check --help", 0, "--json", ""},
                {"--help check", 0, "Exit code", ""},
                {"--version", 0, "diskbrake 0.", ""},
        };
        (void) state;
        check_cases(cases, ELEMENTS(cases));
}

static void without_a_daemon_it_says_how_to_start_it(void **state) {
        static const Case cases[] = {
                {"--socket /nonexistent/x status", 1, "", "sudo systemctl start diskbrake"},
                {"--socket /nonexistent/x check", 3, "DISKBRAKE UNKNOWN - diskbrake is not running", ""},
                {"--socket /nonexistent/x check --json", 3, "\"state\": \"UNKNOWN\"", ""},
                {"--socket /nonexistent/x events -f", 1, "", "not running"},
        };
        (void) state;
        check_cases(cases, ELEMENTS(cases));
}

static void options_may_stand_anywhere(void **state) {
        static const Case cases[] = {
                {"--socket SOCKET trim web --dry-run", 0, "would free 3 GiB", ""},
                {"trim --dry-run web --socket SOCKET", 0, "would free 3 GiB", ""},
                {"-n -s SOCKET trim -- web", 0, "would free 3 GiB", ""},
        };
        (void) state;
        pid_t pid = guard_start("calm");
        check_cases(cases, ELEMENTS(cases));
        guard_stop(pid);
}

static void a_log_is_read_from_its_file(void **state) {
        static const Case cases[] = {
                {"-s SOCKET logs web", 0, "one\ntwo\n", ""},
                {"-n 1 -s SOCKET logs web", 0, "two\n", ""},
                {"-s SOCKET logs web -n1 --json", 0, "\"log\":\"two\\n\"}\n", ""},
                {"-s SOCKET logs web --until 2026-11-27T20:31:12.5Z", 0, "one\n", ""},
                {"-s SOCKET logs web --since 1h --until 2000-01-01T00:00:00Z", 0, "", ""},
                {"-s SOCKET logs nobody", 1, "", "no container is called nobody, and nothing was archived of one of that name\n"},
                {"-s SOCKET logs web --archives-only", 1, "", "nothing was archived of the log of web\n"},
                {"-s SOCKET logs binary", 1, "", "docker logs binary"},
                {"-s SOCKET logs odd", 1, "", "it is not read"},
        };
        static const Case without[] = {{"-s SOCKET logs web", 1, "", "No such file"}};
        pid_t pid = guard_start("calm");
        char path[256];

        (void) state;
        (void) snprintf(path, sizeof(path), "%s.log", socket_path);
        check_cases(without, 1);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        assert_true(fputs("{\"log\":\"one\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:12Z\"}\n"
                          "{\"log\":\"two\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:13Z\"}\n", f) >= 0);
        assert_int_equal(fclose(f), 0);
        check_cases(cases, ELEMENTS(cases));
        (void) unlink(path);
        guard_stop(pid);
}

static void each_command_does_its_job(void **state) {
        static const Case cases[] = {
                {"-s SOCKET status", 0, "CRITICAL  /var/lib/docker is full in 3 to 4 min", ""},
                {"-s SOCKET status --json", 0, "\"growth_bps\": 204472320", ""},
                {"-s SOCKET check", 2, "DISKBRAKE CRITICAL - critical", ""},
                {"-s SOCKET check --json", 2, "\"state\": \"CRITICAL\"", ""},
                {"-s SOCKET trim web --keep 1M --method punch", 0,
                "web: freed 3 GiB (punch), 16 MiB are left", ""},
                {"-s SOCKET trim db", 1, "", "db is protected"},
                {"-s SOCKET trim nobody", 1, "", "no container is called nobody"},
                {"-s SOCKET repair web", 0, "web: 2 KiB of torn lines are blank now", ""},
                {"-s SOCKET repair whole", 0, "whole: no line of its log is torn", ""},
                {"-s SOCKET repair binary", 1, "", "binary has no log of the driver json-file"},
                {"-s SOCKET repair web --json", 0, "\"repaired_bytes\": 2048", ""},
                {"-s SOCKET pause --for 1h", 0, "no acts on /var/lib/docker for 1 h; alerts go on", ""},
                {"-s SOCKET pause /var/lib/docker --off", 0, "acts on /var/lib/docker go on", ""},
                {"-s SOCKET alerts", 0, "alert 3: /var/lib/docker is full in 4 min", ""},
                {"-s SOCKET ack", 0, "uid 1000)", ""},
                {"-s SOCKET ack 3 --for 2h", 0, "uid 1000 until", ""},
                {"-s SOCKET ack 3 --json", 0, "\"acknowledged_until_usec\": null", ""},
                {"-s SOCKET ack 4", 1, "", "no alert 4 is open"},
                {"-s SOCKET alerts --json", 0, "\"since_usec\": 1763720000000000", ""},
                {"-s SOCKET events", 0, "critical", ""},
                {"-s SOCKET events -f --json", 0, "{\"event_id\":42,\"time_usec\":1763720001000000,", ""},
                {"-s SOCKET config show", 0, "[Watchdog]\nMode=enforce\n", ""},
                {"-s SOCKET reload", 1, "", "x.conf:3: unknown key"},
        };
        (void) state;
        pid_t pid = guard_start("flood");
        check_cases(cases, ELEMENTS(cases));
        guard_stop(pid);
}

static void check_has_the_exit_codes_of_the_convention(void **state) {
        static const struct {
                const char *scenario;
                int code;
        } cases[] = {{"calm", 0}, {"paused", 0}, {"flood", 2}, {"degraded", 2}, {"blind", 2}, {"empty", 3}};
        static Output o;
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                pid_t pid = guard_start(cases[i].scenario);
                run("check -s SOCKET", &o);
                if (o.code != cases[i].code)
                        fail_msg("%s: %d %s", cases[i].scenario, o.code, o.out);
                guard_stop(pid);
        }
}

static void a_daemon_that_is_silent_does_not_hang_the_client(void **state) {
        _cleanup_(client_freep) Client *client = NULL;
        VarlinkReply reply;
        (void) state;
        pid_t pid = guard_start("silent");
        assert_int_equal(client_connect(socket_path, USEC_PER_SEC / 10, &client), 0);
        assert_int_equal(client_call(client, "Status", NULL, &reply), -ETIMEDOUT);
        guard_stop(pid);
}

static void a_listener_that_never_accepts_does_not_hang_the_client(void **state) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        Client *clients[8];
        size_t n = 0;
        int r = 0;
        (void) state;
        (void) unlink(socket_path);
        strcpy(address.sun_path, socket_path);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 0), 0);
        while (n < ELEMENTS(clients) && (r = client_connect(socket_path, USEC_PER_SEC / 10,
                &clients[n])) == 0)
                n++;
        assert_int_equal(r, -ETIMEDOUT);
        while (n > 0)
                client_free(clients[--n]);
}

static void write_file(const char *name, const char *text) {
        char path[256];
        (void) snprintf(path, sizeof(path), "%s/%s", folder, name);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        (void) fclose(f);
}

/* message: NULL: it is right; line: 0: null. */
static void config_check_json(const char *path, const char *file, unsigned line, const char *message) {
        static Output o;
        char words[256], expected[160];

        (void) snprintf(words, sizeof(words), "config check --json %s", path);
        run(words, &o);
        assert_int_equal(o.code, message ? 1 : 0);
        assert_string_equal(o.err, "");
        cJSON *json = cJSON_Parse(o.out);
        assert_non_null(json);
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(json, "line");
        const char *said = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "message"));
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "ok")), !message);
        (void) snprintf(expected, sizeof(expected), "%s/%s", folder, file);
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(json, "file")->valuestring, expected);
        if (message) {
                assert_true(line == 0 ? cJSON_IsNull(at) : cJSON_IsNumber(at) && at->valueint == (int) line);
                assert_non_null(strstr(said, message));
        } else
                assert_true(!at && !said);
        cJSON_Delete(json);
}

static void the_configuration_is_read_with_its_drop_ins_by_name(void **state) {
        char path[128], drop_ins[140], message[CONFIG_READ_MESSAGE_MAX] = "";
        Config config;
        (void) state;
        (void) snprintf(path, sizeof(path), "%s/a.conf", folder);
        (void) snprintf(drop_ins, sizeof(drop_ins), "%s.d", path);

        assert_int_equal(config_read(path, &config, message, sizeof(message)), -ENOENT);
        assert_non_null(strstr(message, "a.conf: No such file"));

        write_file("a.conf", "[Trim]\nKeep=32M\n[Watchdog]\nMode=observe\n");
        assert_int_equal(config_read(path, &config, message, sizeof(message)), 0);
        assert_int_equal(config.keep_bytes, MIB(32));

        assert_int_equal(mkdir(drop_ins, 0755), 0);
        write_file("a.conf.d/20.conf", "[Trim]\nKeep=20M\n");
        write_file("a.conf.d/10.conf", "[Trim]\nKeep=10M\n");
        write_file("a.conf.d/.hidden.conf", "nonsense\n");
        write_file("a.conf.d/30.conf~", "nonsense\n");
        assert_int_equal(config_read(path, &config, message, sizeof(message)), 0);
        assert_int_equal(config.keep_bytes, MIB(20));
        assert_int_equal(config.mode, MODE_OBSERVE);

        write_file("a.conf.d/15.conf", "[Trim]\n\nKeep=lots\n");
        config.keep_bytes = 1;
        assert_int_equal(config_read(path, &config, message, sizeof(message)), CONFIG_READ_E_INVALID);
        assert_non_null(strstr(message, "/a.conf.d/15.conf:3: "));
        assert_int_equal(config.keep_bytes, 1); /* as it was */

        static Output o;
        char words[256];
        (void) snprintf(words, sizeof(words), "config check %s", path);
        run(words, &o);
        assert_int_equal(o.code, 1);
        assert_string_equal(o.out, "");
        assert_non_null(strstr(o.err, "/a.conf.d/15.conf:3: "));
        config_check_json(path, "a.conf.d/15.conf", 3, "Keep=lots");

        write_file("a.conf.d/15.conf", "[Trim]\nKeep=1K\n");
        write_file("a.conf.d/20.conf", "");
        config_check_json(path, "a.conf", 0, "[Trim] Keep=1 KiB");

        write_file("a.conf.d/15.conf", "");
        config_check_json(path, "a.conf", 0, NULL);
        run(words, &o);
        assert_int_equal(o.code, 0);
        assert_non_null(strstr(o.out, "a.conf is right"));
}

static void what_is_no_file_is_no_configuration(void **state) {
        char message[CONFIG_READ_MESSAGE_MAX] = "", path[128];
        Config config;
        (void) state;
        assert_int_equal(config_read(folder, &config, message, sizeof(message)), CONFIG_READ_E_INVALID);
        (void) snprintf(path, sizeof(path), "%s/fifo", folder);
        assert_int_equal(mkfifo(path, 0600), 0);
        assert_int_equal(config_read(path, &config, message, sizeof(message)), CONFIG_READ_E_INVALID);
        assert_int_equal(config_read("/dev/zero", &config, message, sizeof(message)), CONFIG_READ_E_INVALID);
        (void) snprintf(path, sizeof(path), "%s/large", folder);
        write_file("large", "# ");
        assert_int_equal(truncate(path, 2 << 20), 0);
        assert_int_equal(config_read(path, &config, message, sizeof(message)), CONFIG_READ_E_INVALID);
        assert_non_null(strstr(message, "1 MiB"));
}

static int set_up(void **state) {
        (void) state;
        strcpy(folder, "/tmp/test-cli-XXXXXX");
        if (!mkdtemp(folder))
                return -1;
        (void) snprintf(socket_path, sizeof(socket_path), "%s/socket", folder);
        return 0;
}

static int tear_down(void **state) {
        char command[128];
        (void) state;
        (void) snprintf(command, sizeof(command), "rm -rf %s", folder);
        return system(command);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(mistakes_are_named_and_nothing_is_done),
                cmocka_unit_test(help_and_version_need_no_daemon),
                cmocka_unit_test(without_a_daemon_it_says_how_to_start_it),
                cmocka_unit_test(options_may_stand_anywhere),
                cmocka_unit_test(a_log_is_read_from_its_file),
                cmocka_unit_test(each_command_does_its_job),
                cmocka_unit_test(check_has_the_exit_codes_of_the_convention),
                cmocka_unit_test(a_daemon_that_is_silent_does_not_hang_the_client),
                cmocka_unit_test(a_listener_that_never_accepts_does_not_hang_the_client),
                cmocka_unit_test(the_configuration_is_read_with_its_drop_ins_by_name),
                cmocka_unit_test(what_is_no_file_is_no_configuration),
        };
        if (argc < 3)
                return 2;
        diskbrake = argv[1];
        fake_guard = argv[2];
        (void) unsetenv("DISKBRAKE_SOCKET");
        return cmocka_run_group_tests(tests, set_up, tear_down);
}
