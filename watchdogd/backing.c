/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "backing.h"
#include "macros.h"

/* Encryption on RAID on a thin volume on its pool: more than these are nobody's. */
#define DEPTH_MAX 8
#define SLAVES_MAX 64

const char *backing_doubt_of_type(const char *fs_type) {
        static const char *const network[] = {
                "nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "gpfs", "9p", "virtiofs",
                "fuse.glusterfs", "fuse.sshfs", "fuse.ceph", "fuse.s3fs",
        };

        if (streq(fs_type, "zfs"))
                return "it is ZFS, whose datasets share one pool and whose snapshots keep what is freed; "
                       "watch the pool (zpool list)";
        for (size_t i = 0; i < ELEMENTS(network); i++)
                if (streq(fs_type, network[i]))
                        return "it is a network filesystem, and its server may have less; watch it there";
        return NULL;
}

static bool ends_with(const char *s, const char *end) {
        const size_t n = strlen(s), k = strlen(end);

        return n >= k && streq(s + n - k, end);
}

/* LVM names what a volume is for at the end of its uuid. A thin volume itself has no such end: the pool that it stands on
 * has. */
const char *backing_doubt_of_uuid(const char *dm_uuid) {
        if (strncmp(dm_uuid, "LVM-", 4) == 0 && ends_with(dm_uuid, "-tpool"))
                return "it is on a thin volume, whose pool can be full before it is; watch the pool (lvs)";
        if (strncmp(dm_uuid, "VDO-", 4) == 0 || (strncmp(dm_uuid, "LVM-", 4) == 0 && ends_with(dm_uuid, "-vpool")))
                return "it is on a VDO volume, whose pool can be full before it is; watch the pool (vdostats)";
        return NULL;
}

static const char *doubt_of_device(int dir_fd, const char *name, int depth);

/* All that a device stands on. */
static const char *doubt_of_slaves(int device_fd, int depth) {
        const char *doubt = NULL;
        struct dirent *entry;
        int fd = openat(device_fd, "slaves", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        if (!dir) {
                if (fd >= 0)
                        (void) close(fd);
                return NULL;
        }
        for (int i = 0; !doubt && i < SLAVES_MAX && (entry = readdir(dir)); i++)
                if (entry->d_name[0] != '.')
                        doubt = doubt_of_device(dirfd(dir), entry->d_name, depth + 1);
        (void) closedir(dir);
        return doubt;
}

static const char *doubt_of_device(int dir_fd, const char *name, int depth) {
        _cleanup_close_ int fd = -EBADF, uuid_fd = -EBADF;
        const char *doubt = NULL;
        char uuid[160];
        ssize_t n;

        fd = depth > DEPTH_MAX ? -ELOOP : openat(dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return NULL;
        uuid_fd = openat(fd, "dm/uuid", O_RDONLY | O_CLOEXEC);
        n = uuid_fd < 0 ? -1 : read(uuid_fd, uuid, sizeof(uuid) - 1);
        if (n > 0) {
                uuid[n] = 0;
                uuid[strcspn(uuid, "\n")] = 0;
                doubt = backing_doubt_of_uuid(uuid);
        }
        return doubt ? doubt : doubt_of_slaves(fd, depth);
}

const char *backing_doubt(const char *sys_block, uint64_t device, const char *fs_type) {
        const char *doubt = backing_doubt_of_type(fs_type);
        char path[256];

        if (doubt)
                return doubt;
        (void) snprintf(path, sizeof(path), "%s/%u:%u", sys_block, major(device), minor(device));
        return doubt_of_device(AT_FDCWD, path, 0);
}
