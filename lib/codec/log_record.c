/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <string.h>

#include "log_record.h"

#define NSEC_PER_SEC INT64_C(1000000000)
#define DEPTH_MAX 8 /* attrs holds strings; Docker nests no deeper than that */

typedef struct Scan {
        const char *at, *end;
} Scan;

static bool scan_char(Scan *s, char c) {
        if (s->at == s->end || *s->at != c)
                return false;
        s->at++;
        return true;
}

static void scan_space(Scan *s) {
        while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\r'))
                s->at++;
}

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

/* Behind the backslash. */
static bool scan_escape(Scan *s) {
        if (s->at == s->end || *s->at == 0 || !strchr("\"\\/bfnrtu", *s->at))
                return false;
        if (*s->at++ != 'u')
                return true;
        if (s->end - s->at < 4)
                return false;
        for (int i = 0; i < 4; i++)
                if (!is_hex(*s->at++))
                        return false;
        return true;
}

static bool scan_string(Scan *s, LogSpan *ret_span) {
        if (!scan_char(s, '"'))
                return false;
        ret_span->text = s->at;
        while (s->at < s->end && *s->at != '"') {
                if ((unsigned char) *s->at < 0x20)
                        return false;
                if (*s->at++ == '\\' && !scan_escape(s))
                        return false;
        }
        ret_span->n_bytes = (size_t) (s->at - ret_span->text);
        return scan_char(s, '"');
}

/* Whatever stands between braces: strings are looked into for their end, no more. */
static bool scan_object(Scan *s, LogSpan *ret_span) {
        unsigned depth = 0;
        LogSpan skipped;

        ret_span->text = s->at;
        do {
                if (s->at == s->end)
                        return false;
                if (*s->at == '"') {
                        if (!scan_string(s, &skipped))
                                return false;
                        continue;
                }
                if ((unsigned char) *s->at < 0x20)
                        return false;
                if (*s->at == '{' && ++depth > DEPTH_MAX)
                        return false;
                if (*s->at == '}')
                        depth--;
                s->at++;
        } while (depth > 0);
        ret_span->n_bytes = (size_t) (s->at - ret_span->text);
        return true;
}

static bool is_key(LogSpan key, const char *name) {
        return key.n_bytes == strlen(name) && memcmp(key.text, name, key.n_bytes) == 0;
}

static bool scan_member(Scan *s, LogRecord *r) {
        LogSpan key, value;

        scan_space(s);
        if (!scan_string(s, &key))
                return false;
        scan_space(s);
        if (!scan_char(s, ':'))
                return false;
        scan_space(s);
        if (s->at < s->end && *s->at == '{') {
                if (!scan_object(s, &value))
                        return false;
                if (is_key(key, "attrs"))
                        r->attrs = value;
                return true;
        }
        if (!scan_string(s, &value))
                return false;
        if (is_key(key, "log"))
                r->log = value;
        else if (is_key(key, "stream"))
                r->stream = value;
        else if (is_key(key, "time"))
                r->time = value;
        return true;
}

/* Docker leaves out "log" where it is empty. */
static bool scan_record(Scan *s, LogRecord *r) {
        if (!scan_char(s, '{'))
                return false;
        do {
                if (!scan_member(s, r))
                        return false;
                scan_space(s);
        } while (scan_char(s, ','));
        return scan_char(s, '}') && r->time.text &&
                log_record_parse_time(r->time.text, r->time.n_bytes, &r->time_nsec) == 0;
}

int log_record_parse_first(const char *text, size_t n_bytes, LogRecord *ret_record, size_t *ret_bytes) {
        Scan s = {text, text + n_bytes};
        LogRecord r = {};

        scan_space(&s);
        if (s.at == s.end)
                return LOG_RECORD_E_BLANK;
        if (!scan_record(&s, &r))
                return LOG_RECORD_E_TORN;
        *ret_record = r;
        *ret_bytes = (size_t) (s.at - text);
        return 0;
}

int log_record_parse(const char *line, size_t n_bytes, LogRecord *ret_record) {
        size_t n = 0;
        int r = log_record_parse_first(line, n_bytes, ret_record, &n);
        Scan s = {line + n, line + n_bytes};

        if (r != 0)
                return r;
        scan_space(&s);
        return s.at == s.end ? 0 : LOG_RECORD_E_TORN;
}

/* ---- time ---------------------------------------------------------------------------------------------------- */

/* Exactly n digits. */
static bool scan_number(Scan *s, int n, int *ret) {
        int value = 0;

        if (s->end - s->at < n)
                return false;
        for (int i = 0; i < n; i++, s->at++) {
                if (*s->at < '0' || *s->at > '9')
                        return false;
                value = 10 * value + (*s->at - '0');
        }
        *ret = value;
        return true;
}

/* Of the Gregorian calendar, since 1970-01-01: "days_from_civil" of H. Hinnant's "chrono-Compatible Low-Level Date
 * Algorithms", with years that begin in March. */
