/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "status_json.h"

#include "cause_text.h"
#include "event_text.h"
#include "journal_entry.h"

#define NO_END_SEC 1e9 /* JSON has no infinity; thirty years is none of anybody's nights */

static double seconds(uint64_t usec) { return usec == USEC_INFINITY ? NO_END_SEC : (double) usec / 1e6; }

/* Tenths are more than any forecast knows. */
static double coarse_seconds(uint64_t usec) {
        double sec = (double) (usec / (USEC_PER_SEC / 10)) / 10;
        return usec == USEC_INFINITY || sec > NO_END_SEC ? NO_END_SEC : sec;
}

void status_json_range(JsonWriter *w, const char *key, const TimeToFull *full) {
        if (!full->known || full->low_usec == USEC_INFINITY) {
                json_writer_add_null(w, key);
                return;
        }
        json_writer_begin_array(w, key);
        json_writer_add_double(w, NULL, coarse_seconds(full->low_usec));
        json_writer_add_double(w, NULL, coarse_seconds(full->high_usec));
        json_writer_end_array(w);
}

static void add_strings(JsonWriter *w, const char *key, const char *const *strings, size_t n) {
        json_writer_begin_array(w, key);
        for (size_t i = 0; i < n; i++)
                json_writer_add_string(w, NULL, strings[i]);
        json_writer_end_array(w);
}

static void add_reader(JsonWriter *w, const LogReader *reader, uint64_t size_bytes) {
        if (reader->pid == 0) {
                json_writer_add_null(w, "slowest_reader");
                return;
        }
        json_writer_begin_object(w, "slowest_reader");
        json_writer_add_int(w, "pid", reader->pid);
        json_writer_add_string(w, "command", reader->command);
        json_writer_add_uint(w, "offset_bytes", reader->offset_bytes);
        json_writer_add_uint(w, "unread_bytes", size_bytes - MIN(size_bytes, reader->offset_bytes));
        json_writer_end_object(w);
}

static void add_log(JsonWriter *w, const StatusLog *log) {
        const ContainerInfo *container = log->container;
        const LogSample *sample = &log->sample;

        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "name", container->name);
        json_writer_add_string(w, "id", container->id);
        json_writer_add_string(w, "image", container->image);
        json_writer_add_string(w, "driver", log_driver_to_string(container->driver));
        json_writer_add_bool(w, "running", container->running);
        json_writer_add_uint(w, "allocated_bytes", sample->allocated_bytes + sample->segments_bytes);
        json_writer_add_uint(w, "segments_bytes", sample->segments_bytes);
        json_writer_add_uint(w, "hole_bytes", sample->hole_bytes);
        json_writer_add_uint(w, "filler_bytes", sample->filler_bytes);
        json_writer_add_int(w, "growth_bps", log->growth_bps);
        json_writer_add_double(w, "share", log->share_permyriad / 1e4);
        json_writer_add_string(w, "policy", policy_to_string(log->policy));
        json_writer_add_uint(w, "keep_bytes", log->keep_bytes);
        json_writer_add_bool(w, "protected", log->is_protected);
        json_writer_add_uint(w, "max_log_bytes", log->max_log_bytes);
        json_writer_add_string(w, "damage", log->damage == DAMAGE_NONE ? NULL : damage_kind_to_string(log->damage));
        json_writer_add_string(w, "damage_detail", log->damage_detail ? log->damage_detail : "");
        json_writer_add_uint(w, "readers", log->n_readers);
        add_reader(w, &log->slowest, sample->size_bytes);
        json_writer_end_object(w);
}

