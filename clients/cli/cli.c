/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli.h"

#include <stdarg.h>

#include "explain.h"

void cli_error(const char *format, ...) {
        va_list list;

        (void) fflush(stdout); /* in the order of what happened */
        fputs("diskbrake: ", stderr);
        va_start(list, format);
        (void) vfprintf(stderr, format, list);
        va_end(list);
        fputc('\n', stderr);
}

int cli_connect(const Arguments *a, Client **ret_client) {
        char text[EXPLAIN_MAX];

        int r = client_connect(a->socket, CLIENT_TIMEOUT_USEC, ret_client);
        if (r < 0) {
                cli_error("%s", explain_failure(r, a->socket, text, sizeof(text)));
                return CLI_FAILED;
        }
        return CLI_OK;
}

int cli_ask(const Arguments *a, const char *method, const char *parameters, uint64_t timeout_usec,
            VarlinkReply *ret_reply) {
        _cleanup_(client_freep) Client *client = NULL;
        char text[EXPLAIN_MAX];

        if (cli_connect(a, &client) != CLI_OK)
                return CLI_FAILED;
        client_set_timeout(client, timeout_usec);
        int r = client_call(client, method, parameters, ret_reply);
        if (r < 0) {
                cli_error("%s", explain_failure(r, a->socket, text, sizeof(text)));
                return CLI_FAILED;
        }
        return CLI_OK;
}

int cli_write_name(const Arguments *a, JsonWriter *w, const char **ret_parameters) {
        json_writer_init(w, VARLINK_REQUEST_MAX / 2);
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "name", a->operands[0]);
        json_writer_end_object(w);
        if (json_writer_finish(w, ret_parameters) >= 0)
                return CLI_OK;
        cli_error("no container has a name that long");
        return CLI_USAGE;
}

int cli_take(VarlinkReply *reply) {
        char text[EXPLAIN_MAX];

        if (!reply->error)
                return CLI_OK;
        cli_error("%s", explain_error(reply, text, sizeof(text)));
        varlink_reply_done(reply);
        *reply = (VarlinkReply){};
        return CLI_FAILED;
}

int cli_call(const Arguments *a, const char *method, const char *parameters, uint64_t timeout_usec,
             VarlinkReply *ret_reply) {
        VarlinkReply reply;
        int r = cli_ask(a, method, parameters, timeout_usec, &reply);

        if (r == CLI_OK)
                r = cli_take(&reply);
        if (r == CLI_OK)
                *ret_reply = reply;
        return r;
}

int cli_print_written(JsonWriter *w) {
        const char *text;

        int r = json_writer_finish(w, &text);
        if (r < 0) {
                cli_error("cannot print the answer: %s", strerror(-r));
                return CLI_FAILED;
        }
        (void) puts(text);
        return CLI_OK;
}

int cli_print_json(const cJSON *json) {
        _cleanup_json_writer_ JsonWriter w = {};

        json_writer_init(&w, VARLINK_REPLY_MAX * 4); /* indentation */
        w.indent = true;
        varlink_json_write(&w, NULL, json);
        return cli_print_written(&w);
}
