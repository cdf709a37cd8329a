/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "ballast.h"
#include "beneath.h"
#include "clock.h"
#include "filesystem.h"
#include "filler.h"

#define SUBJECT "a file without a name"

/* Both ranges are multiples of every block and of bigalloc clusters up to that. */
#define PROBE_BYTES MIB(1)

/* A multiple of every block size. */
#define REFLINK_BYTES KIB(64)

static bool kernel_at_least(unsigned major, unsigned minor) {
        struct utsname name;
        unsigned a, b;

        if (uname(&name) < 0 || sscanf(name.release, "%u.%u", &a, &b) != 2)
                return false;
        return a > major || (a == major && b >= minor);
}

bool filesystem_kernel_may_collapse(void) { return kernel_at_least(5, 10); }

typedef struct Abilities {
        bool collapse, punch;
        bool reflink; /* never guessed: not if it was not tried, and never without the filler's file */
} Abilities;

/* Measured on each of these; of what is not known the gentler one is assumed. */
static Abilities guess(int64_t magic) {
        switch (magic) {
        case EXT4_SUPER_MAGIC:
        case XFS_SUPER_MAGIC:
                return (Abilities){.collapse = true, .punch = true};
        default:
                return (Abilities){.punch = true};
        }
}

/* 1: it can, 0: it cannot, negative: not known. */
static int try_fallocate(StagePage *stage, int fd, int mode) {
        int r;

        stage_enter(stage, "fallocate", SUBJECT);
        r = fallocate(fd, mode, 0, (off_t) PROBE_BYTES) < 0 ? -errno : 1;
        stage_leave(stage);
        return r == -EOPNOTSUPP || r == -ENOSYS || r == -EINVAL ? 0 : r;
}

/* A block is written, and becomes two. Where there is no room for it, what was once made in the same way tells. */
static bool try_reflink(StagePage *stage, int fd) {
        static const char block[REFLINK_BYTES];
        struct file_clone_range range = {.src_fd = fd, .src_length = sizeof(block), .dest_offset = sizeof(block)};
        ssize_t k;
        int r;

        stage_enter(stage, "pwrite", SUBJECT);
        k = pwrite(fd, block, sizeof(block), 0);
        stage_leave(stage);
        if (k < 0)
                return errno == ENOSPC;
        stage_enter(stage, "ficlonerange", SUBJECT);
        r = ioctl(fd, FICLONERANGE, &range);
        stage_leave(stage);
        return r == 0 || errno == ENOSPC;
}

static void try_out(StagePage *stage, int look_fd, Abilities *abilities) {
        int fd, r;

        stage_enter(stage, "openat2", SUBJECT);
        fd = beneath_create(look_fd, ".", O_TMPFILE | O_RDWR, 0600);
        stage_leave(stage);
        if (fd < 0) {
                abilities->reflink = true; /* no inode left, perhaps: the filler's file tells */
                return;
        }
        stage_enter(stage, "ftruncate", SUBJECT);
        r = ftruncate(fd, 2 * (off_t) PROBE_BYTES);
        stage_leave(stage);
        if (r == 0) {
                r = try_fallocate(stage, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE);
                if (r >= 0)
                        abilities->punch = r;
                r = try_fallocate(stage, fd, FALLOC_FL_COLLAPSE_RANGE);
                if (r >= 0)
                        abilities->collapse = r;
                abilities->reflink = try_reflink(stage, fd);
        }
        stage_enter(stage, "close", SUBJECT);
        (void) close(fd);
        stage_leave(stage);
}

/* Being able to is half of it: there must be something to clone, and now is the time to make it. */
static bool has_filler(StagePage *stage, int look_fd) {
        const char *call;
        int fd;

        fd = filler_open(stage, look_fd, &call);
        if (fd < 0)
                return false;
        stage_enter(stage, "close", "the filler");
        (void) close(fd);
        stage_leave(stage);
        return true;
}

void filesystem_probe(StagePage *stage, int look_fd, bool may_write, Observation *ret_observation) {
        Abilities abilities;
        struct statfs fs = {};

        stage_enter(stage, "fstatfs", "the partition");
        (void) fstatfs(look_fd, &fs);
        stage_leave(stage);
        abilities = guess(fs.f_type);
        if (may_write)
                try_out(stage, look_fd, &abilities);
        if (!filesystem_kernel_may_collapse())
                abilities.collapse = false;

        *ret_observation = (Observation){.type = OBSERVATION_FILESYSTEM, .time_usec = clock_monotonic_usec()};
        ret_observation->filesystem.can_collapse = abilities.collapse;
        ret_observation->filesystem.can_punch = abilities.punch;
        ret_observation->filesystem.can_reflink = abilities.reflink && has_filler(stage, look_fd);
        ret_observation->filesystem.freed_is_late = fs.f_type == BTRFS_SUPER_MAGIC;
        ret_observation->filesystem.ballast_bytes = ballast_bytes(stage, look_fd);
}
