/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of bounded size: the one gate through which names of others come in. */

#include "text.h"

#include <assert.h>
#include <stdio.h>

#define CODE_POINT_INVALID UINT32_MAX

static bool is_continuation(char c) { return ((unsigned char) c & 0xC0) == 0x80; }

/* Reads one character. Returns its length in bytes; 1 and CODE_POINT_INVALID for a byte that starts none:
 * not UTF-8, longer than needed, half of a surrogate pair, beyond U+10FFFF, or cut off by the end. */
static size_t character_read(const char *s, size_t n_bytes, uint32_t *ret_code_point) {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        unsigned char first = (unsigned char) s[0];
        size_t length = first < 0x80 ? 1 : first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
        uint32_t code_point = first;

        *ret_code_point = CODE_POINT_INVALID;
        if (length > 1) {
                if (first < 0xC0 || first >= 0xF8 || length > n_bytes)
                        return 1;
                code_point = first & (0x7FU >> length);
        }
        for (size_t i = 1; i < length; i++) {
                if (!is_continuation(s[i]))
                        return 1;
                code_point = code_point << 6 | ((unsigned char) s[i] & 0x3F);
        }
        if (code_point < least[length] || code_point > 0x10FFFF ||
                        (code_point >= 0xD800 && code_point <= 0xDFFF))
                return 1;
        *ret_code_point = code_point;
        return length;
}

static bool is_harmless(uint32_t c) {
        return c != CODE_POINT_INVALID && c >= 0x20 && !(c >= 0x7F && c <= 0x9F) &&
                        !(c >= 0x2028 && c <= 0x202E) && !(c >= 0x2066 && c <= 0x2069);
}

bool text_sanitize(char *dst, size_t dst_bytes, const char *src, size_t src_bytes) {
        size_t used = 0, length;
        bool same = true;

        assert(dst_bytes > 0);

        for (size_t i = 0; i < src_bytes; i += length) {
                uint32_t code_point;
                size_t out;
                bool keep;

                length = character_read(src + i, src_bytes - i, &code_point);
                keep = is_harmless(code_point);
                out = keep ? length : 1;
                if (out >= dst_bytes - used) {
                        same = false;
                        break;
                }
                if (keep)
                        memcpy(dst + used, src + i, length);
                else
                        dst[used] = '?';
                same = same && keep;
                used += out;
        }
        dst[used] = 0;
        return same;
}

size_t text_clean_bytes(const char *src, size_t src_bytes) {
        size_t i = 0;

        while (i < src_bytes) {
                uint32_t code_point;
                size_t length = character_read(src + i, src_bytes - i, &code_point);

                if (!is_harmless(code_point))
                        break;
                i += length;
        }
        return i;
}

/* The text was cut in the middle of something: not in the middle of a character, and nothing is to
 * follow. */
static bool text_close(Text *text) {
        size_t start = text->used;

        while (start > 0 && text->used - start < 3 && is_continuation(text->data[start - 1]))
                start--;
        if (start > 0) {
                uint32_t code_point;

                start--;
                (void) character_read(text->data + start, text->used - start, &code_point);
                if (code_point == CODE_POINT_INVALID && (unsigned char) text->data[start] >= 0xC0)
                        text->used = start;
        }
        text->data[text->used] = 0;
        text->capacity = text->used + 1;
        return false;
}

bool text_append(Text *text, const char *s) {
        size_t room = text->capacity - text->used; /* with the NUL: at least 1 */
        size_t length = strnlen(s, room);
        bool fits = length < room;

        if (!fits)
                length = room - 1;
        memcpy(text->data + text->used, s, length);
        text->used += length;
        text->data[text->used] = 0;
        return fits || text_close(text);
}

bool text_appendf(Text *text, const char *format, ...) {
        size_t room = text->capacity - text->used;
        va_list arguments;
        int length;

        va_start(arguments, format);
        length = vsnprintf(text->data + text->used, room, format, arguments);
        va_end(arguments);

        if (length < 0) { /* more than INT_MAX bytes */
                text->data[text->used] = 0;
                return text_close(text);
        }
        if ((size_t) length < room) {
                text->used += (size_t) length;
                return true;
        }
        text->used += room - 1;
        return text_close(text);
}

/* To the next character, or where the text is no UTF-8 to the next byte. */
static const char *character_next(const char *s) {
        do
                s++;
        while (is_continuation(*s));
        return s;
}

bool text_matches(const char *pattern, const char *s) {
        const char *star = NULL, *retry = NULL;

        while (*s) {
                if (*pattern == '*') {
                        star = ++pattern;
                        retry = s;
                } else if (*pattern == '?') {
                        pattern++;
                        s = character_next(s);
                } else if (*pattern == *s) {
                        pattern++;
                        s++;
                } else if (star) {
                        pattern = star; /* only the last star can still take more */
                        s = retry = character_next(retry);
                } else
                        return false;
        }
        while (*pattern == '*')
                pattern++;
        return *pattern == 0;
}

bool text_is_container_id(const char *s) {
        return strspn(s, "0123456789abcdef") == 64 && s[64] == 0;
}
