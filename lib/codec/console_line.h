/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An event as a line of the kernel log (/dev/kmsg), which reaches the console when the journal does not answer. */

#include <stddef.h>

#include "event.h"

/* The kernel takes no more at once: EINVAL (kernel/printk/printk.c, LOG_LINE_MAX of 6.1: 1024 less a prefix of 48). */
#define CONSOLE_LINE_MAX 976

/* "<2>diskbrake: MESSAGE (14:25:26Z)": with the time of the event, since it may be written later, and a newline, which
 * the kernel takes off again. What does not fit is cut at a character. Returns its length. */
size_t console_line_format(const Event *event, uint64_t wall_usec, char buf[static CONSOLE_LINE_MAX + 1]);
