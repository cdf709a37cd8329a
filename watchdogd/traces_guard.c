/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether there is a guard. Connecting is not the way to ask: where systemd listens, that starts one. The kernel tells who
 * listens at a socket's file (sock_diag(7)), by device and inode: other mount namespaces have other files of that path. */

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "traces_internal.h"

#define STATE_LISTENING 10 /* TCP_LISTEN, which netinet/tcp.h and linux/tcp.h both have, each in its way */

static int ask(int fd) {
        struct {
                struct nlmsghdr header;
                struct unix_diag_req request;
        } m = {
                .header = {.nlmsg_len = sizeof(m), .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                .request = {.sdiag_family = AF_UNIX, .udiag_states = 1U << STATE_LISTENING, .udiag_show = UDIAG_SHOW_VFS},
        };

        return send(fd, &m, sizeof(m), 0) < 0 ? -errno : 0;
}

/* Both as the kernel has them: the inode cut to 32 bits, the device in its own form. */
static bool is_of_file(const struct nlmsghdr *header, const struct stat *st) {
        const char *at = (const char *) NLMSG_DATA(header) + NLMSG_ALIGN(sizeof(struct unix_diag_msg));
        const char *end = (const char *) header + header->nlmsg_len;

        while (at + sizeof(struct nlattr) <= end) {
                struct nlattr attribute;
                struct unix_diag_vfs vfs;

                memcpy(&attribute, at, sizeof(attribute));
                if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > end - at)
                        return false;
                if (attribute.nla_type == UNIX_DIAG_VFS && attribute.nla_len >= NLA_HDRLEN + sizeof(vfs)) {
                        memcpy(&vfs, at + NLA_HDRLEN, sizeof(vfs));
                        return vfs.udiag_vfs_ino == (uint32_t) st->st_ino &&
                               vfs.udiag_vfs_dev == (major(st->st_dev) << 20 | minor(st->st_dev));
                }
                at += NLA_ALIGN(attribute.nla_len);
        }
        return false;
}

/* 1: somebody, 0: nobody, negative errno: this kernel does not tell. */
static int find_listener(const struct stat *st) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
        _Alignas(struct nlmsghdr) char answer[32768];
        int r = fd < 0 ? -errno : ask(fd);

        while (r == 0) {
                ssize_t n = recv(fd, answer, sizeof(answer), 0);

                if (n < 0)
                        return -errno;
                for (const struct nlmsghdr *h = (const struct nlmsghdr *) answer; NLMSG_OK(h, (size_t) n); h = NLMSG_NEXT(h, n)) {
                        if (h->nlmsg_type == NLMSG_DONE)
                                return 0;
                        if (h->nlmsg_type == NLMSG_ERROR)
                                return -EOPNOTSUPP;
                        if (is_of_file(h, st))
                                return 1;
                }
        }
        return r;
}

bool traces_guard_is_there(const char *runtime_dir) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if ((size_t) snprintf(address.sun_path, sizeof(address.sun_path), "%s/diskbrake.socket", runtime_dir) >=
            sizeof(address.sun_path))
                return false; /* none can be there */
        if (stat(address.sun_path, &st) < 0 || !S_ISSOCK(st.st_mode))
                return false;
        if (find_listener(&st) > 0)
                return true;
        /* One that has made its socket in a network namespace of its own is not told of. */
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return fd >= 0 && (connect(fd, (const struct sockaddr *) &address, sizeof(address)) == 0 || errno == EAGAIN);
}
