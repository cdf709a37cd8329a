/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli.h"
#include "render_explain.h"

/* The first few say what the cause is. */
#define PARAMETERS "{\"logs_max\":5}"

static bool is_meant(const Arguments *a, const cJSON *partition) {
        const char *mount = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(partition, "mount"));

        return a->n_operands == 0 || (mount && streq(mount, a->operands[0]));
}

static int print_json(const Arguments *a, const cJSON *partitions) {
        _cleanup_json_writer_ JsonWriter w = {};
        const cJSON *partition;

        json_writer_init(&w, VARLINK_REPLY_MAX);
        w.indent = true;
        json_writer_begin_array(&w, NULL);
        cJSON_ArrayForEach(partition, partitions)
                if (is_meant(a, partition))
                        render_explain_json(&w, partition);
        json_writer_end_array(&w);
        return cli_print_written(&w);
}

int command_explain(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        const cJSON *partitions, *partition;
        size_t n = 0;

        int r = cli_call(a, "Status", PARAMETERS, CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        partitions = render_array(cJSON_GetObjectItemCaseSensitive(reply.parameters, "status"), "partitions");
        cJSON_ArrayForEach(partition, partitions)
                n += is_meant(a, partition);
        if (n == 0) {
                cli_error(a->n_operands > 0 ? "no guarded partition is mounted at %s" : "no partition is guarded%s",
                        a->n_operands > 0 ? a->operands[0] : "");
                return CLI_FAILED;
        }
        if (a->json)
                return print_json(a, partitions);
        Style style = style_detect(stdout);
        bool first = true;
        cJSON_ArrayForEach(partition, partitions) {
                if (!is_meant(a, partition))
                        continue;
                if (!first)
                        putchar('\n');
                first = false;
                render_explain(stdout, &style, partition);
        }
        return CLI_OK;
}
