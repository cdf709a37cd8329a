/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "methods_internal.h"
#include "status_json.h"
#include "text.h"

typedef struct TrimCall {
        VarlinkCall *call;
        Partition *partition;
        char name[CONTAINER_NAME_MAX], id[CONTAINER_ID_MAX];
        uint64_t allocated_bytes;
        Method method;
        bool dry_run, is_odd;
} TrimCall;

static void trim_call_error(TrimCall *t, const char *error, const char *detail, const char *stage) {
        _cleanup_json_writer_ JsonWriter w = {};
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
        _cleanup_json_writer_ JsonWriter w = {};

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

void method_trim(Methods *m, VarlinkCall *call) {
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
