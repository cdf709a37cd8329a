/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <string.h>

#include "filler_record.h"

static const char record[] =
        "{\"log\":\"diskbrake freed this part of the log to keep the disk from filling; newer lines follow\\n\","
        "\"stream\":\"stderr\",\"time\":\"1970-01-01T00:00:00Z\"}\n";

#define RECORD_BYTES (sizeof(record) - 1) /* with its newline */

static bool is_blank(const char *from, const char *to) {
        for (; from < to; from++)
                if (*from != ' ')
                        return false;
        return true;
}

void filler_make(char *ret_block) {
        memset(ret_block, ' ', FILLER_BYTES);
        memcpy(ret_block + FILLER_BYTES - RECORD_BYTES, record, RECORD_BYTES);
}

bool filler_is_front(const char edge[static FILLER_EDGE_BYTES]) {
        return is_blank(edge, edge + FILLER_EDGE_BYTES);
}

bool filler_is_rear(const char edge[static FILLER_EDGE_BYTES]) {
        const char *at = edge + FILLER_EDGE_BYTES - RECORD_BYTES;

        return memcmp(at, record, RECORD_BYTES) == 0 && is_blank(edge, at);
}

bool filler_is_line(const char *line, size_t n_bytes) {
        const char *at = line + FILLER_BYTES - RECORD_BYTES;

        return n_bytes == FILLER_BYTES - 1 && memcmp(at, record, RECORD_BYTES - 1) == 0 && is_blank(line, at);
}

uint64_t filler_find_end(uint64_t size_bytes, int (*is_filler)(uint64_t offset, void *userdata), void *userdata) {
        uint64_t yes = 0, no = size_bytes / FILLER_BYTES; /* blocks before yes are, from no on are not */

        if (no == 0 || is_filler(0, userdata) <= 0)
                return 0;
        for (yes = 1; yes < no;) {
                uint64_t middle = yes + (no - yes) / 2;

                if (is_filler(middle * FILLER_BYTES, userdata) > 0)
                        yes = middle + 1;
                else
                        no = middle;
        }
        return yes * FILLER_BYTES;
}
