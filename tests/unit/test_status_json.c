/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What clients are shown is what io.diskbrake.varlink promises: names and types are checked against its
 * text. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>

#include "status_json.h"
#include "varlink.h"

static const ContainerInfo web = {.id = "4f1c0de5a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c",
        .name = "web \"quoted\"", .image = "shop/web:3", .driver = LOG_DRIVER_JSON_FILE, .running = true};

static GuardStatus example(StatusPartition *p, StatusLog *log, StatusEvent *event, Event *e) {
        static const char *const roots[] = {"/var/lib/docker"}, *const notes[] = {"a note"};

        *log = (StatusLog){&web, {.allocated_bytes = 1000, .segments_bytes = 234, .hole_bytes = 5},
                1763720000000000,
                9150, POLICY_TRIM, MIB(16), true, .n_readers = 2,
                .slowest = {.pid = 4711, .fd = 3, .command = "fluent-bit", .offset_bytes = 700}};
        log->sample.size_bytes = 1000;
        *p = (StatusPartition){.mount = "/var/lib/docker", .roots = roots, .n_roots = 1,
                .level = LEVEL_WARNING,
                .reason = REASON_FORECAST, .level_for_usec = 1500 * USEC_PER_MSEC, .state = GUARD_DEGRADED,
                .state_detail = "d", .space = {1000, 600, 500, 70, 60, false}, .space_doubt = "it is ZFS", .fill_bps = -5,
                .full = {true, 234500 * USEC_PER_MSEC, USEC_INFINITY}, .inodes_full = {false, 1, 2},
                .bytes_filling = {.shape = "straight", .since_usec = 9000000, .taken = 400, .alarmed = true},
                .survey = {.known = true, .age_usec = 1500000, .n = 1,
                           .facts = {.window_usec = 500000, .grown_bytes = 100, .logs_bytes = 10, .cpu_usec = 7, .complete = true},
                           .causes = {{.cause = {.kind = CAUSE_DELETED, .grown_bytes = 90, .held_bytes = 900, .path = "/a", .command = "java", .pid = 9},
                                       .share_permyriad = 9000, .growth_bps = 180}}},
                .docker_version = "26", .n_logs_total = 3, .logs = log, .n_logs = 1};
        *e = (Event){.type = EVENT_LEVEL_RAISED, .id = 9, .level = LEVEL_WARNING,
                .mount = "/var/lib/docker"};
        *event = (StatusEvent){e, 1763720000000000};
        return (GuardStatus){.version = "1", .mode = MODE_OBSERVE, .pid = 7, .uptime_usec = 2500000,
                .config = "/c",
                .partitions = p, .n_partitions = 1, .last_events = event, .n_last_events = 1, .notes = notes,
                .n_notes = 1};
}

static cJSON *parsed(JsonWriter *w) {
        const char *text = NULL;
        assert_int_equal(json_writer_finish(w, &text), 0);
        cJSON *json = cJSON_Parse(text);
        assert_non_null(json);
        return json;
}

/* ---- a small reader of the interface, enough for its own types ---------------------------------------- */

static void check_type(const cJSON *value, const char *type, const char *where);

/* "(" field: type, ... ")" of `type NAME` or after `-> `. */
static void check_struct(const cJSON *object, const char *body, const char *where) {
        int n = 0;

        if (!cJSON_IsObject(object))
                fail_msg("%s is not an object", where);
        for (const char *s = body + 1; *s != ')'; n++) {
                char name[64] = "", type[64] = "";
                int used = 0;
                assert_int_equal(sscanf(s, " %63[a-z_]: %63[]a-zA-Z?[]%n", name, type, &used), 2);
                const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, name);
                if (!value)
                        fail_msg("%s.%s is missing", where, name);
                check_type(value, type, name);
                s += used;
                s += strspn(s, ", \n");
        }
        if (cJSON_GetArraySize(object) != n)
                fail_msg("%s has members that the interface does not know", where);
}

static void check_type(const cJSON *value, const char *type, const char *where) {
        if (*type == '?') {
                if (!cJSON_IsNull(value))
                        check_type(value, type + 1, where);
        } else if (strncmp(type, "[]", 2) == 0) {
                const cJSON *item;
                assert_true(cJSON_IsArray(value));
                cJSON_ArrayForEach(item, value)
                        check_type(item, type + 2, where);
        } else if (strncmp(type, "[string]", 8) == 0) {
                const cJSON *item;
                assert_true(cJSON_IsObject(value));
                cJSON_ArrayForEach(item, value)
                        check_type(item, type + 8, where);
        } else if (isupper((unsigned char) *type)) {
                char head[80];
                (void) snprintf(head, sizeof(head), "\ntype %s (", type);
                const char *body = strstr(varlink_interface_text, head);
                if (!body)
                        fail_msg("%s: the interface has no type %s", where, type);
                check_struct(value, strchr(body, '('), type);
        } else if (!(streq(type, "string") ? cJSON_IsString(value) :
                     streq(type, "bool")   ? cJSON_IsBool(value) :
                     streq(type, "int")    ? cJSON_IsNumber(value) &&
                     value->valuedouble == (double) (int64_t) value->valuedouble :
                     streq(type, "float")  ? cJSON_IsNumber(value) : 0))
                fail_msg("%s is not of type %s", where, type);
}

