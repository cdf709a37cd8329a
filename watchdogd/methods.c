/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "config_parse.h"
#include "event_text.h"
#include "json_writer.h"
#include "methods.h"
#include "status_json.h"
#include "text.h"
#include "varlink.h"
#include "varlink_server.h"

/* What one answer may hold: 1,000 logs of each partition are a few hundred KiB. */
#define ANSWER_MAX_BYTES MIB(4)
#define LOGS_DEFAULT 1000
#define LOGS_MAX 20000
#define NOTES_MAX 32
#define LAST_EVENTS 12
/* Who follows the events at the same time: couriers, exporters, a few people. */
#define FOLLOWERS_MAX 16
/* A pause that somebody forgot must end by itself. */
#define PAUSE_MAX_USEC (7 * USEC_PER_DAY)

struct Methods {
        Supervisor *supervisor;
        VarlinkServer *server;
        VarlinkCall *followers[FOLLOWERS_MAX];
};

static void methods_reply(VarlinkCall *call, JsonWriter *w) {
        const char *text;

        if (json_writer_finish(w, &text) < 0)
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
        else
                varlink_call_reply(call, text);
}

/* Reads the parameters; on a bad one the call is answered and false returned. */
static bool methods_read(VarlinkCall *call, const VarlinkField *fields, size_t n_fields, void *values) {
        const char *bad = "";
        int r = varlink_parameters_read(varlink_call_parameters(call), fields, n_fields, values, &bad);

        if (r != 0)
                varlink_call_error_parameter(call, bad);
        return r == 0;
}

static Asker methods_asker(const VarlinkCall *call) {
        const VarlinkPeer *peer = varlink_call_peer(call);
        Asker asker = {.uid = peer->uid, .pid = peer->pid};

        (void) snprintf(asker.command, sizeof(asker.command), "%s", peer->command);
        return asker;
}

/* ---- Status -------------------------------------------------------------------------------------------------- */

typedef struct PartitionView {
        const char *roots[PARTITION_ROOTS_MAX];
        char detail[512];
        EngineLog *engine_logs;
        StatusLog *logs;
} PartitionView;

static void partition_view_done(PartitionView *v) {
        free(v->engine_logs);
        free(v->logs);
}

static int partition_view_logs(PartitionView *v, const Engine *engine, size_t n_max, StatusPartition *status) {
        size_t n;

        v->engine_logs = calloc(MAX(n_max, (size_t) 1), sizeof(*v->engine_logs));
        v->logs = calloc(MAX(n_max, (size_t) 1), sizeof(*v->logs));
        if (!v->engine_logs || !v->logs)
                return -ENOMEM;
        n = engine_get_logs(engine, v->engine_logs, n_max);
        for (size_t i = 0; i < n; i++) {
                const EngineLog *l = v->engine_logs + i;

                v->logs[i] = (StatusLog){.container = &l->info->container, .sample = l->sample,
                                         .growth_bps = l->growth_bps, .share_permyriad = l->share_permyriad,
                                         .policy = l->policy, .keep_bytes = l->keep_bytes,
                                         .is_protected = l->is_protected};
        }
        status->logs = v->logs;
        status->n_logs = n;
        return 0;
}

