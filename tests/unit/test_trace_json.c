/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Traces: what was written is what is read, and what nobody wrote is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "trace_json.h"

static int parse(const char *text, TraceLine *ret) {
        _cleanup_(json_input_freep) cJSON *json = NULL;
        const char *error;

        int r = json_input_parse(text, strlen(text), TRACE_LINE_MAX, &json, &error);
        return r != 0 ? r : trace_json_parse(json, ret, &error);
}

static int through(JsonWriter *w, TraceLine *ret) {
        const char *text;

        assert_int_equal(json_writer_finish(w, &text), 0);
        int r = parse(text, ret);
        json_writer_done(w);
        return r;
}

static TraceLine observed(const Observation *o) {
        JsonWriter w = {};
        TraceLine line;

        json_writer_init(&w, TRACE_LINE_MAX);
        assert_true(trace_json_observation(&w, "/var/lib/docker", o));
        assert_int_equal(through(&w, &line), 0);
        assert_int_equal(line.kind, TRACE_OBSERVATION);
        assert_string_equal(line.mount, "/var/lib/docker");
        assert_true(line.time_usec == o->time_usec);
        assert_memory_equal(&line.observation.type, &o->type, sizeof(o->type));
        return line;
}

static void a_sample_of_a_partition_comes_back(void **state) {
        Observation o = {.type = OBSERVATION_PARTITION, .time_usec = 33046741391,
                .partition = {GIB(8000), GIB(70), GIB(60), 6553600, 6000000, true}};

        (void) state;
        TraceLine line = observed(&o);
        assert_true(line.observation.partition.total_bytes == GIB(8000));
        assert_true(line.observation.partition.avail_inodes == 6000000);
        assert_true(line.observation.partition.read_only);
}

static void a_log_comes_back_with_all_that_decides(void **state) {
        Observation o = {.type = OBSERVATION_LOG_INFO, .time_usec = 5};
        LogInfo *info = &o.log_info;

        (void) state;
        info->slot = 7;
        info->inode = UINT64_MAX - 1;
        info->writer = (LogWriter){.pid = 712, .append = YES};
        info->container.driver = LOG_DRIVER_LOCAL;
        info->container.label_policy = POLICY_ALERT;
        info->container.label_keep_bytes = CONFIG_KEEP_UNSET;
        info->container.running = true;
        strcpy(info->container.name, "web (compose shop/web)");
        TraceLine line = observed(&o);
        const LogInfo *back = &line.observation.log_info;
        assert_true(back->slot == 7 && back->inode == UINT64_MAX - 1 && back->writer.append == YES);
        assert_int_equal(back->container.driver, LOG_DRIVER_LOCAL);
        assert_int_equal(back->container.label_policy, POLICY_ALERT);
        assert_true(back->container.label_keep_bytes == CONFIG_KEEP_UNSET && back->container.running);
        assert_string_equal(back->container.name, "web (compose shop/web)");

        info->container.label_policy = _POLICY_INVALID;
        info->writer.append = UNKNOWN;
        line = observed(&o);
        assert_int_equal(line.observation.log_info.container.label_policy, _POLICY_INVALID);
        assert_int_equal(line.observation.log_info.writer.append, UNKNOWN);
}

static void every_kind_of_cause_comes_back(void **state) {
        (void) state;
        for (CauseKind kind = 0; kind < _CAUSE_KIND_MAX; kind++) {
                Observation o = {.type = OBSERVATION_CAUSE, .time_usec = 9, .cause = {.kind = kind}};

                o.cause.grown_bytes = GIB(3);
                o.cause.held_bytes = GIB(40);
                o.cause.pid = INT32_MAX;
                o.cause.likely = kind % 2;
                memset(o.cause.container, 'a', sizeof(o.cause.container) - 1);
                memset(o.cause.name, '"', sizeof(o.cause.name) - 1);
                memset(o.cause.path, '\\', sizeof(o.cause.path) - 1);
                strcpy(o.cause.command, "caf\xC3\xA9");
                TraceLine line = observed(&o);
                assert_memory_equal(&line.observation.cause, &o.cause, sizeof(o.cause));
        }
}

