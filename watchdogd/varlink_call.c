/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One call: its answers, and who gives them. */

#include "varlink_connection.h"

static void call_free(VarlinkCall *call) {
        if (call->connection)
                call->connection->call = NULL;
        varlink_request_done(&call->request);
        free(call);
}

static void call_end(VarlinkCall *call, const char *error, const char *parameters) {
        Connection *c = call->connection;

        if (c && !c->dead && !call->request.oneway)
                connection_send(c, error, parameters, false);
        call_free(call);
        if (c)
                connection_update(c);
}

void varlink_call_reply(VarlinkCall *call, const char *parameters) { call_end(call, NULL, parameters); }

void varlink_call_error(VarlinkCall *call, const char *error, const char *parameters) {
        call_end(call, error, parameters);
}

void varlink_call_error_text(VarlinkCall *call, const char *error, const char *key, const char *value) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text = NULL;

        /* value is of a request, or ours; escaping makes six of one */
        json_writer_init(&w, VARLINK_REQUEST_MAX * 8);
        json_writer_begin_object(&w, NULL);
        json_writer_add_string(&w, key, value);
        json_writer_end_object(&w);
        (void) json_writer_finish(&w, &text);
        call_end(call, error, text);
}

void varlink_call_error_parameter(VarlinkCall *call, const char *name) {
        varlink_call_error_text(call, VARLINK_SERVICE ".InvalidParameter", "parameter", name);
}

int varlink_call_continue(VarlinkCall *call, const char *parameters) {
        if (varlink_call_is_gone(call))
                return -ENOTCONN;
        if (!varlink_call_wants_more(call))
                return -EINVAL;
        connection_send(call->connection, NULL, parameters, true);
        connection_update(call->connection);
        return call->connection->dead ? -ENOTCONN : 0;
}

void varlink_call_release(VarlinkCall *call) {
        if (call->connection)
                connection_drop(call->connection);
        call_free(call);
}

const char *varlink_call_method(const VarlinkCall *call) { return call->name; }
const cJSON *varlink_call_parameters(const VarlinkCall *call) { return call->request.parameters; }
const VarlinkPeer *varlink_call_peer(const VarlinkCall *call) { return &call->peer; }
bool varlink_call_wants_more(const VarlinkCall *call) { return call->request.more && !call->request.oneway; }
bool varlink_call_is_gone(const VarlinkCall *call) { return !call->connection || call->connection->dead; }
void varlink_call_set_userdata(VarlinkCall *call, void *userdata) { call->userdata = userdata; }
void *varlink_call_userdata(const VarlinkCall *call) { return call->userdata; }

void varlink_call_set_on_gone(VarlinkCall *call, VarlinkGone gone, void *userdata) {
        call->gone = gone;
        call->gone_userdata = userdata;
}

/* ---- org.varlink.service ------------------------------------------------------------------------------ */

static void answer_info(VarlinkCall *call) {
        varlink_call_reply(call,
                "{\"vendor\":\"diskbrake\",\"product\":\"diskbrake\",\"version\":\"" DISKBRAKE_VERSION "\","
                "\"url\":\"\","
                "\"interfaces\":[\"" VARLINK_SERVICE "\",\"" VARLINK_INTERFACE "\"]}");
}

static void answer_description(VarlinkCall *call) {
        static const VarlinkField fields[] = {{"interface", VARLINK_STRING, true, 0}};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *interface = NULL, *bad = NULL, *text = NULL;
        const cJSON *parameters = call->request.parameters;

        if (varlink_parameters_read(parameters, fields, ELEMENTS(fields), &interface, &bad) != 0) {
                varlink_call_error_parameter(call, bad);
                return;
        }
        if (!streq(interface, VARLINK_INTERFACE) && !streq(interface, VARLINK_SERVICE)) {
                varlink_call_error_text(call, VARLINK_SERVICE ".InterfaceNotFound", "interface", interface);
                return;
        }
        json_writer_init(&w, KIB(64));
        json_writer_begin_object(&w, NULL);
        json_writer_add_string(&w, "description",
                streq(interface, VARLINK_INTERFACE) ? varlink_interface_text : varlink_service_text);
        json_writer_end_object(&w);
        if (json_writer_finish(&w, &text) < 0)
                varlink_call_release(call);
        else
                varlink_call_reply(call, text);
}

/* ---- who answers -------------------------------------------------------------------------------------- */

static bool method_is_of(const VarlinkCall *call, const char *interface) {
        size_t n = strlen(interface);
        return (size_t) (call->name - call->request.method) == n + 1 &&
                strncmp(call->request.method, interface, n) == 0;
}

void varlink_call_dispatch(VarlinkCall *call) {
        const char *method = call->request.method;
        const char *dot = strrchr(method, '.');
        const VarlinkServer *server = call->connection->server;
        call->name = dot ? dot + 1 : method;

        bool own = method_is_of(call, VARLINK_INTERFACE), service = method_is_of(call, VARLINK_SERVICE);
        const char *description = own ? varlink_interface_text : varlink_service_text;
        if (!own && !service) {
                char interface[128];
                size_t n = dot ? MIN((size_t) (dot - method), sizeof(interface) - 1) : 0;
                memcpy(interface, method, n);
                interface[n] = 0;
                varlink_call_error_text(call, VARLINK_SERVICE ".InterfaceNotFound", "interface", interface);
        } else if (!varlink_interface_has_method(description, call->name))
                varlink_call_error_text(call, VARLINK_SERVICE ".MethodNotFound", "method", method);
        else if (call->request.upgrade)
                varlink_call_error_text(call, VARLINK_SERVICE ".MethodNotImplemented", "method", method);
        else if (own)
                server->handler(call, server->userdata);
        else if (streq(call->name, "GetInfo"))
                answer_info(call);
        else
                answer_description(call);
}