static int partition_view_fill(PartitionView *v, const Partition *p, size_t n_logs, uint64_t now_usec,
                               StatusPartition *ret_status) {
        const PartitionTarget *target = partition_target(p);
        EngineStatus e;

        engine_get_status(partition_engine(p), &e);
        for (uint32_t i = 0; i < target->n_roots; i++)
                v->roots[i] = target->roots[i].path;
        partition_describe(p, v->detail, sizeof(v->detail));
        *ret_status = (StatusPartition){
                .mount = target->mount, .roots = v->roots, .n_roots = target->n_roots,
                .level = e.level, .reason = e.reason,
                .level_for_usec = now_usec > e.level_since_usec ? now_usec - e.level_since_usec : 0,
                .state = partition_state(p), .state_detail = v->detail,
                .space = e.space, .fill_bps = e.fill_bps, .fill_inodes_ps = e.fill_inodes_ps,
                .full = e.full, .inodes_full = e.inodes_full,
                .act_below_bytes = e.act_below_bytes, .target_bytes = e.target_bytes,
                .ballast_bytes = e.ballast_bytes, .freed_total_bytes = e.freed_total_bytes,
                .n_acts_total = e.n_acts_total,
                .paused_for_usec = e.paused_until_usec > now_usec ? e.paused_until_usec - now_usec : 0,
                .docker_version = target->n_roots > 0 ? partition_docker_text(p, 0) : "",
                .n_logs_total = e.n_logs, .logs_allocated_bytes = e.logs_allocated_bytes,
        };
        return partition_view_logs(v, partition_engine(p), MIN(n_logs, (size_t) e.n_logs), ret_status);
}

static int methods_write_status(Methods *m, size_t n_logs, JsonWriter *w) {
        static const char no_file[] = "";
        PartitionView views[PARTITIONS_MAX] = {};
        StatusPartition partitions[PARTITIONS_MAX];
        StatusEvent events[LAST_EVENTS];
        const char *notes[NOTES_MAX];
        uint64_t now_usec = clock_monotonic_usec();
        const Options *options = supervisor_options(m->supervisor);
        GuardStatus status = {
                .version = DISKBRAKE_VERSION, .mode = supervisor_config(m->supervisor)->mode, .pid = getppid(),
                .uptime_usec = now_usec - supervisor_started_usec(m->supervisor),
                .config = options->config_path ? options->config_path : no_file,
                .longest_turn_usec = supervisor_longest_turn_usec(m->supervisor),
                .partitions = partitions, .n_partitions = supervisor_n_partitions(m->supervisor),
                .last_events = events, .notes = notes,
        };
        int r = 0;

        for (size_t i = 0; i < status.n_partitions && r >= 0; i++)
                r = partition_view_fill(views + i, supervisor_partition(m->supervisor, i), n_logs, now_usec,
                        partitions + i);
        if (r >= 0) {
                status.n_last_events = teller_get_last(supervisor_teller(m->supervisor), events, LAST_EVENTS);
                status.n_notes = supervisor_notes(m->supervisor, notes, NOTES_MAX);
                status_json_guard(w, &status);
        }
        for (size_t i = 0; i < status.n_partitions; i++)
                partition_view_done(views + i);
        return r;
}

static void method_status(Methods *m, VarlinkCall *call) {
        struct {
                int64_t logs_max;
        } in = {.logs_max = LOGS_DEFAULT};
        static const VarlinkField fields[] = {{"logs_max", VARLINK_INT, false, 0}};
        _cleanup_json_writer_ JsonWriter w;

        json_writer_init(&w, ANSWER_MAX_BYTES);
        if (!methods_read(call, fields, ELEMENTS(fields), &in))
                return;
        if (in.logs_max < 0 || in.logs_max > LOGS_MAX)
                varlink_call_error_parameter(call, "logs_max");
        else if (methods_write_status(m, (size_t) in.logs_max, &w) < 0)
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
        else
                methods_reply(call, &w);
}

/* ---- Trim ---------------------------------------------------------------------------------------------------- */

typedef struct TrimCall {
        VarlinkCall *call;
        Partition *partition;
        char name[CONTAINER_NAME_MAX], id[CONTAINER_ID_MAX];
        uint64_t allocated_bytes;
        Method method;
        bool dry_run, is_odd;
} TrimCall;

