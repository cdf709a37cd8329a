/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Traces as JSON: contract in trace_json.h. What is written and what is read follow the same tables. */

#include "trace_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "event_text.h"
#include "text.h"

typedef enum FieldKind {
        FIELD_U64,
        FIELD_ID, /* 64 bits that a double cannot hold: as text */
        FIELD_U32,
        FIELD_I32,
        FIELD_BOOL,
        FIELD_TEXT,
        FIELD_NAME, /* an enumeration, by its name */
} FieldKind;

typedef struct Field {
        const char *name;
        FieldKind kind;
        size_t offset, size;
        const char *(*to_name)(int value);
        int first, end; /* of the enumeration */
} Field;

/* Whole numbers up to there are exact in a double. */
#define EXACT_MAX 9007199254740992.0

static const char *driver_name(int v) { return log_driver_to_string((LogDriver) v); }
static const char *policy_name(int v) { return v < 0 ? "none" : policy_to_string((Policy) v); }
static const char *tristate_name(int v) { return v == YES ? "yes" : v == NO ? "no" : "unknown"; }
static const char *method_name(int v) { return method_to_string((Method) v); }
static const char *cause_name(int v) { return cause_kind_to_string((CauseKind) v); }
static const char *result_name(int v) { return act_result_to_string((ActResult) v); }

#define U64(type, member, name) {name, FIELD_U64, offsetof(type, member), 8, NULL, 0, 0}
#define ID(type, member, name) {name, FIELD_ID, offsetof(type, member), 8, NULL, 0, 0}
#define U32(type, member, name) {name, FIELD_U32, offsetof(type, member), 4, NULL, 0, 0}
#define I32(type, member, name) {name, FIELD_I32, offsetof(type, member), 4, NULL, 0, 0}
#define BOOL(type, member, name) {name, FIELD_BOOL, offsetof(type, member), sizeof(bool), NULL, 0, 0}
#define TEXT(type, member, name) {name, FIELD_TEXT, offsetof(type, member), sizeof(((type *) NULL)->member), NULL, 0, 0}
#define NAME(type, member, name, to_name, first, end) {name, FIELD_NAME, offsetof(type, member), sizeof(int), to_name, first, end}
#define TRISTATE(type, member, name) NAME(type, member, name, tristate_name, UNKNOWN, YES + 1)

static const Field partition_fields[] = {
        U64(Observation, partition.total_bytes, "total_bytes"),
        U64(Observation, partition.free_bytes, "free_bytes"),
        U64(Observation, partition.avail_bytes, "avail_bytes"),
        U64(Observation, partition.total_inodes, "total_inodes"),
        U64(Observation, partition.avail_inodes, "avail_inodes"),
        BOOL(Observation, partition.read_only, "read_only"),
};

#define INFO(member) log_info.member
static const Field log_fields[] = {
        U32(Observation, INFO(slot), "slot"),
        U32(Observation, INFO(root), "root"),
        TEXT(Observation, INFO(container.id), "id"),
        TEXT(Observation, INFO(container.name), "name"),
        TEXT(Observation, INFO(container.image), "image"),
        NAME(Observation, INFO(container.driver), "driver", driver_name, LOG_DRIVER_UNKNOWN, LOG_DRIVER_OTHER + 1),
        BOOL(Observation, INFO(container.running), "running"),
        U64(Observation, INFO(container.max_size_bytes), "max_size_bytes"),
        U32(Observation, INFO(container.max_file), "max_file"),
        NAME(Observation, INFO(container.label_policy), "label_policy", policy_name, 0, _POLICY_MAX),
        ID(Observation, INFO(container.label_keep_bytes), "label_keep_bytes"),
        ID(Observation, INFO(container.label_max_bytes), "label_max_bytes"),
        I32(Observation, INFO(writer.pid), "writer_pid"),
        TRISTATE(Observation, INFO(writer.append), "writer_append"),
        ID(Observation, INFO(inode), "inode"),
        BOOL(Observation, INFO(odd), "odd"),
};

