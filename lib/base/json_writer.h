/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Writes JSON into a buffer that grows up to a cap. Integers are printed to the digit (cJSON prints
 * 1763720000000000 as 1.76372e+15), what is not UTF-8 becomes '?', so that the text is always valid.
 *
 * Errors are kept until json_writer_finish(), so that callers can write straight on. key: the name within an
 * object, NULL within an array and at the top. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "macros.h"

#define JSON_WRITER_DEPTH_MAX 32

typedef struct JsonWriter {
        char *data;
        size_t used, capacity, max_bytes;
        uint32_t depth;
        uint32_t has_items; /* bit per depth: a comma is due */
        bool indent;        /* for people: a line per value; set after init */
        int error;
} JsonWriter;

void json_writer_init(JsonWriter *w, size_t max_bytes);
void json_writer_done(JsonWriter *w);
#define _cleanup_json_writer_ _cleanup_(json_writer_done)

void json_writer_begin_object(JsonWriter *w, const char *key);
void json_writer_end_object(JsonWriter *w);
void json_writer_begin_array(JsonWriter *w, const char *key);
void json_writer_end_array(JsonWriter *w);

void json_writer_add_string(JsonWriter *w, const char *key, const char *value); /* NULL: null */
void json_writer_add_int(JsonWriter *w, const char *key, int64_t value);
/* capped at INT64_MAX: readers are signed */
void json_writer_add_uint(JsonWriter *w, const char *key, uint64_t value);
void json_writer_add_double(JsonWriter *w, const char *key, double value); /* not finite: null */
void json_writer_add_bool(JsonWriter *w, const char *key, bool value);
void json_writer_add_null(JsonWriter *w, const char *key);
void json_writer_add_raw(JsonWriter *w, const char *key, const char *json); /* must be JSON already */

/* 0 and the text, which the writer keeps; -ENOMEM, -E2BIG (the cap), -EINVAL (what was begun has not been
 * ended). */
int json_writer_finish(JsonWriter *w, const char **ret_text);