static void trim_call_error(TrimCall *t, const char *error, const char *detail, const char *stage) {
        _cleanup_json_writer_ JsonWriter w;
        const char *text;

        json_writer_init(&w, KIB(64));
        json_writer_begin_object(&w, NULL);
        if (streq(error, "io.diskbrake.NotSafe"))
                json_writer_add_string(&w, "method", method_to_string(t->method));
        if (streq(error, "io.diskbrake.Paused") || streq(error, "io.diskbrake.CannotAct"))
                json_writer_add_string(&w, "mount", partition_target(t->partition)->mount);
        else if (!streq(error, "io.diskbrake.Busy"))
                json_writer_add_string(&w, "name", t->name);
        if (stage) {
                json_writer_add_string(&w, "stage", stage);
                json_writer_add_string(&w, "error", detail);
        } else if (detail)
                json_writer_add_string(&w, "detail", detail);
        json_writer_end_object(&w);
        varlink_call_error(t->call, error, json_writer_finish(&w, &text) < 0 ? NULL : text);
}

static void trim_call_refused(TrimCall *t, int why) {
        char detail[512];

        switch (why) {
        case ENGINE_E_NO_LOG:
                if (t->is_odd)
                        trim_call_error(t, "io.diskbrake.NotSafe",
                                "its log is a link, a pipe or has a second name: it is never touched", NULL);
                else
                        trim_call_error(t, "io.diskbrake.NothingToFree", NULL, NULL);
                break;
        case ENGINE_E_PROTECTED:
                trim_call_error(t, "io.diskbrake.Protected", NULL, NULL);
                break;
        case ENGINE_E_UNSAFE:
                trim_call_error(t, "io.diskbrake.NotSafe",
                        "it would harm what reads or writes this log; leave --method out and the safe one is taken", NULL);
                break;
        case ENGINE_E_PAUSED:
                trim_call_error(t, "io.diskbrake.Paused", NULL, NULL);
                break;
        case ENGINE_E_BUSY:
        case -EAGAIN:
                trim_call_error(t, "io.diskbrake.Busy", "acts are under way; ask again in a moment", NULL);
                break;
        default:
                partition_describe(t->partition, detail, sizeof(detail));
                trim_call_error(t, "io.diskbrake.CannotAct", detail[0] ? detail : strerror(why < 0 ? -why : why), NULL);
        }
}

static void trim_call_settled(TrimCall *t, const Act *act, const Outcome *o) {
        StatusTrimmed trimmed = {.name = t->name, .id = t->id, .method = act->method, .dry_run = t->dry_run,
                                 .freed_bytes = act->want_bytes, .allocated_bytes = t->allocated_bytes};
        _cleanup_json_writer_ JsonWriter w;

        if (o) {
                if (o->result == ACT_CANCELLED) {
                        trim_call_refused(t, -ENOTCONN);
                        return;
                }
                if (o->result == ACT_NOTHING_TO_DO) {
                        trim_call_error(t, "io.diskbrake.NothingToFree", NULL, NULL);
                        return;
                }
                if (o->result == ACT_CHANGED || o->result == ACT_BUSY) {
                        trim_call_error(t, "io.diskbrake.Busy",
                                "the log changed hands meanwhile (rotated, opened or restarted); ask again", NULL);
                        return;
                }
                if (o->result != ACT_DONE) {
                        char stage[sizeof(o->stage) + 1];

                        (void) text_sanitize(stage, sizeof(stage), o->stage, strnlen(o->stage, sizeof(o->stage)));
                        trim_call_error(t, "io.diskbrake.ActFailed",
                                o->error ? strerror(-o->error) : act_result_to_string(o->result), stage);
                        return;
                }
                trimmed.result = o->result;
                trimmed.method = o->method;
                trimmed.freed_bytes = o->freed_bytes;
                trimmed.cut_bytes = o->cut_bytes;
                trimmed.allocated_bytes = o->allocated_bytes + o->segments_bytes;
        }
        json_writer_init(&w, KIB(64));
        status_json_trimmed(&w, &trimmed);
        methods_reply(t->call, &w);
}