#define SAMPLE(member) log_sample.member
static const Field sample_fields[] = {
        U32(Observation, SAMPLE(slot), "slot"),
        U32(Observation, SAMPLE(n_segments), "n_segments"),
        U64(Observation, SAMPLE(allocated_bytes), "allocated_bytes"),
        U64(Observation, SAMPLE(segments_bytes), "segments_bytes"),
        U64(Observation, SAMPLE(size_bytes), "size_bytes"),
        U64(Observation, SAMPLE(hole_bytes), "hole_bytes"),
        U64(Observation, SAMPLE(filler_bytes), "filler_bytes"),
        U64(Observation, SAMPLE(nul_bytes), "nul_bytes"),
        U32(Observation, SAMPLE(line_bytes), "line_bytes"),
};

static const Field gone_fields[] = {U32(Observation, log_gone, "slot")};
static const Field lost_fields[] = {I32(Observation, lost.error, "error")};
static const Field docker_fields[] = {
        U32(Observation, docker.root, "root"),
        U32(Observation, docker.version_major, "version_major"),
};
static const Field filesystem_fields[] = {
        BOOL(Observation, filesystem.can_collapse, "can_collapse"),
        BOOL(Observation, filesystem.can_punch, "can_punch"),
        BOOL(Observation, filesystem.can_reflink, "can_reflink"),
        BOOL(Observation, filesystem.freed_is_late, "freed_is_late"),
        U64(Observation, filesystem.ballast_bytes, "ballast_bytes"),
        BOOL(Observation, filesystem.may_have_ballast, "may_have_ballast"),
};
static const Field readers_fields[] = {
        U32(Observation, log_readers.slot, "slot"),
        U32(Observation, log_readers.n, "n"),
        U32(Observation, log_readers.n_docker, "n_docker"),
        ID(Observation, log_readers.inode, "inode"),
        I32(Observation, log_readers.slowest.pid, "pid"),
        TEXT(Observation, log_readers.slowest.command, "command"),
        U64(Observation, log_readers.slowest.offset_bytes, "offset_bytes"),
};

static const Field cause_fields[] = {
        NAME(Observation, cause.kind, "cause", cause_name, 0, _CAUSE_KIND_MAX),
        U64(Observation, cause.grown_bytes, "grown_bytes"),
        U64(Observation, cause.held_bytes, "held_bytes"),
        TEXT(Observation, cause.container, "id"),
        TEXT(Observation, cause.name, "name"),
        TEXT(Observation, cause.path, "path"),
        TEXT(Observation, cause.command, "command"),
        I32(Observation, cause.pid, "pid"),
        BOOL(Observation, cause.likely, "likely"),
};
static const Field survey_fields[] = {
        BOOL(Observation, survey.ended, "ended"),
        BOOL(Observation, survey.failed, "failed"),
        U64(Observation, survey.until_usec, "until_usec"),
        U64(Observation, survey.facts.window_usec, "window_usec"),
        U64(Observation, survey.facts.grown_bytes, "grown_bytes"),
        U64(Observation, survey.facts.shrunk_bytes, "shrunk_bytes"),
        U64(Observation, survey.facts.logs_bytes, "logs_bytes"),
        U64(Observation, survey.facts.cpu_usec, "cpu_usec"),
        U64(Observation, survey.facts.read_bytes, "read_bytes"),
        BOOL(Observation, survey.facts.complete, "complete"),
};