static void a_survey_comes_back_begun_and_ended(void **state) {
        Observation begun = {.type = OBSERVATION_SURVEY, .time_usec = 5, .survey = {.until_usec = 33046741391}};
        Observation ended = {.type = OBSERVATION_SURVEY, .time_usec = 7, .survey = {.ended = true, .facts = {
                .window_usec = 500000, .grown_bytes = GIB(2), .logs_bytes = 4096, .cpu_usec = 12345, .read_bytes = 512, .complete = true}}};
        Observation failed = {.type = OBSERVATION_SURVEY, .time_usec = 8, .survey = {.ended = true, .failed = true}};
        const Observation *const all[] = {&begun, &ended, &failed};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(all); i++) {
                TraceLine line = observed(all[i]);

                assert_int_equal(line.observation.survey.ended, all[i]->survey.ended);
                assert_int_equal(line.observation.survey.failed, all[i]->survey.failed);
                assert_true(line.observation.survey.until_usec == all[i]->survey.until_usec);
                assert_memory_equal(&line.observation.survey.facts, &all[i]->survey.facts, sizeof(SurveyFacts));
        }
}

/* What a trace leaves out is nothing, and a kind of a later version is files: the least that can be said. */
static void a_cause_of_another_version_is_read_as_far_as_it_is_understood(void **state) {
        TraceLine line;

        (void) state;
        assert_int_equal(parse("{\"kind\":\"cause\",\"on\":\"/\",\"cause\":\"of a later version\",\"grown_bytes\":7,\"x\":[]}", &line), 0);
        assert_int_equal(line.observation.type, OBSERVATION_CAUSE);
        assert_int_equal(line.observation.cause.kind, CAUSE_FILES);
        assert_true(line.observation.cause.grown_bytes == 7);
        assert_string_equal(line.observation.cause.path, "");
        assert_int_equal(parse("{\"kind\":\"cause\"}", &line), 0);
        assert_int_equal(parse("{\"kind\":\"survey\"}", &line), 0);
        assert_false(line.observation.survey.ended);
        /* More than fits is cut, as everywhere. */
        assert_int_equal(parse("{\"kind\":\"cause\",\"cause\":\"volume\",\"command\":\"a name of many characters\"}", &line), 0);
        assert_string_equal(line.observation.cause.command, "a name of many ");
}

static void acts_and_outcomes_come_back(void **state) {
        Act act = {.id = UINT64_C(1) << 60, .method = METHOD_PUNCH, .slot = UINT32_MAX, .want_bytes = MIB(5), .emergency = true};
        Outcome outcome = {.act = act.id, .method = METHOD_PUNCH, .result = ACT_FAILED, .error = -ENOSPC, .freed_bytes = 4096,
                .stage = "fallocate", .end_usec = 77};
        JsonWriter w = {};
        TraceLine line;

        (void) state;
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_act(&w, "/", 12, &act);
        assert_int_equal(through(&w, &line), 0);
        assert_int_equal(line.kind, TRACE_ACT);
        assert_true(line.act.id == act.id && line.act.method == METHOD_PUNCH && line.act.slot == UINT32_MAX && line.act.emergency);
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_outcome(&w, "/", 77, &outcome);
        assert_int_equal(through(&w, &line), 0);
        assert_int_equal(line.kind, TRACE_OUTCOME);
        assert_int_equal(line.outcome.result, ACT_FAILED);
        assert_int_equal(line.outcome.error, -ENOSPC);
        assert_string_equal(line.outcome.stage, "fallocate");
}

static void levels_come_back_and_other_events_are_passed_over(void **state) {
        Event event = {.type = EVENT_LEVEL_RAISED, .level = LEVEL_CRITICAL, .from = LEVEL_WARNING, .time_usec = 9};
        JsonWriter w = {};
        TraceLine line;

        (void) state;
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_event(&w, "/", &event);
        assert_int_equal(through(&w, &line), 0);
        assert_int_equal(line.event.type, EVENT_LEVEL_RAISED);
        assert_int_equal(line.event.level, LEVEL_CRITICAL);
        assert_int_equal(line.event.from, LEVEL_WARNING);
        event.type = EVENT_STARTED;
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_event(&w, "/", &event);
        assert_int_equal(through(&w, &line), 0);
        assert_int_equal(line.event.type, 0);
}

static void the_header_has_the_configuration(void **state) {
        TraceHeader header = {.version = "0.1.0", .boot_id = "5e74", .wall_usec = 1795839102725502, .time_usec = 33046741391,
                .config = "[Watchdog]\nMode=observe\n"};
        _cleanup_(json_input_freep) cJSON *json = NULL;
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text, *error;
        TraceLine line;

        (void) state;
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_header(&w, &header);
        assert_int_equal(json_writer_finish(&w, &text), 0);
        assert_int_equal(json_input_parse(text, strlen(text), TRACE_LINE_MAX, &json, &error), 0);
        assert_int_equal(trace_json_parse(json, &line, &error), 0);
        assert_int_equal(line.kind, TRACE_HEADER);
        assert_true(line.header.wall_usec == header.wall_usec);
        assert_string_equal(line.header.config, header.config);
}

