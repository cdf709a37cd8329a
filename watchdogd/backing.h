/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a partition stands on, where that makes statvfs(2) say more to be free than can be written: ZFS, thin volumes,
 * network filesystems. Such partitions are guarded like any other; people are told what the figures leave out.
 *
 * Known by the filesystem's type and by what sysfs tells of the device-mapper devices below it. Neither touches the
 * partition, nor needs to be root. A file that a loop device stands on may be sparse as well: that is not looked at. */

#include <stdint.h>

/* Why what is free there may not be, and what to look at; NULL: nothing is known against it. */
const char *backing_doubt_of_type(const char *fs_type);
const char *backing_doubt_of_uuid(const char *dm_uuid);

/* The same of a partition, with all devices below it. sys_block: "/sys/dev/block". */
const char *backing_doubt(const char *sys_block, uint64_t device, const char *fs_type);
