/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Opening beneath a directory, and nowhere else: no symlink, no magic link, no "..", no crossing of mounts on the way.
 * The kernel enforces it at the moment of opening, so nothing can be swapped in between. Used by watcher and trimmer.
 *
 * All add O_CLOEXEC, O_NOFOLLOW and O_NONBLOCK (a FIFO or a lease in the place of a file must not hold us up) and
 * return the descriptor or a negative errno: -ELOOP for a symlink, -EXDEV for a way out. */

#include <fcntl.h>
#include <sys/types.h>

int beneath_open(int dir_fd, const char *path, int flags);
int beneath_create(int dir_fd, const char *path, int flags, mode_t mode); /* with O_CREAT or O_TMPFILE in flags */

/* An absolute path, from the root: no symlink in any part of it; crosses mounts, since that is how it gets there. */
int beneath_open_absolute(const char *path, int flags);

/* The descriptor as a path, for calls that take no descriptor (inotify_add_watch): "/proc/self/fd/N". Returns buf. */
#define BENEATH_NAME_MAX 32
const char *beneath_name(int fd, char buf[static BENEATH_NAME_MAX]);
