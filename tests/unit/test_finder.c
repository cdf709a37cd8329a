/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Finding what to guard: on trees and with dockerds of our own. The dockerds are copies of this test,
 * under that name; the /proc they are found in is the real one. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "finder.h"
#include "finder_settings.h"
#include "finder_trust.h"
#include "process.h"

static char scratch[128]; /* where anybody may write: nothing in it is trusted */
static char trusted[128]; /* where only root may; empty: we are not root */
static char self_path[PATH_MAX];
static Config config;
static Found found;

_printf_(1, 2) static void shell(const char *format, ...) {
        char command[PATH_MAX * 2];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0)
                fail_msg("%s", command);
}

#define skip_because(reason)                                                                                \
        do {                                                                                                \
                print_message("skipped: %s\n", reason);                                                     \
                skip();                                                                                     \
        } while (0)

static int setup(void **state) {
        char why[FINDER_TRUST_WHY_MAX];

        (void) state;
        (void) snprintf(scratch, sizeof(scratch), "/tmp/finder-XXXXXX");
        assert_non_null(mkdtemp(scratch));
        assert_true(readlink("/proc/self/exe", self_path, sizeof(self_path) - 1) > 0);
        if (geteuid() == 0) {
                (void) snprintf(trusted, sizeof(trusted), "/run/finder-XXXXXX");
                if (!mkdtemp(trusted) || finder_trust_check_parents(AT_FDCWD, trusted, why) != 0)
                        trusted[0] = 0;
        }
        return 0;
}

static int teardown(void **state) {
        (void) state;
        shell("rm -rf %s", scratch);
        if (trusted[0])
                shell("rm -rf %s", trusted);
        return 0;
}

static int empty(void **state) {
        (void) state;
        shell("rm -rf %s/* && mkdir %s/proc && : > %s/mountinfo", scratch, scratch, scratch);
        if (trusted[0])
                shell("rm -rf %s/*", trusted);
        config_set_defaults(&config);
        return 0;
}

/* Places that have nothing but what the test makes. */
static FinderPlaces places_in(const char *base, const char *proc) {
        static char text[3][PATH_MAX];

        (void) snprintf(text[0], PATH_MAX, "%s/daemon.json", base);
        (void) snprintf(text[1], PATH_MAX, "%s/docker", base);
        (void) snprintf(text[2], PATH_MAX, "%s/proc", scratch);
        return (FinderPlaces){
                .proc = proc ? proc : text[2],
                .mountinfo = "/proc/self/mountinfo",
                .daemon_json = text[0],
                .default_roots = {text[1]},
        };
}

_printf_(1, 2) static void add_data_root(const char *format, ...) {
        va_list args;

        va_start(args, format);
        (void) vsnprintf(config.data_roots[config.n_data_roots++], CONFIG_PATH_MAX, format, args);
        va_end(args);
}

static bool has_note(const char *part) {
        for (uint32_t i = 0; i < found.n_notes; i++)
                if (strstr(found.notes[i], part))
                        return true;
        return false;
}

static const DockerRoot *find_root(const char *path) {
        for (uint32_t i = 0; i < found.n_partitions; i++)
                for (uint32_t j = 0; j < found.partitions[i].n_roots; j++)
                        if (streq(found.partitions[i].roots[j].path, path))
                                return &found.partitions[i].roots[j];
        return NULL;
}

static const char *below(const char *base, const char *name) {
        static char path[4][PATH_MAX];
        static unsigned turn;
        char *text = path[turn++ % 4];

        (void) snprintf(text, PATH_MAX, "%s/%s", base, name);
        return text;
}

/* ---- what dockerd was told
 * ----------------------------------------------------------------------------------- */

static void command_lines_are_understood(void **state) {
        static const struct {
                const char *arguments; /* separated by blanks here */
                const char *data_root, *config_file, *socket;
        } cases[] = {
                {"dockerd", "", "", ""},
                {"dockerd -H fd:// --containerd=/run/containerd.sock", "", "", "/run/docker.sock"},
                {"dockerd --data-root /srv/d", "/srv/d", "", ""},
                {"dockerd --data-root=/srv/d -H tcp://0:1 -H unix:///x -H unix:///y", "/srv/d", "", "/x"},
                {"dockerd -g /srv/d --config-file /etc/d.json", "/srv/d", "/etc/d.json", ""},
                {"dockerd -g/srv/d --host=unix:///a", "/srv/d", "", "/a"},
                {"dockerd --graph=/srv/d", "/srv/d", "", ""},
                {"dockerd --data-root relative", "", "", ""},
                {"dockerd --data-root-is-not=/srv/d", "", "", ""},
                {"dockerd --data-root", "", "", ""},
                {"dockerd --data-root=/srv/\033[2J", "", "", ""},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                FinderSettings settings;
                char text[256];
                size_t n = strlen(cases[i].arguments) + 1;

                memcpy(text, cases[i].arguments, n);
                for (char *at = text; *at; at++)
                        if (*at == ' ')
                                *at = 0;
                finder_settings_parse_arguments(text, n, &settings);
                assert_string_equal(settings.data_root, cases[i].data_root);
                assert_string_equal(settings.config_file, cases[i].config_file);
                assert_string_equal(settings.api_socket, cases[i].socket);
        }
}