static void add_space(JsonWriter *w, const StatusPartition *p) {
        json_writer_add_uint(w, "total_bytes", p->space.total_bytes);
        json_writer_add_uint(w, "free_bytes", p->space.free_bytes);
        json_writer_add_uint(w, "avail_bytes", p->space.avail_bytes);
        json_writer_add_uint(w, "total_inodes", p->space.total_inodes);
        json_writer_add_uint(w, "avail_inodes", p->space.avail_inodes);
        json_writer_add_bool(w, "space_is_certain", !p->space_doubt[0]);
        json_writer_add_string(w, "space_doubt", p->space_doubt);
        json_writer_add_int(w, "fill_bps", p->fill_bps);
        json_writer_add_int(w, "fill_inodes_ps", p->fill_inodes_ps);
        status_json_range(w, "time_to_full_sec", &p->full);
        status_json_range(w, "inodes_full_sec", &p->inodes_full);
}

static void add_filling(JsonWriter *w, const char *key, const StatusFilling *f) {
        if (!f->shape) {
                json_writer_add_null(w, key);
                return;
        }
        json_writer_begin_object(w, key);
        json_writer_add_string(w, "shape", f->shape);
        json_writer_add_double(w, "since_sec", coarse_seconds(f->since_usec));
        json_writer_add_uint(w, "taken", f->taken);
        json_writer_add_uint(w, "free_before", f->free_before);
        json_writer_add_bool(w, "survived", f->survived);
        json_writer_add_bool(w, "alarmed", f->alarmed);
        json_writer_end_object(w);
}

static void add_cause(JsonWriter *w, const EventCause *c) {
        const Cause *cause = &c->cause;
        char says[512], details[512];
        Text text = text_over(says, sizeof(says));

        cause_text_append(&text, c);
        text = text_over(details, sizeof(details));
        cause_text_append_details(&text, c);
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "cause", cause_kind_to_string(cause->kind));
        json_writer_add_string(w, "says", says);
        json_writer_add_string(w, "details", details);
        json_writer_add_string(w, "container", c->container_name);
        json_writer_add_string(w, "container_id", cause->container);
        json_writer_add_string(w, "name", cause->name);
        json_writer_add_string(w, "path", cause->path);
        json_writer_add_string(w, "command", cause->command);
        json_writer_add_int(w, "pid", cause->pid);
        json_writer_add_uint(w, "grown_bytes", cause->grown_bytes);
        json_writer_add_uint(w, "held_bytes", cause->held_bytes);
        json_writer_add_int(w, "growth_bps", c->growth_bps);
        json_writer_add_double(w, "share", c->share_permyriad / 1e4);
        json_writer_add_bool(w, "likely", cause->likely);
        json_writer_end_object(w);
}

static void add_survey(JsonWriter *w, const StatusSurvey *s) {
        if (!s->known) {
                json_writer_add_null(w, "survey");
                return;
        }
        json_writer_begin_object(w, "survey");
        json_writer_add_double(w, "age_sec", coarse_seconds(s->age_usec));
        json_writer_add_double(w, "window_sec", (double) s->facts.window_usec / 1e6);
        json_writer_add_uint(w, "grown_bytes", s->facts.grown_bytes);
        json_writer_add_uint(w, "logs_bytes", s->facts.logs_bytes);
        json_writer_add_uint(w, "cpu_usec", s->facts.cpu_usec);
        json_writer_add_uint(w, "read_bytes", s->facts.read_bytes);
        json_writer_add_bool(w, "complete", s->facts.complete);
        json_writer_begin_array(w, "causes");
        for (uint32_t i = 0; i < s->n; i++)
                add_cause(w, s->causes + i);
        json_writer_end_array(w);
        json_writer_end_object(w);
}

static void add_levels(JsonWriter *w, const StatusPartition *p) {
        json_writer_begin_array(w, "levels");
        for (Level l = LEVEL_NOTICE; l < _LEVEL_MAX; l++) {
                json_writer_begin_object(w, NULL);
                json_writer_add_string(w, "level", level_to_string(l));
                json_writer_add_uint(w, "below_bytes", p->levels[l].below_bytes);
                json_writer_add_double(w, "within_sec", seconds(p->levels[l].within_usec));
                json_writer_end_object(w);
        }
        json_writer_end_array(w);
        json_writer_add_double(w, "away_sec", seconds(p->away_usec));
}

