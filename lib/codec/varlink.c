/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "varlink.h"

#include <math.h>

#include "json_input.h"

#define INT_EXACT_MAX 9007199254740992.0 /* 2^53 */

bool varlink_interface_has_method(const char *text, const char *name) {
        static const char keyword[] = "method ";
        size_t n = strlen(name);

        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, keyword, sizeof(keyword) - 1) != 0)
                        continue;
                const char *candidate = line + sizeof(keyword) - 1;
                if (strncmp(candidate, name, n) == 0 && (candidate[n] == '(' || candidate[n] == ' '))
                        return n > 0;
        }
        return false;
}

/* cJSON recurses for each bracket: how deep it would have to go is looked at before. */
static bool is_shallow(const char *text, size_t bytes) {
        uint32_t depth = 0;
        bool in_string = false;

        for (size_t i = 0; i < bytes; i++) {
                char c = text[i];

                if (in_string) {
                        if (c == '\\')
                                i++;
                        else if (c == '"')
                                in_string = false;
                } else if (c == '"')
                        in_string = true;
                else if (c == '{' || c == '[') {
                        if (++depth > VARLINK_DEPTH_MAX)
                                return false;
                } else if ((c == '}' || c == ']') && depth > 0)
                        depth--;
        }
        return true;
}

/* One JSON object and nothing behind it, somebody else's. */
static int parse_request(const char *text, size_t bytes, cJSON **ret_json) {
        const char *reason;

        if (!is_shallow(text, bytes))
                return -EBADMSG;
        int r = json_input_parse(text, bytes, VARLINK_REQUEST_MAX, ret_json, &reason);
        return r > 0 ? -EBADMSG : r;
}

/* The same of an answer, which may have any number of values: the guard's logs. The copy has room behind
 * it: cJSON up to 1.7.17 may look beyond the end of a text that is cut short. */
static int parse_reply(const char *text, size_t bytes, cJSON **ret_json) {
        const char *end = NULL;

        if (bytes > VARLINK_REPLY_MAX)
                return -E2BIG;
        if (!is_shallow(text, bytes))
                return -EBADMSG;
        _cleanup_free_ char *copy = calloc(1, bytes + 16);
        if (!copy)
                return -ENOMEM;
        memcpy(copy, text, bytes);

        cJSON *json = cJSON_ParseWithLengthOpts(copy, bytes + 1, &end, false);
        if (!json)
                return -EBADMSG;
        if (!cJSON_IsObject(json) || end + strspn(end, " \t\r\n") != copy + bytes) {
                cJSON_Delete(json);
                return -EBADMSG;
        }
        *ret_json = json;
        return 0;
}

static size_t without_nul(const char *text, size_t bytes) {
        return bytes > 0 && text[bytes - 1] == 0 ? bytes - 1 : bytes;
}

/* The object `parameters`, made where it is absent. */
static int take_parameters(cJSON *json, const cJSON **ret_parameters) {
        const cJSON *p = cJSON_GetObjectItemCaseSensitive(json, "parameters");

        if (!p || cJSON_IsNull(p)) {
                /* another name: the first of a name is the one that is found */
                p = cJSON_AddObjectToObject(json, "-");
                if (!p)
                        return -ENOMEM;
        }
        if (!cJSON_IsObject(p))
                return -EBADMSG;
        *ret_parameters = p;
        return 0;
}

/* Absent: false. */
static int take_flag(const cJSON *json, const char *name, bool *ret_flag) {
        int r = varlink_get_bool(json, name, ret_flag);
        return r == -ENOENT ? 0 : r == -EINVAL ? -EBADMSG : r;
}

int varlink_request_parse(const char *text, size_t bytes, VarlinkRequest *ret_request) {
        VarlinkRequest request = {};

        int r = parse_request(text, without_nul(text, bytes), &request.json);
        if (r >= 0)
                r = varlink_get_string(request.json, "method", &request.method);
        if (r >= 0)
                r = take_flag(request.json, "more", &request.more);
        if (r >= 0)
                r = take_flag(request.json, "oneway", &request.oneway);
        if (r >= 0)
                r = take_flag(request.json, "upgrade", &request.upgrade);
        if (r >= 0)
                r = take_parameters(request.json, &request.parameters);
        if (r < 0) {
                varlink_request_done(&request);
                return r == -ENOENT || r == -EINVAL ? -EBADMSG : r;
        }
        *ret_request = request;
        return 0;
}

void varlink_request_done(VarlinkRequest *request) {
        cJSON_Delete(request->json);
        *request = (VarlinkRequest){};
}

int varlink_reply_parse(const char *text, size_t bytes, VarlinkReply *ret_reply) {
        VarlinkReply reply = {};

        int r = parse_reply(text, without_nul(text, bytes), &reply.json);
        if (r >= 0) {
                r = varlink_get_string(reply.json, "error", &reply.error);
                if (r == -ENOENT)
                        r = 0;
        }
        if (r >= 0)
                r = take_flag(reply.json, "continues", &reply.continues);
        if (r >= 0)
                r = take_parameters(reply.json, &reply.parameters);
        if (r < 0) {
                varlink_reply_done(&reply);
                return r == -EINVAL ? -EBADMSG : r;
        }
        *ret_reply = reply;
        return 0;
}

