/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "notify.h"

/* Of one datagram: a STATUS= line for people, and no more. */
#define NOTIFY_TEXT_MAX 1024

static uint64_t watchdog_usec_of_environment(void) {
        const char *watchdog = getenv("WATCHDOG_USEC");

        return watchdog ? strtoull(watchdog, NULL, 10) : 0;
}

void notify_init(Notify *n) {
        const char *path = getenv("NOTIFY_SOCKET");
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        size_t length = path ? strlen(path) : 0;
        _cleanup_close_ int fd = -EBADF;

        *n = (Notify){.fd = -EBADF, .watchdog_usec = watchdog_usec_of_environment()};
        if (length < 2 || length >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
                return;
        memcpy(address.sun_path, path, length);
        if (path[0] == '@')
                address.sun_path[0] = 0; /* abstract */
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *) &address,
                              (socklen_t) (offsetof(struct sockaddr_un, sun_path) + length)) < 0)
                return;
        n->fd = TAKE_FD(fd);
}

void notify_done(Notify *n) { n->fd = close_safe(n->fd); }

void notify_init_relayed(Notify *n, int fd) {
        *n = (Notify){.fd = fd, .watchdog_usec = watchdog_usec_of_environment()};
}

/* The launcher's word counts with systemd: what an unprivileged process makes it say is kept to what a guard says.
 * MAINPID= and the file-descriptor store are not among it. */
static bool is_ours(const char *text, size_t n) {
        static const char *const known[] = {"READY=1", "WATCHDOG=1", "STOPPING=1", "RELOADING=1\nMONOTONIC_USEC=",
                                            "STATUS="};

        for (size_t i = 0; i < ELEMENTS(known); i++) {
                size_t k = strlen(known[i]);

                if (n >= k && memcmp(text, known[i], k) == 0)
                        return !memchr(text + k, '\n', n - k);
        }
        return false;
}

static bool begins_with(const char *text, size_t n, const char *what) {
        return n >= strlen(what) && memcmp(text, what, strlen(what)) == 0;
}

static bool send_text(const Notify *n, const char *text, size_t length) {
        return send(n->fd, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 || (errno != EAGAIN && errno != ENOBUFS);
}

bool notify_pay(Notify *n) {
        if (n->owed[0] && send_text(n, n->owed, strlen(n->owed)))
                n->owed[0] = 0;
        if (!n->owed[0] && n->owes_ping)
                n->owes_ping = !send_text(n, "WATCHDOG=1", strlen("WATCHDOG=1"));
        return n->owed[0] || n->owes_ping;
}

void notify_relay(Notify *n, int from_fd) {
        char text[NOTIFY_TEXT_MAX];
        ssize_t length = recv(from_fd, text, sizeof(text), MSG_DONTWAIT | MSG_TRUNC);
        size_t k = (size_t) length;

        if (length <= 0 || k > sizeof(text) || n->fd < 0 || !is_ours(text, k))
                return;
        if (!notify_pay(n) && send_text(n, text, k))
                return;
        if (begins_with(text, k, "WATCHDOG="))
                n->owes_ping = true;
        else if (!begins_with(text, k, "STATUS=") && k < sizeof(n->owed)) {
                memcpy(n->owed, text, k); /* instead of what was owed before: the later one counts */
                n->owed[k] = 0;
        }
}

void notify_keep_fd(const Notify *n, const char *name, int fd) {
        char text[NOTIFY_TEXT_MAX];
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
        struct iovec iov = {.iov_base = text};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof(control)};

        if (n->fd < 0)
                return;
        iov.iov_len = (size_t) snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        (void) sendmsg(n->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void notify_forget_fd(const Notify *n, const char *name) { (void) notify_send(n, "FDSTOREREMOVE=1\nFDNAME=%s", name); }

bool notify_send(const Notify *n, const char *format, ...) {
        char text[NOTIFY_TEXT_MAX];
        va_list args;
        int length;

        if (n->fd < 0)
                return true; /* nobody wants to know */
        va_start(args, format);
        length = vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        return length <= 0 || send_text(n, text, MIN((size_t) length, sizeof(text) - 1));
}
