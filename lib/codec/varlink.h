/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Varlink: each message is one JSON object, ended by a NUL. Messages to and from text, and the interface;
 * no I/O.
 *
 * cJSON keeps numbers as doubles: an integer beyond 2^53 cannot be told from its neighbours and is
 * refused. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "json_writer.h"

#define VARLINK_INTERFACE "io.diskbrake"
#define VARLINK_SERVICE "org.varlink.service"

#define VARLINK_REQUEST_MAX ((size_t) KIB(64)) /* a name and some numbers: ample */
#define VARLINK_REPLY_MAX ((size_t) MIB(16))   /* status of more logs than the daemon shows */
#define VARLINK_DEPTH_MAX 32                   /* cJSON recurses; ours need 7 */

extern const char varlink_interface_text[]; /* io.diskbrake.varlink, as it stands */
extern const char varlink_service_text[];   /* org.varlink.service */

/* Whether the interface's text has that method; name is the last part, "Status". */
bool varlink_interface_has_method(const char *text, const char *name);

typedef struct VarlinkRequest {
        cJSON *json;
        const char *method;      /* "io.diskbrake.Status" */
        const cJSON *parameters; /* an object; empty where there were none */
        bool more, oneway, upgrade;
} VarlinkRequest;

/* text of exactly bytes, with or without its NUL. -EBADMSG: not a request, or too large; -ENOMEM. */
int varlink_request_parse(const char *text, size_t bytes, VarlinkRequest *ret_request);
void varlink_request_done(VarlinkRequest *request);

typedef struct VarlinkReply {
        cJSON *json;
        const char *error;       /* NULL: it went well */
        const cJSON *parameters; /* an object; empty where there were none */
        bool continues;
} VarlinkReply;

/* -EBADMSG: not an answer; -E2BIG; -ENOMEM. */
int varlink_reply_parse(const char *text, size_t bytes, VarlinkReply *ret_reply);
void varlink_reply_done(VarlinkReply *reply);

/* parameters: the text of a JSON object, or NULL for none. The NUL at the end of the text belongs to the
 * message. */
void varlink_request_write(JsonWriter *w, const char *method, const char *parameters, bool more);
void varlink_reply_write(JsonWriter *w, const char *error, const char *parameters, bool continues);

/* What a method takes, as a table: field by field into a struct. */
typedef enum VarlinkType { VARLINK_STRING, VARLINK_INT, VARLINK_BOOL } VarlinkType;

typedef struct VarlinkField {
        const char *name;
        VarlinkType type; /* of the member: const char *, int64_t, bool */
        bool required;
        size_t offset;
} VarlinkField;

#define VARLINK_E_PARAMETER 1 /* one is missing, unknown, of another type or not exact: ret_bad names it */

/* What is absent (or null) and not required leaves the member as it was. Strings are those of parameters. */
int varlink_parameters_read(const cJSON *parameters, const VarlinkField *fields, size_t n_fields,
                            void *ret_values, const char **ret_bad);

/* Of the member of an object. -ENOENT: absent or null; -EINVAL: of another type, or not exact. */
int varlink_get_string(const cJSON *object, const char *name, const char **ret_value);
int varlink_get_int(const cJSON *object, const char *name, int64_t *ret_value);
int varlink_get_bool(const cJSON *object, const char *name, bool *ret_value);

/* Parsed JSON as text again, with its integers intact. */
void varlink_json_write(JsonWriter *w, const char *key, const cJSON *json);
