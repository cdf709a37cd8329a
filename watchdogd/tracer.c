/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "tracer.h"

#include <fcntl.h>
#include <stdio.h>

#include "clock.h"
#include "message.h"
#include "trace_json.h"

/* When each log was told last, by a hash of mount and slot: two that share a place are told less often, that is all. */
#define PLACES 4096

/* In an incident: a partition with each look, a log so often. Thousands of logs with each look would be work for the loop
 * just when it has other work. */
#define LOG_FINE_USEC USEC_PER_SEC

/* In quiet times a partition is told as well when it has moved by that part: a flood takes 256 lines until it is full. */
#define MOVED_PART 256

typedef struct Recorder {
        TracerSink sink; /* NULL: free */
        void *userdata;
        uint64_t interval_usec;
        struct {
                const Engine *engine; /* only compared */
                uint64_t told_usec, told_avail_bytes;
        } partitions[PARTITIONS_MAX];
        uint32_t *logs_told_sec; /* PLACES of them */
} Recorder;

struct Tracer {
        Recorder recorders[TRACER_RECORDERS_MAX];
        size_t n;
        char boot_id[40];
};

/* At the start: later the supervisor opens nothing. */
static void read_boot_id(char *buf, size_t buf_bytes) {
        _cleanup_close_ int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, buf, buf_bytes - 1);

        buf[n < 0 ? 0 : n] = 0;
        buf[strcspn(buf, "\n")] = 0;
}

int tracer_new(Tracer **ret_tracer) {
        Tracer *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        read_boot_id(t->boot_id, sizeof(t->boot_id));
        *ret_tracer = t;
        return 0;
}

Tracer *tracer_free(Tracer *t) {
        if (!t)
                return NULL;
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++)
                free(t->recorders[i].logs_told_sec);
        free(t);
        return NULL;
}

int tracer_add(Tracer *t, uint64_t interval_usec, TracerSink sink, void *userdata) {
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++) {
                Recorder *r = t->recorders + i;

                if (r->sink)
                        continue;
                *r = (Recorder){.logs_told_sec = calloc(PLACES, sizeof(uint32_t)), .interval_usec = interval_usec, .userdata = userdata};
                if (!r->logs_told_sec)
                        return -ENOMEM;
                r->sink = sink;
                t->n++;
                return 0;
        }
        return -EBUSY;
}

void tracer_remove(Tracer *t, void *userdata) {
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++) {
                Recorder *r = t->recorders + i;

                if (!r->sink || r->userdata != userdata)
                        continue;
                free(r->logs_told_sec);
                *r = (Recorder){};
                t->n--;
        }
}

/* ---- what is told when ---------------------------------------------------------------------------------------- */

/* Also where it moved: what the guard has decided on must not lie between two lines. */
static bool partition_is_due(Recorder *r, const Engine *engine, const PartitionSample *s, uint64_t time_usec) {
        size_t at = 0;

        for (size_t i = 0; i < PARTITIONS_MAX; i++) {
                if (r->partitions[i].engine == engine) {
                        at = i;
                        break;
                }
                if (r->partitions[i].told_usec < r->partitions[at].told_usec)
                        at = i;
        }
        uint64_t told = r->partitions[at].told_avail_bytes, moved = MAX(told, s->avail_bytes) - MIN(told, s->avail_bytes);
        if (r->partitions[at].engine == engine && time_usec < r->partitions[at].told_usec + r->interval_usec &&
            moved <= s->total_bytes / MOVED_PART)
                return false;
        r->partitions[at].engine = engine;
        r->partitions[at].told_avail_bytes = s->avail_bytes;
        r->partitions[at].told_usec = time_usec;
        return true;
}

