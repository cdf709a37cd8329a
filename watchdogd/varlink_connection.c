/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One client: reading, one message at a time, and writing without ever waiting.
 *
 * Nothing here frees a connection but its own source `again`, so that every function may drop it and go on.
 * The server frees an idle one to make room, from the source that accepts. */

#include "varlink_connection.h"

#include <assert.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define INPUT_MAX (VARLINK_REQUEST_MAX + 1) /* with its NUL */
#define INPUT_MIN ((size_t) KIB(4))         /* nearly all requests */
#define OUTPUT_MIN ((size_t) KIB(16))

/* ---- the connection ----------------------------------------------------------------------------------- */

static void run_again(Connection *c) { (void) sd_event_source_set_enabled(c->again, SD_EVENT_ONESHOT); }

void connection_drop(Connection *c) {
        if (c->dead)
                return;
        c->dead = true;
        c->io = sd_event_source_disable_unref(c->io);
        c->timer = sd_event_source_disable_unref(c->timer);
        c->fd = close_safe(c->fd);
        c->server->output_bytes -= c->output_used - c->output_sent;
        c->output_used = c->output_sent = 0;
        run_again(c);
}

static uint64_t now_usec(const Connection *c) {
        uint64_t now = 0;
        (void) sd_event_now(c->server->event, CLOCK_MONOTONIC, &now);
        return now;
}

static bool wants_input(const Connection *c) {
        return !c->call && c->message_bytes == 0 && !c->input_ended && c->output_used == c->output_sent;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) s;
        (void) usec;
        connection_drop(userdata);
        return 0;
}

static int set_timer(Connection *c, uint64_t at_usec) {
        if (at_usec == USEC_INFINITY)
                return c->timer ? sd_event_source_set_enabled(c->timer, SD_EVENT_OFF) : 0;

        if (!c->timer) {
                sd_event *event = c->server->event;
                int r = sd_event_add_time(event, &c->timer, CLOCK_MONOTONIC, at_usec, 0, on_timer, c);
                return r < 0 ? r : sd_event_source_set_priority(c->timer, c->server->config.priority);
        }
        int r = sd_event_source_set_time(c->timer, at_usec);
        return r < 0 ? r : sd_event_source_set_enabled(c->timer, SD_EVENT_ONESHOT);
}

void connection_update(Connection *c) {
        if (c->dead)
                return;

        bool pending = c->output_used > c->output_sent;
        if (!pending && !c->call && c->message_bytes == 0 && c->input_ended) {
                connection_drop(c); /* all is said */
                return;
        }

        uint64_t at_usec = USEC_INFINITY;
        if (pending)
                at_usec = c->progress_usec + c->server->config.stall_usec;
        else if (wants_input(c) && c->input_used > 0)
                at_usec = c->input_since_usec + c->server->config.half_message_usec;

        int r = set_timer(c, at_usec);
        if (r >= 0 && !c->hung_up) /* a hang-up is reported in any case, and would be for ever */
                r = sd_event_source_set_io_events(c->io,
                        (wants_input(c) ? EPOLLIN : 0) | (pending ? EPOLLOUT : 0));
        if (r < 0)
                connection_drop(c);
        else if (c->message_bytes > 0 && !c->call && !pending)
                run_again(c);
}

/* ---- output ------------------------------------------------------------------------------------------- */

/* How many bytes the socket took; 0: it is full. */
static ssize_t send_some(Connection *c, const char *data, size_t n) {
        ssize_t k = send(c->fd, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (k >= 0)
                return k;
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
}

static void flush_output(Connection *c) {
        if (c->output_used == c->output_sent)
                return;

        ssize_t k = send_some(c, c->output + c->output_sent, c->output_used - c->output_sent);
        if (k < 0) {
                connection_drop(c);
                return;
        }
        if (k > 0)
                c->progress_usec = now_usec(c);
        c->output_sent += (size_t) k;
        c->server->output_bytes -= (size_t) k;
        if (c->output_sent == c->output_used) { /* a client that is slow once does not keep the memory */
                free(c->output);
                c->output = NULL;
                c->output_used = c->output_sent = c->output_capacity = 0;
        }
}

static int keep_output(Connection *c, const char *data, size_t n) {
        const VarlinkServerConfig *config = &c->server->config;
        size_t pending = c->output_used - c->output_sent, total_max = config->output_total_max_bytes;

        if (n > config->output_max_bytes - MIN(pending, config->output_max_bytes) ||
            n > total_max - MIN(c->server->output_bytes, total_max))
                return -ENOBUFS;

        if (c->output_sent > 0) {
                memmove(c->output, c->output + c->output_sent, pending);
                c->output_used = pending;
                c->output_sent = 0;
        }
        if (n > c->output_capacity - c->output_used) {
                size_t capacity = MAX(c->output_used + n, c->output_capacity * 2);
                capacity = MAX(capacity, OUTPUT_MIN);
                char *output = realloc(c->output, capacity);
                if (!output)
                        return -ENOMEM;
                c->output = output;
                c->output_capacity = capacity;
        }
        if (pending == 0)
                c->progress_usec = now_usec(c);
        memcpy(c->output + c->output_used, data, n);
        c->output_used += n;
        c->server->output_bytes += n;
        return 0;
}

/* One message. What the socket does not take at once is kept; a client that lets too much gather is
 * dropped. */
void connection_send(Connection *c, const char *error, const char *parameters, bool continues) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        if (c->dead)
                return;
        json_writer_init(&w, c->server->config.output_max_bytes);
        varlink_reply_write(&w, error, parameters, continues);
        int r = json_writer_finish(&w, &text);
        if (r < 0) {
                connection_drop(c);
                return;
        }

        size_t n = strlen(text) + 1;
        ssize_t sent = c->output_used == c->output_sent ? send_some(c, text, n) : 0;
        if (sent < 0 || ((size_t) sent < n && keep_output(c, text + sent, n - (size_t) sent) < 0))
                connection_drop(c);
}

