/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "json_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define CAPACITY_MIN 1024 /* most answers fit */

void json_writer_init(JsonWriter *w, size_t max_bytes) {
        *w = (JsonWriter){.max_bytes = max_bytes};
}

void json_writer_done(JsonWriter *w) {
        free(w->data);
        *w = (JsonWriter){};
}

/* Room for n more bytes and the NUL. */
static bool reserve(JsonWriter *w, size_t n) {
        if (w->error < 0)
                return false;
        if (n >= w->max_bytes - w->used) {
                w->error = -E2BIG;
                return false;
        }

        size_t need = w->used + n + 1;
        if (need <= w->capacity)
                return true;

        size_t capacity = MAX(need, w->capacity * 2);
        capacity = MAX(capacity, (size_t) CAPACITY_MIN);
        capacity = MIN(capacity, w->max_bytes);
        char *data = realloc(w->data, capacity);
        if (!data) {
                w->error = -ENOMEM;
                return false;
        }
        w->data = data;
        w->capacity = capacity;
        return true;
}

static void put(JsonWriter *w, const char *s, size_t n) {
        if (!reserve(w, n))
                return;
        memcpy(w->data + w->used, s, n);
        w->used += n;
        w->data[w->used] = 0;
}

static void put_text(JsonWriter *w, const char *s) { put(w, s, strlen(s)); }

static void put_line(JsonWriter *w) {
        if (!w->indent)
                return;
        put(w, "\n", 1);
        for (uint32_t i = 0; i < w->depth; i++)
                put(w, "  ", 2);
}

/* Length of the well-formed UTF-8 sequence at s; 0: there is none. No overlong forms, no surrogates. */
static size_t utf8_length(const char *s) {
        const unsigned char *p = (const unsigned char *) s;
        size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 0;

        if (p[0] >= 0xf0 && p[0] <= 0xf4)
                n = 4;
        for (size_t i = 1; i < n; i++)
                if ((p[i] & 0xc0) != 0x80) /* the NUL ends here too */
                        return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
                (p[0] == 0xf0 && p[1] < 0x90) ||
            (p[0] == 0xf4 && p[1] > 0x8f))
                return 0;
        return n;
}

static bool is_plain(unsigned char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; }

static void put_escaped(JsonWriter *w, unsigned char c) {
        static const char short_form[0x20] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                ['\t'] = 't'};
        char text[8];
        int n;

        if (c == '"' || c == '\\')
                n = snprintf(text, sizeof(text), "\\%c", c);
        else if (c < 0x20 && short_form[c])
                n = snprintf(text, sizeof(text), "\\%c", short_form[c]);
        else
                n = snprintf(text, sizeof(text), "\\u%04x", c);
        put(w, text, (size_t) n);
}

static void put_string(JsonWriter *w, const char *s) {
        put(w, "\"", 1);
        while (*s) {
                const char *run = s;
                while (is_plain((unsigned char) *s))
                        s++;
                if (s > run) {
                        put(w, run, (size_t) (s - run));
                        continue;
                }

                size_t n = utf8_length(s);
                if (n > 1)
                        put(w, s, n);
                else if (n == 1)
                        put_escaped(w, (unsigned char) *s);
                else
                        put(w, "?", 1);
                s += MAX(n, (size_t) 1);
        }
        put(w, "\"", 1);
}

/* What stands before every value: the comma, the line, the key. */
static void begin_value(JsonWriter *w, const char *key) {
        uint32_t bit = UINT32_C(1) << (w->depth % 32);

        if (w->has_items & bit)
                put(w, ",", 1);
        w->has_items |= bit;
        if (w->depth > 0)
                put_line(w);
        if (key) {
                put_string(w, key);
                put_text(w, w->indent ? ": " : ":");
        }
}

static void begin_container(JsonWriter *w, const char *key, const char *bracket) {
        begin_value(w, key);
        assert(w->depth + 1 < JSON_WRITER_DEPTH_MAX);
        put(w, bracket, 1);
        w->depth++;
        w->has_items &= ~(UINT32_C(1) << w->depth);
}

static void end_container(JsonWriter *w, const char *bracket) {
        assert(w->depth > 0);
        bool filled = w->has_items & (UINT32_C(1) << w->depth);
        w->depth--;
        if (filled)
                put_line(w);
        put(w, bracket, 1);
}

void json_writer_begin_object(JsonWriter *w, const char *key) { begin_container(w, key, "{"); }
void json_writer_end_object(JsonWriter *w) { end_container(w, "}"); }
void json_writer_begin_array(JsonWriter *w, const char *key) { begin_container(w, key, "["); }
void json_writer_end_array(JsonWriter *w) { end_container(w, "]"); }

void json_writer_add_raw(JsonWriter *w, const char *key, const char *json) {
        begin_value(w, key);
        put_text(w, json);
}

void json_writer_add_string(JsonWriter *w, const char *key, const char *value) {
        if (!value) {
                json_writer_add_null(w, key);
                return;
        }
        begin_value(w, key);
        put_string(w, value);
}

void json_writer_add_int(JsonWriter *w, const char *key, int64_t value) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%" PRId64, value);
        json_writer_add_raw(w, key, text);
}

void json_writer_add_uint(JsonWriter *w, const char *key, uint64_t value) {
        json_writer_add_int(w, key, (int64_t) MIN(value, (uint64_t) INT64_MAX));
}

void json_writer_add_double(JsonWriter *w, const char *key, double value) {
        char text[40];

        if (!isfinite(value)) {
                json_writer_add_null(w, key);
                return;
        }
        (void) snprintf(text, sizeof(text), "%.15g", value);
        for (char *p = text; *p; p++) /* some locales write a comma */
                if (!strchr("0123456789+-e", *p))
                        *p = '.';
        json_writer_add_raw(w, key, text);
}

void json_writer_add_bool(JsonWriter *w, const char *key, bool value) {
        json_writer_add_raw(w, key, value ? "true" : "false");
}

void json_writer_add_null(JsonWriter *w, const char *key) { json_writer_add_raw(w, key, "null"); }

int json_writer_finish(JsonWriter *w, const char **ret_text) {
        if (w->error < 0)
                return w->error;
        if (w->depth > 0 || w->used == 0)
                return -EINVAL;
        *ret_text = w->data;
        return 0;
}
