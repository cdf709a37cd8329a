/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What goes into the engines and comes out of them, as lines of a trace (trace_json.h) for those who record it. While
 * nobody does it costs a comparison. In quiet times a partition and each log are told at an interval; from notice on, and
 * while acts are under way, each look at the partition, and each log once a second. */

#include "engine.h"
#include "json_writer.h"

typedef struct Tracer Tracer;

#define TRACER_RECORDERS_MAX 4

/* line: a JSON object, without a line feed. */
typedef void (*TracerSink)(const char *line, void *userdata);

int tracer_new(Tracer **ret_tracer);
Tracer *tracer_free(Tracer *tracer);

/* -EBUSY: there are as many as there may be; -ENOMEM. */
int tracer_add(Tracer *tracer, uint64_t interval_usec, TracerSink sink, void *userdata);
void tracer_remove(Tracer *tracer, void *userdata);

/* The first line of a trace that begins now. config: as text. */
void tracer_write_header(const Tracer *tracer, const char *config, TracerSink sink, void *userdata);
/* One observation, whatever the interval: for what is told at the beginning. */
void tracer_write(const char *mount, const Observation *o, TracerSink sink, void *userdata);

/* The engine is the one that has just observed, decided, settled. */
void tracer_observed(Tracer *tracer, const Engine *engine, const char *mount, const Observation *o);
void tracer_planned(Tracer *tracer, const char *mount, uint64_t now_usec, const Plan *plan);
void tracer_settled(Tracer *tracer, const char *mount, const Outcome *outcome);
