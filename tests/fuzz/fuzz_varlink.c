/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Requests and answers as anybody may send them; what was understood is written and must be understood
 * again. */

#include <stdlib.h>

#include "varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const cJSON *json) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, MIB(4));
        varlink_json_write(&w, NULL, json);
        if (json_writer_finish(&w, &text) < 0)
                return;
        cJSON *again = cJSON_Parse(text);
        if (!again)
                abort();
        cJSON_Delete(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static const VarlinkField fields[] = {
                {"name", VARLINK_STRING, true, 0},
                {"keep_bytes", VARLINK_INT, false, 8},
                {"dry_run", VARLINK_BOOL, false, 16},
        };
        VarlinkRequest request;
        VarlinkReply reply;

        if (varlink_request_parse((const char *) data, size, &request) == 0) {
                uint64_t values[3] = {};
                const char *bad = NULL;
                int r = varlink_parameters_read(request.parameters, fields, ELEMENTS(fields), values, &bad);
                if ((r != 0) != (bad != NULL))
                        abort();
                (void) varlink_interface_has_method(varlink_interface_text, request.method);
                write_again(request.parameters);
                varlink_request_done(&request);
        }
        if (varlink_reply_parse((const char *) data, size, &reply) == 0) {
                write_again(reply.json);
                varlink_reply_done(&reply);
        }
        return 0;
}
