/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* JSON that somebody else wrote. */

#include "json_input.h"

/* The parser's look-ahead of a cut text may read past its end: cJSON up to 1.7.17 does. */
#define PADDING 8

/* Brackets and commas outside of strings. What is out of order in them is the parser's to find. */
static const char *text_check(const char *text, size_t n_bytes) {
        size_t depth = 0, n_values = 0;
        bool in_string = false;

        for (size_t i = 0; i < n_bytes; i++) {
                char c = text[i];

                if (c == 0)
                        return "it has a NUL byte";
                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"')
                        in_string = true;
                else if (c == '{' || c == '[') {
                        n_values++;
                        if (++depth > JSON_INPUT_DEPTH_MAX)
                                return "it is nested too deep";
                } else if (c == '}' || c == ']') {
                        if (depth > 0)
                                depth--;
                } else if (c == ',')
                        n_values++;
                if (n_values > JSON_INPUT_VALUES_MAX)
                        return "it has too many values";
        }
        if (in_string || depth > 0)
                return "it ends in the middle";
        return NULL;
}

int json_input_parse(const char *text, size_t n_bytes, size_t max_bytes, cJSON **ret_json,
                const char **ret_reason) {
        _cleanup_(json_input_freep) cJSON *json = NULL;
        _cleanup_free_ char *copy = NULL;
        const char *reason = NULL, *end = NULL;

        if (n_bytes == 0)
                reason = "it is empty";
        else if (n_bytes > max_bytes)
                reason = "it is too large";
        else
                reason = text_check(text, n_bytes);
        if (!reason) {
                copy = malloc(n_bytes + PADDING);
                if (!copy)
                        return -ENOMEM;
                memcpy(copy, text, n_bytes);
                memset(copy + n_bytes, 0, PADDING);

                json = cJSON_ParseWithLengthOpts(copy, n_bytes + 1, &end, 0);
                if (!json)
                        reason = "it is not JSON";
                else if (!cJSON_IsObject(json))
                        reason = "it is not an object";
                else if (end[strspn(end, " \t\r\n")] != 0)
                        reason = "something stands behind it";
        }
        if (reason) {
                *ret_reason = reason;
                return JSON_INPUT_E_INVALID;
        }
        *ret_json = TAKE_PTR(json);
        return 0;
}

const cJSON *json_input_get_object(const cJSON *object, const char *key) {
        const cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;

        return cJSON_IsObject(item) ? item : NULL;
}

const char *json_input_get_string(const cJSON *object, const char *key) {
        const cJSON *item = object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;

        return cJSON_IsString(item) ? item->valuestring : NULL;
}
