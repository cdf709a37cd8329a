/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "log_record.h"
#include "log_repair.h"

/* How a record begins: "log" is left out where it is empty. In a string these quotes would be escaped, so that what a
 * container says never looks like it. */
static const char *const beginnings[] = {"{\"log\":\"", "{\"stream\":\""};

static bool begins_record(const char *at, const char *end) {
        for (size_t i = 0; i < ELEMENTS(beginnings); i++) {
                const size_t n = strlen(beginnings[i]);

                if ((size_t) (end - at) >= n && memcmp(at, beginnings[i], n) == 0)
                        return true;
        }
        return false;
}

static bool is_behind(const char *line, const char *at, const char *text) {
        const size_t n = strlen(text);

        return (size_t) (at - line) >= n && memcmp(at - n, text, n) == 0;
}

/* The labels of a container may be named like the members of a record, and be all that is left of a torn one:
 * "attrs":{"log":"x","time":"..."}. They hold strings alone; where a record has attrs, the next one has them, too. */
static bool is_record(const char *line, const char *at, const char *end, size_t *ret_bytes) {
        LogRecord record;

        if (log_record_parse_first(at, (size_t) (end - at), &record, ret_bytes) != 0)
                return false;
        return !is_behind(line, at, "\"attrs\":") || record.attrs.text;
}

static const char *find_record(const char *line, const char *at, const char *end) {
        size_t n_bytes;

        while ((at = memchr(at, '{', (size_t) (end - at)))) {
                if (begins_record(at, end) && is_record(line, at, end, &n_bytes))
                        return at;
                at++;
        }
        return NULL;
}

int log_repair_find(const char *line, size_t n_bytes, size_t *ret_from, size_t *ret_to) {
        const char *end = line + n_bytes, *at = line, *next;
        bool any = false;
        LogRecord record;
        size_t n;

        /* Of a record, its newline alone may be what did not fit: that is no damage. */
        for (;;) {
                while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
                        at++;
                if (at == end)
                        return LOG_REPAIR_E_WHOLE;
                if (log_record_parse_first(at, (size_t) (end - at), &record, &n) != 0)
                        break;
                at += n;
                any = true;
        }
        next = find_record(line, at + 1, end);
        if (!next && !any && !begins_record(at, end))
                return LOG_REPAIR_E_FOREIGN;
        *ret_from = (size_t) (at - line);
        *ret_to = (size_t) ((next ? next : end) - line);
        return 0;
}
