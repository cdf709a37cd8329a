/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text of bounded size. Whatever comes from outside (container names, images, labels, process names) passes
 * through text_sanitize() once, where it comes in; behind it text is valid UTF-8 without control characters. */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "macros.h"

/* Copies src (of src_bytes, NUL or not) to dst, always terminated. Bytes that are not UTF-8 and control
 * characters (C0, DEL, C1, U+2028/2029, and the bidirectional overrides U+202A..E and U+2066..9 that can turn a
 * line around in a terminal) become '?'. What does not fit is cut at a character boundary. Returns whether dst
 * is src to the letter. */
bool text_sanitize(char *dst, size_t dst_bytes, const char *src, size_t src_bytes);

/* How many bytes at the start of src it would leave as they are: src_bytes where src is clean. */
size_t text_clean_bytes(const char *src, size_t src_bytes);

/* Appends to a text in a buffer of fixed size; what does not fit is cut at a character boundary, and whatever
 * would come after it is left out too. Returns false where something is missing. */
typedef struct Text {
        char *data;
        size_t used;     /* without the NUL */
        size_t capacity; /* with the NUL */
} Text;
static inline Text text_over(char *data, size_t capacity) {
        data[0] = 0;
        return (Text){data, 0, capacity};
}
bool text_append(Text *text, const char *s);
bool text_appendf(Text *text, const char *format, ...) _printf_(2, 3);

/* Shell-style pattern of the configuration: '*' any run, '?' one character, all else literal, whole text. Linear
 * in both lengths but for one backtrack per star: a hostile name costs nothing. */
bool text_matches(const char *pattern, const char *s);

/* Strictly 64 lower-case hexadecimal digits: a container's id, the only name that may become part of a path. */
bool text_is_container_id(const char *s);