static void daemon_json_is_understood(void **state) {
        static const struct {
                const char *json, *data_root, *socket;
        } cases[] = {
                {"{\"data-root\":\"/srv/d\",\"hosts\":[\"tcp://x\",\"unix:///s\"]}", "/srv/d", "/s"},
                {"{\"graph\":\"/srv/g\"}", "/srv/g", ""},
                {"{\"Data-Root\":\"/srv/d\"}", "", ""},
                {"{\"data-root\":7,\"hosts\":\"unix:///s\"}", "", ""},
                {"{\"data-root\":\"../d\"}", "", ""},
                {"[]", "", ""},
                {"{", "", ""},
                {"", "", ""},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                FinderSettings settings;

                finder_settings_parse_json(cases[i].json, strlen(cases[i].json), &settings);
                assert_string_equal(settings.data_root, cases[i].data_root);
                assert_string_equal(settings.api_socket, cases[i].socket);
        }
}

/* ---- roots
 * --------------------------------------------------------------------------------------------------- */

static void configured_roots_are_canonical_and_need_no_trust(void **state) {
        FinderPlaces places = places_in(scratch, NULL);
        struct stat st;

        (void) state;
        shell("cd %s && mkdir -p real/containers && ln -s real link && : > file", scratch);
        add_data_root("%s/link/", scratch);
        add_data_root("%s/real", scratch); /* the same */
        add_data_root("%s/missing", scratch);
        add_data_root("%s/file", scratch);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_int_equal(stat(scratch, &st), 0);
        assert_int_equal(found.n_partitions, 1);
        assert_int_equal(found.partitions[0].n_roots, 1);
        assert_string_equal(found.partitions[0].roots[0].path, below(scratch, "real"));
        assert_string_equal(found.partitions[0].look_path, below(scratch, "real"));
        assert_true(found.partitions[0].roots[0].configured);
        assert_int_equal(found.partitions[0].roots[0].owner_uid, geteuid());
        assert_int_equal(found.partitions[0].device, st.st_dev);
        assert_true(found.partitions[0].mount[0] == '/');
        assert_true(found.partitions[0].fs_type[0] != 0);
        assert_true(has_note("missing"));
        assert_true(has_note("file"));
}

static void the_ballast_is_the_smaller_of_share_and_amount(void **state) {
        FinderPlaces places = places_in(scratch, NULL);

        (void) state;
        shell("mkdir -p %s/real/containers", scratch);
        add_data_root("%s/real", scratch);
        config.ballast_permyriad = 10000;
        config.ballast_bytes = 4096;
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_int_equal(found.partitions[0].ballast_bytes, 4096);
        config.ballast_permyriad = 1;
        config.ballast_bytes = UINT64_MAX;
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_in_range(found.partitions[0].ballast_bytes, 1, UINT64_MAX / 10000);
        config.mode = MODE_OBSERVE;
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_int_equal(found.partitions[0].ballast_bytes, 0);
}

static void a_root_where_others_can_write_is_only_noted(void **state) {
        FinderPlaces places = places_in(scratch, NULL);

        (void) state;
        shell("mkdir -p %s/docker/containers", scratch);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_int_equal(found.n_partitions, 0);
        assert_true(has_note("name it with DataRoot= to guard it"));
        assert_true(has_note("no Docker data-root was found"));
}

static void the_usual_place_is_found_without_a_dockerd(void **state) {
        FinderPlaces places = places_in(trusted, NULL);

        (void) state;
        if (!trusted[0])
                skip_because("needs root, for a folder that only root can have made");
        shell("cd %s && mkdir -p docker/containers docker/volumes docker/overlay2 elsewhere/containers",
              trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_non_null(find_root(below(trusted, "docker")));
        assert_null(find_root(below(trusted, "elsewhere")));
        assert_false(find_root(below(trusted, "docker"))->configured);
        assert_int_equal(find_root(below(trusted, "docker"))->dockerd_pid, 0);
        assert_int_equal(found.partitions[0].n_parts, 2);
        shell("echo '{\"data-root\":\"%s/elsewhere\"}' > %s/daemon.json", trusted, trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_non_null(find_root(below(trusted, "elsewhere")));
        shell("chmod g+w %s/docker", trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "docker")));
        shell("chmod g-w %s/docker && chown 12345 %s/docker", trusted, trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "docker")));
        shell("chown 0 %s/docker && chown 12345 %s", trusted, trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "docker")));
        shell("chown 0 %s", trusted);
}

