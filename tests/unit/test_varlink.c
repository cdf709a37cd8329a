/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "varlink.h"

static void requests_are_taken_apart(void **state) {
        static const struct {
                const char *text;
                int r;
                bool more, oneway, upgrade;
                int n_parameters;
        } cases[] = {
                {"{\"method\":\"a.B\"}", 0, false, false, false, 0},
                {"{\"method\":\"a.B\",\"parameters\":null}", 0, false, false, false, 0},
                {"{\"method\":\"a.B\",\"parameters\":{\"x\":1},\"more\":true}", 0, true, false, false, 1},
                {" {\"method\":\"a.B\",\"oneway\":true,\"upgrade\":true} \n", 0, false, true, true, 0},
                {"{\"method\":\"a.B\",\"more\":false,\"new\":[1]}", 0, false, false, false, 0},
                {"{\"method\":\"a.B\",\"parameters\":[]}", -EBADMSG, false, false, false, 0},
                {"{\"method\":\"a.B\",\"more\":\"yes\"}", -EBADMSG, false, false, false, 0},
                {"{\"METHOD\":\"a.B\"}", -EBADMSG, false, false, false, 0},
                {"{\"method\":null}", -EBADMSG, false, false, false, 0},
                {"{\"method\":\"a.B\"}}", -EBADMSG, false, false, false, 0},
                {"{\"method\":\"a.B\"", -EBADMSG, false, false, false, 0},
                {"{\"method\":\"a.B", -EBADMSG, false, false, false, 0},
                {"[\"method\"]", -EBADMSG, false, false, false, 0},
                {"\"", -EBADMSG, false, false, false, 0},
                {"", -EBADMSG, false, false, false, 0},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                VarlinkRequest request = {};
                size_t n = strlen(cases[i].text);
                /* with and without the NUL */
                int r = varlink_request_parse(cases[i].text, n + i % 2, &request);
                if (r != cases[i].r)
                        fail_msg("%s: %d", cases[i].text, r);
                if (r < 0)
                        continue;
                assert_string_equal(request.method, "a.B");
                assert_int_equal(request.more, cases[i].more);
                assert_int_equal(request.oneway, cases[i].oneway);
                assert_int_equal(request.upgrade, cases[i].upgrade);
                assert_int_equal(cJSON_GetArraySize(request.parameters), cases[i].n_parameters);
                varlink_request_done(&request);
        }
}

static void what_is_too_large_or_too_deep_is_refused(void **state) {
        static char text[VARLINK_REQUEST_MAX + 2];
        VarlinkRequest request = {};
        (void) state;

        for (size_t depth = 28; depth < 40; depth++) { /* the request itself is one deep */
                size_t n = (size_t) sprintf(text, "{\"method\":\"a.B\",\"x\":");
                memset(text + n, '[', depth);
                memset(text + n + depth, ']', depth);
                strcpy(text + n + 2 * depth, "}");
                int r = varlink_request_parse(text, strlen(text), &request);
                assert_int_equal(r, depth + 1 > VARLINK_DEPTH_MAX ? -EBADMSG : 0);
                varlink_request_done(&request);
        }
        /* in a string they are letters */
        strcpy(text, "{\"method\":\"a.B[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}");
        assert_int_equal(varlink_request_parse(text, strlen(text), &request), 0);
        varlink_request_done(&request);

        memset(text, ' ', sizeof(text));
        memcpy(text, "{\"method\":\"a.B\"}", 16);
        assert_int_equal(varlink_request_parse(text, VARLINK_REQUEST_MAX, &request), 0);
        varlink_request_done(&request);
        assert_int_equal(varlink_request_parse(text, VARLINK_REQUEST_MAX + 1, &request), -EBADMSG);
}

typedef struct Values {
        const char *name;
        int64_t keep;
        bool dry;
} Values;

static const VarlinkField fields[] = {
        {"name", VARLINK_STRING, true, offsetof(Values, name)},
        {"keep", VARLINK_INT, false, offsetof(Values, keep)},
        {"dry", VARLINK_BOOL, false, offsetof(Values, dry)},
};

