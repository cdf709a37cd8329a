/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>

#include "launch.h"
#include "macros.h"

int launch_send(int fd, const LaunchMessage *message, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * LAUNCH_FDS_MAX)];
        } control = {};
        struct iovec iov = {.iov_base = (void *) message, .iov_len = sizeof(*message)};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        if (n_fds > 0) {
                msg.msg_control = &control;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header = (struct cmsghdr){
                        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int) * n_fds)};
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }
        do
                n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int launch_receive(int fd, LaunchMessage *ret_message, int ret_fds[static LAUNCH_FDS_MAX]) {
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int) * LAUNCH_FDS_MAX)];
        } control = {};
        struct iovec iov = {.iov_base = ret_message, .iov_len = sizeof(*ret_message)};
        struct msghdr msg = {
                .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
        ssize_t n;

        for (size_t i = 0; i < LAUNCH_FDS_MAX; i++)
                ret_fds[i] = -EBADF;
        do
                n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        if (n == 0)
                return -EPIPE;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                memcpy(ret_fds, CMSG_DATA(c), sizeof(int) * MIN(n_fds, (size_t) LAUNCH_FDS_MAX));
        }
        if ((size_t) n != sizeof(*ret_message)) {
                for (size_t i = 0; i < LAUNCH_FDS_MAX; i++)
                        ret_fds[i] = close_safe(ret_fds[i]);
                return -EBADMSG;
        }
        return 0;
}
