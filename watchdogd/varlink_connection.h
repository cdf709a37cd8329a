/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One client of the socket, and its call; shared by varlink_server.c, _connection.c and _call.c alone. */

#include "varlink.h"
#include "varlink_server.h"

typedef struct Connection Connection;

#define LISTEN_MAX 4 /* one by systemd, one of our own, and some to spare */

struct VarlinkServer {
        VarlinkServerConfig config; /* defaults filled in */
        VarlinkHandler handler;
        void *userdata;
        sd_event *event;
        sd_event_source *listeners[LISTEN_MAX];
        uint32_t n_listeners;
        sd_event_source *pause_timer; /* off but after descriptors ran out */
        Connection *connections;
        uint32_t n_connections;
        size_t output_bytes; /* pending, of all connections */
};

struct Connection {
        VarlinkServer *server;
        Connection *next, *previous;
        int fd;
        /* again: runs in the next turn; timer: NULL until it is needed */
        sd_event_source *io, *again, *timer;
        VarlinkPeer peer;
        VarlinkCall *call; /* one at a time */

        char *input;
        size_t input_used, input_capacity;
        size_t message_bytes; /* of the first message in the input, with its NUL; 0: not complete */
        uint64_t input_since_usec; /* when the first byte of a half message came */

        char *output;
        size_t output_used, output_sent, output_capacity;
        uint64_t progress_usec; /* when the client last took some of it */

        uint64_t idle_since_usec; /* since its last call was taken, or it came */

        bool input_ended; /* the client will send no more */
        bool hung_up;     /* nor read */
        bool dead;        /* closed; freed in the next turn */
};

struct VarlinkCall {
        Connection *connection; /* NULL: freed before the call was ended */
        VarlinkRequest request;
        const char *name; /* of the method, behind the interface */
        VarlinkPeer peer;
        VarlinkGone gone;
        void *gone_userdata, *userdata;
};

/* Takes the fd. On success the server has it in its list. */
int connection_new(VarlinkServer *server, int fd, const VarlinkPeer *peer);
/* Unlinks and frees; a call that is under way stays, without a connection. */
Connection *connection_free(Connection *c);

/* Closes it; what is left of it is freed in the next turn of the loop. */
void connection_drop(Connection *c);

/* Asks nothing, is told nothing, and has not been for that long. */
bool connection_is_idle(const Connection *c, uint64_t for_usec);

/* Puts the event sources right after anything changed. */
void connection_update(Connection *c);

/* One message. What the socket does not take at once is kept; a client that lets too much gather is dropped. */
void connection_send(Connection *c, const char *error, const char *parameters, bool continues);

/* Answers the call of a connection, or hands it to the handler, which may end it at once. */
void varlink_call_dispatch(VarlinkCall *call);