static int64_t days_since_1970(int year, int month, int day) {
        int64_t y = month <= 2 ? year - 1 : year;
        int64_t era = (y >= 0 ? y : y - 399) / 400, year_of_era = y - 400 * era;
        int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

        return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static bool scan_fraction(Scan *s, int64_t *ret_nsec) {
        int64_t unit = NSEC_PER_SEC / 10, nsec = 0;
        const char *first = s->at;

        for (; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++, unit /= 10)
                nsec += unit * (*s->at - '0'); /* beyond a nanosecond the unit is 0 */
        *ret_nsec = nsec;
        return s->at > first;
}

static bool scan_zone(Scan *s, int64_t *ret_sec) {
        int hours, minutes;
        bool west;

        *ret_sec = 0;
        if (scan_char(s, 'Z') || scan_char(s, 'z'))
                return true;
        west = scan_char(s, '-');
        if (!west && !scan_char(s, '+'))
                return false;
        if (!scan_number(s, 2, &hours) || !scan_char(s, ':') || !scan_number(s, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret_sec = (west ? -60 : 60) * (60 * hours + minutes);
        return true;
}

int log_record_parse_time(const char *text, size_t n_bytes, int64_t *ret_nsec) {
        int year, month, day, hour, minute, second;
        int64_t nsec = 0, zone_sec;
        Scan s = {text, text + n_bytes};

        if (!scan_number(&s, 4, &year) || !scan_char(&s, '-') || !scan_number(&s, 2, &month) || !scan_char(&s, '-') ||
            !scan_number(&s, 2, &day) || !(scan_char(&s, 'T') || scan_char(&s, ' ')) || !scan_number(&s, 2, &hour) ||
            !scan_char(&s, ':') || !scan_number(&s, 2, &minute) || !scan_char(&s, ':') || !scan_number(&s, 2, &second))
                return -EINVAL;
        /* The years of an int64_t of nanoseconds; a leap second is the next one. */
        if (year < 1678 || year > 2261 || month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
            second > 60)
                return -EINVAL;
        if (scan_char(&s, '.') && !scan_fraction(&s, &nsec))
                return -EINVAL;
        if (!scan_zone(&s, &zone_sec) || s.at != s.end)
                return -EINVAL;
        *ret_nsec = (days_since_1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone_sec) *
                NSEC_PER_SEC + nsec;
        return 0;
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

static unsigned hex_value(const char *at) {
        unsigned value = 0;

        for (int i = 0; i < 4; i++)
                value = 16 * value + (unsigned) (at[i] <= '9' ? at[i] - '0' : (at[i] | 0x20) - 'a' + 10);
        return value;
}

static size_t put_utf8(char *dst, unsigned c) {
        if (c < 0x80) {
                dst[0] = (char) c;
                return 1;
        }
        if (c < 0x800) {
                dst[0] = (char) (0xC0 | c >> 6);
                dst[1] = (char) (0x80 | (c & 0x3F));
                return 2;
        }
        if (c < 0x10000) {
                dst[0] = (char) (0xE0 | c >> 12);
                dst[1] = (char) (0x80 | (c >> 6 & 0x3F));
                dst[2] = (char) (0x80 | (c & 0x3F));
                return 3;
        }
        dst[0] = (char) (0xF0 | c >> 18);
        dst[1] = (char) (0x80 | (c >> 12 & 0x3F));
        dst[2] = (char) (0x80 | (c >> 6 & 0x3F));
        dst[3] = (char) (0x80 | (c & 0x3F));
        return 4;
}

static bool is_high(unsigned c) { return c >= 0xD800 && c < 0xDC00; }
static bool is_low(unsigned c) { return c >= 0xDC00 && c < 0xE000; }

/* *at: the four digits behind "\u"; moved behind all that belongs to the character. */
static unsigned take_code_point(const char **at, const char *end) {
        unsigned c = hex_value(*at), second;

        *at += 4;
        if (is_high(c) && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u' && is_low(second = hex_value(*at + 2))) {
                *at += 6;
                return 0x10000 + ((c - 0xD800) << 10) + (second - 0xDC00);
        }
        return is_high(c) || is_low(c) ? 0xFFFD : c;
}

size_t log_record_unescape(LogSpan span, char *dst) {
        static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
        const char *at = span.text, *end = span.text + span.n_bytes;
        size_t n = 0;

        while (at < end) {
                const char *escape = memchr(at, '\\', (size_t) (end - at)), *named;
                size_t plain = (size_t) ((escape ? escape : end) - at);

                memcpy(dst + n, at, plain);
                n += plain;
                at += plain;
                if (at == end)
                        break;
                at++; /* the backslash; what follows was seen to be an escape */
                if (*at == 'u') {
                        at++;
                        n += put_utf8(dst + n, take_code_point(&at, end));
                } else {
                        named = strchr(from, *at);
                        dst[n++] = named ? to[named - from] : *at;
                        at++;
                }
        }
        return n;
}
