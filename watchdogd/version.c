/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Asks one dockerd for its version, over its own socket, once: a short-lived process, because that socket
 * may accept and never answer. It sends this one request and nothing else ever. */

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "docker_version.h"
#include "macros.h"
#include "message.h"
#include "role.h"

/* For all of it: who is slower than that is a dockerd in trouble, and the safe methods are taken until it
 * is out. */
#define DEADLINE_USEC (2 * USEC_PER_SEC)

static const char request[] = "GET /version HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n\r\n";

static int wait_for(int fd, short events, uint64_t deadline_usec) {
        for (;;) {
                struct pollfd p = {.fd = fd, .events = events};
                uint64_t now = clock_monotonic_usec();
                int n;

                if (now >= deadline_usec)
                        return -ETIMEDOUT;
                n = poll(&p, 1, (int) ((deadline_usec - now) / USEC_PER_MSEC) + 1);
                if (n > 0)
                        return 0;
                if (n < 0 && errno != EINTR)
                        return -errno;
        }
}

static int connect_to(const char *path, uint64_t deadline_usec, int *ret_fd) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (strlen(path) >= sizeof(address.sun_path) || path[0] != '/')
                return -EINVAL;
        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* EAGAIN: its queue of connections is full. There is nothing to poll for then. */
        while (connect(fd, (const struct sockaddr *) &address, sizeof(address)) < 0) {
                if (errno != EAGAIN && errno != EINTR)
                        return -errno;
                if (clock_monotonic_usec() >= deadline_usec)
                        return -ETIMEDOUT;
                (void) poll(NULL, 0, 50);
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* It must be the dockerd that was asked for, or systemd that listens on its behalf. */
static int check_peer(int fd, int32_t dockerd_pid) {
        struct ucred peer;
        socklen_t n = sizeof(peer);

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
                return -errno;
        return peer.pid == 1 || (dockerd_pid > 0 && peer.pid == dockerd_pid) ? 0 : -EPERM;
}

static int send_request(int fd, uint64_t deadline_usec) {
        for (size_t sent = 0; sent < sizeof(request) - 1;) {
                ssize_t n = send(fd, request + sent, sizeof(request) - 1 - sent, MSG_NOSIGNAL);
                if (n > 0)
                        sent += (size_t) n;
                else if (errno == EAGAIN) {
                        int r = wait_for(fd, POLLOUT, deadline_usec);
                        if (r < 0)
                                return r;
                } else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int receive_answer(int fd, uint64_t deadline_usec, DockerVersion *ret_version) {
        _cleanup_free_ char *answer = malloc(DOCKER_VERSION_MAX_BYTES);
        const char *reason;
        size_t used = 0;

        if (!answer)
                return -ENOMEM;
        while (used < DOCKER_VERSION_MAX_BYTES) {
                ssize_t n = recv(fd, answer + used, DOCKER_VERSION_MAX_BYTES - used, 0);
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno != EAGAIN)
                        return -errno;
                if (n > 0)
                        used += (size_t) n;
                r = docker_version_parse(answer, used, ret_version, &reason);
                if (r != DOCKER_VERSION_E_INCOMPLETE)
                        return r > 0 ? -EBADMSG : r;
                if (n == 0)
                        return -EBADMSG;
                if (n < 0) {
                        r = wait_for(fd, POLLIN, deadline_usec);
                        if (r < 0)
                                return r;
                }
        }
        return -EMSGSIZE;
}

static int ask(const DockerRoot *root, DockerVersion *ret_version) {
        uint64_t deadline_usec = clock_monotonic_usec() + DEADLINE_USEC;
        _cleanup_close_ int fd = -EBADF;
        int r;

        r = connect_to(root->api_socket, deadline_usec, &fd);
        if (r == 0)
                r = check_peer(fd, root->dockerd_pid);
        if (r == 0)
                r = send_request(fd, deadline_usec);
        return r < 0 ? r : receive_answer(fd, deadline_usec, ret_version);
}

int version_run(const RoleContext *context) {
        _cleanup_free_ Message *message = malloc(sizeof(*message));
        _cleanup_free_ PartitionTarget *target = malloc(sizeof(*target));
        DockerVersion version = {};
        uint32_t root;

        if (!message || !target || message_receive(context->channel_fd, message, false) < 0 ||
            message->type != MESSAGE_TARGET)
                return EXIT_FAILURE;
        *target = message->target;
        if (message_receive(context->channel_fd, message, false) < 0 ||
            message->type != MESSAGE_DOCKERD_GONE ||
            message->gone.root >= MIN(target->n_roots, (uint32_t) PARTITION_ROOTS_MAX))
                return EXIT_FAILURE;
        root = message->gone.root;
        if (ask(&target->roots[root], &version) < 0)
                version = (DockerVersion){};
        memset(message, 0, sizeof(*message));
        message->type = MESSAGE_VERSION;
        message->version.root = root;
        message->version.major = version.major;
        (void) snprintf(message->version.text, sizeof(message->version.text), "%s", version.version);
        return message_send(context->channel_fd, message, false) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
