/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_find.h"

#include <stdio.h>

#include "log_archives.h"

#define NO_SUCH "io.diskbrake.NoSuchContainer"

static int take_path(const cJSON *object, const char *key, char *buf, size_t buf_bytes) {
        const cJSON *path = cJSON_GetObjectItemCaseSensitive(object, key);

        if (!cJSON_IsString(path) || path->valuestring[0] != '/' || strlen(path->valuestring) >= buf_bytes)
                return -EINVAL;
        memcpy(buf, path->valuestring, strlen(path->valuestring) + 1);
        return 0;
}

/* What was archived of one that is not there any more. */
static int find_removed(const Arguments *a, LogPlace *place) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        char list[2048];
        int r;

        r = cli_call(a, "ArchiveDirectory", NULL, CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        if (take_path(reply.parameters, "path", place->archives, sizeof(place->archives)) < 0)
                r = -ENOENT;
        else
                r = log_archives_find(place->archives, a->operands[0], place->id12, list, sizeof(list));
        if (r == -ENOTUNIQ)
                cli_error("%s: there are archives of several removed containers of that name; name one by its id:%s",
                        a->operands[0], list);
        else if (r == -EACCES)
                cli_error("no container is called %s; only root may read what was archived of one that was removed",
                        a->operands[0]);
        else if (r == -ENOENT)
                cli_error("no container is called %s, and nothing was archived of one of that name", a->operands[0]);
        else if (r < 0)
                cli_error("%s: %s", place->archives, strerror(-r));
        return r < 0 ? CLI_FAILED : CLI_OK;
}

/* Which container the daemon says it is. */
static int take_found(const Arguments *a, const cJSON *found, LogPlace *place) {
        const cJSON *id = cJSON_GetObjectItemCaseSensitive(found, "id");
        char driver[32];
        Style style = {};

        (void) render_field(&style, found, "driver", driver, sizeof(driver));
        (void) take_path(found, "archives", place->archives, sizeof(place->archives));
        if (cJSON_IsString(id))
                (void) snprintf(place->id12, sizeof(place->id12), "%s", id->valuestring);
        if (a->archives_only)
                return CLI_OK;
        if (take_path(found, "path", place->path, sizeof(place->path)) < 0) {
                cli_error("%s: its log is a link, a pipe or has a second name: it is not read", a->operands[0]);
                return CLI_FAILED;
        }
        if (streq(driver, "local") || streq(driver, "other")) {
                cli_error("%s: its log driver keeps no file of JSON lines (%s): docker logs %s", a->operands[0],
                        streq(driver, "local") ? driver : "not json-file", a->operands[0]);
                return CLI_FAILED;
        }
        return CLI_OK;
}

int log_find(const Arguments *a, LogPlace *ret_place) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *parameters = NULL;
        int r;

        *ret_place = (LogPlace){};
        r = cli_write_name(a, &w, &parameters);
        if (r == CLI_OK)
                r = cli_ask(a, "FindLog", parameters, CLIENT_TIMEOUT_USEC, &reply);
        if (r == CLI_OK && reply.error && streq(reply.error, NO_SUCH))
                return find_removed(a, ret_place);
        if (r == CLI_OK)
                r = cli_take(&reply);
        if (r != CLI_OK)
                return r;
        return take_found(a, cJSON_GetObjectItemCaseSensitive(reply.parameters, "found"), ret_place);
}
