/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "macros.h"
#include "marker.h"

#define BEFORE_NUMBER "{\"log\":\"diskbrake freed "
#define AFTER_NUMBER                                                                                        \
        " bytes of this log here to keep the disk from filling; newer lines follow, see "             \
        "docker logs --tail\\n\",\"stream\":\"stderr\",\"time\":\""
#define EMPTIED                                                                                              \
        "{\"log\":\"somebody emptied this log while it was written to; newer lines follow, see "         \
        "docker logs --tail\\n\",\"stream\":\"stderr\",\"time\":\""
#define AFTER_TIME "\"}"

/* Where the freed line has no time that we can read: older than all that follows. */
#define NO_TIME "1970-01-01T00:00:00Z"
#define TIME_MIN 20 /* 2026-11-21T12:04:28Z */
#define TIME_MAX 40 /* with nanoseconds and a zone */

/* The value of the last "time" in the text, if it is made of nothing but what a time is made of. A container's own
 * text cannot look like it: its quotes are escaped. */
static bool find_time(const char *text, size_t n, char ret_time[static TIME_MAX + 1]) {
        static const char key[] = "\"time\":\"";
        const char *at = NULL, *from = text;
        size_t k;

        while ((from = memmem(from, n - (size_t) (from - text), key, sizeof(key) - 1))) {
                at = from + sizeof(key) - 1;
                from = at;
        }
        if (!at)
                return false;
        n -= (size_t) (at - text);
        for (k = 0; k < n && k <= TIME_MAX && strchr("0123456789-:.TZ+", at[k]) && at[k] != 0; k++)
                ;
        if (k < TIME_MIN || k > TIME_MAX || k == n || at[k] != '"')
                return false;
        memcpy(ret_time, at, k);
        ret_time[k] = 0;
        return true;
}

/* Behind what was written so far. */
static void add_time(char *head, int k, const char *line_end, size_t n) {
        char when[TIME_MAX + 1];

        if (!find_time(line_end, n, when))
                (void) snprintf(when, sizeof(when), "%s", NO_TIME);
        k += snprintf(head + k, MARKER_BYTES - (size_t) k, "%s" AFTER_TIME, when);
        memset(head + k, ' ', MARKER_BYTES - (size_t) k);
        head[MARKER_BYTES - 1] = '\n';
}

void marker_make(char *ret_head, uint64_t freed_bytes, const char *line_end, size_t n) {
        add_time(ret_head, snprintf(ret_head, MARKER_BYTES, BEFORE_NUMBER "%" PRIu64 AFTER_NUMBER, freed_bytes), line_end, n);
}

void marker_make_emptied(char *ret_head, const char *line_end, size_t n) {
        add_time(ret_head, snprintf(ret_head, MARKER_BYTES, "%s", EMPTIED), line_end, n);
}

/* Where the text of the marker begins that follows the number, or that has none; NULL: it is none of ours. */
static const char *read_beginning(const char *head, uint64_t *ret_freed_bytes) {
        const char *at = head + sizeof(BEFORE_NUMBER) - 1;
        uint64_t freed = 0;

        *ret_freed_bytes = 0;
        if (memcmp(head, EMPTIED, sizeof(EMPTIED) - 1) == 0)
                return head + sizeof(EMPTIED) - 1;
        if (memcmp(head, BEFORE_NUMBER, sizeof(BEFORE_NUMBER) - 1) != 0)
                return NULL;
        for (; *at >= '0' && *at <= '9'; at++)
                if (__builtin_mul_overflow(freed, 10, &freed) ||
                    __builtin_add_overflow(freed, (uint64_t) (*at - '0'), &freed))
                        return NULL;
        if (at == head + sizeof(BEFORE_NUMBER) - 1 || memcmp(at, AFTER_NUMBER, sizeof(AFTER_NUMBER) - 1) != 0)
                return NULL;
        *ret_freed_bytes = freed;
        return at + sizeof(AFTER_NUMBER) - 1;
}

bool marker_read(const char *head, uint64_t *ret_freed_bytes) {
        const char *at, *close;
        uint64_t freed;

        at = read_beginning(head, &freed);
        if (!at || head[MARKER_BYTES - 1] != '\n')
                return false;
        close = memchr(at, '}', TIME_MAX + sizeof(AFTER_TIME));
        if (!close)
                return false;
        for (at = close + 1; at < head + MARKER_BYTES - 1; at++)
                if (*at != ' ')
                        return false;
        if (ret_freed_bytes)
                *ret_freed_bytes = freed;
        return true;
}
