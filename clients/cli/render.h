/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The small parts of what is printed for people: colours, a bar, wrapped text. Everything goes to a FILE,
 * and what depends on the terminal, the locale and the clock is in Style, so that tests compare whole
 * texts. */

#include <stdio.h>

#include <cjson/cJSON.h>

#include "macros.h"

#define RENDER_COLUMNS 80
#define RENDER_TEXT_MAX 1024 /* of one field */

typedef struct Style {
        bool colour;
        bool unicode;
        uint64_t now_usec; /* CLOCK_REALTIME: says "today" */
} Style;

/* Of what a file is: a terminal that wants colours (NO_COLOR, TERM), a UTF-8 locale. Needs setlocale()
 * before. */
Style style_detect(FILE *file);

typedef enum Ink {
        INK_PLAIN,
        INK_DIM,
        INK_BOLD,
        INK_OK,
        INK_NOTICE,
        INK_WARNING,
        INK_CRITICAL,
        INK_EMERGENCY, /* on a background: cannot be overlooked */
} Ink;

void render_ink(FILE *out, const Style *style, Ink ink, const char *text);
Ink render_level_ink(const char *level);     /* "ok" ... "emergency" */
Ink render_priority_ink(int64_t priority);   /* syslog's */
const char *render_priority_word(int64_t priority); /* "warning", ... */

/* n cells, of which used (0..1) are filled; a mark where it stands (0..1; < 0: none). */
void render_bar(FILE *out, const Style *style, Ink ink, uint32_t n_cells, double used, double mark);

/* Cells that a text takes: its characters. */
size_t render_width(const char *text);
/* Padded or cut to exactly n cells; right: numbers. */
void render_cell(FILE *out, const Style *style, Ink ink, const char *text, size_t n_cells, bool right);
/* Breaks at blanks within RENDER_COLUMNS; lines but the first begin with indent blanks, and column cells
 * of the first line are taken already. Ends with a line feed. */
void render_wrapped(FILE *out, const char *text, size_t column, size_t indent);

/* "03:12:45" today, "Nov 20 03:12" before. */
char *render_time(const Style *style, uint64_t wall_usec, char *buf, size_t buf_bytes);

/* A member of what the daemon sent, fit for a terminal: sanitised, and plain ASCII where the locale is. */
const char *render_field(const Style *style, const cJSON *object, const char *name, char *buf,
        size_t buf_bytes);
const char *render_string(const Style *style, const cJSON *string, char *buf, size_t buf_bytes);
double render_number(const cJSON *object, const char *name); /* 0 where it is none */
uint64_t render_bytes(const cJSON *object, const char *name); /* not below 0 */
int64_t render_rate(const cJSON *object, const char *name);
uint64_t render_span(const cJSON *object, const char *name); /* of seconds, in usec */
bool render_flag(const cJSON *object, const char *name);
const cJSON *render_array(const cJSON *object, const char *name); /* NULL where it is none */

/* "4 to 6 min" of [low, high], "4 min" where both read the same. False where there is no forecast. */
bool render_range(const cJSON *object, const char *name, char *buf, size_t buf_bytes);
