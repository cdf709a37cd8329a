/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may connect, and how many. What a connection does is in varlink_connection.c. */

#include "varlink_server.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "text.h"
#include "varlink_connection.h"

static const VarlinkServerConfig defaults = {
        .connections_max = 64,              /* a handful of clients, and people */
        .per_uid_max = 16,                  /* one user's broken script does not lock out the others */
        .root_slots = 8,                    /* whoever mends it gets in */
        .output_max_bytes = MIB(8),         /* status of about 20,000 logs */
        /* the daemon's memory is locked: many slow readers may not take it */
        .output_total_max_bytes = MIB(32),
        .stall_usec = 10 * USEC_PER_SEC,    /* a stopped pager; a client that works takes microseconds */
        .half_message_usec = 30 * USEC_PER_SEC,
        .idle_usec = 2 * USEC_PER_SEC,    /* who has just connected is about to ask */
        .accept_pause_usec = 100 * USEC_PER_MSEC, /* the queue waits in the kernel meanwhile */
};

#define OR_DEFAULT(config, field) ((config)->field = (config)->field ? (config)->field : defaults.field)

/* ---- who may ------------------------------------------------------------------------------------------ */

/* SO_PEERCRED has the primary group only. */
static bool is_in_group(int fd, gid_t group) {
        _cleanup_free_ gid_t *allocated = NULL;
        gid_t few[64], *groups = few;
        socklen_t bytes = sizeof(few);

        int r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes);
        if (r < 0 && errno == ERANGE) { /* bytes is what it takes; the kernel has at most 65536 of them */
                groups = allocated = malloc(bytes);
                if (!groups)
                        return false;
                r = getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes);
        }
        if (r < 0)
                return false;
        for (size_t i = 0; i < bytes / sizeof(gid_t); i++)
                if (groups[i] == group)
                        return true;
        return false;
}

static bool is_allowed(const VarlinkServer *server, int fd, const struct ucred *cred) {
        gid_t group = server->config.group;

        if (cred->uid == 0 || cred->uid == geteuid())
                return true;
        return group != VARLINK_NO_GROUP && (cred->gid == group || is_in_group(fd, group));
}

/* procfs answers without a disk, and comm without a lock of the process. It may be gone, or hidden from
 * us. */
static void read_command(pid_t pid, char *buf, size_t buf_bytes) {
        char path[64], text[64];

        buf[0] = 0;
        if (pid <= 0)
                return;
        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
        if (n > 0)
                (void) text_sanitize(buf, buf_bytes, text, (size_t) n - (text[n - 1] == '\n'));
}

static bool has_room(const VarlinkServer *server, uid_t uid) {
        const VarlinkServerConfig *config = &server->config;
        uint32_t of_uid = 0, of_others = 0;

        for (const Connection *c = server->connections; c; c = c->next) {
                of_uid += c->peer.uid == uid;
                of_others += c->peer.uid != 0;
        }
        if (server->n_connections >= config->connections_max || of_uid >= config->per_uid_max)
                return false;
        return uid == 0 || of_others + config->root_slots < config->connections_max;
}

/* A program that leaves connections open, and be it root's, does not lock its user out: the one that has been of no use
 * for the longest time makes room. */
static bool make_room(VarlinkServer *server, uid_t uid) {
        Connection *oldest = NULL;

        for (Connection *c = server->connections; c; c = c->next)
                if (c->peer.uid == uid && connection_is_idle(c, server->config.idle_usec) &&
                    (!oldest || c->idle_since_usec <= oldest->idle_since_usec)) /* older ones stand further behind */
                        oldest = c;
        connection_free(oldest);
        return oldest != NULL;
}

/* Says why, as far as the socket takes it, and closes. */
static void refuse(int fd, const char *error) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, 256);
        varlink_reply_write(&w, error, NULL, false);
        if (json_writer_finish(&w, &text) >= 0)
                (void) send(fd, text, strlen(text) + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        (void) close(fd);
}

