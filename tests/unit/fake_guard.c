/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A guard that guards nothing: the real transport and the real JSON, with a made-up host behind them. For
 * the tests of the command line, and to look at its face: fake_guard SOCKET
 * calm|flood|leak|blind|degraded|paused|observe|empty|silent */

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-event.h>

#include "json_writer.h"
#include "status_json.h"
#include "varlink.h"
#include "varlink_server.h"

#define NOW_WALL_USEC UINT64_C(1763720000000000)

static const char *scenario = "calm";
static const char *socket_path;
static VarlinkCall *follower;

static const ContainerInfo web = {.id = "4f1c0de5a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c",
        .name = "web (compose shop/web)", .image = "shop/web:3", .driver = LOG_DRIVER_JSON_FILE,
        .running = true};
static const ContainerInfo db = {.id = "0b1c0de5a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c",
        .name = "db", .image = "postgres:16", .driver = LOG_DRIVER_JSON_FILE, .running = true};

static bool is(const char *name) { return streq(scenario, name); }

static Event raised(void) {
        Event e = {.type = EVENT_LEVEL_RAISED, .id = 41, .alert_id = 3, .level = LEVEL_CRITICAL,
                .from = LEVEL_WARNING,
                .reason = REASON_FORECAST, .mount = "/var/lib/docker", .fill_bps = (int64_t) MIB(214),
                .full = {true, 238 * USEC_PER_SEC, 251 * USEC_PER_SEC}, .share_permyriad = 9100,
                .growth_bps = (int64_t) MIB(195), .allocated_bytes = GIB(9), .line_bytes = 7270};
        e.space = (PartitionSample){GIB(100), GIB(54), GIB(49), 6553600, 6000000, false};
        strcpy(e.container_id, web.id);
        strcpy(e.container_name, web.name);
        strcpy(e.image, web.image);
        return e;
}

static StatusPartition partition(const StatusLog *logs, size_t n_logs) {
        static const char *const roots[] = {"/var/lib/docker"};
        bool flood = is("flood") || is("degraded") || is("observe");

        StatusPartition p = {.mount = "/var/lib/docker", .roots = roots, .n_roots = 1, .level = LEVEL_OK,
                .state = GUARD_GUARDING, .state_detail = "",
                .space = {GIB(100), GIB(64), GIB(59), 6553600, 6000000, false},
                .full = {true, USEC_INFINITY, USEC_INFINITY},
                .inodes_full = {true, USEC_INFINITY, USEC_INFINITY},
                .act_below_bytes = GIB(10), .target_bytes = GIB(15), .ballast_bytes = GIB(1),
                .docker_version = "26", .space_doubt = "", .away_usec = 30 * USEC_PER_SEC,
                .levels = {[LEVEL_NOTICE] = {GIB(25), 24 * USEC_PER_HOUR}, [LEVEL_WARNING] = {GIB(15), 4 * USEC_PER_HOUR},
                        [LEVEL_CRITICAL] = {GIB(10), 10 * USEC_PER_MINUTE}, [LEVEL_EMERGENCY] = {GIB(5), USEC_PER_MINUTE}},
                .level_for_usec = 3600 * USEC_PER_SEC, .n_logs_total = 14, .logs_allocated_bytes = GIB(2),
                .logs = logs,
                .n_logs = n_logs};
        if (flood) {
                p.level = LEVEL_CRITICAL;
                p.reason = REASON_FORECAST;
                p.space.avail_bytes = GIB(49);
                p.fill_bps = (int64_t) MIB(214);
                p.full = (TimeToFull){true, 234 * USEC_PER_SEC, 259 * USEC_PER_SEC};
                p.freed_total_bytes = GIB(3);
                p.n_acts_total = 4;
        }
        if (is("leak")) {
                p.level = LEVEL_WARNING;
                p.reason = REASON_FORECAST;
                p.space.avail_bytes = GIB(31);
                p.fill_bps = (int64_t) MIB(9);
                p.full = (TimeToFull){true, 2700 * USEC_PER_SEC, 7200 * USEC_PER_SEC};
                p.bytes_filling = (StatusFilling){"straight", 50 * USEC_PER_MINUTE, GIB(27), false, true};
                p.away_usec = 6 * USEC_PER_HOUR;
        }
        if (is("observe"))
                p.state = GUARD_OBSERVING;
        if (is("paused"))
                p.paused_for_usec = 1500 * USEC_PER_SEC;
        if (is("degraded")) {
                p.state = GUARD_DEGRADED;
                p.state_detail = "cannot act: stuck in fallocate on the log of web since 14 s";
        }
        if (is("blind")) {
                p.state = GUARD_BLIND;
                p.state_detail = "stuck in statvfs on /var/lib/docker since 14 s";
        }
        return p;
}