static void add_partition(JsonWriter *w, const StatusPartition *p) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "mount", p->mount);
        add_strings(w, "roots", p->roots, p->n_roots);
        json_writer_add_string(w, "level", level_to_string(p->level));
        json_writer_add_string(w, "reason", reason_to_string(p->reason));
        json_writer_add_double(w, "level_since_sec", seconds(p->level_for_usec));
        json_writer_add_string(w, "state", guard_state_to_string(p->state));
        json_writer_add_string(w, "state_detail", p->state_detail);
        add_space(w, p);
        add_filling(w, "filling", &p->bytes_filling);
        add_filling(w, "inodes_filling", &p->inodes_filling);
        add_survey(w, &p->survey);
        add_levels(w, p);
        json_writer_add_uint(w, "act_below_bytes", p->act_below_bytes);
        json_writer_add_uint(w, "target_bytes", p->target_bytes);
        json_writer_add_uint(w, "ballast_bytes", p->ballast_bytes);
        json_writer_add_uint(w, "freed_total_bytes", p->freed_total_bytes);
        json_writer_add_uint(w, "acts_total", p->n_acts_total);
        if (p->paused_for_usec > 0)
                json_writer_add_double(w, "paused_for_sec", seconds(p->paused_for_usec));
        else
                json_writer_add_null(w, "paused_for_sec");
        json_writer_add_string(w, "docker_version", p->docker_version);
        json_writer_add_uint(w, "logs_total", p->n_logs_total);
        json_writer_add_uint(w, "logs_allocated_bytes", p->logs_allocated_bytes);
        json_writer_begin_array(w, "logs");
        for (size_t i = 0; i < p->n_logs; i++)
                add_log(w, &p->logs[i]);
        json_writer_end_array(w);
        json_writer_end_object(w);
}

static int add_field(const char *name, const char *value, void *userdata) {
        json_writer_add_string(userdata, name, value);
        return 0;
}

static void add_event(JsonWriter *w, const char *key, const StatusEvent *e) {
        char message[EVENT_MESSAGE_MAX];

        json_writer_begin_object(w, key);
        json_writer_add_uint(w, "event_id", e->event->id);
        json_writer_add_uint(w, "time_usec", e->wall_usec);
        json_writer_add_string(w, "type", event_name(e->event));
        json_writer_add_int(w, "priority", event_priority(e->event));
        json_writer_add_string(w, "message", event_message(e->event, message, sizeof(message)));
        json_writer_begin_object(w, "fields");
        (void) journal_entry_fields(e->event, e->wall_usec, add_field, w);
        json_writer_end_object(w);
        json_writer_end_object(w);
}

void status_json_guard(JsonWriter *w, const GuardStatus *status) {
        json_writer_begin_object(w, NULL);
        json_writer_begin_object(w, "status");
        json_writer_add_string(w, "version", status->version);
        json_writer_add_string(w, "mode", mode_to_string(status->mode));
        json_writer_add_int(w, "pid", status->pid);
        json_writer_add_double(w, "uptime_sec", seconds(status->uptime_usec));
        json_writer_add_string(w, "config", status->config);
        json_writer_add_uint(w, "longest_turn_usec", status->longest_turn_usec);
        json_writer_begin_array(w, "partitions");
        for (size_t i = 0; i < status->n_partitions; i++)
                add_partition(w, &status->partitions[i]);
        json_writer_end_array(w);
        json_writer_begin_array(w, "last_events");
        for (size_t i = 0; i < status->n_last_events; i++)
                add_event(w, NULL, &status->last_events[i]);
        json_writer_end_array(w);
        add_strings(w, "notes", status->notes, status->n_notes);
        json_writer_end_object(w);
        json_writer_end_object(w);
}