int varlink_server_add_connection(VarlinkServer *server, int fd) {
        struct ucred cred;
        socklen_t bytes = sizeof(cred);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes) < 0) {
                int r = -errno;
                (void) close(fd);
                return r;
        }
        if (!is_allowed(server, fd, &cred)) {
                refuse(fd, VARLINK_SERVICE ".PermissionDenied");
                return -EPERM;
        }
        if (!has_room(server, cred.uid) && (!make_room(server, cred.uid) || !has_room(server, cred.uid))) {
                refuse(fd, VARLINK_INTERFACE ".TooManyRequests");
                return -EUSERS;
        }

        VarlinkPeer peer = {.uid = cred.uid, .pid = cred.pid};
        read_command(cred.pid, peer.command, sizeof(peer.command));
        return connection_new(server, fd, &peer);
}

/* ---- listening ---------------------------------------------------------------------------------------- */

static void set_accepting(VarlinkServer *server, bool accepting) {
        int enabled = accepting ? SD_EVENT_ON : SD_EVENT_OFF;

        for (uint32_t i = 0; i < server->n_listeners; i++)
                (void) sd_event_source_set_enabled(server->listeners[i], enabled);
}

static int on_pause_over(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) s;
        (void) usec;
        set_accepting(userdata, true);
        return 0;
}

/* No descriptors, no memory: the listening socket stays readable, and asking again at once would spin. */
static void pause_accepting(VarlinkServer *server) {
        int r = sd_event_source_set_time_relative(server->pause_timer, server->config.accept_pause_usec);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->pause_timer, SD_EVENT_ONESHOT);
        if (r >= 0)
                set_accepting(server, false);
}

static int on_listen(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        VarlinkServer *server = userdata;
        (void) s;
        (void) revents;

        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client >= 0)
                (void) varlink_server_add_connection(server, client);
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
                pause_accepting(server);
        return 0;
}

int varlink_server_listen_fd(VarlinkServer *server, int fd) {
        if (server->n_listeners >= LISTEN_MAX)
                return -ENOSPC;

        int flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
                return -errno;

        sd_event_source *source;
        int r = sd_event_add_io(server->event, &source, fd, EPOLLIN, on_listen, server);
        if (r < 0)
                return r;
        r = sd_event_source_set_priority(source, server->config.priority);
        if (r >= 0)
                r = sd_event_source_set_io_fd_own(source, true);
        if (r < 0) {
                sd_event_source_disable_unref(source);
                return r;
        }
        server->listeners[server->n_listeners++] = source;
        return 0;
}

/* ---- the object --------------------------------------------------------------------------------------- */

int varlink_server_new(sd_event *event, const VarlinkServerConfig *config, VarlinkHandler handler,
                       void *userdata, VarlinkServer **ret_server) {
        if (!event || !config || !handler)
                return -EINVAL;

        VarlinkServer *server = calloc(1, sizeof(*server));
        if (!server)
                return -ENOMEM;
        server->config = *config;
        OR_DEFAULT(&server->config, connections_max);
        OR_DEFAULT(&server->config, per_uid_max);
        OR_DEFAULT(&server->config, root_slots);
        OR_DEFAULT(&server->config, output_max_bytes);
        OR_DEFAULT(&server->config, output_total_max_bytes);
        OR_DEFAULT(&server->config, stall_usec);
        OR_DEFAULT(&server->config, half_message_usec);
        OR_DEFAULT(&server->config, idle_usec);
        OR_DEFAULT(&server->config, accept_pause_usec);
        server->handler = handler;
        server->userdata = userdata;
        server->event = sd_event_ref(event);

        /* Made now: the event loop takes a descriptor for its first timer, and there may be none when it is needed. */
        int r = sd_event_add_time(event, &server->pause_timer, CLOCK_MONOTONIC, 0, 0, on_pause_over, server);
        if (r >= 0)
                r = sd_event_source_set_enabled(server->pause_timer, SD_EVENT_OFF);
        if (r >= 0)
                r = sd_event_source_set_priority(server->pause_timer, config->priority);
        if (r < 0) {
                varlink_server_free(server);
                return r;
        }
        *ret_server = server;
        return 0;
}

VarlinkServer *varlink_server_free(VarlinkServer *server) {
        if (!server)
                return NULL;
        while (server->connections)
                connection_free(server->connections);
        for (uint32_t i = 0; i < server->n_listeners; i++)
                sd_event_source_disable_unref(server->listeners[i]);
        sd_event_source_disable_unref(server->pause_timer);
        sd_event_unref(server->event);
        free(server);
        return NULL;
}

uint32_t varlink_server_n_connections(const VarlinkServer *server) { return server->n_connections; }
