/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Docker's answer to GET /version: as much of HTTP/1.1 as that takes. */

#include "docker_version.h"

#include <strings.h>

#include "json_input.h"
#include "text.h"

typedef struct Span {
        const char *data;
        size_t n_bytes;
} Span;

typedef struct Head {
        bool chunked;
        bool has_length;
        size_t length;
} Head;

/* Takes a line off the front, without its "\r\n". False: there is no whole line. */
static bool span_take_line(Span *span, Span *ret_line) {
        const char *newline = memchr(span->data, '\n', span->n_bytes);
        size_t n;

        if (!newline)
                return false;
        n = (size_t) (newline - span->data);
        *ret_line = (Span){ span->data, n > 0 && newline[-1] == '\r' ? n - 1 : n };
        span->data = newline + 1;
        span->n_bytes -= n + 1;
        return true;
}

static bool span_begins(Span span, const char *s) {
        return span.n_bytes >= strlen(s) && strncasecmp(span.data, s, strlen(s)) == 0;
}

/* The number at the front; false where there is none or it is beyond what would be read anyway. */
static bool span_take_number(Span *span, unsigned base, size_t *ret_number) {
        size_t number = 0, i;

        for (i = 0; i < span->n_bytes; i++) {
                char c = span->data[i];
                unsigned digit = c >= '0' && c <= '9' ? (unsigned) (c - '0')
                                : c >= 'a' && c <= 'f' ? (unsigned) (c - 'a') + 10
                                : c >= 'A' && c <= 'F' ? (unsigned) (c - 'A') + 10
                                                       : base;
                if (digit >= base)
                        break;
                number = number * base + digit;
                if (number > DOCKER_VERSION_MAX_BYTES)
                        return false;
        }
        if (i == 0)
                return false;
        span->data += i;
        span->n_bytes -= i;
        *ret_number = number;
        return true;
}

static void span_skip_blanks(Span *span) {
        while (span->n_bytes > 0 && (*span->data == ' ' || *span->data == '\t')) {
                span->data++;
                span->n_bytes--;
        }
}

static const char *header_take(Span line, Head *head) {
        static const char length[] = "Content-Length:", encoding[] = "Transfer-Encoding:";

        if (span_begins(line, length)) {
                line.data += strlen(length);
                line.n_bytes -= strlen(length);
                span_skip_blanks(&line);
                if (!span_take_number(&line, 10, &head->length))
                        return "its length is not a number, or too large";
                span_skip_blanks(&line);
                if (line.n_bytes > 0)
                        return "its length is not a number, or too large";
                head->has_length = true;
        } else if (span_begins(line, encoding)) {
                line.data += strlen(encoding);
                line.n_bytes -= strlen(encoding);
                span_skip_blanks(&line);
                if (!span_begins(line, "chunked"))
                        return "it is encoded in a way that is not understood";
                head->chunked = true;
        }
        return NULL;
}

/* Moves *span to the body. 0; a positive outcome. */
static int head_parse(Span *span, Head *ret_head, const char **ret_reason) {
        const char *reason = NULL;
        Head head = {};
        Span line;

        if (!span_begins(*span, "HTTP/1.") && span->n_bytes >= strlen("HTTP/1."))
                reason = "it is not HTTP";
        else if (!span_take_line(span, &line))
                return DOCKER_VERSION_E_INCOMPLETE;
        else if (line.n_bytes < strlen("HTTP/1.1 200") ||
                        memcmp(line.data + strlen("HTTP/1.1"), " 200", 4) != 0)
                reason = "its status is not 200";
        while (!reason) {
                if (!span_take_line(span, &line))
                        return DOCKER_VERSION_E_INCOMPLETE;
                if (line.n_bytes == 0)
                        break;
                reason = header_take(line, &head);
        }
        if (reason) {
                *ret_reason = reason;
                return DOCKER_VERSION_E_INVALID;
        }
        *ret_head = head;
        return 0;
}

/* Joins the chunks in buf, which is as large as all of the response. */
static int chunks_join(Span body, char *buf, size_t *ret_n_bytes, const char **ret_reason) {
        size_t used = 0, n;
        Span line;

        for (;;) {
                if (!span_take_line(&body, &line))
                        return DOCKER_VERSION_E_INCOMPLETE;
                if (!span_take_number(&line, 16, &n) ||
                                (line.n_bytes > 0 && line.data[0] != ';' && line.data[0] != ' ')) {
                        *ret_reason = "its chunks are out of order";
                        return DOCKER_VERSION_E_INVALID;
                }
                if (n == 0)
                        break;
                if (n > body.n_bytes)
                        return DOCKER_VERSION_E_INCOMPLETE;
                memcpy(buf + used, body.data, n);
                used += n;
                body.data += n;
                body.n_bytes -= n;
                if (!span_take_line(&body, &line))
                        return DOCKER_VERSION_E_INCOMPLETE;
                if (line.n_bytes > 0) {
                        *ret_reason = "its chunks are out of order";
                        return DOCKER_VERSION_E_INVALID;
                }
        }
        *ret_n_bytes = used;
        return 0;
}

/* The number before the first dot. */
static uint32_t major_of(const char *version) {
        size_t digits = strspn(version, "0123456789");

        if (digits == 0 || digits > 4 || version[digits] != '.')
                return 0;
        return (uint32_t) strtoul(version, NULL, 10);
}

static int body_parse(
                const char *body, size_t n_bytes, DockerVersion *ret_version, const char **ret_reason) {
        _cleanup_(json_input_freep) cJSON *json = NULL;
        DockerVersion version = {};
        const char *s;
        int r;

        r = json_input_parse(body, n_bytes, DOCKER_VERSION_MAX_BYTES, &json, ret_reason);
        if (r < 0)
                return r;
        if (r > 0)
                return DOCKER_VERSION_E_INVALID;
        s = json_input_get_string(json, "Version");
        if (!s || !s[0]) {
                *ret_reason = "it tells no Version";
                return DOCKER_VERSION_E_INVALID;
        }
        (void) text_sanitize(version.version, sizeof(version.version), s, strlen(s));
        version.major = major_of(version.version);
        *ret_version = version;
        return 0;
}

int docker_version_parse(
                const char *response, size_t n_bytes, DockerVersion *ret_version, const char **ret_reason) {
        _cleanup_free_ char *joined = NULL;
        Span body = { response, n_bytes };
        const char *reason = NULL;
        Head head;
        int r;

        if (n_bytes > DOCKER_VERSION_MAX_BYTES) {
                *ret_reason = "it is too large";
                return DOCKER_VERSION_E_INVALID;
        }
        if (n_bytes == 0)
                return DOCKER_VERSION_E_INCOMPLETE;
        r = head_parse(&body, &head, ret_reason);
        if (r != 0)
                return r;
        if (head.chunked) {
                joined = malloc(body.n_bytes + 1);
                if (!joined)
                        return -ENOMEM;
                r = chunks_join(body, joined, &body.n_bytes, ret_reason);
                if (r != 0)
                        return r;
                body.data = joined;
        } else if (head.has_length) {
                if (body.n_bytes < head.length)
                        return DOCKER_VERSION_E_INCOMPLETE;
                body.n_bytes = head.length;
        }
        r = body_parse(body.data, body.n_bytes, ret_version, &reason);
        if (r == DOCKER_VERSION_E_INVALID && !head.chunked && !head.has_length &&
                        (body.n_bytes == 0 || streq(reason, "it ends in the middle")))
                return DOCKER_VERSION_E_INCOMPLETE;
        if (r > 0)
                *ret_reason = reason;
        return r;
}