static void write_status(JsonWriter *w, int64_t logs_max) {
        bool flood = is("flood") || is("degraded") || is("observe");
        const StatusLog logs[] = {
                {&web, {.allocated_bytes = GIB(4), .segments_bytes = GIB(5)}, flood ? (int64_t) MIB(195) : 0,
                        flood ? 9100 : 0, POLICY_ARCHIVE, MIB(16), false},
                {&db, {.allocated_bytes = MIB(214)}, flood ? 81920 : 0, flood ? 4 : 0, POLICY_ALERT,
                MIB(16), true},
        };
        size_t n_logs = logs_max >= 0 && (size_t) logs_max < ELEMENTS(logs) ? (size_t) logs_max :
                ELEMENTS(logs);
        StatusPartition p = partition(logs, n_logs);
        Event e = raised();
        StatusEvent events[] = {{&e, NOW_WALL_USEC}};
        GuardStatus status = {.version = "0.1.0", .mode = is("observe") ? MODE_OBSERVE : MODE_ENFORCE,
                .pid = 712,
                .uptime_usec = 3 * USEC_PER_DAY + 4 * USEC_PER_HOUR,
                .config = "/etc/diskbrake/diskbrake.conf",
                .longest_turn_usec = 812, .partitions = &p, .n_partitions = is("empty") ? 0 : 1,
                .last_events = events,
                .n_last_events = flood ? 1 : 0};
        status_json_guard(w, &status);
}

static void answer_events(VarlinkCall *call) {
        _cleanup_json_writer_ JsonWriter w = {};
        Event e = raised();
        StatusEvent event = {&e, NOW_WALL_USEC + USEC_PER_SEC};
        const char *text = NULL;

        json_writer_init(&w, MIB(1));
        e.id = 42;
        status_json_event(&w, &event);
        (void) json_writer_finish(&w, &text);
        if (!varlink_call_wants_more(call)) {
                varlink_call_reply(call, text);
                return;
        }
        (void) varlink_call_continue(call, text);
        varlink_call_reply(call, "{\"event\":null}"); /* a stream that ends, so that tests do */
}

static void answer_trim(VarlinkCall *call) {
        static const VarlinkField fields[] = {{"name", VARLINK_STRING, true, 0}};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *name = NULL, *bad = NULL, *text = NULL;
        bool dry_run = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(varlink_call_parameters(call),
                "dry_run"));

        (void) varlink_parameters_read(varlink_call_parameters(call), fields, 1, &name, &bad);
        if (varlink_get_string(varlink_call_parameters(call), "name", &name) < 0) {
                varlink_call_error_parameter(call, "name");
                return;
        }
        if (streq(name, "db")) {
                varlink_call_error_text(call, "io.diskbrake.Protected", "name", name);
                return;
        }
        if (!streq(name, "web")) {
                varlink_call_error_text(call, "io.diskbrake.NoSuchContainer", "name", name);
                return;
        }
        json_writer_init(&w, KIB(64));
        status_json_trimmed(&w, &(StatusTrimmed){name, web.id, METHOD_PUNCH, ACT_DONE, GIB(3), GIB(3),
                MIB(16), dry_run});
        (void) json_writer_finish(&w, &text);
        varlink_call_reply(call, text);
}

static void get_archives(char *buf, size_t buf_bytes) {
        if (getenv("FAKE_ARCHIVES"))
                (void) snprintf(buf, buf_bytes, "%s", getenv("FAKE_ARCHIVES"));
        else
                (void) snprintf(buf, buf_bytes, "%s.archives", socket_path);
}

/* The log of "web" is the file beside the socket, or $FAKE_LOG. */
static void answer_find_log(VarlinkCall *call) {
        _cleanup_json_writer_ JsonWriter w = {};
        ContainerInfo container = {.name = "web", .driver = LOG_DRIVER_JSON_FILE};
        const char *name = NULL, *text = NULL;
        char path[512], archives[512];

        (void) varlink_get_string(varlink_call_parameters(call), "name", &name);
        if (!name || (!streq(name, "web") && !streq(name, "binary") && !streq(name, "odd"))) {
                varlink_call_error_text(call, "io.diskbrake.NoSuchContainer", "name", name ? name : "");
                return;
        }
        if (streq(name, "binary"))
                container.driver = LOG_DRIVER_LOCAL;
        (void) snprintf(path, sizeof(path), "%s", getenv("FAKE_LOG") ? getenv("FAKE_LOG") : "");
        if (!path[0])
                (void) snprintf(path, sizeof(path), "%s.log", socket_path);
        json_writer_init(&w, KIB(64));
        get_archives(archives, sizeof(archives));
        (void) snprintf(container.id, sizeof(container.id), "4f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c2a9be6d04f1c");
        status_json_found(&w, &container, streq(name, "odd") ? "" : path, archives);
        (void) json_writer_finish(&w, &text);
        varlink_call_reply(call, text);
}

