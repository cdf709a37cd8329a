/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One container's log is looked through for torn lines, and these become blank. */

#include "cli.h"
#include "units.h"

/* A cold disk gives some 100 MB a second: 200 GB. */
#define REPAIR_TIMEOUT_USEC (35 * USEC_PER_MINUTE)

static int print_repaired(const cJSON *repaired) {
        uint64_t bytes = render_bytes(repaired, "repaired_bytes");
        Style style = style_detect(stdout);
        char name[256], text[UNITS_TEXT_MAX];

        (void) render_field(&style, repaired, "name", name, sizeof(name));
        if (bytes > 0)
                printf("%s: %s of torn lines are blank now; readers get to what stands behind them\n", name,
                        bytes_format(bytes, text));
        else
                printf("%s: no line of its log is torn\n", name);
        return CLI_OK;
}

int command_repair(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *parameters = NULL;
        const cJSON *repaired;
        int r;

        r = cli_write_name(a, &w, &parameters);
        if (r == CLI_OK)
                r = cli_call(a, "Repair", parameters, REPAIR_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        repaired = cJSON_GetObjectItemCaseSensitive(reply.parameters, "repaired");
        return a->json ? cli_print_json(repaired ? repaired : reply.parameters) : print_repaired(repaired);
}
