/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Talking to the guard's socket: what every client shares. Each step has its time, so that a client never
 * hangs, whatever the daemon does. */

#include "macros.h"
#include "varlink.h"

#define CLIENT_SOCKET_DEFAULT "/run/diskbrake/diskbrake.socket"
/* the guard answers in milliseconds, or something is very wrong */
#define CLIENT_TIMEOUT_USEC (5 * USEC_PER_SEC)

typedef struct Client Client;

/* timeout_usec: for connecting, and for each answer (but for those of a stream). -ENOENT, -ECONNREFUSED:
 * nobody is there; -EACCES: may not; -ETIMEDOUT; -ENAMETOOLONG. */
int client_connect(const char *path, uint64_t timeout_usec, Client **ret_client);
Client *client_free(Client *client);
DEFINE_CLEANUP(Client, client_free)

/* For acts that take long: a trim by hand. */
void client_set_timeout(Client *client, uint64_t timeout_usec);

/* method: without the interface, "Status"; parameters: the text of a JSON object, or NULL. 0, also where
 * the answer is an error (ret_reply->error); -ETIMEDOUT; -ECONNRESET: it hung up; -EBADMSG: what came is
 * not an answer. After a negative return the client is of no more use. */
int client_call(Client *client, const char *method, const char *parameters, VarlinkReply *ret_reply);

/* Many answers to one call: client_stream() asks, client_next() takes them one by one while the last
 * `continues`. client_next() waits for as long as timeout_usec (USEC_INFINITY: for ever); -ETIMEDOUT does
 * no harm here. */
int client_stream(Client *client, const char *method, const char *parameters);
int client_next(Client *client, uint64_t timeout_usec, VarlinkReply *ret_reply);