/* ---- input -------------------------------------------------------------------------------------------- */

static void process_message(Connection *c) {
        VarlinkCall *call = calloc(1, sizeof(*call));
        if (!call || varlink_request_parse(c->input, c->message_bytes, &call->request) < 0) {
                free(call);
                connection_drop(c); /* garbage: what comes next cannot be trusted either */
                return;
        }

        c->input_used -= c->message_bytes;
        memmove(c->input, c->input + c->message_bytes, c->input_used);
        const char *nul = memchr(c->input, 0, c->input_used);
        c->message_bytes = nul ? (size_t) (nul - c->input) + 1 : 0;
        c->input_since_usec = now_usec(c);

        call->connection = c;
        call->peer = c->peer;
        c->call = call;
        c->idle_since_usec = now_usec(c);
        if (c->hung_up && !call->request.oneway)
                connection_drop(c);
        else
                varlink_call_dispatch(call);
}

static int grow_input(Connection *c) {
        if (c->input_used < c->input_capacity)
                return 0;
        if (c->input_capacity >= INPUT_MAX)
                return -EMSGSIZE;

        size_t capacity = MAX(c->input_capacity * 2, INPUT_MIN);
        capacity = MIN(capacity, INPUT_MAX);
        char *input = realloc(c->input, capacity);
        if (!input)
                return -ENOMEM;
        c->input = input;
        c->input_capacity = capacity;
        return 0;
}

static void read_input(Connection *c) {
        if (grow_input(c) < 0) {
                connection_drop(c);
                return;
        }

        ssize_t n = recv(c->fd, c->input + c->input_used, c->input_capacity - c->input_used, MSG_DONTWAIT);
        if (n < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        connection_drop(c);
                return;
        }
        if (n == 0) {
                c->input_ended = true;
                return;
        }
        if (c->input_used == 0)
                c->input_since_usec = now_usec(c);
        const char *nul = memchr(c->input + c->input_used, 0, (size_t) n);
        if (nul)
                c->message_bytes = (size_t) (nul - c->input) + 1;
        c->input_used += (size_t) n;
}

/* ---- the event loop's side ---------------------------------------------------------------------------- */

static int on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Connection *c = userdata;
        (void) s;
        (void) fd;

        if (revents & EPOLLOUT)
                flush_output(c);
        if (!c->dead && wants_input(c) && (revents & (EPOLLIN | EPOLLHUP | EPOLLERR)))
                read_input(c);
        else if (!c->dead && (revents & (EPOLLHUP | EPOLLERR))) {
                if (c->call || c->message_bytes == 0)
                        connection_drop(c);
                else { /* what it sent before it went may still be meant: oneway */
                        c->hung_up = c->input_ended = true;
                        (void) sd_event_source_set_enabled(c->io, SD_EVENT_OFF);
                }
        }
        connection_update(c);
        return 0;
}

/* One message a turn, so that nobody's pipeline keeps others waiting. */
static int on_again(sd_event_source *s, void *userdata) {
        Connection *c = userdata;
        (void) s;

        if (c->dead) {
                VarlinkCall *call = c->call;
                connection_free(c);
                if (call && call->gone)
                        call->gone(call, call->gone_userdata);
                return 0;
        }
        if (!c->call && c->message_bytes > 0) {
                process_message(c);
                connection_update(c);
        }
        return 0;
}

bool connection_is_idle(const Connection *c, uint64_t for_usec) {
        return !c->call && c->input_used == 0 && c->output_used == c->output_sent &&
                now_usec(c) >= c->idle_since_usec + for_usec;
}

int connection_new(VarlinkServer *server, int fd, const VarlinkPeer *peer) {
        Connection *c = calloc(1, sizeof(*c));
        if (!c) {
                (void) close(fd);
                return -ENOMEM;
        }
        c->server = server;
        c->fd = fd;
        c->peer = *peer;
        c->idle_since_usec = now_usec(c);
        c->next = server->connections;
        if (c->next)
                c->next->previous = c;
        server->connections = c;
        server->n_connections++;

        int r = sd_event_add_io(server->event, &c->io, fd, EPOLLIN, on_io, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->io, server->config.priority);
        if (r >= 0)
                r = sd_event_add_defer(server->event, &c->again, on_again, c);
        if (r >= 0)
                r = sd_event_source_set_priority(c->again, server->config.priority);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->again, SD_EVENT_OFF);
        if (r < 0)
                connection_free(c);
        return r < 0 ? r : 0;
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        if (c->call)
                c->call->connection = NULL;
        if (c->previous)
                c->previous->next = c->next;
        else
                c->server->connections = c->next;
        if (c->next)
                c->next->previous = c->previous;
        c->server->n_connections--;
        c->server->output_bytes -= c->output_used - c->output_sent;
        sd_event_source_disable_unref(c->io);
        sd_event_source_disable_unref(c->again);
        sd_event_source_disable_unref(c->timer);
        (void) close_safe(c->fd);
        free(c->input);
        free(c->output);
        free(c);
        return NULL;
}