static void remapped_roots_are_roots_of_their_own(void **state) {
        FinderPlaces places = places_in(trusted, NULL);

        (void) state;
        if (!trusted[0])
                skip_because("needs root, for a folder that only root can have made");
        shell("cd %s && mkdir -p docker/100000.100000/containers docker/7.7/containers docker/5.5 "
              "docker/12.x/containers && chown -R 100000 docker/100000.100000 && chown 8 docker/7.7",
              trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_non_null(find_root(below(trusted, "docker/100000.100000")));
        assert_int_equal(find_root(below(trusted, "docker/100000.100000"))->owner_uid, 100000);
        assert_null(find_root(below(trusted, "docker/7.7"))); /* belongs to somebody else than it says */
        assert_null(find_root(below(trusted, "docker")));     /* nothing in it is its own */
        assert_int_equal(found.partitions[0].n_roots, 1);
}

static void a_partition_whose_space_is_not_certain_is_named(void **state) {
        FinderPlaces places = places_in(scratch, NULL);
        char mountinfo[PATH_MAX];
        struct stat st;

        (void) state;
        shell("mkdir -p %s/data/containers", scratch);
        assert_int_equal(stat(scratch, &st), 0);
        shell("echo '36 35 %u:%u / %s rw - zfs tank/docker rw' > %s/mountinfo", major(st.st_dev), minor(st.st_dev),
              scratch, scratch);
        (void) snprintf(mountinfo, sizeof(mountinfo), "%s/mountinfo", scratch);
        places.mountinfo = mountinfo;
        add_data_root("%s/data", scratch);

        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_string_equal(found.partitions[0].space_doubt, ""); /* told not to look */
        places.sys_block = scratch;
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_string_equal(found.partitions[0].fs_type, "zfs");
        assert_non_null(strstr(found.partitions[0].space_doubt, "ZFS"));
        assert_true(has_note("may not be what it says: it is ZFS"));
}

static void watched_paths_make_partitions_without_roots(void **state) {
        FinderPlaces places = places_in(scratch, NULL);
        struct stat here, there;

        (void) state;
        assert_int_equal(stat(scratch, &here), 0);
        assert_int_equal(stat("/dev/shm", &there), 0);
        if (here.st_dev == there.st_dev)
                skip_because("needs a second filesystem at /dev/shm");
        shell("mkdir -p %s/real/containers %s/more", scratch, scratch);
        add_data_root("%s/real", scratch);
        (void) snprintf(config.watch_paths[0], CONFIG_PATH_MAX, "/dev/shm");
        (void) snprintf(config.watch_paths[1], CONFIG_PATH_MAX, "%s/more", scratch);
        (void) snprintf(config.watch_paths[2], CONFIG_PATH_MAX, "/nowhere");
        config.n_watch_paths = 3;
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_int_equal(found.n_partitions, 2);
        assert_int_equal(found.partitions[0].n_parts, 1);
        assert_string_equal(found.partitions[0].parts[0], below(scratch, "more"));
        assert_int_equal(found.partitions[1].n_roots, 0);
        assert_int_equal(found.partitions[1].device, there.st_dev);
        assert_string_equal(found.partitions[1].mount, "/dev/shm");
        assert_string_equal(found.partitions[1].look_path, "/dev/shm");
        assert_int_equal(found.partitions[1].ballast_bytes, 0);
        assert_true(has_note("WatchPath=/nowhere"));
}

/* ---- dockerds
 * ------------------------------------------------------------------------------------------------ */

/* Runs this test as "dockerd" (see main()), and waits until it is up. */
static pid_t start_dockerd(const char *binary, const char *data_root, const char *how) {
        char option[PATH_MAX + 32], byte;
        int ready[2];
        pid_t pid;

        shell("mkdir -p $(dirname %s) && cp %s %s", binary, self_path, binary);
        (void) snprintf(option, sizeof(option), "--data-root=%s", data_root);
        assert_int_equal(pipe(ready), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                char number[16];
                (void) snprintf(number, sizeof(number), "%d", ready[1]);
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) execl(binary, "dockerd", option, "-H", "unix:///run/of-the-test.sock", how, number,
                             (char *) NULL);
                _exit(1);
        }
        (void) close(ready[1]);
        if (read(ready[0], &byte, 1) != 1)
                fail_msg("%s did not start", binary);
        (void) close(ready[0]);
        return pid;
}

