/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/openat2.h>
#include <stdio.h>
#include <sys/syscall.h>

#include "beneath.h"
#include "macros.h"

/* -EAGAIN: a rename raced with the walk; it is over soon. */
#define TRIES_MAX 16

static int open_resolved(int dir_fd, const char *path, int flags, mode_t mode, uint64_t resolve) {
        const struct open_how how = {
                .flags = (uint64_t) (unsigned) flags | O_CLOEXEC | O_NOFOLLOW | (flags & O_PATH ? 0 : O_NONBLOCK),
                .mode = mode,
                .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
        };
        long fd;

        for (int tries = 0; tries < TRIES_MAX; tries++) {
                fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
                if (fd >= 0)
                        return (int) fd;
                if (errno != EINTR && errno != EAGAIN)
                        break;
        }
        return -errno;
}

int beneath_open(int dir_fd, const char *path, int flags) {
        return open_resolved(dir_fd, path, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
}

int beneath_create(int dir_fd, const char *path, int flags, mode_t mode) {
        return open_resolved(dir_fd, path, flags, mode, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
}

int beneath_open_absolute(const char *path, int flags) { return open_resolved(AT_FDCWD, path, flags, 0, 0); }

const char *beneath_name(int fd, char buf[static BENEATH_NAME_MAX]) {
        (void) snprintf(buf, BENEATH_NAME_MAX, "/proc/self/fd/%d", fd);
        return buf;
}
