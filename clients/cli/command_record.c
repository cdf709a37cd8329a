/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `diskbrake record`: what the guard sees and decides, into a ring of files, for as long as it is let. */

#include "cli.h"
#include "explain.h"
#include "trace_ring.h"
#include "units.h"

#define DIRECTORY_DEFAULT "/var/lib/diskbrake-trace"
#define SIZE_DEFAULT MIB(64)
/* Less does not hold a night. */
#define SIZE_MIN MIB(1)
#define AGAIN_SEC 5

typedef struct Recording {
        const Arguments *a;
        char parameters[64];
        TraceRing ring;
        bool to_stdout;
        int said_error;   /* what was last said about writing; 0: it is well */
        bool said_gone;   /* that the guard does not answer: once, until it does */
} Recording;

static void recording_done(Recording *r) {
        if (!r->to_stdout)
                trace_ring_done(&r->ring);
}

/* Once, until it is another one. A full disk is what this is here to see: it goes on. */
static void say(Recording *r, int error) {
        if (error != r->said_error && error < 0)
                cli_error("cannot write the trace: %s; lines are left out until it can", strerror(-error));
        r->said_error = error;
}

static int take_line(Recording *r, const cJSON *line) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, VARLINK_REPLY_MAX);
        varlink_json_write(&w, NULL, line);
        if (json_writer_finish(&w, &text) < 0)
                return 0;
        if (r->to_stdout)
                return puts(text) < 0 || fflush(stdout) != 0 ? -EPIPE : 0;
        int e = trace_ring_write(&r->ring, text);
        say(r, e);
        /* Lines may be left out, but not the first one. */
        return e < 0 && trace_ring_is_empty(&r->ring) ? -EAGAIN : 0;
}

static int lose(Recording *r, const char *why) {
        if (!r->said_gone)
                cli_error("%s%s", why, r->to_stdout ? "" : "; recording goes on when it answers");
        r->said_gone = true;
        return CLI_FAILED;
}

/* One file, begun by what the guard knows. CLI_OK: the next one. CLI_FAILED: the same again, after a while. */
static int record_file(Recording *r) {
        _cleanup_(client_freep) Client *client = NULL;
        char text[EXPLAIN_MAX];

        int e = client_connect(r->a->socket, CLIENT_TIMEOUT_USEC, &client);
        if (e < 0)
                return lose(r, explain_failure(e, r->a->socket, text, sizeof(text)));
        e = client_stream(client, "Trace", r->parameters);
        bool begun = r->to_stdout;
        while (e >= 0) {
                _cleanup_(varlink_reply_done) VarlinkReply reply = {};

                e = client_next(client, USEC_INFINITY, &reply);
                if (e < 0)
                        break;
                if (reply.error)
                        return lose(r, explain_error(&reply, text, sizeof(text)));
                r->said_gone = false;
                if (!begun) {
                        int next = trace_ring_next(&r->ring);
                        say(r, next);
                        if (next < 0)
                                return CLI_FAILED;
                }
                begun = true;
                const cJSON *line = cJSON_GetObjectItemCaseSensitive(reply.parameters, "line");
                int taken = cJSON_IsObject(line) ? take_line(r, line) : 0;
                if (taken < 0)
                        return taken == -EPIPE ? CLI_USAGE : CLI_FAILED; /* nobody reads it any more; or it is begun again */
                if (!r->to_stdout && trace_ring_is_full(&r->ring))
                        return CLI_OK;
        }
        return lose(r, explain_failure(e, r->a->socket, text, sizeof(text)));
}

static int read_options(const Arguments *a, uint64_t *ret_size, uint64_t *ret_interval_usec) {
        *ret_size = SIZE_DEFAULT;
        *ret_interval_usec = 10 * USEC_PER_SEC;
        if (a->size && (bytes_parse(a->size, ret_size) < 0 || *ret_size < SIZE_MIN)) {
                cli_error("--size %s: expected at least 1M", a->size);
                return CLI_USAGE;
        }
        if (a->interval && (span_parse(a->interval, ret_interval_usec) < 0 || *ret_interval_usec > USEC_PER_HOUR)) {
                cli_error("--interval %s: expected a duration of up to an hour", a->interval);
                return CLI_USAGE;
        }
        return CLI_OK;
}

int command_record(const Arguments *a) {
        _cleanup_(recording_done) Recording r = {.a = a};
        const char *directory = a->n_operands > 0 ? a->operands[0] : DIRECTORY_DEFAULT;
        uint64_t size, interval_usec;

        if (read_options(a, &size, &interval_usec) != CLI_OK)
                return CLI_USAGE;
        (void) snprintf(r.parameters, sizeof(r.parameters), "{\"interval_sec\":%llu}",
                (unsigned long long) (interval_usec / USEC_PER_SEC));
        r.to_stdout = streq(directory, "-");
        if (!r.to_stdout) {
                int e = trace_ring_open(directory, size, &r.ring);
                if (e < 0) {
                        r.to_stdout = true; /* nothing to close */
                        cli_error("cannot record into %s: %s", directory, strerror(-e));
                        return CLI_FAILED;
                }
        }
        for (;;) {
                int e = record_file(&r);
                if (r.to_stdout || e == CLI_USAGE)
                        return e == CLI_USAGE ? CLI_OK : e;
                if (e != CLI_OK)
                        (void) sleep(AGAIN_SEC);
        }
}
