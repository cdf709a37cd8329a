/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The socket's transport: connections, who may, framing, quotas, and org.varlink.service. What the
 * methods of io.diskbrake do is the handler's. Never blocks, and a client that sends garbage, stops
 * reading or dies costs a bounded amount of memory and nothing else. Without clients there is no timer
 * and no wake-up. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include <cjson/cJSON.h>

#include "macros.h"

typedef struct VarlinkServer VarlinkServer;
typedef struct VarlinkCall VarlinkCall;

#define VARLINK_NO_GROUP ((gid_t) -1)

/* 0 anywhere but in group and priority: the default that varlink_server.c gives and explains. */
typedef struct VarlinkServerConfig {
        /* its members may, beside root and the server's own uid; VARLINK_NO_GROUP: nobody else */
        gid_t group;
        int64_t priority; /* of all its event sources, as in sd_event_source_set_priority() */
        uint32_t connections_max, per_uid_max, root_slots;
        size_t output_max_bytes;       /* of one connection that does not read */
        size_t output_total_max_bytes; /* of all of them together */
        uint64_t stall_usec;           /* output that makes no progress for that long: dropped */
        uint64_t half_message_usec;    /* the rest of a message does not come for that long: dropped */
        uint64_t idle_usec;            /* of no use for that long: closed where its user needs the place */
        uint64_t accept_pause_usec;    /* after running out of descriptors */
} VarlinkServerConfig;

typedef struct VarlinkPeer {
        uid_t uid;
        pid_t pid;        /* 0: of another pid namespace */
        char command[32]; /* sanitised; empty: not known. For the journal, not to decide by */
} VarlinkPeer;

/* Called for each call of a method that io.diskbrake has; others are answered here. Every call must be
 * ended, now or later, by exactly one of varlink_call_reply(), _error*() or _release(), after which the
 * pointer is dead. */
typedef void (*VarlinkHandler)(VarlinkCall *call, void *userdata);

/* -ENOMEM, -EINVAL. Nothing is accepted before varlink_server_listen_fd(). */
int varlink_server_new(sd_event *event, const VarlinkServerConfig *config, VarlinkHandler handler,
                       void *userdata, VarlinkServer **ret_server);

/* Closes everything. Calls that the handler still holds stay valid until it ends them; nothing is sent
 * for them and their on_gone is not called. */
VarlinkServer *varlink_server_free(VarlinkServer *server);
DEFINE_CLEANUP(VarlinkServer, varlink_server_free)

/* A listening AF_UNIX stream socket, made non-blocking here; taken over on success. May be called several
 * times. */
int varlink_server_listen_fd(VarlinkServer *server, int fd);

/* A connected one, checked like an accepted one; always taken over. For tests, and for sockets handed
 * over. */
int varlink_server_add_connection(VarlinkServer *server, int fd);

uint32_t varlink_server_n_connections(const VarlinkServer *server);

/* ---- one call ----------------------------------------------------------------------------------------- */

const char *varlink_call_method(const VarlinkCall *call); /* without the interface: "Status" */
/* An object, never NULL: see varlink_parameters_read(). */
const cJSON *varlink_call_parameters(const VarlinkCall *call);
const VarlinkPeer *varlink_call_peer(const VarlinkCall *call);
bool varlink_call_wants_more(const VarlinkCall *call); /* the client takes varlink_call_continue() */
bool varlink_call_is_gone(const VarlinkCall *call);    /* nobody will read the answer */

/* The last answer; ends the call. parameters: the text of a JSON object; NULL: "{}". Harmless when the
 * client is gone. A text that cannot be sent (-ENOMEM, above the caps) drops the client. */
void varlink_call_reply(VarlinkCall *call, const char *parameters);

/* Ends the call with an error: its full name ("io.diskbrake.Busy"); parameters as above. */
void varlink_call_error(VarlinkCall *call, const char *error, const char *parameters);
/* With {key: value}. */
void varlink_call_error_text(VarlinkCall *call, const char *error, const char *key, const char *value);
/* org.varlink.service.InvalidParameter */
void varlink_call_error_parameter(VarlinkCall *call, const char *name);

/* One of many answers, for a call that wants more; it goes on. -ENOTCONN: the client is gone (or was just
 * dropped for not reading): on_gone has been or will be called, the call still has to be ended. -EINVAL:
 * did not ask for more. */
int varlink_call_continue(VarlinkCall *call, const char *parameters);

/* Ends the call without an answer: the client is dropped. For calls whose client is gone, and for
 * shutting down. */
void varlink_call_release(VarlinkCall *call);

/* Called once, from the event loop and never from within a varlink_call function, when the client goes
 * away before the call was ended. It may end the call. */
typedef void (*VarlinkGone)(VarlinkCall *call, void *userdata);
void varlink_call_set_on_gone(VarlinkCall *call, VarlinkGone gone, void *userdata);

/* For the handler's own use: what the call is about. */
void varlink_call_set_userdata(VarlinkCall *call, void *userdata);
void *varlink_call_userdata(const VarlinkCall *call);
