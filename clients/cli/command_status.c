/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli.h"
#include "render_status.h"

/* For people the first few are enough; the JSON has as many as the guard gives by itself. */
#define LOGS_SHOWN_PARAMETERS "{\"logs_max\":20}"

int command_status(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};

        int r = cli_call(a, "Status", a->json ? NULL : LOGS_SHOWN_PARAMETERS, CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;

        const cJSON *guard = cJSON_GetObjectItemCaseSensitive(reply.parameters, "status");
        if (!cJSON_IsObject(guard)) {
                cli_error("diskbrake answered without a status: is it of another version?");
                return CLI_FAILED;
        }
        if (a->json)
                return cli_print_json(guard);
        Style style = style_detect(stdout);
        render_status(stdout, &style, guard);
        return CLI_OK;
}
