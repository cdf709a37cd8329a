/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json_input.h"
#include "log_output.h"
#include "text.h"

static void put(FILE *f, const char *text, size_t n_bytes) { (void) fwrite(text, 1, n_bytes, f); }

/* ---- for a terminal ------------------------------------------------------------------------------------------ */

/* How many parameters a colour takes: "38;5;N", "38;2;R;G;B". */
static int colour_parameters(unsigned kind) { return kind == 5 ? 1 : kind == 2 ? 3 : 0; }

/* "ESC [ 1 ; 31 m": colours and the like, but not 8, which conceals. */
static size_t colour_bytes(const char *at, const char *end) {
        const char *p = at + 2;
        int of_colour = 0; /* so many parameters to come are one's */
        bool kind_next = false;
        unsigned value = 0;

        if (end - at < 3 || at[0] != 0x1B || at[1] != '[')
                return 0;
        for (; p < end; p++) {
                if (*p >= '0' && *p <= '9') {
                        value = MIN(10 * value + (unsigned) (*p - '0'), 9999u);
                        continue;
                }
                if (*p != ';' && *p != 'm')
                        return 0;
                if (kind_next)
                        of_colour = colour_parameters(value);
                else if (of_colour > 0)
                        of_colour--;
                else if (value == 8)
                        return 0;
                kind_next = !kind_next && of_colour == 0 && (value == 38 || value == 48);
                if (*p == 'm')
                        return (size_t) (p - at) + 1;
                value = 0;
        }
        return 0;
}

/* How much of it a terminal may have as it is, though it is no plain text; 0: nothing. */
static size_t harmless_bytes(const char *at, const char *end) {
        if (*at == '\n' || *at == '\t')
                return 1;
        if (*at == '\r' && end - at > 1 && at[1] == '\n')
                return 2;
        return colour_bytes(at, end);
}

static void put_for_terminal(FILE *f, const char *text, size_t n_bytes) {
        const char *end = text + n_bytes;
        bool coloured = false;

        while (text < end) {
                size_t n = text_clean_bytes(text, (size_t) (end - text));

                if (n == 0) {
                        n = harmless_bytes(text, end);
                        coloured = coloured || (n > 0 && *text == 0x1B);
                }
                put(f, n > 0 ? text : "?", n > 0 ? n : 1);
                text += n > 0 ? n : 1;
                /* The rest of a character that has become '?'. */
                while (n == 0 && text < end && ((unsigned char) *text & 0xC0) == 0x80)
                        text++;
        }
        if (coloured)
                (void) fputs("\x1B[0m", f); /* it ends with its record */
}

/* ---- JSON ---------------------------------------------------------------------------------------------------- */

/* Of the character at `at`, by RFC 3629; 0: it is none. */
static size_t utf8_bytes(const char *at, const char *end) {
        const unsigned char *u = (const unsigned char *) at;
        size_t n = u[0] < 0x80 ? 1 : u[0] >= 0xC2 && u[0] < 0xE0 ? 2 : (u[0] & 0xF0) == 0xE0 ? 3 : u[0] >= 0xF0 && u[0] < 0xF5 ? 4 : 0;

        if (n == 0 || (size_t) (end - at) < n)
                return 0;
        for (size_t i = 1; i < n; i++)
                if ((u[i] & 0xC0) != 0x80)
                        return 0;
        /* Longer than need be, a surrogate, or beyond the last one. */
        if ((u[0] == 0xE0 && u[1] < 0xA0) || (u[0] == 0xED && u[1] >= 0xA0) || (u[0] == 0xF0 && u[1] < 0x90) ||
            (u[0] == 0xF4 && u[1] >= 0x90))
                return 0;
        return n;
}

static unsigned code_point(const char *at, size_t n) {
        unsigned c = n == 1 ? (unsigned char) *at : (unsigned char) *at & (0xFFu >> (n + 1));

        for (size_t i = 1; i < n; i++)
                c = c << 6 | ((unsigned char) at[i] & 0x3F);
        return c;
}

/* It is JSON already, but for what is no UTF-8; what a terminal would obey is escaped. */
static void put_json_text(FILE *f, const char *at, size_t n_bytes) {
        const char *end = at + n_bytes;

        while (at < end) {
                size_t clean = text_clean_bytes(at, (size_t) (end - at)), n;

                put(f, at, clean);
                at += clean;
                if (at == end)
                        break;
                n = utf8_bytes(at, end);
                if (n == 0)
                        (void) fputc('?', f);
                else
                        (void) fprintf(f, "\\u%04x", code_point(at, n)); /* none of these is beyond U+FFFF */
                at += MAX(n, (size_t) 1);
        }
}

static void put_json_string(FILE *f, LogSpan span) {
        (void) fputc('"', f);
        put_json_text(f, span.text, span.n_bytes);
        (void) fputc('"', f);
}

static void put_json(FILE *f, const LogRecord *r) {
        static const LogSpan empty = {"", 0};

        (void) fputs("{\"time\":", f);
        put_json_string(f, r->time);
        (void) fputs(",\"stream\":", f);
        put_json_string(f, r->stream.text ? r->stream : empty);
        (void) fputs(",\"log\":", f);
        put_json_string(f, r->log.text ? r->log : empty);
        if (r->attrs.text) {
                _cleanup_(json_input_freep) cJSON *attrs = NULL;
                const char *reason;
                char *text = NULL;

                if (json_input_parse(r->attrs.text, r->attrs.n_bytes, r->attrs.n_bytes, &attrs, &reason) == 0)
                        text = cJSON_PrintUnformatted(attrs);
                if (text) {
                        (void) fputs(",\"attrs\":", f);
                        put_json_text(f, text, strlen(text));
                        cJSON_free(text);
                }
        }
        (void) fputs("}\n", f);
}

int log_output_print(FILE *f, LogFormat format, const LogRecord *record) {
        char *text;

        if (format == LOG_FORMAT_JSON) {
                put_json(f, record);
                return 0;
        }
        if (!record->log.text)
                return 0;
        text = malloc(record->log.n_bytes + 1);
        if (!text)
                return -ENOMEM;
        size_t n = log_record_unescape(record->log, text);
        if (format == LOG_FORMAT_TERMINAL)
                put_for_terminal(f, text, n);
        else
                put(f, text, n);
        free(text);
        return 0;
}
