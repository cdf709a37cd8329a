/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process by its folder below /proc. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* The text of one file there, always terminated, cut at n_max - 1 bytes. Returns its length; negative
 * errno. */
ssize_t process_read(int process_fd, const char *name, char *buf, size_t n_max);

/* The name it goes by, sanitised: up to 15 bytes that it may have chosen itself; "?": not known. */
void process_read_command(int process_fd, char *buf, size_t n_max);

/* When it was started: field 22 of stat. With the pid it names one life of a process. 0: it is gone. */
uint64_t process_read_start(int process_fd);
