/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Samples of a partition as plain text, one a line: seconds,total_bytes,avail_bytes[,total_inodes,avail_inodes]. For
 * `diskbrake replay --csv`: whatever somebody's monitoring has kept can be brought into this form. */

#include "observation.h"

typedef struct CsvSample {
        double seconds;       /* on whatever clock, since whenever */
        PartitionSample space; /* free_bytes is avail_bytes: the file does not tell them apart */
} CsvSample;

#define SAMPLE_CSV_E_NOTHING 1 /* a comment, a header, an empty line, or a line with a value that is missing (empty, NaN) */

/* line: NUL-terminated, with or without its newline. Values are decimal, with or without a fraction or an exponent, as
 * monitoring systems print them; what is available is never below 0 (f_bavail may be) nor above the total. first: it
 * may be the names of the columns. -EINVAL: ret_error says what was expected (static). */
int sample_csv_parse(const char *line, bool first, CsvSample *ret_sample, const char **ret_error);
