/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a file is to people, by where it lies, and whose it is, by its cgroup. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <stdio.h>

#include "survey_place.h"
#include "text.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210"
#define ROOT "/var/lib/docker"
#define FOLDER ROOT "/containers/" ID

/* One data-root in the usual place, one that is mounted by itself, one of userns-remap below the first. */
static const SurveyOrder order = {
        .roots = {ROOT, "/docker", ROOT "/100000.100000"},
        .n_roots = 3,
};

typedef struct Case {
        SurveySight sight;
        CauseKind kind;
        const char *container, *name, *path;
} Case;

static void assert_places(const Case *cases, size_t n) {
        for (size_t i = 0; i < n; i++) {
                const Case *c = cases + i;
                SurveyPlace place = survey_place_find(&order, &c->sight);
                const Cause *cause = &place.cause;

                if (place.is_log || cause->kind != c->kind || !streq(cause->container, c->container) ||
                                !streq(cause->name, c->name) || !streq(cause->path, c->path))
                        fail_msg("%zu: %s: %s%s of '%s', '%s', %s", i, c->sight.link, place.is_log ? "log, " : "",
                                        cause_kind_to_string(cause->kind), cause->container, cause->name, cause->path);
        }
}

/* As a process without a container sees it: the partition is mounted at point. */
static SurveySight of_host(const char *point, const char *link) {
        return (SurveySight){.folder = point, .point = point, .container = "", .link = link};
}