static void check_reply(JsonWriter *w, const char *method) {
        char head[80];
        (void) snprintf(head, sizeof(head), "\nmethod %s(", method);
        const char *line = strstr(varlink_interface_text, head);
        assert_non_null(line);
        cJSON *json = parsed(w);
        check_struct(json, strstr(line, "-> ") + 3, method);
        cJSON_Delete(json);
}

static void replies_are_of_the_types_of_the_interface(void **state) {
        _cleanup_json_writer_ JsonWriter status_w = {}, event_w = {}, none_w = {}, alerts_w = {},
                trimmed_w = {},
                                         mounts_w = {}, config_w = {};
        StatusPartition p;
        StatusLog log;
        StatusEvent event;
        Event e;
        (void) state;
        GuardStatus status = example(&p, &log, &event, &e);

        json_writer_init(&status_w, MIB(1));
        status_json_guard(&status_w, &status);
        check_reply(&status_w, "Status");
        json_writer_init(&event_w, MIB(1));
        status_json_event(&event_w, &event);
        check_reply(&event_w, "Events");
        json_writer_init(&none_w, MIB(1));
        status_json_event(&none_w, NULL);
        check_reply(&none_w, "Events");
        json_writer_init(&alerts_w, MIB(1));
        status_json_alerts(&alerts_w, (const StatusAlert[]){{1, "/a", LEVEL_NOTICE, REASON_SPACE, 5, "m",
                NULL, 0},
                {2, "/b", LEVEL_CRITICAL, REASON_SPACE, 5, "m", "joe", 9}}, 2);
        check_reply(&alerts_w, "Alerts");
        json_writer_init(&trimmed_w, MIB(1));
        status_json_trimmed(&trimmed_w, &(StatusTrimmed){"n", "i", METHOD_PUNCH, ACT_DONE, 1, 2, 3, false});
        check_reply(&trimmed_w, "Trim");
        json_writer_init(&mounts_w, MIB(1));
        status_json_mounts(&mounts_w, (const char *const[]){"/a", "/b"}, 2);
        check_reply(&mounts_w, "Pause");
        json_writer_init(&config_w, MIB(1));
        status_json_config(&config_w, "[x]\n", "/f");
        check_reply(&config_w, "Config");
}

static void the_numbers_are_those_of_the_guard(void **state) {
        _cleanup_json_writer_ JsonWriter w = {};
        StatusPartition p;
        StatusLog log;
        StatusEvent event;
        Event e;
        const char *text;
        (void) state;
        GuardStatus status = example(&p, &log, &event, &e);
        json_writer_init(&w, MIB(1));
        status_json_guard(&w, &status);
        assert_int_equal(json_writer_finish(&w, &text), 0);

        static const char *const expected[] = {
                "\"mode\":\"observe\"", "\"uptime_sec\":2.5,", "\"level\":\"warning\"",
                        "\"reason\":\"forecast\"",
                "\"level_since_sec\":1.5,", "\"state\":\"degraded\"", "\"fill_bps\":-5,",
                "\"space_is_certain\":false,\"space_doubt\":\"it is ZFS\",",
                "\"time_to_full_sec\":[234.5,1000000000]", "\"inodes_full_sec\":null",
                "\"paused_for_sec\":null",
                "\"name\":\"web \\\"quoted\\\"\"", "\"allocated_bytes\":1234,", "\"segments_bytes\":234,",
                "\"growth_bps\":1763720000000000,", "\"share\":0.915,", "\"policy\":\"trim\"",
                "\"protected\":true", "\"readers\":2,\"slowest_reader\":{\"pid\":4711,\"command\":\"fluent-bit\",",
                "\"offset_bytes\":700,\"unread_bytes\":300}",
                "\"time_usec\":1763720000000000,", "\"notes\":[\"a note\"]",
        };
        for (size_t i = 0; i < ELEMENTS(expected); i++)
                if (!strstr(text, expected[i]))
                        fail_msg("%s is not in %s", expected[i], text);
}

static void what_does_not_fill_has_no_time_to_full(void **state) {
        static const TimeToFull none[] = {{false, 5, 6}, {true, USEC_INFINITY, USEC_INFINITY}};
        (void) state;
        for (size_t i = 0; i < ELEMENTS(none); i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                StatusPartition p;
                StatusLog log;
                StatusEvent event;
                Event e;
                const char *text;
                GuardStatus status = example(&p, &log, &event, &e);
                p.full = none[i];
                json_writer_init(&w, MIB(1));
                status_json_guard(&w, &status);
                assert_int_equal(json_writer_finish(&w, &text), 0);
                assert_non_null(strstr(text, "\"time_to_full_sec\":null"));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(replies_are_of_the_types_of_the_interface),
                cmocka_unit_test(the_numbers_are_those_of_the_guard),
                cmocka_unit_test(what_does_not_fill_has_no_time_to_full),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