static void trim_call_on_done(const Act *act, const Outcome *outcome, int why, void *userdata) {
        TrimCall *t = userdata;

        if (why != 0 || !act)
                trim_call_refused(t, why);
        else
                trim_call_settled(t, act, outcome);
        free(t);
}

static void trim_call_on_gone(VarlinkCall *call, void *userdata) {
        TrimCall *t = userdata;

        partition_forget_trims(t->partition, t);
        varlink_call_release(call);
        free(t);
}

/* Finds a log in all partitions; answers the call where there is not exactly one. */
static bool methods_find_log(Methods *m, VarlinkCall *call, const char *name, Partition **ret_partition,
                             EngineLog *ret_log) {
        size_t n_found = 0;

        for (size_t i = 0; i < supervisor_n_partitions(m->supervisor); i++) {
                Partition *p = supervisor_partition(m->supervisor, i);
                EngineLog log;
                int r = engine_find_log(partition_engine(p), name, &log);

                if (r == -ENOTUNIQ)
                        n_found += 2;
                if (r != 0)
                        continue;
                n_found++;
                *ret_partition = p;
                *ret_log = log;
        }
        if (n_found != 1)
                varlink_call_error_text(call, n_found ? "io.diskbrake.AmbiguousName" : "io.diskbrake.NoSuchContainer",
                        "name", name);
        return n_found == 1;
}

static void method_trim(Methods *m, VarlinkCall *call) {
        struct In {
                const char *name, *method;
                int64_t keep_bytes;
                bool dry_run;
        } in = {.keep_bytes = -1};
        static const VarlinkField fields[] = {
                {"name", VARLINK_STRING, true, offsetof(struct In, name)},
                {"keep_bytes", VARLINK_INT, false, offsetof(struct In, keep_bytes)},
                {"method", VARLINK_STRING, false, offsetof(struct In, method)},
                {"dry_run", VARLINK_BOOL, false, offsetof(struct In, dry_run)},
        };
        Method method = METHOD_NONE;
        Partition *p = NULL;
        EngineLog log;
        Asker asker;

        if (!methods_read(call, fields, ELEMENTS(fields), &in))
                return;
        if (in.keep_bytes < -1) {
                varlink_call_error_parameter(call, "keep_bytes");
                return;
        }
        if (in.method && (method = method_from_string(in.method)) <= METHOD_NONE) {
                varlink_call_error_parameter(call, "method");
                return;
        }
        if (!methods_find_log(m, call, in.name, &p, &log))
                return;
        TrimCall *t = calloc(1, sizeof(*t));
        if (!t) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        *t = (TrimCall){.call = call, .partition = p, .method = method, .dry_run = in.dry_run,
                        .is_odd = log.info->odd, .allocated_bytes = log.sample.allocated_bytes + log.sample.segments_bytes};
        memcpy(t->name, log.info->container.name, sizeof(t->name));
        memcpy(t->id, log.info->container.id, sizeof(t->id));
        if (!in.dry_run && supervisor_config(m->supervisor)->mode == MODE_OBSERVE) {
                trim_call_error(t, "io.diskbrake.CannotAct",
                        "it runs in observe mode and touches nothing; use --dry-run to see what it would do", NULL);
                free(t);
                return;
        }
        asker = methods_asker(call);
        varlink_call_set_on_gone(call, trim_call_on_gone, t);
        partition_trim(p, log.info->slot, in.keep_bytes < 0 ? CONFIG_KEEP_UNSET : (uint64_t) in.keep_bytes, method,
                in.dry_run, &asker, trim_call_on_done, t);
}

/* ---- Pause, Alerts, Config, Reload --------------------------------------------------------------------------- */