static int be_dockerd(int argc, char **argv) {
        const char *how = argv[argc - 2];
        int ready = (int) strtol(argv[argc - 1], NULL, 10);
        const char *root = strchr(argv[1], '=') + 1;

        if (streq(how, "--as-nobody") && setresuid(65534, 65534, 65534) < 0)
                return 1;
        if (streq(how, "--in-a-container") &&
            (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
             mount("tmpfs", root, "tmpfs", 0, NULL) < 0))
                return 1;
        if (write(ready, "r", 1) != 1)
                return 1;
        (void) pause();
        return 0;
}

static void stop_dockerd(pid_t pid) {
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
}

static uint64_t start_of(pid_t pid) {
        _cleanup_close_ int fd = -EBADF;
        char path[64];

        (void) snprintf(path, sizeof(path), "/proc/%d", pid);
        fd = open(path, O_PATH | O_CLOEXEC);
        return process_read_start(fd);
}

static void a_running_dockerd_names_its_root(void **state) {
        FinderPlaces places = places_in(trusted, "/proc");
        const DockerRoot *root;
        pid_t pid;

        (void) state;
        if (!trusted[0])
                skip_because("needs root, for a folder that only root can have made");
        shell("mkdir -p %s/data/containers", trusted);
        pid = start_dockerd(below(trusted, "bin/dockerd"), below(trusted, "data"), "--plain");
        assert_int_equal(finder_find(&places, &config, &found), 0);
        root = find_root(below(trusted, "data"));
        assert_non_null(root);
        assert_int_equal(root->dockerd_pid, pid);
        assert_int_equal(root->dockerd_start, start_of(pid));
        assert_string_equal(root->api_socket, "/run/of-the-test.sock");
        /* the same when it is configured, through a link */
        shell("ln -s data %s/link", trusted);
        add_data_root("%s/link", trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        root = find_root(below(trusted, "data"));
        assert_non_null(root);
        assert_int_equal(root->dockerd_pid, pid);
        stop_dockerd(pid);
}

static void a_dockerd_that_anybody_could_have_put_there_is_not_believed(void **state) {
        FinderPlaces places = places_in(trusted, "/proc");
        pid_t pid;

        (void) state;
        if (!trusted[0])
                skip_because("needs root, for a folder that only root can have made");
        shell("mkdir -p %s/data/containers", trusted);
        pid = start_dockerd(below(scratch, "dockerd"), below(trusted, "data"), "--plain");
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "data")));
        assert_true(has_note("/tmp"));
        stop_dockerd(pid);
        shell("chmod 755 %s", trusted);
        pid = start_dockerd(below(trusted, "bin/dockerd"), below(trusted, "data"), "--as-nobody");
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "data")));
        assert_true(has_note("it does not run as root"));
        /* named, it is guarded, and its dockerd is known */
        add_data_root("%s/data", trusted);
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_non_null(find_root(below(trusted, "data")));
        assert_int_equal(find_root(below(trusted, "data"))->dockerd_pid, pid);
        stop_dockerd(pid);
}

static void the_root_of_a_dockerd_in_a_container_is_not_ours(void **state) {
        FinderPlaces places = places_in(trusted, "/proc");
        pid_t pid;

        (void) state;
        if (!trusted[0])
                skip_because("needs root, for a folder that only root can have made");
        shell("mkdir -p %s/data/containers", trusted);
        pid = start_dockerd(below(trusted, "bin/dockerd"), below(trusted, "data"), "--in-a-container");
        assert_int_equal(finder_find(&places, &config, &found), 0);
        assert_null(find_root(below(trusted, "data")));
        assert_true(has_note("runs in a container of its own"));
        stop_dockerd(pid);
}

int main(int argc, char **argv) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(command_lines_are_understood, empty),
                cmocka_unit_test_setup(daemon_json_is_understood, empty),
                cmocka_unit_test_setup(configured_roots_are_canonical_and_need_no_trust, empty),
                cmocka_unit_test_setup(the_ballast_is_the_smaller_of_share_and_amount, empty),
                cmocka_unit_test_setup(a_root_where_others_can_write_is_only_noted, empty),
                cmocka_unit_test_setup(the_usual_place_is_found_without_a_dockerd, empty),
                cmocka_unit_test_setup(remapped_roots_are_roots_of_their_own, empty),
                cmocka_unit_test_setup(a_partition_whose_space_is_not_certain_is_named, empty),
                cmocka_unit_test_setup(watched_paths_make_partitions_without_roots, empty),
                cmocka_unit_test_setup(a_running_dockerd_names_its_root, empty),
                cmocka_unit_test_setup(a_dockerd_that_anybody_could_have_put_there_is_not_believed, empty),
                cmocka_unit_test_setup(the_root_of_a_dockerd_in_a_container_is_not_ours, empty),
        };

        if (argc > 3 && streq(argv[0], "dockerd"))
                return be_dockerd(argc, argv);
        return cmocka_run_group_tests(tests, setup, teardown);
}
