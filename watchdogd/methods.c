/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "config_parse.h"
#include "methods_internal.h"
#include "status_json.h"

/* A pause that somebody forgot must end by itself, and so must an acknowledgement. */
#define PAUSE_MAX_USEC (7 * USEC_PER_DAY)

void methods_reply(VarlinkCall *call, JsonWriter *w) {
        const char *text;

        if (json_writer_finish(w, &text) < 0)
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
        else
                varlink_call_reply(call, text);
}

bool methods_read(VarlinkCall *call, const VarlinkField *fields, size_t n_fields, void *values) {
        const char *bad = "";
        int r = varlink_parameters_read(varlink_call_parameters(call), fields, n_fields, values, &bad);

        if (r != 0)
                varlink_call_error_parameter(call, bad);
        return r == 0;
}

Asker methods_asker(const VarlinkCall *call) {
        const VarlinkPeer *peer = varlink_call_peer(call);
        Asker asker = {.uid = peer->uid, .pid = peer->pid};

        (void) snprintf(asker.command, sizeof(asker.command), "%s", peer->command);
        return asker;
}

/* ---- Pause, Acknowledge, Config, Reload ----------------------------------------------------------------------- */

static void method_pause(Methods *m, VarlinkCall *call) {
        struct In {
                const char *mount;
                int64_t for_usec;
        } in = {};
        static const VarlinkField fields[] = {{"mount", VARLINK_STRING, false, offsetof(struct In, mount)},
                                              {"for_usec", VARLINK_INT, true, offsetof(struct In, for_usec)}};
        const char *mounts[PARTITIONS_MAX];
        _cleanup_json_writer_ JsonWriter w = {};
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

static void method_acknowledge(Methods *m, VarlinkCall *call) {
        struct In {
                int64_t id, for_usec;
        } in = {};
        static const VarlinkField fields[] = {{"id", VARLINK_INT, false, offsetof(struct In, id)},
                                              {"for_usec", VARLINK_INT, false, offsetof(struct In, for_usec)}};
        Asker asker = methods_asker(call);
        bool found = false;

        if (!methods_read(call, fields, ELEMENTS(fields), &in))
                return;
        if (in.id < 0 || in.for_usec < 0 || (uint64_t) in.for_usec > PAUSE_MAX_USEC) {
                varlink_call_error_parameter(call, in.id < 0 ? "id" : "for_usec");
                return;
        }
        for (size_t i = 0; i < supervisor_n_partitions(m->supervisor); i++) {
                Partition *p = supervisor_partition(m->supervisor, i);
                EngineStatus status;

                engine_get_status(partition_engine(p), &status);
                if (status.alert_id == 0 || (in.id != 0 && status.alert_id != (uint64_t) in.id))
                        continue;
                found = true;
                /* Who comes second learns from the answer who was first. */
                (void) partition_acknowledge(p, status.alert_id,
                        in.for_usec ? clock_monotonic_usec() + (uint64_t) in.for_usec : USEC_INFINITY, &asker);
        }
        if (in.id != 0 && !found) {
                char id[24];

                (void) snprintf(id, sizeof(id), "%lld", (long long) in.id);
                varlink_call_error_text(call, "io.diskbrake.NoSuchAlert", "id", id);
        } else
                methods_reply_alerts(m, call);
}

static void method_config(Methods *m, VarlinkCall *call) {
        _cleanup_free_ char *text = malloc(CONFIG_TEXT_MAX_BYTES);
        _cleanup_json_writer_ JsonWriter w = {};

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

/* ---- all together -------------------------------------------------------------------------------------------- */

static void methods_on_call(VarlinkCall *call, void *userdata) {
        static const struct {
                const char *name;
                void (*method)(Methods *, VarlinkCall *);
        } table[] = {
                {"Status", method_status}, {"Trim", method_trim},     {"Pause", method_pause},
                {"Alerts", method_alerts}, {"Config", method_config}, {"Reload", method_reload},
                {"Events", method_events}, {"Acknowledge", method_acknowledge}, {"FindLog", method_find_log},
                {"ArchiveDirectory", method_archive_directory},
                {"Repair", method_repair}, {"Trace", method_trace},
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
        if (r >= 0)
                r = methods_trace_init(m, event);
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
        methods_trace_done(m);
        varlink_server_free(m->server);
        free(m);
        return NULL;
}
