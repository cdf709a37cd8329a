/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a line of a trace: refused, or read; and what was read of an observation is written and read again the same. */

#include <stdint.h>

#include "trace_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static bool parse(const char *text, size_t n_bytes, TraceLine *ret) {
        _cleanup_(json_input_freep) cJSON *json = NULL;
        const char *error;

        return json_input_parse(text, n_bytes, TRACE_LINE_MAX, &json, &error) == 0 &&
                trace_json_parse(json, ret, &error) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        _cleanup_json_writer_ JsonWriter w = {};
        TraceLine line, again;
        const char *text;

        if (!parse((const char *) data, n_bytes, &line) || line.kind != TRACE_OBSERVATION)
                return 0;
        json_writer_init(&w, 2 * TRACE_LINE_MAX);
        if (!trace_json_observation(&w, line.mount, &line.observation) || json_writer_finish(&w, &text) < 0)
                abort();
        if (!parse(text, strlen(text), &again) || memcmp(&line.observation, &again.observation, sizeof(again.observation)) != 0)
                abort();
        return 0;
}