static void method_pause(Methods *m, VarlinkCall *call) {
        struct In {
                const char *mount;
                int64_t for_usec;
        } in = {};
        static const VarlinkField fields[] = {{"mount", VARLINK_STRING, false, offsetof(struct In, mount)},
                                              {"for_usec", VARLINK_INT, true, offsetof(struct In, for_usec)}};
        const char *mounts[PARTITIONS_MAX];
        _cleanup_json_writer_ JsonWriter w;
        Asker asker = methods_asker(call);
        size_t n = 0;

        json_writer_init(&w, KIB(64));
        if (!methods_read(call, fields, ELEMENTS(fields), &in))
                return;
        if (in.for_usec < 0 || (uint64_t) in.for_usec > PAUSE_MAX_USEC) {
                varlink_call_error_parameter(call, "for_usec");
                return;
        }
        for (size_t i = 0; i < supervisor_n_partitions(m->supervisor); i++) {
                Partition *p = supervisor_partition(m->supervisor, i);

                if (in.mount && !streq(in.mount, partition_target(p)->mount))
                        continue;
                partition_pause(p, in.for_usec ? clock_monotonic_usec() + (uint64_t) in.for_usec : 0, &asker);
                mounts[n++] = partition_target(p)->mount;
        }
        if (n == 0) {
                varlink_call_error_text(call, "io.diskbrake.NoSuchPartition", "mount", in.mount ? in.mount : "");
                return;
        }
        status_json_mounts(&w, mounts, n);
        methods_reply(call, &w);
}

static void method_alerts(Methods *m, VarlinkCall *call) {
        char messages[PARTITIONS_MAX][EVENT_MESSAGE_MAX];
        StatusAlert alerts[PARTITIONS_MAX];
        uint64_t now_usec = clock_monotonic_usec(), wall_usec = clock_wall_usec();
        _cleanup_json_writer_ JsonWriter w;
        size_t n = 0;

        json_writer_init(&w, KIB(64));
        for (size_t i = 0; i < supervisor_n_partitions(m->supervisor); i++) {
                Partition *p = supervisor_partition(m->supervisor, i);
                EngineStatus e;
                Event event;

                engine_get_status(partition_engine(p), &e);
                if (e.level == LEVEL_OK)
                        continue;
                partition_get_alert(p, &event);
                (void) event_message(&event, messages[n], sizeof(messages[n]));
                alerts[n] = (StatusAlert){.id = e.alert_id, .mount = partition_target(p)->mount, .level = e.level,
                                          .reason = e.reason, .message = messages[n],
                                          .since_wall_usec = wall_usec - (now_usec - e.level_since_usec)};
                n++;
        }
        status_json_alerts(&w, alerts, n);
        methods_reply(call, &w);
}

static void method_config(Methods *m, VarlinkCall *call) {
        _cleanup_free_ char *text = malloc(CONFIG_TEXT_MAX_BYTES);
        _cleanup_json_writer_ JsonWriter w;

        json_writer_init(&w, KIB(256));
        if (!text || config_format(supervisor_config(m->supervisor), text, CONFIG_TEXT_MAX_BYTES) < 0) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        status_json_config(&w, text, supervisor_options(m->supervisor)->config_path);
        methods_reply(call, &w);
}

static void reload_on_done(const char *error, void *userdata) {
        if (error)
                varlink_call_error_text(userdata, "io.diskbrake.BadConfiguration", "detail", error);
        else
                varlink_call_reply(userdata, NULL);
}

static void reload_on_gone(VarlinkCall *call, void *userdata) {
        supervisor_forget_reload(userdata, call);
        varlink_call_release(call);
}

static void method_reload(Methods *m, VarlinkCall *call) {
        int r = supervisor_reload(m->supervisor, reload_on_done, call);

        if (r < 0)
                varlink_call_error_text(call, "io.diskbrake.Busy", "detail",
                        r == -EALREADY ? "a reload is under way; ask again in a moment" : strerror(-r));
        else
                varlink_call_set_on_gone(call, reload_on_gone, m->supervisor);
}

/* ---- Events -------------------------------------------------------------------------------------------------- */

