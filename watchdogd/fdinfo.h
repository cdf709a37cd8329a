/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel tells of an open file of another process: /proc/PID/fdinfo/N. Asks no filesystem. Needs CAP_SYS_PTRACE. */

#include <stdbool.h>
#include <stdint.h>

typedef struct FdInfo {
        uint64_t offset_bytes;
        unsigned flags;    /* of open(2) */
        uint64_t inode;    /* 0: this kernel does not tell (before Linux 5.14) */
        int32_t mount_id;  /* as in mountinfo; -1: it does not tell (before Linux 3.15) */
} FdInfo;

/* false: that is no fdinfo of a file. */
bool fdinfo_parse(const char *text, FdInfo *ret_info);
/* number: of the descriptor, as its name in fd/. false: it is gone, or may not be seen. */
bool fdinfo_read(int process_fd, const char *number, FdInfo *ret_info);
