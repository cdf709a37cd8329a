/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Bytes, times and rates from text and to text. Integers only: a size in a configuration must mean the same
 * number on every machine and in every locale. */

#include "units.h"

#include <stdio.h>

#include "macros.h"

/* 128 bits hold any 64-bit number with DECIMALS_MAX decimals, times the largest unit. */
__extension__ typedef unsigned __int128 Wide;

/* As many as anybody writes by hand ("0.333333333"); more are an error rather than silently cut. */
#define DECIMALS_MAX 9

typedef struct Number {
        Wide scaled; /* the number times 10^decimals */
        unsigned decimals;
} Number;

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_blanks(const char *p) {
        while (*p == ' ' || *p == '\t')
                p++;
        return p;
}

/* An unsigned decimal number without sign or exponent; *p moves behind it. */
static int number_parse(const char **p, Number *ret) {
        Number n = {};
        const char *s = *p;

        if (!is_digit(*s))
                return -EINVAL;
        for (; is_digit(*s); s++) {
                n.scaled = n.scaled * 10 + (unsigned) (*s - '0');
                if (n.scaled > UINT64_MAX)
                        return -ERANGE;
        }
        if (*s == '.') {
                s++;
                if (!is_digit(*s))
                        return -EINVAL;
                for (; is_digit(*s); s++) {
                        if (++n.decimals > DECIMALS_MAX)
                                return -EINVAL;
                        n.scaled = n.scaled * 10 + (unsigned) (*s - '0');
                }
        }
        *p = s;
        *ret = n;
        return 0;
}

/* The number times the unit, rounded down. */
static int number_times(const Number *n, uint64_t unit, uint64_t *ret) {
        Wide value = n->scaled * unit;

        if (n->scaled > ~(Wide) 0 / unit)
                return -ERANGE;
        for (unsigned i = 0; i < n->decimals; i++)
                value /= 10;
        if (value > UINT64_MAX)
                return -ERANGE;
        *ret = (uint64_t) value;
        return 0;
}

/* Without the locale, in which even letters can change. */
static char ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? (char) (c | 0x20) : c; }

static bool text_is_one_of(const char *text, size_t length, const char *const *words) {
        for (; *words; words++) {
                size_t i = 0;

                if (strlen(*words) != length)
                        continue;
                while (i < length && ascii_lower(text[i]) == ascii_lower((*words)[i]))
                        i++;
                if (i == length)
                        return true;
        }
        return false;
}

int bytes_parse(const char *text, uint64_t *ret_bytes) {
        static const struct {
                unsigned shift;
                const char *const words[4];
        } units[] = {
                { 0, { "B" } },
                { 10, { "K", "KB", "KiB" } },
                { 20, { "M", "MB", "MiB" } },
                { 30, { "G", "GB", "GiB" } },
                { 40, { "T", "TB", "TiB" } },
        };
        const char *p = skip_blanks(text);
        uint64_t unit = 0;
        size_t length;
        Number n;
        int r;

        r = number_parse(&p, &n);
        if (r < 0)
                return r;
        p = skip_blanks(p);
        length = strcspn(p, " \t");
        if (length == 0)
                unit = 1;
        for (size_t i = 0; i < ELEMENTS(units) && unit == 0; i++)
                if (text_is_one_of(p, length, units[i].words))
                        unit = UINT64_C(1) << units[i].shift;
        if (unit == 0 || *skip_blanks(p + length) != 0)
                return -EINVAL;
        if (unit == 1 && n.decimals > 0)
                return -EINVAL; /* there is no half byte: a unit was forgotten */
        return number_times(&n, unit, ret_bytes);
}

int percent_parse(const char *text, uint32_t *ret_permyriad) {
        const char *p = skip_blanks(text);
        uint64_t permyriad;
        Number n;
        int r;

        r = number_parse(&p, &n);
        if (r < 0)
                return r;
        p = skip_blanks(p);
        if (*p != '%' || *skip_blanks(p + 1) != 0)
                return -EINVAL;
        if (n.decimals > 2)
                return -EINVAL; /* finer than what can be kept */
        r = number_times(&n, 100, &permyriad);
        if (r < 0)
                return r;
        if (permyriad > 10000)
                return -ERANGE;
        *ret_permyriad = (uint32_t) permyriad;
        return 0;
}

static const struct {
        uint64_t usec;
        const char *const words[6];
} span_units[] = {
        { 1, { "us", "usec" } },
        { USEC_PER_MSEC, { "ms", "msec" } },
        { USEC_PER_SEC, { "s", "sec", "second", "seconds" } },
        { USEC_PER_MINUTE, { "m", "min", "minute", "minutes" } },
        { USEC_PER_HOUR, { "h", "hr", "hour", "hours" } },
        { USEC_PER_DAY, { "d", "day", "days" } },
};

/* One "30min" of a span; *p moves behind it and the blanks that follow. A number without a unit is in
 * seconds, and then must be all there is: "1h 30" could mean minutes. */
static int span_part_parse(const char **p, bool alone, uint64_t *ret_usec) {
        uint64_t unit = 0;
        size_t length = 0;
        Number n;
        int r;

        r = number_parse(p, &n);
        if (r < 0)
                return r;
        *p = skip_blanks(*p);
        while (ascii_lower((*p)[length]) >= 'a' && ascii_lower((*p)[length]) <= 'z')
                length++;
        if (length == 0 && alone && **p == 0)
                unit = USEC_PER_SEC;
        for (size_t i = 0; i < ELEMENTS(span_units) && unit == 0; i++)
                if (text_is_one_of(*p, length, span_units[i].words))
                        unit = span_units[i].usec;
        if (unit == 0)
                return -EINVAL;
        *p = skip_blanks(*p + length);
        return number_times(&n, unit, ret_usec);
}