/* "web" had a torn line, "whole" has none. */
static void answer_repair(VarlinkCall *call) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *name = "", *text = NULL;

        (void) varlink_get_string(varlink_call_parameters(call), "name", &name);
        if (streq(name, "binary")) {
                varlink_call_error_text(call, "io.diskbrake.NothingToRepair", "name", name);
                return;
        }
        json_writer_init(&w, KIB(64));
        status_json_repaired(&w, name, web.id, streq(name, "web") ? 2048 : 0);
        (void) json_writer_finish(&w, &text);
        varlink_call_reply(call, text);
}

static void on_call(VarlinkCall *call, void *userdata) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *method = varlink_call_method(call), *text = NULL;
        int64_t logs_max = -1;
        (void) userdata;

        json_writer_init(&w, MIB(1));
        (void) varlink_get_int(varlink_call_parameters(call), "logs_max", &logs_max);
        if (is("silent")) {
                follower = call; /* never answers */
                return;
        }
        if (streq(method, "Events")) {
                answer_events(call);
                return;
        }
        if (streq(method, "Trim")) {
                answer_trim(call);
                return;
        }
        if (streq(method, "Repair")) {
                answer_repair(call);
                return;
        }
        if (streq(method, "FindLog")) {
                answer_find_log(call);
                return;
        }
        if (streq(method, "ArchiveDirectory")) {
                char archives[512];

                get_archives(archives, sizeof(archives));
                json_writer_begin_object(&w, NULL);
                json_writer_add_string(&w, "path", archives);
                json_writer_end_object(&w);
        } else if (streq(method, "Status"))
                write_status(&w, logs_max);
        else if (streq(method, "Pause"))
                status_json_mounts(&w, (const char *const[]){"/var/lib/docker"}, 1);
        else if (streq(method, "Alerts"))
                status_json_alerts(&w, (const StatusAlert[]){{3, "/var/lib/docker", LEVEL_CRITICAL,
                        REASON_FORECAST,
                        NOW_WALL_USEC, "/var/lib/docker is full in 4 min", NULL, 0}}, is("flood") ? 1 : 0);
        else if (streq(method, "Acknowledge")) {
                int64_t id = 0, for_usec = 0;

                (void) varlink_get_int(varlink_call_parameters(call), "id", &id);
                (void) varlink_get_int(varlink_call_parameters(call), "for_usec", &for_usec);
                if (id != 0 && id != 3) {
                        varlink_call_error_text(call, "io.diskbrake.NoSuchAlert", "id", "4");
                        return;
                }
                status_json_alerts(&w, (const StatusAlert[]){{3, "/var/lib/docker", LEVEL_CRITICAL, REASON_FORECAST,
                        NOW_WALL_USEC, "/var/lib/docker is full in 4 min", "uid 1000",
                        for_usec ? NOW_WALL_USEC + (uint64_t) for_usec : 0}}, 1);
        } else if (streq(method, "Config"))
                status_json_config(&w, "[Watchdog]\nMode=enforce\n", "/etc/diskbrake/diskbrake.conf");
        else if (streq(method, "Reload") && is("flood")) {
                varlink_call_error_text(call, "io.diskbrake.BadConfiguration", "detail",
                        "x.conf:3: unknown key");
                return;
        } else
                json_writer_add_raw(&w, NULL, "{}");
        if (json_writer_finish(&w, &text) < 0)
                varlink_call_release(call);
        else
                varlink_call_reply(call, text);
}

int main(int argc, char **argv) {
        _cleanup_(sd_event_unrefp) sd_event *event = NULL;
        _cleanup_(varlink_server_freep) VarlinkServer *server = NULL;
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (argc < 2 || strlen(argv[1]) >= sizeof(address.sun_path))
                return 2;
        if (argc > 2)
                scenario = argv[2];
        socket_path = argv[1];
        strcpy(address.sun_path, argv[1]);
        (void) unlink(argv[1]);
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 64) < 0)
                return 1;
        if (sd_event_new(&event) < 0 ||
            varlink_server_new(event, &(VarlinkServerConfig){.group = VARLINK_NO_GROUP}, on_call, NULL,
            &server) < 0 ||
            varlink_server_listen_fd(server, fd) < 0)
                return 1;
        puts("ready"); /* for who waits for it */
        (void) fflush(stdout);
        return sd_event_loop(event) < 0;
}
