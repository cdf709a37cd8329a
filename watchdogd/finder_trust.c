/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "finder_trust.h"
#include "macros.h"

const char *finder_trust_find_fault(const struct stat *st) {
        if (st->st_uid != 0)
                return "does not belong to root";
        if (!S_ISLNK(st->st_mode) && st->st_mode & (S_IWGRP | S_IWOTH))
                return "can be written to by others than root";
        return NULL;
}

/* Walks down one name after the other, and holds what it has checked: nothing can be swapped behind it. */
int finder_trust_check_parents(int root_fd, const char *path, char ret_why[static FINDER_TRUST_WHY_MAX]) {
        _cleanup_close_ int fd = -EBADF;
        const char *at = path, *fault;
        struct stat st;

        if (path[0] != '/')
                return -EINVAL;
        fd = root_fd == AT_FDCWD ? open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)
                                 : openat(root_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (;;) {
                char name[NAME_MAX + 1];
                size_t n;
                int next;

                if (fd < 0 || fstat(fd, &st) < 0)
                        return -errno;
                fault = finder_trust_find_fault(&st);
                if (fault) {
                        (void) snprintf(ret_why, FINDER_TRUST_WHY_MAX, "%.*s %s",
                                        at == path ? 1 : (int) MIN(at - path, 100), path, fault);
                        return FINDER_TRUST_E_NO;
                }
                at += strspn(at, "/");
                n = strcspn(at, "/");
                if (n == 0 || at[n] == 0) /* the last one is not a parent */
                        return 0;
                if (n >= sizeof(name))
                        return -ENAMETOOLONG;
                memcpy(name, at, n);
                name[n] = 0;
                next = openat(fd, name, O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
                (void) close(fd);
                fd = next;
                at += n;
        }
}