int span_parse(const char *text, uint64_t *ret_usec) {
        const char *p = skip_blanks(text);
        uint64_t sum = 0, part;
        bool alone = true;
        int r;

        if (text_is_one_of(p, strlen(p), (const char *const[]){ "infinity", NULL })) {
                *ret_usec = USEC_INFINITY;
                return 0;
        }
        do {
                r = span_part_parse(&p, alone, &part);
                if (r < 0)
                        return r;
                if (part >= USEC_INFINITY - sum) /* the sum itself must not read as "infinity" */
                        return -ERANGE;
                sum += part;
                alone = false;
        } while (*p);
        *ret_usec = sum;
        return 0;
}

int boolean_parse(const char *text, bool *ret) {
        static const char *const yes[] = { "1", "yes", "true", "on", NULL };
        static const char *const no[] = { "0", "no", "false", "off", NULL };

        if (text_is_one_of(text, strlen(text), yes))
                *ret = true;
        else if (text_is_one_of(text, strlen(text), no))
                *ret = false;
        else
                return -EINVAL;
        return 0;
}

/* Below ten of a unit one decimal tells something ("7.1 MiB"), above it is noise ("214 MiB"). */
static void scaled_format(uint64_t bytes, const char *sign, const char *suffix, char *buf) {
        static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
        uint64_t tenths = 0; /* of the unit, rounded */
        size_t i = 0;

        if (bytes < 1024) {
                (void) snprintf(buf, UNITS_TEXT_MAX, "%s%u B%s", sign, (unsigned) bytes, suffix);
                return;
        }
        for (i = 1; i < ELEMENTS(units); i++) {
                Wide half = (Wide) 1 << (10 * i - 1);

                tenths = (uint64_t) (((Wide) bytes * 10 + half) >> (10 * i));
                if (tenths < 10235 || i == ELEMENTS(units) - 1) /* 1023.5 would read as 1024 */
                        break;
        }
        if (tenths < 100 && tenths % 10 != 0)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%s%u.%u %s%s", sign, (unsigned) (tenths / 10),
                                (unsigned) (tenths % 10), units[i], suffix);
        else
                (void) snprintf(buf, UNITS_TEXT_MAX, "%s%u %s%s", sign, (unsigned) ((tenths + 5) / 10),
                                units[i], suffix);
}

char *bytes_format(uint64_t bytes, char buf[static UNITS_TEXT_MAX]) {
        scaled_format(bytes, "", "", buf);
        return buf;
}

char *bps_format(int64_t bps, char buf[static UNITS_TEXT_MAX]) {
        uint64_t magnitude = bps < 0 ? -(uint64_t) bps : (uint64_t) bps;

        scaled_format(magnitude, bps < 0 ? "-" : "", "/s", buf);
        return buf;
}

/* "1 h 12 min", "2 h": a larger unit and what is left in the smaller one, rounded down. */
static void pair_format(uint64_t usec, uint64_t large, const char *large_name, uint64_t small,
                const char *small_name, char *buf) {
        unsigned long long whole = usec / large, rest = usec % large / small;

        if (rest == 0)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%llu %s", whole, large_name);
        else
                (void) snprintf(buf, UNITS_TEXT_MAX, "%llu %s %llu %s", whole, large_name, rest, small_name);
}

/* Always rounded down: "full in 4 min" must not promise more time than there is. */
char *span_format(uint64_t usec, char buf[static UNITS_TEXT_MAX]) {
        if (usec == USEC_INFINITY)
                (void) snprintf(buf, UNITS_TEXT_MAX, "infinity");
        else if (usec == 0)
                (void) snprintf(buf, UNITS_TEXT_MAX, "0 s");
        else if (usec < USEC_PER_MSEC)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u us", (unsigned) usec);
        else if (usec < USEC_PER_SEC)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u ms", (unsigned) (usec / USEC_PER_MSEC));
        else if (usec < 10 * USEC_PER_SEC && usec / (USEC_PER_SEC / 10) % 10 != 0)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u.%u s", (unsigned) (usec / USEC_PER_SEC),
                                (unsigned) (usec / (USEC_PER_SEC / 10) % 10));
        else if (usec < 2 * USEC_PER_MINUTE && usec / USEC_PER_SEC != 60)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u s", (unsigned) (usec / USEC_PER_SEC));
        else if (usec < USEC_PER_HOUR)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u min", (unsigned) (usec / USEC_PER_MINUTE));
        else if (usec < 10 * USEC_PER_HOUR)
                pair_format(usec, USEC_PER_HOUR, "h", USEC_PER_MINUTE, "min", buf);
        else if (usec < 2 * USEC_PER_DAY)
                pair_format(usec, USEC_PER_HOUR, "h", USEC_PER_HOUR, "h", buf);
        else if (usec < 10 * USEC_PER_DAY)
                pair_format(usec, USEC_PER_DAY, "d", USEC_PER_HOUR, "h", buf);
        else
                pair_format(usec, USEC_PER_DAY, "d", USEC_PER_DAY, "d", buf);
        return buf;
}

char *permyriad_format(uint32_t permyriad, char buf[static UNITS_TEXT_MAX]) {
        uint32_t tenths = permyriad / 10;

        /* One decimal where it tells something: small shares, and a partition that is nearly but not
         * quite full. */
        if ((permyriad < 1000 || (permyriad >= 9900 && permyriad < 10000)) && tenths % 10 != 0)
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u.%u %%", tenths / 10, tenths % 10);
        else
                (void) snprintf(buf, UNITS_TEXT_MAX, "%u %%", permyriad / 100 + (permyriad % 100 >= 50));
        return buf;
}
