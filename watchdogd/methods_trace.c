/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Trace: everything that the engines know, and then what they see and decide, for as long as somebody records it. */

#include <stdio.h>

#include "clock.h"
#include "config_parse.h"
#include "methods_internal.h"
#include "timer.h"
#include "tracer.h"

/* What is known is told in portions: a loop that tells of 10,000 logs at once would be away for too long. */
#define PORTION_LOGS 100
#define PORTION_USEC (20 * USEC_PER_MSEC)
#define INTERVAL_MAX_SEC 3600

struct TraceClient {
        Methods *methods;
        VarlinkCall *call; /* NULL: free */
        sd_event_source *portion;
        size_t partition;  /* the next one to tell of ... */
        uint64_t cursor;   /* ... and how far */
};

static void send_line(const char *line, void *userdata) {
        TraceClient *c = userdata;
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, KIB(128));
        json_writer_begin_object(&w, NULL);
        json_writer_add_raw(&w, "line", line);
        json_writer_end_object(&w);
        if (c->call && json_writer_finish(&w, &text) == 0)
                (void) varlink_call_continue(c->call, text); /* one that is gone is told of by its on_gone */
}

static void client_end(TraceClient *c) {
        tracer_remove(supervisor_tracer(c->methods->supervisor), c);
        timer_set(c->portion, USEC_INFINITY);
        c->call = NULL;
}

static void client_on_gone(VarlinkCall *call, void *userdata) {
        client_end(userdata);
        varlink_call_release(call);
}

/* false: all is told. */
static bool tell_next(TraceClient *c) {
        Supervisor *s = c->methods->supervisor;
        Observation first, second;
        size_t n;

        if (c->partition >= supervisor_n_partitions(s))
                return false;
        const Partition *p = supervisor_partition(s, c->partition);
        if (!engine_recount(partition_engine(p), &c->cursor, &first, &second, &n)) {
                c->partition++;
                c->cursor = 0;
                return true;
        }
        tracer_write(partition_mount(p), &first, send_line, c);
        if (n > 1)
                tracer_write(partition_mount(p), &second, send_line, c);
        return true;
}

static int client_on_portion(sd_event_source *source, uint64_t usec, void *userdata) {
        TraceClient *c = userdata;
        bool more = true;

        (void) source, (void) usec;
        for (size_t i = 0; i < PORTION_LOGS && more && c->call; i++)
                more = tell_next(c);
        if (more && c->call)
                timer_set(c->portion, clock_monotonic_usec() + PORTION_USEC);
        return 0;
}

static TraceClient *free_client(Methods *m) {
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++)
                if (!m->trace_clients[i].call)
                        return m->trace_clients + i;
        return NULL;
}

/* Half of the places: who records must not keep others from recording. */
static bool may_record(const Methods *m, const VarlinkCall *call) {
        size_t n = 0;

        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++)
                n += m->trace_clients[i].call && varlink_call_peer(m->trace_clients[i].call)->uid == varlink_call_peer(call)->uid;
        return n < TRACER_RECORDERS_MAX / 2;
}

void method_trace(Methods *m, VarlinkCall *call) {
        struct In {
                int64_t interval_sec;
        } in = {.interval_sec = 10};
        static const VarlinkField fields[] = {{"interval_sec", VARLINK_INT, false, offsetof(struct In, interval_sec)}};
        _cleanup_free_ char *config = malloc(CONFIG_TEXT_MAX_BYTES);
        TraceClient *c = free_client(m);

        if (!methods_read(call, fields, ELEMENTS(fields), &in))
                return;
        if (in.interval_sec < 0 || in.interval_sec > INTERVAL_MAX_SEC) {
                varlink_call_error_parameter(call, "interval_sec");
                return;
        }
        if (!varlink_call_wants_more(call)) {
                varlink_call_error_parameter(call, "more");
                return;
        }
        if (!c || !may_record(m, call) || !config || config_format(supervisor_config(m->supervisor), config, CONFIG_TEXT_MAX_BYTES) < 0 ||
            tracer_add(supervisor_tracer(m->supervisor), (uint64_t) in.interval_sec * USEC_PER_SEC, send_line, c) < 0) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        c->call = call;
        c->partition = c->cursor = 0;
        varlink_call_set_on_gone(call, client_on_gone, c);
        tracer_write_header(supervisor_tracer(m->supervisor), config, send_line, c);
        timer_set(c->portion, clock_monotonic_usec());
}

int methods_trace_init(Methods *m, sd_event *event) {
        m->trace_clients = calloc(TRACER_RECORDERS_MAX, sizeof(*m->trace_clients));
        if (!m->trace_clients)
                return -ENOMEM;
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++) {
                TraceClient *c = m->trace_clients + i;
                int r;

                c->methods = m;
                r = timer_add(event, &c->portion, USEC_PER_MSEC, client_on_portion, c);
                if (r >= 0)
                        r = sd_event_source_set_priority(c->portion, SD_EVENT_PRIORITY_IDLE);
                if (r < 0)
                        return r;
        }
        return 0;
}

void methods_trace_done(Methods *m) {
        for (size_t i = 0; m->trace_clients && i < TRACER_RECORDERS_MAX; i++) {
                if (m->trace_clients[i].call)
                        tracer_remove(supervisor_tracer(m->supervisor), m->trace_clients + i);
                sd_event_source_disable_unref(m->trace_clients[i].portion);
        }
        free(m->trace_clients);
        m->trace_clients = NULL;
}
