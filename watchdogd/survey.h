/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes a partition grow that is no log, without walking through its files: two looks at what the processes of the host
 * have open for writing there and at how much they write, a moment apart. What costs is the number of descriptors: each is one
 * lstat, which tells whether it is open for writing, and only of those that are the rest is asked. What is open is in memory:
 * disks are not read, and other filesystems are not asked.
 *
 * A file that grows is seen while somebody holds it open. What is made, written and closed within a moment is known by what
 * its process has written (/proc/PID/io, with its children's that have ended), and by the new files that are seen in its hands.
 *
 * Needs CAP_SYS_PTRACE. Takes memory for what is open, and gives it back. */

#include "message.h"

/* Takes order->window_usec and the time of two looks, each bounded. Negative errno: the partition is not there, or /proc cannot
 * be read. */
int survey_make(int proc_fd, const SurveyOrder *order, SurveyFound *ret_found);
