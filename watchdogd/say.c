/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>

#include "say.h"

void say(int fd, const char *format, ...) {
        /* A pipe that is writable takes PIPE_BUF bytes without blocking. */
        char line[PIPE_BUF];
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(line, sizeof(line) - 1, format, args);
        va_end(args);
        if (n < 0)
                return;
        n = MIN(n, (int) sizeof(line) - 2);
        line[n++] = '\n';
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLOUT))
                if (write(fd, line, (size_t) n) < 0)
                        return;
}
