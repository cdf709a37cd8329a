/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who reads the logs: a look at the descriptors of all processes, as /proc shows them. Log shippers run in containers
 * and see the logs through bind mounts, under whatever name: so files are told by inode and device, not by path.
 *
 * What costs is the number of descriptors. Each is one readlink, which no filesystem is asked for and which tells sockets,
 * pipes and the like apart; what has a path is one more read, of fdinfo, which has the inode (Linux 5.14 and later); only
 * where that is one of ours the filesystem is asked. A descriptor on a dead network mount holds up nobody.
 *
 * All of a process is reached through one descriptor of its folder, which stops answering when it ends: no pid can be used
 * again in between. Needs CAP_SYS_PTRACE. Nothing is allocated. */

#include <stdbool.h>
#include <stddef.h>

#include "fdinfo.h"
#include "message.h"

/* Of one process: who has more open hides the rest, and holds nothing up. */
#define READERS_DESCRIPTORS_MAX 65536u

typedef struct ReadersLimits {
        uint64_t deadline_usec; /* monotonic: who is not looked at by then is left for the next look ... */
        uint32_t n_descriptors; /* ... and so is who comes after that many */
} ReadersLimits;

/* Looks at the processes from order->from_pid on. ret_found->logs are in the order of order->logs, with n 0 where nobody
 * reads that log; next_pid 0: all were looked at. proc_fd: of writer_open_proc(). Negative errno: /proc cannot be read. */
int log_readers_scan(int proc_fd, const ReadersOrder *order, const ReadersLimits *limits, ReadersFound *ret_found);

/* What two looks at different processes have found about one log. */
void log_readers_merge(LogReaders *into, const LogReaders *one);

/* How far that reader has read by now; 0: it is gone, or reads another file. */
uint64_t log_readers_find_offset(int proc_fd, const LogReader *reader, uint64_t device, uint64_t inode);

/* Open for reading, and reading alone. */
bool log_readers_is_reading(const FdInfo *info);