static const struct {
        const char *name;
        ObservationType type;
        const Field *fields;
        size_t n_fields;
} observations[] = {
        {"partition", OBSERVATION_PARTITION, partition_fields, ELEMENTS(partition_fields)},
        {"log", OBSERVATION_LOG_INFO, log_fields, ELEMENTS(log_fields)},
        {"log-sample", OBSERVATION_LOG_SAMPLE, sample_fields, ELEMENTS(sample_fields)},
        {"log-gone", OBSERVATION_LOG_GONE, gone_fields, ELEMENTS(gone_fields)},
        {"lost", OBSERVATION_LOST, lost_fields, ELEMENTS(lost_fields)},
        {"docker", OBSERVATION_DOCKER, docker_fields, ELEMENTS(docker_fields)},
        {"filesystem", OBSERVATION_FILESYSTEM, filesystem_fields, ELEMENTS(filesystem_fields)},
        {"readers", OBSERVATION_LOG_READERS, readers_fields, ELEMENTS(readers_fields)},
        {"cause", OBSERVATION_CAUSE, cause_fields, ELEMENTS(cause_fields)},
        {"survey", OBSERVATION_SURVEY, survey_fields, ELEMENTS(survey_fields)},
};

static const Field act_fields[] = {
        ID(Act, id, "act"),
        NAME(Act, method, "method", method_name, 0, _METHOD_MAX),
        NAME(Act, then, "then", method_name, 0, _METHOD_MAX),
        U32(Act, slot, "slot"),
        U64(Act, want_bytes, "want_bytes"),
        U64(Act, keep_bytes, "keep_bytes"),
        BOOL(Act, emergency, "emergency"),
        BOOL(Act, by_hand, "by_hand"),
        BOOL(Act, by_limit, "by_limit"),
};

static const Field outcome_fields[] = {
        ID(Outcome, act, "act"),
        NAME(Outcome, method, "method", method_name, 0, _METHOD_MAX),
        U32(Outcome, slot, "slot"),
        NAME(Outcome, result, "result", result_name, 0, _ACT_RESULT_MAX),
        I32(Outcome, error, "error"),
        TEXT(Outcome, stage, "stage"),
        U64(Outcome, freed_bytes, "freed_bytes"),
        U64(Outcome, cut_bytes, "cut_bytes"),
        U64(Outcome, allocated_bytes, "allocated_bytes"),
        U64(Outcome, size_bytes, "size_bytes"),
        U64(Outcome, segments_bytes, "segments_bytes"),
        U32(Outcome, n_segments, "n_segments"),
        U64(Outcome, hole_bytes, "hole_bytes"),
        U64(Outcome, filler_bytes, "filler_bytes"),
        U64(Outcome, ballast_bytes, "ballast_bytes"),
        U64(Outcome, archived.to_offset, "archived_to_offset"),
        U64(Outcome, archived.log_bytes, "archived_log_bytes"),
        U64(Outcome, archived.file_bytes, "archived_file_bytes"),
        ID(Outcome, archived.segment_inode, "archived_segment_inode"),
        BOOL(Outcome, archived.elsewhere, "archived_elsewhere"),
        U64(Outcome, begin_usec, "begin_usec"),
        U64(Outcome, end_usec, "end_usec"),
};

/* ---- writing -------------------------------------------------------------------------------------------------- */

static void write_field(JsonWriter *w, const Field *f, const void *base) {
        const void *at = (const char *) base + f->offset;
        char id[24];

        switch (f->kind) {
        case FIELD_U64:
                json_writer_add_uint(w, f->name, MIN(*(const uint64_t *) at, (uint64_t) EXACT_MAX));
                return;
        case FIELD_ID:
                (void) snprintf(id, sizeof(id), "%" PRIu64, *(const uint64_t *) at);
                json_writer_add_string(w, f->name, id);
                return;
        case FIELD_U32:
                json_writer_add_uint(w, f->name, *(const uint32_t *) at);
                return;
        case FIELD_I32:
                json_writer_add_int(w, f->name, *(const int32_t *) at);
                return;
        case FIELD_BOOL:
                json_writer_add_bool(w, f->name, *(const bool *) at);
                return;
        case FIELD_TEXT:
                json_writer_add_string(w, f->name, at);
                return;
        case FIELD_NAME:
                json_writer_add_string(w, f->name, f->to_name(*(const int *) at));
                return;
        }
}

static void begin(JsonWriter *w, const char *kind, const char *mount, uint64_t time_usec) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "kind", kind);
        json_writer_add_string(w, "on", mount);
        json_writer_add_uint(w, "time_usec", time_usec);
}