static void what_nobody_wrote_is_refused(void **state) {
        static const char *const bad[] = {
                "{}",
                "{\"kind\":7}",
                "{\"kind\":\"header\"}",
                "{\"kind\":\"header\",\"trace\":2}",
                "{\"kind\":\"partition\",\"on\":\"/\",\"time_usec\":-1}",
                "{\"kind\":\"partition\",\"on\":7,\"time_usec\":1}",
                "{\"kind\":\"partition\",\"time_usec\":1,\"total_bytes\":1.5}",
                "{\"kind\":\"partition\",\"time_usec\":1,\"total_bytes\":1e300}",
                "{\"kind\":\"partition\",\"time_usec\":1,\"total_bytes\":\"1\"}",
                "{\"kind\":\"partition\",\"time_usec\":1,\"read_only\":1}",
                "{\"kind\":\"log\",\"slot\":4294967296}",
                "{\"kind\":\"log\",\"inode\":\"-1\"}",
                "{\"kind\":\"log\",\"inode\":\"18446744073709551616\"}",
                "{\"kind\":\"log\",\"name\":null}",
                "{\"kind\":\"cause\",\"cause\":7}",
                "{\"kind\":\"cause\",\"cause\":null}",
                "{\"kind\":\"cause\",\"grown_bytes\":-1}",
                "{\"kind\":\"cause\",\"held_bytes\":1e17}",
                "{\"kind\":\"cause\",\"pid\":2147483648}",
                "{\"kind\":\"cause\",\"pid\":0.5}",
                "{\"kind\":\"cause\",\"likely\":\"yes\"}",
                "{\"kind\":\"cause\",\"path\":[\"/\"]}",
                "{\"kind\":\"cause\",\"name\":null}",
                "{\"kind\":\"survey\",\"ended\":1}",
                "{\"kind\":\"survey\",\"until_usec\":-1}",
                "{\"kind\":\"survey\",\"window_usec\":\"1\"}",
                "{\"kind\":\"survey\",\"cpu_usec\":1.5}",
                "{\"kind\":\"survey\",\"complete\":null}",
        };
        TraceLine line;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(bad); i++)
                assert_int_equal(parse(bad[i], &line), -EINVAL);
        assert_int_equal(parse("{\"kind\":\"of a later version\",\"on\":\"/\"}", &line), 0);
        assert_int_equal(line.kind, TRACE_OTHER);
}

/* A trace may have been made by somebody else: names are cut and cleaned as they are everywhere. */
static void names_are_sanitised(void **state) {
        TraceLine line;

        (void) state;
        assert_int_equal(parse("{\"kind\":\"log\",\"on\":\"/a\\u001b[2J\",\"name\":\"x\\ny\"}", &line), 0);
        assert_string_equal(line.mount, "/a?[2J");
        assert_string_equal(line.observation.log_info.container.name, "x?y");
        assert_int_equal(parse("{\"kind\":\"cause\",\"path\":\"/\\u001b[2J\\u202e\",\"name\":\"a\\nb\",\"command\":\"\\u0007\","
                               "\"id\":\"\\r\"}", &line), 0);
        assert_string_equal(line.observation.cause.path, "/?[2J?");
        assert_string_equal(line.observation.cause.name, "a?b");
        assert_string_equal(line.observation.cause.command, "?");
        assert_string_equal(line.observation.cause.container, "?");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_sample_of_a_partition_comes_back),
                cmocka_unit_test(a_log_comes_back_with_all_that_decides),
                cmocka_unit_test(every_kind_of_cause_comes_back),
                cmocka_unit_test(a_survey_comes_back_begun_and_ended),
                cmocka_unit_test(a_cause_of_another_version_is_read_as_far_as_it_is_understood),
                cmocka_unit_test(acts_and_outcomes_come_back),
                cmocka_unit_test(levels_come_back_and_other_events_are_passed_over),
                cmocka_unit_test(the_header_has_the_configuration),
                cmocka_unit_test(what_nobody_wrote_is_refused),
                cmocka_unit_test(names_are_sanitised),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
