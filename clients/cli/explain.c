/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "explain.h"

#include <stdio.h>

#include "text.h"

char *explain_failure(int r, const char *socket_path, char *buf, size_t buf_bytes) {
        switch (r) {
        case -ENOENT:
        case -ENOTDIR:
                (void) snprintf(buf, buf_bytes,
                        "diskbrake is not running (no socket at %s): sudo systemctl start diskbrake",
                        socket_path);
                break;
        case -ECONNREFUSED:
                (void) snprintf(buf, buf_bytes,
                        "diskbrake is not running (nobody answers at %s): sudo systemctl start diskbrake",
                        socket_path);
                break;
        case -EACCES:
        case -EPERM:
                (void) snprintf(buf, buf_bytes,
                        "you may not talk to diskbrake: root and the members of the group diskbrake may "
                        "(%s)", socket_path);
                break;
        case -ETIMEDOUT:
                (void) snprintf(buf, buf_bytes,
                        "diskbrake does not answer in time (%s): systemctl status diskbrake", socket_path);
                break;
        case -ECONNRESET:
        case -EPIPE:
                (void) snprintf(buf, buf_bytes, "diskbrake hung up (%s): journalctl -u diskbrake",
                        socket_path);
                break;
        case -EBADMSG:
        case -EMSGSIZE:
        case -E2BIG:
                (void) snprintf(buf, buf_bytes, "what answers at %s is not diskbrake, or of another version",
                        socket_path);
                break;
        default:
                (void) snprintf(buf, buf_bytes, "cannot talk to diskbrake at %s: %s", socket_path,
                        strerror(-r));
        }
        return buf;
}

/* {name} and so on stand for the error's parameters. */
static const struct {
        const char *error, *sentence;
} sentences[] = {
        {"io.diskbrake.NoSuchContainer",
                "no container is called {name}: diskbrake status --json lists them"},
        {"io.diskbrake.AmbiguousName",
                "{name} means more than one container: give the full name or more of the id"},
        {"io.diskbrake.Protected", "{name} is protected (policy alert): its log is never touched"},
        {"io.diskbrake.NotSafe", "trimming {name} is not safe: {detail}"},
        {"io.diskbrake.Busy", "busy: {detail}"},
        {"io.diskbrake.Paused", "acts on {mount} are paused: diskbrake pause --off"},
        {"io.diskbrake.NoSuchPartition", "no guarded partition is mounted at {mount}"},
        {"io.diskbrake.NoSuchAlert", "no alert {id} is open: diskbrake alerts shows those that are"},
        {"io.diskbrake.NothingToFree", "{name} has nothing to free: it is at what it must keep"},
        {"io.diskbrake.NothingToRepair", "{name} has no log of the driver json-file that could be repaired"},
        {"io.diskbrake.CannotAct", "the guard cannot act on {mount}: {detail}"},
        {"io.diskbrake.ActFailed", "acting on {name} failed in {stage}: {error}"},
        {"io.diskbrake.BadConfiguration", "the configuration was not taken, the old one stays: {detail}"},
        {"io.diskbrake.TooManyRequests", "diskbrake has too many clients just now: try again in a moment"},
        {"org.varlink.service.PermissionDenied",
                "you may not talk to diskbrake: root and the members of the group diskbrake may"},
        {"org.varlink.service.MethodNotFound",
                "this diskbrake does not know {method}: it is of another version"},
        {"org.varlink.service.InvalidParameter", "diskbrake does not take {parameter}"},
};

static void append_parameter(Text *text, const cJSON *parameters, const char *name, size_t n) {
        char key[32], value[512];
        const char *s;

        n = MIN(n, sizeof(key) - 1);
        memcpy(key, name, n);
        key[n] = 0;
        if (varlink_get_string(parameters, key, &s) < 0)
                s = "?";
        (void) text_sanitize(value, sizeof(value), s, strlen(s));
        (void) text_append(text, value);
}

char *explain_error(const VarlinkReply *reply, char *buf, size_t buf_bytes) {
        Text text = text_over(buf, buf_bytes);
        const char *sentence = NULL;
        char name[128];

        for (size_t i = 0; i < ELEMENTS(sentences); i++)
                if (streq(sentences[i].error, reply->error))
                        sentence = sentences[i].sentence;
        if (!sentence) {
                (void) text_sanitize(name, sizeof(name), reply->error, strlen(reply->error));
                (void) text_appendf(&text, "diskbrake answered with the error %s", name);
                return buf;
        }

        while (*sentence) {
                size_t n = strcspn(sentence, "{");
                (void) text_appendf(&text, "%.*s", (int) n, sentence);
                sentence += n;
                if (*sentence == '{') {
                        n = strcspn(++sentence, "}");
                        append_parameter(&text, reply->parameters, sentence, n);
                        sentence += n + 1;
                }
        }
        return buf;
}