void status_json_event(JsonWriter *w, const StatusEvent *event) {
        json_writer_begin_object(w, NULL);
        if (event)
                add_event(w, "event", event);
        else
                json_writer_add_null(w, "event");
        json_writer_end_object(w);
}

static void add_alert(JsonWriter *w, const StatusAlert *alert) {
        json_writer_begin_object(w, NULL);
        json_writer_add_uint(w, "id", alert->id);
        json_writer_add_string(w, "mount", alert->mount);
        json_writer_add_string(w, "level", level_to_string(alert->level));
        json_writer_add_string(w, "reason", reason_to_string(alert->reason));
        json_writer_add_uint(w, "since_usec", alert->since_wall_usec);
        json_writer_add_string(w, "message", alert->message);
        json_writer_add_string(w, "acknowledged_by", alert->acknowledged_by);
        if (alert->acknowledged_until_wall_usec > 0)
                json_writer_add_uint(w, "acknowledged_until_usec", alert->acknowledged_until_wall_usec);
        else
                json_writer_add_null(w, "acknowledged_until_usec");
        json_writer_end_object(w);
}

void status_json_alerts(JsonWriter *w, const StatusAlert *alerts, size_t n_alerts) {
        json_writer_begin_object(w, NULL);
        json_writer_begin_array(w, "alerts");
        for (size_t i = 0; i < n_alerts; i++)
                add_alert(w, &alerts[i]);
        json_writer_end_array(w);
        json_writer_end_object(w);
}

void status_json_trimmed(JsonWriter *w, const StatusTrimmed *trimmed) {
        const char *result = trimmed->dry_run ? "planned" : act_result_to_string(trimmed->result);

        json_writer_begin_object(w, NULL);
        json_writer_begin_object(w, "trimmed");
        json_writer_add_string(w, "name", trimmed->name);
        json_writer_add_string(w, "id", trimmed->id);
        json_writer_add_string(w, "method", method_to_string(trimmed->method));
        json_writer_add_string(w, "reader_effect", method_reader_effect(trimmed->method));
        json_writer_add_string(w, "result", result);
        json_writer_add_uint(w, "freed_bytes", trimmed->freed_bytes);
        json_writer_add_uint(w, "cut_bytes", trimmed->cut_bytes);
        json_writer_add_uint(w, "allocated_bytes", trimmed->allocated_bytes);
        json_writer_add_bool(w, "dry_run", trimmed->dry_run);
        json_writer_end_object(w);
        json_writer_end_object(w);
}

void status_json_repaired(JsonWriter *w, const char *name, const char *id, uint64_t repaired_bytes) {
        json_writer_begin_object(w, NULL);
        json_writer_begin_object(w, "repaired");
        json_writer_add_string(w, "name", name);
        json_writer_add_string(w, "id", id);
        json_writer_add_uint(w, "repaired_bytes", repaired_bytes);
        json_writer_end_object(w);
        json_writer_end_object(w);
}

void status_json_found(JsonWriter *w, const ContainerInfo *container, const char *path, const char *archives) {
        json_writer_begin_object(w, NULL);
        json_writer_begin_object(w, "found");
        json_writer_add_string(w, "name", container->name);
        json_writer_add_string(w, "id", container->id);
        json_writer_add_string(w, "driver", log_driver_to_string(container->driver));
        json_writer_add_bool(w, "running", container->running);
        json_writer_add_string(w, "path", path);
        json_writer_add_string(w, "archives", archives);
        json_writer_end_object(w);
        json_writer_end_object(w);
}

void status_json_mounts(JsonWriter *w, const char *const *mounts, size_t n_mounts) {
        json_writer_begin_object(w, NULL);
        add_strings(w, "mounts", mounts, n_mounts);
        json_writer_end_object(w);
}

void status_json_config(JsonWriter *w, const char *text, const char *file) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "text", text);
        json_writer_add_string(w, "file", file);
        json_writer_end_object(w);
}
