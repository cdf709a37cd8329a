/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a line of a container's log. */

#include <stdlib.h>
#include <string.h>

#include "log_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void check_span(LogSpan span, const char *line, size_t n_bytes) {
        if (span.text && (span.text < line || span.text + span.n_bytes > line + n_bytes))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        const char *line = (const char *) data;
        LogRecord record;

        if (log_record_parse(line, n_bytes, &record) != 0)
                return 0;
        check_span(record.log, line, n_bytes);
        check_span(record.stream, line, n_bytes);
        check_span(record.attrs, line, n_bytes);
        check_span(record.time, line, n_bytes);
        if (record.log.text) {
                char *text = malloc(record.log.n_bytes + 1); /* exactly what is promised to be enough */

                if (text && log_record_unescape(record.log, text) > record.log.n_bytes)
                        abort();
                free(text);
        }
        return 0;
}