static void parameters_are_read_or_the_bad_one_is_named(void **state) {
        static const struct {
                const char *json, *bad;
                int64_t keep;
                bool dry;
        } cases[] = {
                {"{\"name\":\"web\"}", NULL, -1, false},
                {"{\"name\":\"web\",\"keep\":null,\"dry\":null}", NULL, -1, false},
                {"{\"name\":\"web\",\"keep\":16777216,\"dry\":true}", NULL, 16777216, true},
                {"{\"name\":\"web\",\"keep\":-9007199254740991}", NULL, -9007199254740991, false},
                {"{\"name\":\"web\",\"keep\":9007199254740992}", "keep", 0, false},
                {"{\"name\":\"web\",\"keep\":1e300}", "keep", 0, false},
                {"{\"name\":\"web\",\"keep\":1.5}", "keep", 0, false},
                {"{\"name\":\"web\",\"keep\":\"1\"}", "keep", 0, false},
                {"{\"name\":\"web\",\"dry\":1}", "dry", 0, false},
                {"{\"name\":null}", "name", 0, false},
                {"{\"name\":7}", "name", 0, false},
                {"{}", "name", 0, false},
                {"{\"name\":\"web\",\"keeep\":1}", "keeep", 0, false},
                {"{\"name\":\"web\",\"Keep\":1}", "Keep", 0, false},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Values values = {.keep = -1};
                const char *bad = NULL;
                cJSON *json = cJSON_Parse(cases[i].json);
                int r = varlink_parameters_read(json, fields, ELEMENTS(fields), &values, &bad);
                if (r != (cases[i].bad ? VARLINK_E_PARAMETER : 0))
                        fail_msg("%s: %d", cases[i].json, r);
                if (cases[i].bad)
                        assert_string_equal(bad, cases[i].bad);
                else {
                        assert_string_equal(values.name, "web");
                        assert_int_equal(values.keep, cases[i].keep);
                        assert_int_equal(values.dry, cases[i].dry);
                }
                cJSON_Delete(json);
        }
}

static void replies_are_written_and_read_back(void **state) {
        static const struct {
                const char *error, *parameters, *text;
                bool continues;
        } cases[] = {
                {NULL, NULL, "{\"parameters\":{}}", false},
                {NULL, "{\"a\":1}", "{\"parameters\":{\"a\":1},\"continues\":true}", true},
                {"x.Y", NULL, "{\"error\":\"x.Y\",\"parameters\":{}}", false},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                VarlinkReply reply = {};
                const char *text;
                json_writer_init(&w, 1000);
                varlink_reply_write(&w, cases[i].error, cases[i].parameters, cases[i].continues);
                assert_int_equal(json_writer_finish(&w, &text), 0);
                assert_string_equal(text, cases[i].text);
                assert_int_equal(varlink_reply_parse(text, strlen(text) + 1, &reply), 0);
                assert_int_equal(reply.continues, cases[i].continues);
                assert_int_equal(reply.error != NULL, cases[i].error != NULL);
                assert_true(cJSON_IsObject(reply.parameters));
                varlink_reply_done(&reply);
        }
}

static void integers_survive_being_printed_again(void **state) {
        static const char text[] =
                "{\"t\":1763720000000000,\"share\":0.91,\"l\":[1,{\"x\":null}],\"s\":\"a\\nb\",\"b\":true}";
        _cleanup_json_writer_ JsonWriter w = {};
        const char *again;
        (void) state;
        cJSON *json = cJSON_Parse(text);
        json_writer_init(&w, 1000);
        varlink_json_write(&w, NULL, json);
        assert_int_equal(json_writer_finish(&w, &again), 0);
        assert_string_equal(again, text);
        cJSON_Delete(json);
}

static void the_interface_knows_its_methods(void **state) {
        static const struct {
                const char *name;
                bool known;
        } cases[] = {
                {"Status", true}, {"Trim", true}, {"Reload", true}, {"Stat", false}, {"StatusX", false},
                        {"", false},
                {"Busy", false},  {"Log", false}, {"status", false},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (varlink_interface_has_method(varlink_interface_text, cases[i].name) != cases[i].known)
                        fail_msg("%s", cases[i].name);
        assert_true(varlink_interface_has_method(varlink_service_text, "GetInfo"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(requests_are_taken_apart),
                cmocka_unit_test(what_is_too_large_or_too_deep_is_refused),
                cmocka_unit_test(parameters_are_read_or_the_bad_one_is_named),
                cmocka_unit_test(replies_are_written_and_read_back),
                cmocka_unit_test(integers_survive_being_printed_again),
                cmocka_unit_test(the_interface_knows_its_methods),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