static void write_line(JsonWriter *w, const char *kind, const char *mount, uint64_t time_usec, const Field *fields, size_t n_fields,
                       const void *base) {
        begin(w, kind, mount, time_usec);
        for (size_t i = 0; i < n_fields; i++)
                write_field(w, fields + i, base);
        json_writer_end_object(w);
}

void trace_json_header(JsonWriter *w, const TraceHeader *header) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "kind", "header");
        json_writer_add_uint(w, "trace", TRACE_FORMAT);
        json_writer_add_string(w, "version", header->version);
        json_writer_add_string(w, "boot_id", header->boot_id);
        json_writer_add_uint(w, "wall_usec", header->wall_usec);
        json_writer_add_uint(w, "time_usec", header->time_usec);
        json_writer_add_string(w, "config", header->config);
        json_writer_end_object(w);
}

bool trace_json_observation(JsonWriter *w, const char *mount, const Observation *o) {
        for (size_t i = 0; i < ELEMENTS(observations); i++)
                if (observations[i].type == o->type) {
                        write_line(w, observations[i].name, mount, o->time_usec, observations[i].fields, observations[i].n_fields, o);
                        return true;
                }
        return false;
}

void trace_json_event(JsonWriter *w, const char *mount, const Event *event) {
        char message[EVENT_MESSAGE_MAX];

        begin(w, "event", mount, event->time_usec);
        json_writer_add_string(w, "type", event_name(event));
        json_writer_add_string(w, "level", level_to_string(event->level));
        json_writer_add_string(w, "from", level_to_string(event->from));
        json_writer_add_string(w, "reason", reason_to_string(event->reason));
        json_writer_add_string(w, "message", event_message(event, message, sizeof(message)));
        json_writer_end_object(w);
}

void trace_json_act(JsonWriter *w, const char *mount, uint64_t time_usec, const Act *act) {
        write_line(w, "act", mount, time_usec, act_fields, ELEMENTS(act_fields), act);
}

void trace_json_outcome(JsonWriter *w, const char *mount, uint64_t time_usec, const Outcome *outcome) {
        write_line(w, "outcome", mount, time_usec, outcome_fields, ELEMENTS(outcome_fields), outcome);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

static int read_number(const cJSON *item, double low, double high, double *ret) {
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= low && item->valuedouble <= high) ||
            item->valuedouble != floor(item->valuedouble))
                return -EINVAL;
        *ret = item->valuedouble;
        return 0;
}

static int read_id(const char *text, uint64_t *ret) {
        char *end;

        if (!text || text[0] < '0' || text[0] > '9')
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, &end, 10);
        return errno == 0 && *end == 0 ? 0 : -EINVAL;
}

static int read_name(const Field *f, const char *text, int *ret) {
        if (!text)
                return -EINVAL;
        for (int v = f->first; v < f->end; v++)
                if (streq(f->to_name(v), text)) {
                        *ret = v;
                        return 0;
                }
        /* "none" of a policy, and what a later version has added. */
        *ret = f->to_name == policy_name ? (int) _POLICY_INVALID : f->first;
        return 0;
}

static int read_field(const cJSON *json, const Field *f, void *base) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, f->name);
        const char *text = cJSON_GetStringValue(item);
        void *at = (char *) base + f->offset;
        double number;
        int r = 0;

        if (!item)
                return 0; /* left out: 0 */
        switch (f->kind) {
        case FIELD_U64:
                r = read_number(item, 0, EXACT_MAX, &number);
                if (r == 0)
                        *(uint64_t *) at = (uint64_t) number;
                return r;
        case FIELD_ID:
                return read_id(text, at);
        case FIELD_U32:
                r = read_number(item, 0, UINT32_MAX, &number);
                if (r == 0)
                        *(uint32_t *) at = (uint32_t) number;
                return r;
        case FIELD_I32:
                r = read_number(item, INT32_MIN, INT32_MAX, &number);
                if (r == 0)
                        *(int32_t *) at = (int32_t) number;
                return r;
        case FIELD_BOOL:
                if (!cJSON_IsBool(item))
                        return -EINVAL;
                *(bool *) at = cJSON_IsTrue(item);
                return 0;
        case FIELD_TEXT:
                if (!text)
                        return -EINVAL;
                (void) text_sanitize(at, f->size, text, strlen(text));
                return 0;
        case FIELD_NAME:
                return read_name(f, text, at);
        }
        return -EINVAL;
}

