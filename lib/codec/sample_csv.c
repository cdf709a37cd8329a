/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Samples from text: contract in sample_csv.h. */

#include "sample_csv.h"

#include <ctype.h>
#include <math.h>

#include "macros.h"

#define COLUMNS_MAX 5
/* Beyond every disk, and exact enough in a double. */
#define VALUE_MAX 1e18
#define BYTE_ORDER_MARK "\xEF\xBB\xBF"

static bool is_blank(const char *s) {
        return s[strspn(s, " \t\r\n")] == 0;
}

/* The next value, and what is behind its comma in *s; NULL: that was the last one. -ENODATA: it is missing. */
static int take_value(const char **s, double *ret) {
        const char *from = *s + strspn(*s, " \t");
        size_t n = strcspn(from, ",");
        char *end;

        *s = from[n] == ',' ? from + n + 1 : NULL;
        if (n == 0 || from[0] == ',' || is_blank(from))
                return -ENODATA;
        *ret = strtod(from, &end);
        if (end == from)
                return -EINVAL;
        end += strspn(end, " \t\r\n");
        if (*end && *end != ',')
                return -EINVAL;
        if (isnan(*ret))
                return -ENODATA;
        return fabs(*ret) <= VALUE_MAX ? 0 : -EINVAL;
}

static uint64_t to_count(double value) {
        return value > 0 ? (uint64_t) value : 0;
}

int sample_csv_parse(const char *line, bool first, CsvSample *ret_sample, const char **ret_error) {
        double values[COLUMNS_MAX] = {};
        bool missing = false, no_inodes = false;
        size_t n = 0;

        if (first && strncmp(line, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0)
                line += strlen(BYTE_ORDER_MARK);
        line += strspn(line, " \t");
        if (is_blank(line) || *line == '#' || (first && (isalpha((unsigned char) *line) || *line == '"')))
                return SAMPLE_CSV_E_NOTHING;
        for (const char *rest = line; rest; n++) {
                if (n == COLUMNS_MAX) {
                        *ret_error = "more than five values";
                        return -EINVAL;
                }
                int r = take_value(&rest, &values[n]);
                if (r == -EINVAL) {
                        *ret_error = "a value that is no number";
                        return r;
                }
                missing |= r == -ENODATA && n < 3;
                no_inodes |= r == -ENODATA;
        }
        if (n != 3 && n != 5) {
                *ret_error = "expected seconds,total_bytes,avail_bytes, and perhaps total_inodes,avail_inodes";
                return -EINVAL;
        }
        if (missing)
                return SAMPLE_CSV_E_NOTHING;
        if (values[1] <= 0) {
                *ret_error = "total_bytes must be more than 0";
                return -EINVAL;
        }
        if (no_inodes) /* as of a filesystem that does not count them */
                values[3] = values[4] = 0;
        *ret_sample = (CsvSample){
                .seconds = values[0],
                .space = {
                        .total_bytes = to_count(values[1]),
                        .avail_bytes = to_count(MIN(values[1], values[2])),
                        .total_inodes = to_count(values[3]),
                        .avail_inodes = to_count(MIN(values[3], values[4])),
                },
        };
        ret_sample->space.free_bytes = ret_sample->space.avail_bytes;
        return 0;
}
