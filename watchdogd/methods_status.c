/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "event_text.h"
#include "methods_internal.h"
#include "status_json.h"

/* What one answer may hold: 1,000 logs of each partition are a few hundred KiB. */
#define ANSWER_MAX_BYTES MIB(4)
#define LOGS_DEFAULT 1000
/* Ranking and writing that many takes 3 ms; 10,000 would take 140, and the loop must not be away for longer than 50. */
#define LOGS_MAX 1000
#define NOTES_MAX 32
#define LAST_EVENTS 12

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
                                         .policy = l->policy, .keep_bytes = l->keep_bytes, .max_log_bytes = l->max_log_bytes,
                                         .is_protected = l->is_protected, .damage = l->damage,
                                         .damage_detail = l->damage_detail, .n_readers = l->readers.n,
                                         .slowest = l->readers.slowest};
        }
        status->logs = v->logs;
        status->n_logs = n;
        return 0;
}

static StatusFilling view_filling(const EngineFilling *f) {
        const Filling *filling = &f->filling;

        return (StatusFilling){
                .shape = filling->shape == FILLING_NONE ? NULL : filling_shape_to_string(filling->shape),
                .since_usec = (uint64_t) (filling->since_sec * (double) USEC_PER_SEC),
                .taken = (uint64_t) MAX(filling->taken, 0.0), .free_before = (uint64_t) MAX(filling->taken + filling->avail, 0.0),
                .survived = filling->survived, .alarmed = f->alarmed,
        };
}

static StatusSurvey view_survey(const Partition *p, uint64_t now_usec) {
        EngineSurvey s;
        StatusSurvey view = {};

        engine_get_survey(partition_engine(p), now_usec, &s);
        if (s.ended_usec == 0)
                return view;
        view = (StatusSurvey){.known = true, .age_usec = now_usec - MIN(s.ended_usec, now_usec), .facts = s.facts, .n = s.n};
        memcpy(view.causes, s.causes, sizeof(view.causes));
        return view;
}

static int partition_view_fill(PartitionView *v, const Partition *p, const Config *config, size_t n_logs,
                               uint64_t now_usec, StatusPartition *ret_status) {
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
                .space = e.space, .space_doubt = target->space_doubt, .fill_bps = e.fill_bps, .fill_inodes_ps = e.fill_inodes_ps,
                .full = e.full, .inodes_full = e.inodes_full,
                .bytes_filling = view_filling(&e.bytes_filling), .inodes_filling = view_filling(&e.inodes_filling),
                .survey = view_survey(p, now_usec), .away_usec = e.away_usec,
                .act_below_bytes = e.act_below_bytes, .target_bytes = e.target_bytes,
                .ballast_bytes = e.ballast_bytes, .freed_total_bytes = e.freed_total_bytes,
                .n_acts_total = e.n_acts_total,
                .paused_for_usec = e.paused_until_usec > now_usec ? e.paused_until_usec - now_usec : 0,
                .docker_version = target->n_roots > 0 ? partition_docker_text(p, 0) : "",
                .n_logs_total = e.n_logs, .logs_allocated_bytes = e.logs_allocated_bytes,
        };
        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++)
                ret_status->levels[l] = (StatusLevel){e.level_below_bytes[l], config->levels[l].within_usec};
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
                r = partition_view_fill(views + i, supervisor_partition(m->supervisor, i),
                        supervisor_config(m->supervisor), n_logs, now_usec, partitions + i);
        if (r >= 0) {
                status.n_last_events = teller_get_last(supervisor_teller(m->supervisor), events, LAST_EVENTS);
                status.n_notes = supervisor_notes(m->supervisor, notes, NOTES_MAX);
                status_json_guard(w, &status);
        }
        for (size_t i = 0; i < status.n_partitions; i++)
                partition_view_done(views + i);
        return r;
}

void method_status(Methods *m, VarlinkCall *call) {
        struct {
                int64_t logs_max;
        } in = {.logs_max = LOGS_DEFAULT};
        static const VarlinkField fields[] = {{"logs_max", VARLINK_INT, false, 0}};
        _cleanup_json_writer_ JsonWriter w = {};

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

/* ---- Alerts -------------------------------------------------------------------------------------------------- */

/* By number: names of users are looked up where that may take its time. */
static const char *acknowledged_by(const EngineStatus *e, uint64_t now_usec, char *buf, size_t buf_bytes) {
        const Acknowledgement *a = &e->acknowledgement;

        if (!acknowledgement_holds(a, e->level, now_usec))
                return NULL;
        if (a->asker.uid == 0)
                return "root";
        (void) snprintf(buf, buf_bytes, "uid %u", a->asker.uid);
        return buf;
}

void methods_reply_alerts(Methods *m, VarlinkCall *call) {
        char messages[PARTITIONS_MAX][EVENT_MESSAGE_MAX], by[PARTITIONS_MAX][32];
        StatusAlert alerts[PARTITIONS_MAX];
        uint64_t now_usec = clock_monotonic_usec(), wall_usec = clock_wall_usec();
        _cleanup_json_writer_ JsonWriter w = {};
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
                alerts[n].acknowledged_by = acknowledged_by(&e, now_usec, by[n], sizeof(by[n]));
                if (alerts[n].acknowledged_by && e.acknowledgement.until_usec != USEC_INFINITY)
                        alerts[n].acknowledged_until_wall_usec = wall_usec + (e.acknowledgement.until_usec - now_usec);
                n++;
        }
        status_json_alerts(&w, alerts, n);
        methods_reply(call, &w);
}

void method_alerts(Methods *m, VarlinkCall *call) { methods_reply_alerts(m, call); }
