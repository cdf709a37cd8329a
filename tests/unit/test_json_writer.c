/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "json_writer.h"

static const char *text_of(JsonWriter *w) {
        const char *text = NULL;
        assert_int_equal(json_writer_finish(w, &text), 0);
        return text;
}

static void integers_are_exact(void **state) {
        static const struct {
                int64_t value;
                const char *text;
        } cases[] = {
                {0, "0"},
                {1763720000000000, "1763720000000000"},
                {9007199254740993, "9007199254740993"},
                {INT64_MAX, "9223372036854775807"},
                {INT64_MIN, "-9223372036854775808"},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                json_writer_init(&w, 100);
                json_writer_add_int(&w, NULL, cases[i].value);
                assert_string_equal(text_of(&w), cases[i].text);
        }
        _cleanup_json_writer_ JsonWriter w = {};
        json_writer_init(&w, 100);
        json_writer_add_uint(&w, NULL, UINT64_MAX);
        assert_string_equal(text_of(&w), "9223372036854775807");
}

static void doubles_that_json_lacks_are_null(void **state) {
        _cleanup_json_writer_ JsonWriter w = {};
        (void) state;
        json_writer_init(&w, 200);
        json_writer_begin_array(&w, NULL);
        json_writer_add_double(&w, NULL, 0.91);
        json_writer_add_double(&w, NULL, 234);
        json_writer_add_double(&w, NULL, 1e9);
        json_writer_add_double(&w, NULL, INFINITY);
        json_writer_add_double(&w, NULL, NAN);
        json_writer_end_array(&w);
        assert_string_equal(text_of(&w), "[0.91,234,1000000000,null,null]");
}

static void strings_are_escaped_and_always_utf8(void **state) {
        static const struct {
                const char *value, *text;
        } cases[] = {
                {"", "\"\""},
                {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
                {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\\u007f\""},
                {"Zürich \xf0\x9f\x98\x80", "\"Zürich \xf0\x9f\x98\x80\""},
                {"\xff\xfe", "\"??\""},
                {"\xc3", "\"?\""},                 /* cut short */
                {"\xc0\xaf", "\"??\""},            /* overlong */
                {"\xe0\x80\xaf", "\"???\""},       /* overlong */
                {"\xed\xa0\x80", "\"???\""},       /* a surrogate */
                {"\xf4\x90\x80\x80", "\"????\""},  /* beyond the last */
                {"\xf0\x9f\x98", "\"???\""},
        };
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                json_writer_init(&w, 200);
                json_writer_add_string(&w, NULL, cases[i].value);
                assert_string_equal(text_of(&w), cases[i].text);
        }
}

static void write_nested(JsonWriter *w) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "a", "x");
        json_writer_begin_array(w, "b");
        json_writer_add_bool(w, NULL, true);
        json_writer_begin_object(w, NULL);
        json_writer_end_object(w);
        json_writer_end_array(w);
        json_writer_add_null(w, "c");
        json_writer_end_object(w);
}

static void commas_and_indentation_are_right(void **state) {
        _cleanup_json_writer_ JsonWriter w = {}, indented = {};
        (void) state;
        json_writer_init(&w, 200);
        write_nested(&w);
        assert_string_equal(text_of(&w), "{\"a\":\"x\",\"b\":[true,{}],\"c\":null}");
        json_writer_init(&indented, 200);
        indented.indent = true;
        write_nested(&indented);
        assert_string_equal(text_of(&indented),
                "{\n  \"a\": \"x\",\n  \"b\": [\n    true,\n    {}\n  ],\n  \"c\": null\n}");
}

static void the_cap_holds_and_the_error_stays(void **state) {
        const char *text = NULL;
        (void) state;
        for (size_t max = 0; max < 40; max++) {
                _cleanup_json_writer_ JsonWriter w = {};
                json_writer_init(&w, max);
                write_nested(&w);
                int r = json_writer_finish(&w, &text);
                assert_int_equal(r, max >= sizeof("{\"a\":\"x\",\"b\":[true,{}],\"c\":null}") ? 0 : -E2BIG);
                assert_true(w.capacity <= max);
        }
}

static void what_is_not_ended_is_not_a_text(void **state) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text = NULL;
        (void) state;
        json_writer_init(&w, 100);
        assert_int_equal(json_writer_finish(&w, &text), -EINVAL);
        json_writer_begin_object(&w, NULL);
        assert_int_equal(json_writer_finish(&w, &text), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(integers_are_exact),
                cmocka_unit_test(doubles_that_json_lacks_are_null),
                cmocka_unit_test(strings_are_escaped_and_always_utf8),
                cmocka_unit_test(commas_and_indentation_are_right),
                cmocka_unit_test(the_cap_holds_and_the_error_stays),
                cmocka_unit_test(what_is_not_ended_is_not_a_text),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