static int read_fields(const cJSON *json, const Field *fields, size_t n_fields, void *base) {
        for (size_t i = 0; i < n_fields; i++)
                if (read_field(json, fields + i, base) < 0)
                        return -EINVAL;
        return 0;
}

static int read_header(const cJSON *json, TraceHeader *ret) {
        static const Field fields[] = {
                TEXT(TraceHeader, version, "version"),
                TEXT(TraceHeader, boot_id, "boot_id"),
                U64(TraceHeader, wall_usec, "wall_usec"),
                U64(TraceHeader, time_usec, "time_usec"),
        };
        const char *config = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "config"));

        ret->config = config ? config : "";
        return read_fields(json, fields, ELEMENTS(fields), ret);
}

static void read_event(const cJSON *json, Event *ret) {
        const char *type = json_input_get_string(json, "type"), *level = json_input_get_string(json, "level"),
                   *from = json_input_get_string(json, "from");

        if (!type || !level || !from)
                return;
        ret->level = level_from_string(level);
        ret->from = level_from_string(from);
        if ((int) ret->level < 0 || (int) ret->from < 0)
                return;
        if (streq(type, "level-raised"))
                ret->type = EVENT_LEVEL_RAISED;
        else if (streq(type, "level-cleared"))
                ret->type = EVENT_LEVEL_CLEARED;
}

static int read_body(const cJSON *json, const char *kind, TraceLine *line) {
        for (size_t i = 0; i < ELEMENTS(observations); i++)
                if (streq(kind, observations[i].name)) {
                        line->kind = TRACE_OBSERVATION;
                        line->observation.type = observations[i].type;
                        line->observation.time_usec = line->time_usec;
                        return read_fields(json, observations[i].fields, observations[i].n_fields, &line->observation);
                }
        if (streq(kind, "outcome")) {
                line->kind = TRACE_OUTCOME;
                return read_fields(json, outcome_fields, ELEMENTS(outcome_fields), &line->outcome);
        }
        if (streq(kind, "act")) {
                line->kind = TRACE_ACT;
                return read_fields(json, act_fields, ELEMENTS(act_fields), &line->act);
        }
        if (streq(kind, "event")) {
                line->kind = TRACE_EVENT;
                read_event(json, &line->event);
                return 0;
        }
        line->kind = TRACE_OTHER;
        return 0;
}

int trace_json_parse(const cJSON *json, TraceLine *ret_line, const char **ret_error) {
        static const Field fields[] = {
                TEXT(TraceLine, mount, "on"),
                U64(TraceLine, time_usec, "time_usec"),
        };
        const char *kind = json_input_get_string(json, "kind");
        const cJSON *format = cJSON_GetObjectItemCaseSensitive(json, "trace");

        memset(ret_line, 0, sizeof(*ret_line));
        *ret_error = "a number, a text or a name in it is not what a trace has there";
        if (!kind) {
                *ret_error = "expected an object with a kind";
                return -EINVAL;
        }
        if (read_fields(json, fields, ELEMENTS(fields), ret_line) < 0)
                return -EINVAL;
        if (!streq(kind, "header"))
                return read_body(json, kind, ret_line);
        if (!cJSON_IsNumber(format) || format->valuedouble != TRACE_FORMAT) {
                *ret_error = "a trace of another version";
                return -EINVAL;
        }
        ret_line->kind = TRACE_HEADER;
        return read_header(json, &ret_line->header);
}