static void event_write(JsonWriter *w, const StatusEvent *event, const char **ret_text) {
        json_writer_init(w, KIB(64));
        status_json_event(w, event);
        if (json_writer_finish(w, ret_text) < 0)
                *ret_text = NULL;
}

static void methods_drop_follower(Methods *m, const VarlinkCall *call) {
        for (size_t i = 0; i < FOLLOWERS_MAX; i++)
                if (m->followers[i] == call)
                        m->followers[i] = NULL;
}

static void follower_on_gone(VarlinkCall *call, void *userdata) {
        methods_drop_follower(userdata, call);
        varlink_call_release(call);
}

static void methods_on_event(const Event *event, uint64_t wall_usec, void *userdata) {
        Methods *m = userdata;
        StatusEvent e = {event, wall_usec};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text = NULL;

        for (size_t i = 0; i < FOLLOWERS_MAX; i++) {
                if (!m->followers[i])
                        continue;
                if (!text)
                        event_write(&w, &e, &text);
                /* A client that is gone is told of by its on_gone. */
                if (text)
                        (void) varlink_call_continue(m->followers[i], text);
        }
}

static void method_events(Methods *m, VarlinkCall *call) {
        StatusEvent last[TELLER_LAST_MAX];
        size_t n = teller_get_last(supervisor_teller(m->supervisor), last, ELEMENTS(last)), free_one = 0;

        if (!varlink_call_wants_more(call)) {
                _cleanup_json_writer_ JsonWriter w = {};
                const char *text = NULL;

                event_write(&w, n > 0 ? last + n - 1 : NULL, &text);
                varlink_call_reply(call, text);
                return;
        }
        while (free_one < FOLLOWERS_MAX && m->followers[free_one])
                free_one++;
        if (free_one == FOLLOWERS_MAX) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        m->followers[free_one] = call;
        varlink_call_set_on_gone(call, follower_on_gone, m);
        for (size_t i = 0; i < n; i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                const char *text = NULL;

                event_write(&w, last + i, &text);
                if (text && varlink_call_continue(call, text) < 0)
                        return;
        }
}

/* ---- all together -------------------------------------------------------------------------------------------- */

static void methods_on_call(VarlinkCall *call, void *userdata) {
        static const struct {
                const char *name;
                void (*method)(Methods *, VarlinkCall *);
        } table[] = {
                {"Status", method_status}, {"Trim", method_trim},     {"Pause", method_pause},
                {"Alerts", method_alerts}, {"Config", method_config}, {"Reload", method_reload},
                {"Events", method_events},
        };

        for (size_t i = 0; i < ELEMENTS(table); i++)
                if (streq(table[i].name, varlink_call_method(call))) {
                        table[i].method(userdata, call);
                        return;
                }
        varlink_call_error_text(call, "org.varlink.service.MethodNotImplemented", "method", varlink_call_method(call));
}

int methods_new(Supervisor *supervisor, sd_event *event, const Identity *identity, int listen_fd,
                Methods **ret_methods) {
        /* Clients come last: a thousand of them must not delay a look or an act. */
        VarlinkServerConfig config = {.group = identity->is_nobody ? VARLINK_NO_GROUP : identity->gid,
                                      .priority = SD_EVENT_PRIORITY_IDLE};
        _cleanup_(methods_freep) Methods *m = calloc(1, sizeof(*m));
        int r;

        if (!m)
                return -ENOMEM;
        m->supervisor = supervisor;
        r = varlink_server_new(event, &config, methods_on_call, m, &m->server);
        if (r >= 0)
                r = varlink_server_listen_fd(m->server, listen_fd);
        if (r < 0)
                return r;
        teller_set_follower(supervisor_teller(supervisor), methods_on_event, m);
        *ret_methods = TAKE_PTR(m);
        return 0;
}

Methods *methods_free(Methods *m) {
        if (!m)
                return NULL;
        teller_set_follower(supervisor_teller(m->supervisor), NULL, NULL);
        varlink_server_free(m->server);
        free(m);
        return NULL;
}
