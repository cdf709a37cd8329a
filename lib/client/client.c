/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "client.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#define INPUT_MIN ((size_t) KIB(64)) /* status of a usual host */

struct Client {
        int fd;
        uint64_t timeout_usec;
        char *input;
        size_t input_used, input_capacity;
};

static uint64_t now_usec(void) {
        struct timespec ts;
        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static uint64_t deadline_after(uint64_t timeout_usec) {
        uint64_t now = now_usec();
        return timeout_usec > USEC_INFINITY - now ? USEC_INFINITY : now + timeout_usec;
}

/* 0 once the fd is ready (or broken, which the next call tells); -ETIMEDOUT. */
static int wait_for(int fd, short events, uint64_t deadline_usec) {
        for (;;) {
                struct pollfd p = {.fd = fd, .events = events};
                struct timespec ts, *timeout = NULL;

                if (deadline_usec != USEC_INFINITY) {
                        uint64_t now = now_usec(), left = deadline_usec > now ? deadline_usec - now : 0;
                        ts = (struct timespec){(time_t) (left / USEC_PER_SEC),
                                (long) (left % USEC_PER_SEC) * 1000};
                        timeout = &ts;
                }
                int r = ppoll(&p, 1, timeout, NULL);
                if (r > 0)
                        return 0;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
}

/* A full queue of a Unix socket is EAGAIN, and poll() does not tell when there is room again. */
static int connect_until(int fd, const struct sockaddr_un *address, uint64_t deadline_usec) {
        static const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};

        for (;;) {
                if (connect(fd, (const struct sockaddr *) address, sizeof(*address)) >= 0)
                        return 0;
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (now_usec() >= deadline_usec)
                        return -ETIMEDOUT;
                (void) nanosleep(&pause, NULL);
        }
}

int client_connect(const char *path, uint64_t timeout_usec, Client **ret_client) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_(client_freep) Client *client = NULL;

        if (strlen(path) >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        memcpy(address.sun_path, path, strlen(path) + 1);

        client = calloc(1, sizeof(*client));
        if (!client)
                return -ENOMEM;
        client->timeout_usec = timeout_usec;
        client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (client->fd < 0)
                return -errno;
        int r = connect_until(client->fd, &address, deadline_after(timeout_usec));
        if (r < 0)
                return r;
        *ret_client = TAKE_PTR(client);
        return 0;
}

Client *client_free(Client *client) {
        if (!client)
                return NULL;
        (void) close_safe(client->fd);
        free(client->input);
        free(client);
        return NULL;
}

void client_set_timeout(Client *client, uint64_t timeout_usec) { client->timeout_usec = timeout_usec; }

/* A server that refuses says so before it hangs up: then there is something to read, and writing fails. */
static int send_all(Client *client, const char *data, size_t n) {
        uint64_t deadline_usec = deadline_after(client->timeout_usec);

        while (n > 0) {
                ssize_t k = send(client->fd, data, n, MSG_NOSIGNAL);
                if (k >= 0) {
                        data += k;
                        n -= (size_t) k;
                } else if (errno == EAGAIN) {
                        int r = wait_for(client->fd, POLLOUT, deadline_usec);
                        if (r < 0)
                                return r;
                } else if (errno == EPIPE || errno == ECONNRESET)
                        return 0;
                else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int send_request(Client *client, const char *method, const char *parameters, bool more) {
        _cleanup_json_writer_ JsonWriter w = {};
        _cleanup_free_ char *full = NULL;
        const char *text;

        if (asprintf(&full, VARLINK_INTERFACE ".%s", method) < 0) {
                full = NULL;
                return -ENOMEM;
        }
        json_writer_init(&w, VARLINK_REQUEST_MAX);
        varlink_request_write(&w, full, parameters, more);
        int r = json_writer_finish(&w, &text);
        return r < 0 ? r : send_all(client, text, strlen(text) + 1);
}

static int grow_input(Client *client) {
        if (client->input_used < client->input_capacity)
                return 0;
        if (client->input_capacity > VARLINK_REPLY_MAX)
                return -EMSGSIZE;

        size_t capacity = MAX(client->input_capacity * 2, INPUT_MIN);
        char *input = realloc(client->input, capacity);
        if (!input)
                return -ENOMEM;
        client->input = input;
        client->input_capacity = capacity;
        return 0;
}

/* Reads on until a whole message is at the head of the input. */
static int read_message(Client *client, uint64_t deadline_usec, size_t *ret_bytes) {
        size_t searched = 0;

        for (;;) {
                const char *nul = client->input_used > searched ?
                        memchr(client->input + searched, 0, client->input_used - searched) :
                        NULL;
                if (nul) {
                        *ret_bytes = (size_t) (nul - client->input) + 1;
                        return 0;
                }
                searched = client->input_used;

                int r = grow_input(client);
                if (r < 0)
                        return r;
                ssize_t n = recv(client->fd, client->input + client->input_used,
                        client->input_capacity - client->input_used, 0);
                if (n > 0)
                        client->input_used += (size_t) n;
                else if (n == 0)
                        return -ECONNRESET;
                else if (errno == EAGAIN) {
                        r = wait_for(client->fd, POLLIN, deadline_usec);
                        if (r < 0)
                                return r;
                } else if (errno != EINTR)
                        return -errno;
        }
}

int client_next(Client *client, uint64_t timeout_usec, VarlinkReply *ret_reply) {
        size_t n = 0;

        int r = read_message(client, deadline_after(timeout_usec), &n);
        if (r < 0)
                return r;
        r = varlink_reply_parse(client->input, n, ret_reply);
        client->input_used -= n;
        memmove(client->input, client->input + n, client->input_used);
        return r;
}

int client_call(Client *client, const char *method, const char *parameters, VarlinkReply *ret_reply) {
        int r = send_request(client, method, parameters, false);
        return r < 0 ? r : client_next(client, client->timeout_usec, ret_reply);
}

int client_stream(Client *client, const char *method, const char *parameters) {
        return send_request(client, method, parameters, true);
}
