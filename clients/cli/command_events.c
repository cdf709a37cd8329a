/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is open, and what happened: alerts and events. */

#include "cli.h"
#include "explain.h"
#include "render_events.h"
#include "units.h"

/* Open ones, as the answer has them. */
static int print_alerts(const Arguments *a, const VarlinkReply *reply) {
        if (a->json)
                return cli_print_json(reply->parameters);
        Style style = style_detect(stdout);
        render_alerts(stdout, &style, render_array(reply->parameters, "alerts"));
        return CLI_OK;
}

int command_alerts(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};

        int r = cli_call(a, "Alerts", NULL, CLIENT_TIMEOUT_USEC, &reply);
        return r != CLI_OK ? r : print_alerts(a, &reply);
}

static int read_ack(const Arguments *a, int64_t *ret_id, uint64_t *ret_usec) {
        char *end = NULL;

        *ret_id = 0;
        *ret_usec = 0;
        if (a->n_operands > 0) {
                errno = 0;
                *ret_id = strtoll(a->operands[0], &end, 10);
                if (errno != 0 || *end || *ret_id <= 0) {
                        cli_error("%s is no number of an alert: diskbrake alerts shows them", a->operands[0]);
                        return CLI_USAGE;
                }
        }
        if (a->span && (span_parse(a->span, ret_usec) < 0 || *ret_usec == 0 || *ret_usec >= UINT64_C(1) << 53)) {
                cli_error("--for %s is not a duration: 30min, 2h, 1d", a->span);
                return CLI_USAGE;
        }
        return CLI_OK;
}

int command_ack(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *parameters = NULL;
        uint64_t usec;
        int64_t id;

        int r = read_ack(a, &id, &usec);
        if (r != CLI_OK)
                return r;
        json_writer_init(&w, VARLINK_REQUEST_MAX / 2);
        json_writer_begin_object(&w, NULL);
        if (id > 0)
                json_writer_add_int(&w, "id", id);
        if (usec > 0)
                json_writer_add_uint(&w, "for_usec", usec);
        json_writer_end_object(&w);
        (void) json_writer_finish(&w, &parameters);
        r = cli_call(a, "Acknowledge", parameters, CLIENT_TIMEOUT_USEC, &reply);
        return r != CLI_OK ? r : print_alerts(a, &reply);
}

/* One event a line, also as JSON: so that a pipe can read it line by line. */
static void print_event(const Arguments *a, const Style *style, const cJSON *event) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        if (!a->json) {
                render_event(stdout, style, event);
                return;
        }
        json_writer_init(&w, VARLINK_REPLY_MAX);
        varlink_json_write(&w, NULL, event);
        if (json_writer_finish(&w, &text) >= 0)
                (void) puts(text);
}

static int print_last(const Arguments *a, const Style *style, int64_t *ret_last_id) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        const cJSON *event;

        int r = cli_call(a, "Status", "{\"logs_max\":0}", CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        const cJSON *events =
                render_array(cJSON_GetObjectItemCaseSensitive(reply.parameters, "status"), "last_events");
        *ret_last_id = -1;
        cJSON_ArrayForEach(event, events) {
                print_event(a, style, event);
                (void) varlink_get_int(event, "event_id", ret_last_id);
        }
        if (!a->json && !a->follow && cJSON_GetArraySize(events) == 0)
                puts("nothing happened yet");
        return CLI_OK;
}

/* Until the daemon or the reader goes away. Those up to last_id have been printed. */
static int follow(const Arguments *a, const Style *style, Client *client, int64_t last_id) {
        char text[EXPLAIN_MAX];

        for (;;) {
                _cleanup_(varlink_reply_done) VarlinkReply reply = {};
                int64_t id = INT64_MAX;

                if (fflush(stdout) != 0)
                        return CLI_FAILED;
                int r = client_next(client, USEC_INFINITY, &reply);
                if (r < 0 || reply.error) {
                        cli_error("%s", r < 0 ? explain_failure(r, a->socket, text, sizeof(text)) :
                                                explain_error(&reply, text, sizeof(text)));
                        return CLI_FAILED;
                }
                const cJSON *event = cJSON_GetObjectItemCaseSensitive(reply.parameters, "event");
                if (cJSON_IsObject(event) && (varlink_get_int(event, "event_id", &id) < 0 || id > last_id))
                        print_event(a, style, event);
                if (!reply.continues)
                        return CLI_OK;
        }
}

int command_events(const Arguments *a) {
        _cleanup_(client_freep) Client *client = NULL;
        Style style = style_detect(stdout);
        char text[EXPLAIN_MAX];
        int64_t last_id;

        if (a->follow) { /* first, so that nothing happens unseen between the last ones and the next */
                if (cli_connect(a, &client) != CLI_OK)
                        return CLI_FAILED;
                int r = client_stream(client, "Events", NULL);
                if (r < 0) {
                        cli_error("%s", explain_failure(r, a->socket, text, sizeof(text)));
                        return CLI_FAILED;
                }
        }
        int r = print_last(a, &style, &last_id);
        return r != CLI_OK || !a->follow ? r : follow(a, &style, client, last_id);
}
