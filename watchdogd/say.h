/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line on standard error or standard output, if it takes it at once: a pipe that nobody reads must not stop the
 * guard, and its loss harms nothing, since alerts go to the journal by another way. */

#include "macros.h"

/* Adds the newline. fd: STDOUT_FILENO or STDERR_FILENO. What is longer than a pipe takes whole is cut. */
void say(int fd, const char *format, ...) _printf_(2, 3);
