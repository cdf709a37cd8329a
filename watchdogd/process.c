/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>

#include "macros.h"
#include "process.h"
#include "text.h"

ssize_t process_read(int process_fd, const char *name, char *buf, size_t n_max) {
        _cleanup_close_ int fd = openat(process_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW);
        size_t used = 0;

        if (fd < 0)
                return -errno;
        while (used < n_max - 1) {
                ssize_t n = read(fd, buf + used, n_max - 1 - used);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                used += (size_t) n;
        }
        buf[used] = 0;
        return (ssize_t) used;
}

void process_read_command(int process_fd, char *buf, size_t n_max) {
        char text[64];
        ssize_t n = process_read(process_fd, "comm", text, sizeof(text));

        while (n > 0 && text[n - 1] == '\n')
                n--;
        (void) text_sanitize(buf, n_max, n > 0 ? text : "?", n > 0 ? (size_t) n : 1);
}

/* Counted behind the command, which may hold blanks and brackets. */
uint64_t process_read_start(int process_fd) {
        char text[1024];
        const char *at;

        if (process_read(process_fd, "stat", text, sizeof(text)) <= 0)
                return 0;
        at = strrchr(text, ')');
        for (int field = 2; at && field < 22; field++)
                at = strchr(at + 1, ' ');
        return at ? strtoull(at + 1, NULL, 10) : 0;
}
