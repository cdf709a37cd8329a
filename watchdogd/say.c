/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "say.h"

/* Without waiting, whatever fd is and whoever else writes to it: a socket (the journal's stream) and a pipe can be told
 * so; a terminal or a file is asked first. */
static void write_at_once(int fd, char *line, size_t n) {
        const struct iovec iov = {line, n};
        struct pollfd p = {.fd = fd, .events = POLLOUT};

        if (send(fd, line, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != ENOTSOCK)
                return;
        if (pwritev2(fd, &iov, 1, -1, RWF_NOWAIT) >= 0 || errno != EOPNOTSUPP)
                return;
        /* A pipe that is writable takes PIPE_BUF bytes without blocking. */
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) && write(fd, line, n) < 0)
                return;
}

void say(int fd, const char *format, ...) {
        char line[PIPE_BUF];
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line, sizeof(line) - 1, format, args);
        va_end(args);
        if (n < 0)
                return;
        n = MIN(n, (int) sizeof(line) - 2);
        line[n++] = '\n';
        write_at_once(fd, line, (size_t) n);
}
