/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a line of samples: refused, or a sample whose numbers fit each other. */

#include <math.h>
#include <stdint.h>

#include "macros.h"
#include "sample_csv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        _cleanup_free_ char *line = malloc(n_bytes + 1);
        const char *error = NULL;
        CsvSample s;

        if (!line)
                return 0;
        memcpy(line, data, n_bytes);
        line[n_bytes] = 0;
        int r = sample_csv_parse(line, n_bytes % 2, &s, &error);
        if (r < 0 && !error)
                abort();
        if (r == 0 && (!isfinite(s.seconds) || s.space.avail_bytes > s.space.total_bytes || s.space.avail_inodes > s.space.total_inodes))
                abort();
        return 0;
}
