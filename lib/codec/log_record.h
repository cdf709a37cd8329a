/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One line of a log of Docker's json-file driver:
 *
 *     {"log":"text\n","stream":"stdout","attrs":{"k":"v"},"time":"2026-11-27T20:31:12.123456789Z"}
 *
 * What a container says stands inside a JSON string, escaped; nobody else's word counts for anything here. */

#include <stddef.h>
#include <stdint.h>

#include "macros.h"

#define LOG_RECORD_E_BLANK 1 /* spaces: a line that a cut went through, or nothing at all */
#define LOG_RECORD_E_TORN 2  /* a fragment, or not Docker's */

/* Spans of the line itself, of the strings between their quotes and still escaped. */
typedef struct LogSpan {
        const char *text; /* NULL: there is no such member */
        size_t n_bytes;
} LogSpan;

typedef struct LogRecord {
        LogSpan log, stream, attrs; /* attrs with its braces */
        LogSpan time;
        int64_t time_nsec; /* since 1970 */
} LogRecord;

/* line: without its newline. The record lives as long as the line does. */
int log_record_parse(const char *line, size_t n_bytes, LogRecord *ret_record);
/* The one that the text begins with, whatever follows it. */
int log_record_parse_first(const char *text, size_t n_bytes, LogRecord *ret_record, size_t *ret_bytes);

/* RFC 3339 with any fraction and zone, as Docker writes it and as people do; -EINVAL. */
int log_record_parse_time(const char *text, size_t n_bytes, int64_t *ret_nsec);

/* Of an escaped string; what is no character (a lone surrogate) becomes U+FFFD. dst needs n_bytes:
 * an escape is never shorter than what it stands for. Returns how many bytes were written, no NUL behind them. */
size_t log_record_unescape(LogSpan span, char *dst);