static bool log_is_due(Recorder *r, const Engine *engine, uint32_t slot, uint64_t time_usec, uint64_t interval_usec) {
        /* Pointers of engines are far apart; their low bits say nothing. */
        uint32_t *told_sec = &r->logs_told_sec[(slot + (uintptr_t) engine / 64 * 97) % PLACES];
        uint32_t now_sec = (uint32_t) (time_usec / USEC_PER_SEC);

        if (*told_sec != 0 && now_sec < *told_sec + interval_usec / USEC_PER_SEC)
                return false;
        *told_sec = now_sec;
        return true;
}

static bool is_due(Recorder *r, const Engine *engine, const Observation *o) {
        bool calm = engine_is_calm(engine);

        if (o->type == OBSERVATION_PARTITION)
                return !calm || partition_is_due(r, engine, &o->partition, o->time_usec);
        if (o->type == OBSERVATION_LOG_SAMPLE)
                return log_is_due(r, engine, o->log_sample.slot, o->time_usec,
                        calm ? r->interval_usec : MIN(r->interval_usec, LOG_FINE_USEC));
        return true;
}

/* ---- telling -------------------------------------------------------------------------------------------------- */

static void send_to(JsonWriter *w, TracerSink sink, void *userdata) {
        const char *text;

        if (json_writer_finish(w, &text) == 0)
                sink(text, userdata);
}

static void send_to_all(const Tracer *t, JsonWriter *w) {
        const char *text;

        if (json_writer_finish(w, &text) < 0)
                return;
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++)
                if (t->recorders[i].sink)
                        t->recorders[i].sink(text, t->recorders[i].userdata);
}

void tracer_write_header(const Tracer *t, const char *config, TracerSink sink, void *userdata) {
        TraceHeader header = {.wall_usec = clock_wall_usec(), .time_usec = clock_monotonic_usec(), .config = config};
        _cleanup_json_writer_ JsonWriter w = {};

        (void) snprintf(header.version, sizeof(header.version), "%s", DISKBRAKE_VERSION);
        memcpy(header.boot_id, t->boot_id, sizeof(header.boot_id));
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_header(&w, &header);
        send_to(&w, sink, userdata);
}

void tracer_write(const char *mount, const Observation *o, TracerSink sink, void *userdata) {
        _cleanup_json_writer_ JsonWriter w = {};

        json_writer_init(&w, TRACE_LINE_MAX);
        if (trace_json_observation(&w, mount, o))
                send_to(&w, sink, userdata);
}

void tracer_observed(Tracer *t, const Engine *engine, const char *mount, const Observation *o) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text = NULL;

        if (t->n == 0)
                return;
        for (size_t i = 0; i < TRACER_RECORDERS_MAX; i++) {
                Recorder *r = t->recorders + i;

                if (!r->sink || !is_due(r, engine, o))
                        continue;
                if (!text) {
                        json_writer_init(&w, TRACE_LINE_MAX);
                        if (!trace_json_observation(&w, mount, o) || json_writer_finish(&w, &text) < 0)
                                return;
                }
                r->sink(text, r->userdata);
        }
}

void tracer_planned(Tracer *t, const char *mount, uint64_t now_usec, const Plan *plan) {
        if (t->n == 0)
                return;
        for (uint32_t i = 0; i < plan->n_events; i++) {
                _cleanup_json_writer_ JsonWriter w = {};

                json_writer_init(&w, TRACE_LINE_MAX);
                trace_json_event(&w, mount, plan->events + i);
                send_to_all(t, &w);
        }
        for (uint32_t i = 0; i < plan->n_acts; i++) {
                _cleanup_json_writer_ JsonWriter w = {};

                json_writer_init(&w, TRACE_LINE_MAX);
                trace_json_act(&w, mount, now_usec, plan->acts + i);
                send_to_all(t, &w);
        }
}

void tracer_settled(Tracer *t, const char *mount, const Outcome *outcome) {
        _cleanup_json_writer_ JsonWriter w = {};

        if (t->n == 0)
                return;
        json_writer_init(&w, TRACE_LINE_MAX);
        trace_json_outcome(&w, mount, MAX(outcome->end_usec, clock_monotonic_usec()), outcome);
        send_to_all(t, &w);
}
