/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who writes a log: dockerd's descriptor on it, and whether it appends. Shrinking a file whose writer does not append
 * fills its head with NULs, so this is looked at again right before each cut. Only dockerd is looked at; whether
 * anybody else has the log open, the lease tells.
 *
 * All lookups go through one descriptor of /proc that is taken once. They need CAP_SYS_PTRACE for a dockerd of
 * another uid or with more capabilities than we have. Nothing is allocated, but by the sort of writer_scan(). The
 * stat of a descriptor asks the log's filesystem: callers put a stage around. */

#include <stddef.h>
#include <stdint.h>

#include "observation.h"

/* A descriptor on /proc for the functions below. Negative errno. */
int writer_open_proc(int *ret_fd);

/* Looks at one descriptor alone: does expected->pid still have device/inode open for writing as expected->fd? 0: it
 * does, ret_found has its present flags (append may differ from what was expected). */
#define WRITER_E_GONE 1 /* no such process or descriptor, another file, or for reading only: writer_find() */
int writer_check(int proc_fd, const LogWriter *expected, uint64_t device, uint64_t inode, LogWriter *ret_found);

/* Goes through all descriptors of pid. WRITER_E_GONE: the process is gone, or does not have it open for writing. */
int writer_find(int proc_fd, int32_t pid, uint64_t device, uint64_t inode, LogWriter *ret_found);

/* One pass over all descriptors of pid, for many logs at once: 10,000 containers must not be 10,000 scans. */
typedef struct WriterEntry {
        uint64_t device, inode;
        int32_t fd;
        Tristate append;
} WriterEntry;

/* Fills entries with every json-file log that pid has open for writing, sorted for writer_lookup(). What does not
 * fit is left out: *ret_total > n_max tells. WRITER_E_GONE: no such process. -EACCES, -EPERM: may not look. */
int writer_scan(int proc_fd, int32_t pid, WriterEntry *entries, size_t n_max, size_t *ret_n, size_t *ret_total);

/* The entry of one file, or NULL. Binary search. */
const WriterEntry *writer_lookup(const WriterEntry *entries, size_t n, uint64_t device, uint64_t inode);
