/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a line that may be torn: blanking what is found comes to an end, and never touches a whole record. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log_record.h"
#include "log_repair.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        char *line = malloc(n_bytes + 1);
        size_t from, to, last = 0, n;
        LogRecord record;
        int r;

        if (!line)
                return 0;
        memcpy(line, data, n_bytes);
        while ((r = log_repair_find(line, n_bytes, &from, &to)) == 0) {
                if (from < last || from >= to || to > n_bytes || log_record_parse(line, n_bytes, &record) == 0)
                        abort();
                if (to < n_bytes && log_record_parse_first(line + to, n_bytes - to, &record, &n) != 0)
                        abort();
                memset(line + from, ' ', to - from);
                last = to;
        }
        if (last > 0 && r != LOG_REPAIR_E_WHOLE)
                abort();
        free(line);
        return 0;
}