void varlink_reply_done(VarlinkReply *reply) {
        cJSON_Delete(reply->json);
        *reply = (VarlinkReply){};
}

void varlink_request_write(JsonWriter *w, const char *method, const char *parameters, bool more) {
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "method", method);
        json_writer_add_raw(w, "parameters", parameters ? parameters : "{}");
        if (more)
                json_writer_add_bool(w, "more", true);
        json_writer_end_object(w);
}

void varlink_reply_write(JsonWriter *w, const char *error, const char *parameters, bool continues) {
        json_writer_begin_object(w, NULL);
        if (error)
                json_writer_add_string(w, "error", error);
        json_writer_add_raw(w, "parameters", parameters ? parameters : "{}");
        if (continues)
                json_writer_add_bool(w, "continues", true);
        json_writer_end_object(w);
}

static const cJSON *get(const cJSON *object, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsNull(item) ? NULL : item;
}

int varlink_get_string(const cJSON *object, const char *name, const char **ret_value) {
        const cJSON *item = get(object, name);

        if (!item)
                return -ENOENT;
        if (!cJSON_IsString(item) || !item->valuestring)
                return -EINVAL;
        *ret_value = item->valuestring;
        return 0;
}

int varlink_get_int(const cJSON *object, const char *name, int64_t *ret_value) {
        const cJSON *item = get(object, name);

        if (!item)
                return -ENOENT;
        if (!cJSON_IsNumber(item) || !(fabs(item->valuedouble) < INT_EXACT_MAX) ||
            item->valuedouble != floor(item->valuedouble))
                return -EINVAL;
        *ret_value = (int64_t) item->valuedouble;
        return 0;
}

int varlink_get_bool(const cJSON *object, const char *name, bool *ret_value) {
        const cJSON *item = get(object, name);

        if (!item)
                return -ENOENT;
        if (!cJSON_IsBool(item))
                return -EINVAL;
        *ret_value = cJSON_IsTrue(item);
        return 0;
}

static int read_field(const cJSON *parameters, const VarlinkField *field, void *values) {
        char *at = (char *) values + field->offset;
        int r;

        switch (field->type) {
        case VARLINK_STRING:
                r = varlink_get_string(parameters, field->name, (const char **) (void *) at);
                break;
        case VARLINK_INT:
                r = varlink_get_int(parameters, field->name, (int64_t *) (void *) at);
                break;
        case VARLINK_BOOL:
                r = varlink_get_bool(parameters, field->name, (bool *) at);
                break;
        default:
                return -EINVAL;
        }
        return r == -ENOENT && !field->required ? 0 : r;
}

int varlink_parameters_read(const cJSON *parameters, const VarlinkField *fields, size_t n_fields,
                            void *ret_values, const char **ret_bad) {
        for (const cJSON *item = parameters->child; item; item = item->next) {
                size_t i = 0;
                while (i < n_fields && !(item->string && streq(item->string, fields[i].name)))
                        i++;
                if (i == n_fields) {
                        *ret_bad = item->string ? item->string : "";
                        return VARLINK_E_PARAMETER;
                }
        }

        for (size_t i = 0; i < n_fields; i++)
                if (read_field(parameters, &fields[i], ret_values) < 0) {
                        *ret_bad = fields[i].name;
                        return VARLINK_E_PARAMETER;
                }
        return 0;
}

static void write_number(JsonWriter *w, const char *key, double value) {
        if (value == floor(value) && fabs(value) < INT_EXACT_MAX)
                json_writer_add_int(w, key, (int64_t) value);
        else
                json_writer_add_double(w, key, value);
}

/* Recurses at most as deep as is_shallow() let the text be. */
static void write_item(JsonWriter *w, const char *key, const cJSON *json, uint32_t depth) {
        if (depth >= JSON_WRITER_DEPTH_MAX - 1) {
                json_writer_add_null(w, key);
                return;
        }
        if (cJSON_IsObject(json) || cJSON_IsArray(json)) {
                bool object = cJSON_IsObject(json);

                if (object)
                        json_writer_begin_object(w, key);
                else
                        json_writer_begin_array(w, key);
                for (const cJSON *item = json->child; item; item = item->next)
                        write_item(w, object ? item->string : NULL, item, depth + 1);
                if (object)
                        json_writer_end_object(w);
                else
                        json_writer_end_array(w);
        } else if (cJSON_IsString(json))
                json_writer_add_string(w, key, json->valuestring);
        else if (cJSON_IsNumber(json))
                write_number(w, key, json->valuedouble);
        else if (cJSON_IsBool(json))
                json_writer_add_bool(w, key, cJSON_IsTrue(json));
        else
                json_writer_add_null(w, key);
}

void varlink_json_write(JsonWriter *w, const char *key, const cJSON *json) {
        write_item(w, key, json, w->depth);
}