static SurveyPlace find_on_host(const char *link) {
        SurveySight sight = of_host("/", link);

        return survey_place_find(&order, &sight);
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static void a_file_of_the_host_is_known_by_its_path_alone(void **state) {
        const Case cases[] = {
                {of_host("/", "/home/ann/dump.sql"), CAUSE_FILES, "", "", "/home/ann/dump.sql"},
                {of_host("/srv", "/srv/dump.sql"), CAUSE_FILES, "", "", "/srv/dump.sql"},
                {of_host("/", "/swapfile"), CAUSE_FILES, "", "", "/swapfile"},
                {of_host("/", ROOT "x/volumes/pgdata/_data/f"), CAUSE_FILES, "", "", ROOT "x/volumes/pgdata/_data/f"},
                {of_host("/", ROOT), CAUSE_FILES, "", "", ROOT},
                {of_host("/", ROOT "/network/files/local-kv.db"), CAUSE_FILES, "", "", ROOT "/network/files/local-kv.db"},
                {of_host("/", "/docker/containers/" ID "0/f"), CAUSE_FILES, "", "", "/docker/containers/" ID "0/f"},
                {of_host("/", "/docker/containers/G" ID "/f"), CAUSE_FILES, "", "", "/docker/containers/G" ID "/f"},
                {of_host("/", "/docker/containers/not-hexadecimal-not-hexadecimal-not-hexadecimal-not-hexadecimal-/f"), CAUSE_FILES, "", "",
                 "/docker/containers/not-hexadecimal-not-hexadecimal-not-hexadecimal-not-hexadecimal-/f"},
                {of_host("/", "/mnt" ROOT "/volumes/a/_data/f"), CAUSE_FILES, "", "", "/mnt" ROOT "/volumes/a/_data/f"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

static void what_a_container_writes_to_its_own_root_is_its_write_layer(void **state) {
        static const Case cases[] = {
                {{ROOT "/overlay2/abc/diff", "/", true, ID, "/var/core.dump", false}, CAUSE_WRITE_LAYER, ID, "", "/var/core.dump"},
                /* Storage drivers without an overlay: a folder of the partition is its root. */
                {{ROOT "/vfs/dir/abc", "/", false, ID, "/var/core.dump", false}, CAUSE_WRITE_LAYER, ID, "", "/var/core.dump"},
                {{ROOT "/btrfs/subvolumes/abc", "/", false, ID, "/tmp/x", false}, CAUSE_WRITE_LAYER, ID, "", "/tmp/x"},
                {{"/var/lib/containerd/io.containerd.snapshotter.v1.native/snapshots/7", "/", false, ID, "/tmp/x", false},
                 CAUSE_WRITE_LAYER, ID, "", "/tmp/x"},
                {{"/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/7/fs", "/", true, ID, "/x", false},
                 CAUSE_WRITE_LAYER, ID, "", "/x"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

static void a_volume_is_named_with_the_file_in_it(void **state) {
        const Case cases[] = {
                {{ROOT "/volumes/pgdata/_data", "/var/lib/postgresql/data", false, ID, "/var/lib/postgresql/data/base/1/2", false},
                 CAUSE_VOLUME, ID, "pgdata", "base/1/2"},
                {of_host("/", ROOT "/volumes/pgdata/_data/base/1/2"), CAUSE_VOLUME, "", "pgdata", "base/1/2"},
                {of_host("/docker", "/docker/volumes/pgdata/_data/f"), CAUSE_VOLUME, "", "pgdata", "f"},
                {of_host("/", ROOT "/100000.100000/volumes/pgdata/_data/f"), CAUSE_VOLUME, "", "pgdata", "f"},
                {of_host("/", ROOT "/volumes/pgdata/opts.json"), CAUSE_VOLUME, "", "pgdata", "opts.json"},
                {of_host("/", ROOT "/volumes/pgdata/_database"), CAUSE_VOLUME, "", "pgdata", "_database"},
                {of_host("/", ROOT "/volumes/" ID "/_data/f"), CAUSE_VOLUME, "", ID, "f"},
                /* A part of it, bound by itself. */
                {{ROOT "/volumes/pgdata/_data/wal", "/wal", false, ID, "/wal/000001", false}, CAUSE_VOLUME, ID, "pgdata", "wal/000001"},
                {{ROOT "/volumes/pgdata/_data/one", "/one", false, ID, "/one", false}, CAUSE_VOLUME, ID, "pgdata", "one"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

static void what_lies_between_volumes_is_none(void **state) {
        const Case cases[] = {
                {of_host("/", ROOT "/volumes/metadata.db"), CAUSE_FILES, "", "", ROOT "/volumes/metadata.db"},
                {of_host("/", ROOT "/volumes"), CAUSE_FILES, "", "", ROOT "/volumes"},
                {of_host("/", ROOT "/volumesx/a/_data/f"), CAUSE_FILES, "", "", ROOT "/volumesx/a/_data/f"},
                {of_host("/", ROOT "/volume/a/_data/f"), CAUSE_FILES, "", "", ROOT "/volume/a/_data/f"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

static void a_folder_of_the_host_in_a_container_is_named_as_the_host_knows_it(void **state) {
        static const Case cases[] = {
                {{"/srv/spool", "/queue", false, ID, "/queue/a/b", false}, CAUSE_BIND_MOUNT, ID, "/srv/spool", "/queue/a/b"},
                {{"/srv/one.db", "/data/one.db", false, ID, "/data/one.db", false}, CAUSE_BIND_MOUNT, ID, "/srv/one.db", "/data/one.db"},
                {{"", "/host", false, ID, "/host/srv/x", false}, CAUSE_BIND_MOUNT, ID, "", "/host/srv/x"},
                {{"/", "/host", false, ID, "/host/srv/x", false}, CAUSE_BIND_MOUNT, ID, "/", "/host/srv/x"},
                /* Docker's folders through such a one are what they are. */
                {{"", "/host", false, ID, "/host" ROOT "/volumes/a/_data/f", false}, CAUSE_VOLUME, ID, "a", "f"},
                {{ROOT, "/docker", false, ID, "/docker/overlay2/l/x", false}, CAUSE_IMAGES, "", "", ROOT "/overlay2/l/x"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

/* dockerd and containerd unpack there, and builds write there. */
static void images_and_what_builds_write_are_one(void **state) {
        static const char *const folders[] = {"overlay2", "overlay", "fuse-overlayfs", "vfs",       "aufs",    "btrfs", "zfs",
                                              "image",    "tmp",     "buildkit",       "containerd", "builder", "rootfs"};
        static const char *const others[] = {"overlay3", "overlay2x", "images", "im", "", "plugins", "swarm"};
        const Case cases[] = {
                {{ROOT "/overlay2/abc/diff", "/", true, "", "/usr/bin/cc", false}, CAUSE_IMAGES, "", "", "/usr/bin/cc"},
                {of_host("/", "/var/lib/containerd/io.containerd.content.v1.content/ingest/1/data"), CAUSE_IMAGES, "", "",
                 "/var/lib/containerd/io.containerd.content.v1.content/ingest/1/data"},
                {of_host("/var/lib/containerd", "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"), CAUSE_IMAGES, "", "",
                 "/var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db"},
        };
        char path[256];

        (void) state;
        assert_places(cases, ELEMENTS(cases));
        for (size_t i = 0; i < ELEMENTS(folders); i++) {
                (void) snprintf(path, sizeof(path), ROOT "/%s/a/b", folders[i]);
                assert_int_equal(find_on_host(path).cause.kind, CAUSE_IMAGES);
                assert_string_equal(find_on_host(path).cause.path, path);
        }
        for (size_t i = 0; i < ELEMENTS(others); i++) {
                (void) snprintf(path, sizeof(path), ROOT "/%s/a/b", others[i]);
                assert_int_equal(find_on_host(path).cause.kind, CAUSE_FILES);
        }
}

static void the_systemd_journal_is_known_by_its_files(void **state) {
        static const struct {
                const char *path;
                CauseKind kind;
        } cases[] = {
                {"/var/log/journal/5e74/system.journal", CAUSE_JOURNAL},
                {"/var/log/journal/5e74/system@0006-1.journal~", CAUSE_JOURNAL},
                {"/var/log/journal/5e74.web/user-1000.journal", CAUSE_JOURNAL},
                {"/log/journal/x.journal", CAUSE_JOURNAL}, /* /var is mounted by itself, and seen from within */
                {"/var/log/journal/5e74/notes.txt", CAUSE_FILES},
                {"/var/log/journal/5e74/system.journal.gz", CAUSE_FILES},
                {"/var/log/journal/5e74/journal", CAUSE_FILES},
                {"/var/log/journalx/system.journal", CAUSE_FILES},
                {"/home/ann/system.journal", CAUSE_FILES},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (find_on_host(cases[i].path).cause.kind != cases[i].kind)
                        fail_msg("%s", cases[i].path);
}

/* What it calls its files does not make them somebody else's. */
static void a_container_cannot_pass_its_files_off_as_images_or_as_the_journal(void **state) {
        static const Case cases[] = {
                {{"/srv", "/srv", false, ID, "/srv/log/journal/x.journal", false}, CAUSE_BIND_MOUNT, ID, "/srv",
                 "/srv/log/journal/x.journal"},
                {{"/srv", "/srv", false, ID, "/srv/io.containerd.x/y", false}, CAUSE_BIND_MOUNT, ID, "/srv", "/srv/io.containerd.x/y"},
                {{ROOT "/overlay2/a/diff", "/", true, ID, "/log/journal/x.journal", false}, CAUSE_WRITE_LAYER, ID, "",
                 "/log/journal/x.journal"},
                {{ROOT "/volumes/v/_data", "/d", false, ID, "/d" ROOT "/image/x", false}, CAUSE_VOLUME, ID, "v", "var/lib/docker/image/x"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

static void a_file_without_a_name_is_a_deleted_one_wherever_it_lies(void **state) {
        static const Case cases[] = {
                {{"", "/", false, "", "/tmp/secret (deleted)", true}, CAUSE_DELETED, "", "", "/tmp/secret"},
                {{ROOT "/overlay2/a/diff", "/", true, ID, "/tmp/secret (deleted)", true}, CAUSE_DELETED, ID, "", "/tmp/secret"},
                {{ROOT "/volumes/v/_data", "/data", false, ID, "/data/f (deleted)", true}, CAUSE_DELETED, ID, "", "/data/f"},
                {{"", "/", false, "", "/docker/containers/" ID "/" ID "-json.log (deleted)", true}, CAUSE_DELETED, "", "",
                 "/docker/containers/" ID "/" ID "-json.log"},
                /* Once, and only where it is so: that may be its name. */
                {{"", "/", false, "", "/x (deleted) (deleted)", true}, CAUSE_DELETED, "", "", "/x (deleted)"},
                {{"", "/", false, "", "/x (deleted)", false}, CAUSE_FILES, "", "", "/x (deleted)"},
                {{"", "/", false, "", "/x", true}, CAUSE_DELETED, "", "", "/x"},
                {{"", "/", false, "", "/ (deleted)", true}, CAUSE_DELETED, "", "", "/"},
                {{"", "/", false, "", " (deleted)", true}, CAUSE_DELETED, "", "", " (deleted)"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

/* ---- logs -------------------------------------------------------------------------------------------------------- */

static void a_log_is_none_of_these(void **state) {
        static const struct {
                const char *path;
                bool is_log;
        } cases[] = {
                {FOLDER "/" ID "-json.log", true},
                {FOLDER "/" ID "-json.log.1", true},
                {FOLDER "/" ID "-json.log.2.gz", true},
                {FOLDER "/local-logs/container.log", true},
                {FOLDER "/local-logs/container.log.1.gz", true},
                {FOLDER "/container-cached.log", true},
                {"/docker/containers/" ID "/" ID "-json.log", true},
                {ROOT "/100000.100000/containers/" ID "/" ID "-json.log", true},
                {FOLDER "/" OTHER "-json.log", false}, /* another's name */
                {FOLDER "/" ID ".log", false},
                {FOLDER "/" ID, false},
                {FOLDER "/config.v2.json", false},
                {FOLDER "/local-logs/other", false},
                {FOLDER "/x/" ID "-json.log", false},
                {ROOT "/containers/" ID "-json.log", false},
                {ROOT "/containers/0123/0123-json.log", false},
                {ROOT "/containers/" ID "0/" ID "-json.log", false},
                {"/srv/containers/" ID "/" ID "-json.log", false}, /* no data-root */
                {ROOT "/volumes/containers/" ID "/" ID "-json.log", false},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (find_on_host(cases[i].path).is_log != cases[i].is_log)
                        fail_msg("%s", cases[i].path);
}

static void what_docker_keeps_of_a_container_beside_its_log_is_that_containers(void **state) {
        static const Case cases[] = {
                {{"", "/", false, "", FOLDER "/config.v2.json", false}, CAUSE_FILES, ID, "", FOLDER "/config.v2.json"},
                /* Bound into it, one file each. */
                {{FOLDER "/hosts", "/etc/hosts", false, ID, "/etc/hosts", false}, CAUSE_FILES, ID, "", FOLDER "/hosts"},
                {{FOLDER "/mounts/shm", "/dev/shm", false, OTHER, "/dev/shm/x", false}, CAUSE_FILES, ID, "", FOLDER "/mounts/shm/x"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

/* ---- where a partition and a root lie ---------------------------------------------------------------------------- */

static void it_is_the_same_wherever_the_partition_is_mounted(void **state) {
        static const struct {
                const char *folder, *point;
        } partitions[] = {
                {"", "/"}, {"/", "/"}, {"/var", "/var"}, {"/var/lib", "/var/lib"}, {ROOT, ROOT}, {ROOT "/volumes", ROOT "/volumes"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(partitions); i++) {
                SurveySight sight = {.folder = partitions[i].folder, .point = partitions[i].point, .container = "",
                                     .link = ROOT "/volumes/pgdata/_data/f"};
                SurveyPlace place = survey_place_find(&order, &sight);

                assert_int_equal(place.cause.kind, CAUSE_VOLUME);
                assert_string_equal(place.cause.name, "pgdata");
                assert_string_equal(place.cause.path, "f");
        }
}

static void without_a_data_root_nothing_is_dockers(void **state) {
        static const SurveyOrder bare;
        SurveySight sight = of_host("/", ROOT "/volumes/pgdata/_data/f");

        (void) state;
        assert_int_equal(survey_place_find(&bare, &sight).cause.kind, CAUSE_FILES);
        sight.link = FOLDER "/" ID "-json.log";
        assert_false(survey_place_find(&bare, &sight).is_log);
}

/* It has changed its root, and says another name than its mount point would have it: the folder alone is known. */
static void a_process_that_sees_it_elsewhere_is_known_by_the_folder(void **state) {
        static const Case cases[] = {
                {{ROOT "/volumes/v/_data", "/jail/data", false, ID, "/data/f", false}, CAUSE_VOLUME, ID, "v", "data/f"},
                {{"/srv/spool", "/jail/queue", false, ID, "/queue/f", false}, CAUSE_BIND_MOUNT, ID, "/srv/spool", "/queue/f"},
                {{"/srv/jail", "/mnt/jail", false, "", "/tmp/f", false}, CAUSE_FILES, "", "", "/srv/jail/tmp/f"},
                {{"/srv", "/mnt", false, "", "/mntx/f", false}, CAUSE_FILES, "", "", "/srv/mntx/f"}, /* whole components */
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

/* ---- text of others ---------------------------------------------------------------------------------------------- */

static void of_a_long_path_the_end_is_told_and_no_character_is_cut(void **state) {
        static const char *const units[] = {"x", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x92\xBE"};
        char link[1024];

        (void) state;
        for (size_t u = 0; u < ELEMENTS(units); u++)
                for (size_t n = 1; n < 400; n++) {
                        size_t used = (size_t) snprintf(link, sizeof(link), "/");
                        for (size_t i = 0; i < n; i++)
                                used += (size_t) snprintf(link + used, sizeof(link) - used, "%s", used + 4 < n ? units[u] : "y");
                        SurveyPlace place = find_on_host(link);
                        const char *path = place.cause.path;

                        if (used < sizeof(place.cause.path)) {
                                assert_string_equal(path, link);
                                continue;
                        }
                        size_t kept = strlen(path) - strlen("...");
                        assert_memory_equal(path, "...", strlen("..."));
                        assert_string_equal(path + strlen("..."), link + used - kept);
                        assert_int_equal(text_clean_bytes(path, strlen(path)), strlen(path));
                        assert_in_range(strlen(path), sizeof(place.cause.path) - 4, sizeof(place.cause.path) - 1);
                }
}

static void bytes_that_are_no_text_are_no_longer_there(void **state) {
        const Case cases[] = {
                {of_host("/", "/tmp/\x1b[2J\n\xff\x7f\xE2\x80\xAE"), CAUSE_FILES, "", "", "/tmp/?[2J????"},
                {of_host("/", ROOT "/volumes/ev\"il\nPRIORITY=0\x1b[2J/_data/\xC0\xAF"), CAUSE_VOLUME, "", "ev\"il?PRIORITY=0?[2J", "??"},
                {of_host("/", ROOT "/volumes/\xE2\x80\xAE/_data/f"), CAUSE_VOLUME, "", "?", "f"},
                {of_host("/", ROOT "/volumes/../_data/f"), CAUSE_VOLUME, "", "..", "f"},
                {of_host("/", ROOT "/volumes/ /_data/ "), CAUSE_VOLUME, "", " ", " "},
                {{"/srv/\n\x01", "/q", false, ID, "/q/\t", false}, CAUSE_BIND_MOUNT, ID, "/srv/??", "/q/?"},
                {{"", "/", false, "", "/\x1b (deleted)", true}, CAUSE_DELETED, "", "", "/?"},
                {{ROOT "/overlay2/a/diff", "/", true, ID, "/\xff", false}, CAUSE_WRITE_LAYER, ID, "", "/?"},
        };

        (void) state;
        assert_places(cases, ELEMENTS(cases));
}

/* As long as the kernel lets them be, of the worst bytes. */
static void the_longest_names_stay_in_their_bounds(void **state) {
        static const char bytes[] = {'x', '/', '\n', '\x1b', '\x80', '\xC3', '\xE2', '\xF0', '\xFF'};
        static char folder[PATH_MAX], link[PATH_MAX], volume[PATH_MAX];

        (void) state;
        for (size_t i = 0; i < sizeof(bytes); i++)
                for (unsigned kind = 0; kind < 16; kind++) {
                        memset(folder, bytes[i], sizeof(folder) - 1);
                        memset(link, bytes[i], sizeof(link) - 1);
                        folder[0] = link[0] = '/';
                        memcpy(volume, link, sizeof(volume));
                        memcpy(volume, ROOT "/volumes/", strlen(ROOT "/volumes/"));
                        SurveySight sight = {.folder = kind & 1 ? folder : "", .point = "/", .is_layer = kind & 2, .deleted = kind & 4,
                                             .container = kind & 8 ? ID : "", .link = link};
                        for (unsigned n = 0; n < 2; n++, sight.link = volume) {
                                SurveyPlace place = survey_place_find(&order, &sight);
                                const Cause *cause = &place.cause;

                                assert_true(strnlen(cause->path, sizeof(cause->path)) < sizeof(cause->path));
                                assert_true(strnlen(cause->name, sizeof(cause->name)) < sizeof(cause->name));
                                assert_int_equal(text_clean_bytes(cause->path, strlen(cause->path)), strlen(cause->path));
                                assert_int_equal(text_clean_bytes(cause->name, strlen(cause->name)), strlen(cause->name));
                                assert_true(cause->container[0] == 0 || streq(cause->container, ID));
                        }
                }
}

static void a_container_that_is_named_too_long_is_cut(void **state) {
        SurveySight sight = {.folder = "/srv", .point = "/", .container = ID ID ID, .link = "/x"};

        (void) state;
        for (unsigned kind = 0; kind < 4; kind++) {
                sight.is_layer = kind & 1;
                sight.deleted = kind & 2;
                assert_string_equal(survey_place_find(&order, &sight).cause.container, ID);
        }
}

/* ---- cgroups ----------------------------------------------------------------------------------------------------- */

#define V1(path) "12:pids:" path "\n11:cpu,cpuacct:" path "\n1:name=systemd:" path "\n0::/\n"

static void container_and_service_are_read_from_a_cgroup(void **state) {
        static const struct {
                const char *text, *container, *service;
        } cases[] = {
                /* Docker, with either driver of cgroups, on v1 and v2 */
                {"0::/system.slice/docker-" ID ".scope\n", ID, ""},
                {"0::/docker/" ID "\n", ID, ""},
                {V1("/docker/" ID), ID, ""},
                {V1("/system.slice/docker-" ID ".scope"), ID, ""},
                {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope\n", "", ""}, /* a user's own: anybody may call it that */
                {"0::/docker/" OTHER "/docker/" ID "\n", ID, ""}, /* Docker within Docker */
                {"0::/system.slice/docker-" ID ".scope/init.scope\n", ID, ""},
                {"0::/system.slice/docker-" ID ".scope/system.slice/nginx.service\n", ID, "nginx.service"},
                {"0::/docker/buildkit/" ID, ID, ""},
                /* Kubernetes, podman */
                {"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod0a1b.slice/cri-containerd-" ID ".scope\n", ID, ""},
                {V1("/kubepods/besteffort/pod12345678-1234-1234-1234-123456789abc/" ID), ID, ""},
                {"0::/machine.slice/libpod-" ID ".scope\n", ID, ""},
                /* services */
                {"0::/system.slice/postgresql.service\n", "", "postgresql.service"},
                {"0::/system.slice/postgresql.service", "", "postgresql.service"},
                {V1("/system.slice/cron.service"), "", "cron.service"},
                {"0::/system.slice/system-postgresql.slice/postgresql@15-main.service\n", "", "postgresql@15-main.service"},
                {"0::/system.slice/a.service/workers\n", "", "a.service"},
                {"0::/system.slice/a.service/b.service\n", "", "b.service"}, /* the innermost */
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/backup.service\n", "", "backup.service"},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/firefox.scope\n", "", ""},
                {"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "", ""},
                {"0::/user.slice/user-1000.slice/session-3.scope\n", "", ""},
                {"1:name=a.service:/b\n", "", ""},
                {"0::/system.slice/a.services\n", "", ""},
                {"0::/system.slice/a.service.d\n", "", ""},
                {"0::/system.slice/a.service.service\n", "", "a.service.service"},
                /* none at all */
                {"0::/\n", "", ""},
                {"0::/init.scope\n", "", ""},
                {"", "", ""},
                {"\n\n", "", ""},
                {".service", "", ""},
                /* digits that are no id */
                {"0::/docker/0123456789abcdef\n", "", ""},
                {"0::/docker/0" ID "\n", "", ""},
                {"0::/docker/" ID "f\n", "", ""},
                {"0::/docker/" ID ID "\n", "", ""},
                {"0::/docker/0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n", "", ""},
                {"0::/docker/" ID "g\n", ID, ""},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char container[CAUSE_NAME_MAX] = "stale", service[CAUSE_NAME_MAX] = "stale";

                survey_place_read_cgroup(cases[i].text, container, service);
                if (!streq(container, cases[i].container) || !streq(service, cases[i].service))
                        fail_msg("%s: '%s', '%s'", cases[i].text, container, service);
        }
}

static void a_service_with_a_hostile_name_is_cut_and_cleaned(void **state) {
        char text[4096], container[CAUSE_NAME_MAX], service[CAUSE_NAME_MAX];

        (void) state;
        survey_place_read_cgroup("0::/system.slice/\x1b[2J\xff\\x2d.service\n", container, service);
        assert_string_equal(service, "?[2J?\\x2d.service");
        for (int n = 1; n < 4000; n += n < 200 ? 1 : 199) {
                (void) snprintf(text, sizeof(text), "0::/%0*d.service\n", n, 0);
                survey_place_read_cgroup(text, container, service);
                assert_int_equal(strlen(service), MIN((size_t) n + strlen(".service"), sizeof(service) - 1));
                assert_memory_equal(service, text + strlen("0::/"), strlen(service));
                assert_int_equal(strlen(container), n == 64 ? 64 : 0);
                assert_int_equal(text_clean_bytes(service, strlen(service)), strlen(service));
        }
        memset(text, '\xC3', sizeof(text));
        memcpy(text, "0::/", strlen("0::/"));
        strcpy(text + 300, ".service\n");
        survey_place_read_cgroup(text, container, service);
        assert_int_equal(strspn(service, "?"), sizeof(service) - 1);
        assert_string_equal(container, "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_file_of_the_host_is_known_by_its_path_alone),
                cmocka_unit_test(what_a_container_writes_to_its_own_root_is_its_write_layer),
                cmocka_unit_test(a_volume_is_named_with_the_file_in_it),
                cmocka_unit_test(what_lies_between_volumes_is_none),
                cmocka_unit_test(a_folder_of_the_host_in_a_container_is_named_as_the_host_knows_it),
                cmocka_unit_test(images_and_what_builds_write_are_one),
                cmocka_unit_test(the_systemd_journal_is_known_by_its_files),
                cmocka_unit_test(a_container_cannot_pass_its_files_off_as_images_or_as_the_journal),
                cmocka_unit_test(a_file_without_a_name_is_a_deleted_one_wherever_it_lies),
                cmocka_unit_test(a_log_is_none_of_these),
                cmocka_unit_test(what_docker_keeps_of_a_container_beside_its_log_is_that_containers),
                cmocka_unit_test(it_is_the_same_wherever_the_partition_is_mounted),
                cmocka_unit_test(without_a_data_root_nothing_is_dockers),
                cmocka_unit_test(a_process_that_sees_it_elsewhere_is_known_by_the_folder),
                cmocka_unit_test(of_a_long_path_the_end_is_told_and_no_character_is_cut),
                cmocka_unit_test(bytes_that_are_no_text_are_no_longer_there),
                cmocka_unit_test(the_longest_names_stay_in_their_bounds),
                cmocka_unit_test(a_container_that_is_named_too_long_is_cut),
                cmocka_unit_test(container_and_service_are_read_from_a_cgroup),
                cmocka_unit_test(a_service_with_a_hostile_name_is_cut_and_cleaned),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
