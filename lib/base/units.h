/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes, times and rates: read from what people write, and written for people to read. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enough for every format_*() below, with its NUL. */
#define UNITS_TEXT_MAX 32

/* "16M", "16MiB", "1.5G", "4096": binary multiples (K M G T, with or without iB or B). -EINVAL: not a size;
 * -ERANGE: does not fit 64 bits. */
int bytes_parse(const char *text, uint64_t *ret_bytes);

/* "10%", "2.5%" -> permyriad (hundredths of a percent), at most 100 %. -EINVAL, -ERANGE. */
int percent_parse(const char *text, uint32_t *ret_permyriad);

/* "24h", "10min", "60s", "5ms", "1h 30min", "2d", "infinity"; a bare number is in seconds. -EINVAL, -ERANGE. */
int span_parse(const char *text, uint64_t *ret_usec);

/* "1", "yes", "true", "on" / "0", "no", "false", "off". -EINVAL. */
int boolean_parse(const char *text, bool *ret);

/* All write a short text to buf and return buf, so that they can stand in an argument list: "7.1 MiB", "214 MiB"
 * (binary multiples, a decimal below ten), "214 MiB/s", "4 min", "1 h 12 min" (times rounded down). */
char *bytes_format(uint64_t bytes, char buf[static UNITS_TEXT_MAX]);
char *bps_format(int64_t bps, char buf[static UNITS_TEXT_MAX]);
char *span_format(uint64_t usec, char buf[static UNITS_TEXT_MAX]);
char *permyriad_format(uint32_t permyriad, char buf[static UNITS_TEXT_MAX]); /* "91 %", "9.4 %" */
