/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive_place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "beneath.h"
#include "config.h"
#include "macros.h"

/* One whose supervisor has ended, or told it to, lets go with its next piece. */
#define TRIES_MAX 50
#define TRY_MSEC 20

/* The state directory is there once the package is installed; by hand it may not be. */
static int make_folder(const char *path, const char **ret_call) {
        _cleanup_close_ int parent_fd = -EBADF;
        char parent[CONFIG_PATH_MAX];
        const char *name = strrchr(path, '/') + 1;

        (void) snprintf(parent, sizeof(parent), "%.*s", (int) MAX(name - 1 - path, (ptrdiff_t) 1), path);
        *ret_call = "mkdir";
        if (mkdir(parent, 0700) < 0 && errno != EEXIST)
                return -errno;
        *ret_call = "openat2";
        parent_fd = beneath_open_absolute(parent, O_PATH | O_DIRECTORY);
        if (parent_fd < 0)
                return parent_fd;
        *ret_call = "mkdirat";
        return mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

/* Only root may have a say in what is unpacked there one day, and only root may read it. A folder that is open to others
 * has another purpose, and is not closed to them. */
static int check(int fd) {
        struct stat st, top;

        if (fstat(fd, &st) < 0 || stat("/", &top) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
                return -EBADFD;
        return st.st_dev == top.st_dev && st.st_ino == top.st_ino ? -EBADFD : 0;
}

static int lock(int fd) {
        for (int i = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; i++) {
                /* A filesystem that cannot lock a folder (NFS) is as good as it was before. */
                if (errno != EWOULDBLOCK && errno != EINTR)
                        return errno == EIO ? -EIO : 0;
                if (i == TRIES_MAX)
                        return -EBUSY;
                (void) nanosleep(&(struct timespec){.tv_nsec = TRY_MSEC * 1000000L}, NULL);
        }
        return 0;
}

int archive_place_open(const char *path, bool make, const char **ret_call) {
        _cleanup_close_ int fd = -EBADF;
        int r = 0;

        if (make)
                r = make_folder(path, ret_call);
        if (r < 0)
                return r;
        *ret_call = "openat2";
        fd = beneath_open_absolute(path, O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd == -ELOOP ? -ENOTDIR : fd;
        *ret_call = "fstat";
        r = check(fd);
        if (r < 0)
                return r;
        *ret_call = "flock";
        r = lock(fd);
        return r < 0 ? r : TAKE_FD(fd);
}
