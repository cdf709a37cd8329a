/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is mounted where, from the kernel's own list: no mount is touched by asking, so that a dead NFS
 * server or an automounter that has nothing to do with Docker cannot hang us. */

#include <stddef.h>
#include <stdint.h>

#include "macros.h"

typedef struct Mount {
        uint64_t device; /* st_dev of what is on it (btrfs: not of its subvolumes) */
        char *point;     /* unescaped */
        char fs_type[16];
} Mount;

typedef struct Mounts {
        Mount *items; /* in the order of mounting: a later one lies on top */
        size_t n, capacity;
} Mounts;

/* One line of mountinfo, as proc(5) has it; all in that line. */
typedef struct MountLine {
        int32_t id;
        uint64_t device;
        char *root;    /* what of the filesystem is mounted; unescaped */
        char *point;   /* as the process sees it whose list it is; unescaped */
        char *fs_type;
        char *options; /* of the superblock, not unescaped; "": none */
} MountLine;

/* Takes the line apart, in place. false: no line of mountinfo. */
bool mounts_parse_line(char *line, MountLine *ret_line);
/* The kernel writes blanks, tabs, newlines and backslashes as \NNN: in place. */
void mounts_unescape(char *s);

/* path: "/proc/self/mountinfo". Lines that are no mounts are skipped. -ENOMEM, or why it cannot be
 * opened. */
int mounts_read(const char *path, Mounts *ret_mounts);
void mounts_done(Mounts *mounts);

/* The mount that a canonical path lies on: of those whose point is a prefix of it the longest one that
 * has that device, or the longest one where none has. NULL: no line at all fits. */
const Mount *mounts_find(const Mounts *mounts, const char *path, uint64_t device);

/* Whether the superblock of that device takes no writes any more (1) or does (0). After an error ext4 says so in its
 * options alone (emergency_ro, since Linux 6.14): statvfs(2) and access(2) tell nothing of it; and they tell of what is
 * read-only here, in the service's own view of the mount. -ENOENT: it is not in the list (subvolumes of btrfs are not). */
int mounts_is_read_only(const char *path, uint64_t device);

/* Does path lie below folder (or is it)? Whole components, both canonical. */
bool mounts_is_below(const char *path, const char *folder);
