/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli.h"
#include "explain.h"
#include "render_check.h"

/* Monitoring reads standard output alone, and whatever goes wrong is UNKNOWN there. */
int command_check(const Arguments *a) {
        _cleanup_(client_freep) Client *client = NULL;
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        char reason[EXPLAIN_MAX] = "diskbrake answered without a status";
        const cJSON *guard = NULL;

        int r = client_connect(a->socket, CLIENT_TIMEOUT_USEC, &client);
        if (r >= 0)
                r = client_call(client, "Status", "{\"logs_max\":0}", &reply);
        if (r < 0)
                (void) explain_failure(r, a->socket, reason, sizeof(reason));
        else if (reply.error)
                (void) explain_error(&reply, reason, sizeof(reason));
        else
                guard = cJSON_GetObjectItemCaseSensitive(reply.parameters, "status");
        if (!cJSON_IsObject(guard))
                guard = NULL;
        return a->json ? render_check_json(stdout, guard, reason) : render_check(stdout, guard, reason);
}
