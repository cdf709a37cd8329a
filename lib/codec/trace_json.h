/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The trace: what an engine sees, decides and gets done, a JSON object a line. The first line is a header. It is the flight
 * recording, the bug report and what `diskbrake replay` reads. It holds no log content. */

#include "event.h"
#include "json_input.h"
#include "json_writer.h"

#define TRACE_FORMAT 1
#define TRACE_LINE_MAX KIB(64) /* the header has the configuration in it */

typedef enum TraceKind {
        TRACE_HEADER = 1,
        TRACE_OBSERVATION,
        TRACE_EVENT,
        TRACE_ACT,
        TRACE_OUTCOME,
        TRACE_OTHER, /* of a later version: to be passed over */
} TraceKind;

typedef struct TraceHeader {
        char version[32], boot_id[40];
        uint64_t wall_usec, time_usec; /* the same moment: CLOCK_REALTIME and CLOCK_MONOTONIC */
        const char *config;            /* text as in the file; of a line that was read: as long as its JSON */
} TraceHeader;

typedef struct TraceLine {
        TraceKind kind;
        char mount[EVENT_MOUNT_MAX]; /* whose engine */
        uint64_t time_usec;          /* monotonic */
        union {
                TraceHeader header;
                Observation observation;
                Event event; /* of one that was read: type 0 where it is not about a level; level, from, reason, full */
                Act act;
                Outcome outcome;
        };
} TraceLine;

void trace_json_header(JsonWriter *w, const TraceHeader *header);
/* false: that one is no part of a trace. */
bool trace_json_observation(JsonWriter *w, const char *mount, const Observation *o);
void trace_json_event(JsonWriter *w, const char *mount, const Event *event);
void trace_json_act(JsonWriter *w, const char *mount, uint64_t time_usec, const Act *act);
void trace_json_outcome(JsonWriter *w, const char *mount, uint64_t time_usec, const Outcome *outcome);

/* Numbers are what the writer wrote, or they are refused. Text is sanitised. 0; -EINVAL: *ret_error says what was expected
 * (static). */
int trace_json_parse(const cJSON *json, TraceLine *ret_line, const char **ret_error);
