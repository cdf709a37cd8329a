/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods of io.diskbrake, shared by the files they stand in:
 *
 *      methods.c         the table, and what is short
 *      methods_status.c  Status, Alerts
 *      methods_find.c    FindLog
 *      methods_trim.c    Trim
 *      methods_repair.c  Repair
 *      methods_events.c  Events
 *      methods_trace.c   Trace
 */

#include "json_writer.h"
#include "methods.h"
#include "varlink.h"
#include "varlink_server.h"

/* Who follows the events at the same time: couriers, exporters, a few people. */
#define FOLLOWERS_MAX 16

typedef struct TraceClient TraceClient;

struct Methods {
        Supervisor *supervisor;
        VarlinkServer *server;
        VarlinkCall *followers[FOLLOWERS_MAX];
        TraceClient *trace_clients; /* TRACER_RECORDERS_MAX of them */
};

void methods_reply(VarlinkCall *call, JsonWriter *w);
/* Reads the parameters; on a bad one the call is answered and false returned. */
bool methods_read(VarlinkCall *call, const VarlinkField *fields, size_t n_fields, void *values);
Asker methods_asker(const VarlinkCall *call);

void method_status(Methods *m, VarlinkCall *call);
void method_alerts(Methods *m, VarlinkCall *call);
/* Answers with the open alerts. */
void methods_reply_alerts(Methods *m, VarlinkCall *call);
void method_trim(Methods *m, VarlinkCall *call);
void method_repair(Methods *m, VarlinkCall *call);
void method_find_log(Methods *m, VarlinkCall *call);
void method_archive_directory(Methods *m, VarlinkCall *call);
/* In all partitions; answers the call where there is not exactly one. */
bool methods_find_log(Methods *m, VarlinkCall *call, const char *name, Partition **ret_partition, EngineLog *ret_log);
void method_events(Methods *m, VarlinkCall *call);
void method_trace(Methods *m, VarlinkCall *call);
int methods_trace_init(Methods *m, sd_event *event);
void methods_trace_done(Methods *m);
void methods_on_event(const Event *event, uint64_t wall_usec, void *userdata);
