/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "methods_internal.h"
#include "status_json.h"
#include "text.h"

typedef struct RepairCall {
        VarlinkCall *call;
        Partition *partition;
        char name[CONTAINER_NAME_MAX], id[CONTAINER_ID_MAX];
} RepairCall;

static void repair_call_failed(RepairCall *c, const Outcome *o) {
        _cleanup_json_writer_ JsonWriter w = {};
        char stage[sizeof(o->stage) + 1];
        const char *text;

        (void) text_sanitize(stage, sizeof(stage), o->stage, strnlen(o->stage, sizeof(o->stage)));
        json_writer_init(&w, KIB(64));
        json_writer_begin_object(&w, NULL);
        json_writer_add_string(&w, "name", c->name);
        json_writer_add_string(&w, "stage", stage);
        json_writer_add_string(&w, "error", o->error ? strerror(-o->error) : act_result_to_string(o->result));
        json_writer_end_object(&w);
        varlink_call_error(c->call, "io.diskbrake.ActFailed", json_writer_finish(&w, &text) < 0 ? NULL : text);
}

static void repair_call_cannot(RepairCall *c, const char *detail) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, KIB(64));
        json_writer_begin_object(&w, NULL);
        json_writer_add_string(&w, "mount", partition_target(c->partition)->mount);
        json_writer_add_string(&w, "detail", detail);
        json_writer_end_object(&w);
        varlink_call_error(c->call, "io.diskbrake.CannotAct", json_writer_finish(&w, &text) < 0 ? NULL : text);
}

static void repair_call_refused(RepairCall *c, int why) {
        char detail[512];

        switch (why) {
        case ENGINE_E_PROTECTED:
                varlink_call_error_text(c->call, "io.diskbrake.Protected", "name", c->name);
                break;
        case ENGINE_E_PAUSED:
                varlink_call_error_text(c->call, "io.diskbrake.Paused", "mount", partition_target(c->partition)->mount);
                break;
        case ENGINE_E_NO_LOG:
                varlink_call_error_text(c->call, "io.diskbrake.NothingToRepair", "name", c->name);
                break;
        case -ESTALE:
                varlink_call_error_text(c->call, "io.diskbrake.Busy", "detail",
                        "the log changed hands meanwhile (rotated or removed); ask again");
                break;
        case -EAGAIN:
                varlink_call_error_text(c->call, "io.diskbrake.Busy", "detail",
                        "other logs are being looked through; ask again in a moment");
                break;
        default:
                partition_describe(c->partition, detail, sizeof(detail));
                repair_call_cannot(c, detail[0] ? detail : strerror(why < 0 ? -why : why));
        }
}

static void repair_call_on_done(uint64_t repaired_bytes, int why, const Outcome *failed, void *userdata) {
        _cleanup_json_writer_ JsonWriter w = {};
        RepairCall *c = userdata;

        if (failed)
                repair_call_failed(c, failed);
        else if (why != 0)
                repair_call_refused(c, why);
        else {
                json_writer_init(&w, KIB(64));
                status_json_repaired(&w, c->name, c->id, repaired_bytes);
                methods_reply(c->call, &w);
        }
        free(c);
}

static void repair_call_on_gone(VarlinkCall *call, void *userdata) {
        RepairCall *c = userdata;

        partition_forget_repairs(c->partition, c);
        varlink_call_release(call);
        free(c);
}

void method_repair(Methods *m, VarlinkCall *call) {
        struct In {
                const char *name;
        } in = {};
        static const VarlinkField fields[] = {{"name", VARLINK_STRING, true, offsetof(struct In, name)}};
        Partition *p = NULL;
        RepairCall *c;
        EngineLog log;
        Asker asker;

        if (!methods_read(call, fields, ELEMENTS(fields), &in) || !methods_find_log(m, call, in.name, &p, &log))
                return;
        c = calloc(1, sizeof(*c));
        if (!c) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        *c = (RepairCall){.call = call, .partition = p};
        memcpy(c->name, log.info->container.name, sizeof(c->name));
        memcpy(c->id, log.info->container.id, sizeof(c->id));
        if (supervisor_config(m->supervisor)->mode == MODE_OBSERVE) {
                repair_call_cannot(c, "it runs in observe mode and touches nothing");
                free(c);
                return;
        }
        asker = methods_asker(call);
        varlink_call_set_on_gone(call, repair_call_on_gone, c);
        partition_repair(p, log.info->slot, &asker, repair_call_on_done, c);
}
