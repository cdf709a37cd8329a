/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON that somebody else wrote. It is looked over before the parser sees it, so that what the parser
 * costs in memory and stack is bounded whatever the bytes are. */

#include <cjson/cJSON.h>
#include <stddef.h>

#include "macros.h"

#define JSON_INPUT_E_INVALID 1

/* Docker nests 6 deep, its API less; the parser recurses, at about 100 bytes of stack a level. */
#define JSON_INPUT_DEPTH_MAX 64

/* The parser takes about 150 bytes a value, and "[0,0,0,..." makes one of two bytes: without a limit 4
 * MiB of text become 300 MiB of memory. A container with a thousand labels has about 3,000. */
#define JSON_INPUT_VALUES_MAX 20000

static inline void json_input_freep(cJSON **json) { cJSON_Delete(*json); }

/* One JSON object and nothing behind it. 0; JSON_INPUT_E_INVALID and *ret_reason, a static half-sentence;
 * -ENOMEM. */
int json_input_parse(const char *text, size_t n_bytes, size_t max_bytes, cJSON **ret_json,
                const char **ret_reason);

/* The member if it is there and of that type; else NULL, also where object is NULL: so that look-ups can
 * be chained. */
const cJSON *json_input_get_object(const cJSON *object, const char *key);
const char *json_input_get_string(const cJSON *object, const char *key);
