/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a partition stands on, told from types, uuids and a tree like that of sysfs. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "backing.h"
#include "macros.h"

#define POOL "LVM-Zx0Y1mVfXH3J2G9yq0bKdQ4cWc7sTn5LpR8uMeAaXo6iBhDvFgCkNlOjEtUwSr1P-tpool"
#define VOLUME "LVM-Zx0Y1mVfXH3J2G9yq0bKdQ4cWc7sTn5LXo6iBhDvFgCkNlOjEtUwSr1PpR8uMeAa"

static char folder[] = "/tmp/backing-XXXXXX";

_printf_(1, 2) static void shell(const char *format, ...) {
        char command[1024];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0)
                fail_msg("%s", command);
}

static int setup(void **state) {
        (void) state;
        return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state) {
        (void) state;
        shell("rm -rf %s", folder);
        return 0;
}

/* A device with that uuid, which stands on another (or none). */
static void add_device(const char *name, const char *uuid, const char *below) {
        shell("mkdir -p %s/%s/dm %s/%s/slaves", folder, name, folder, name);
        if (uuid)
                shell("echo '%s' > %s/%s/dm/uuid", uuid, folder, name);
        if (below)
                shell("ln -s ../../%s %s/%s/slaves/", below, folder, name);
}

static bool doubts(uint64_t device, const char *fs_type, const char *part) {
        const char *doubt = backing_doubt(folder, device, fs_type);

        return part ? doubt && strstr(doubt, part) : !doubt;
}

static void types_that_share_a_pool_or_a_server_are_known(void **state) {
        static const char *const certain[] = {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "fuse.hang", "zfsx", ""};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(certain); i++)
                assert_null(backing_doubt_of_type(certain[i]));
        assert_non_null(strstr(backing_doubt_of_type("zfs"), "zpool list"));
        assert_non_null(strstr(backing_doubt_of_type("nfs4"), "network"));
        assert_non_null(strstr(backing_doubt_of_type("fuse.glusterfs"), "network"));
}

static void uuids_tell_pools_from_other_volumes(void **state) {
        (void) state;
        assert_null(backing_doubt_of_uuid(VOLUME));
        assert_null(backing_doubt_of_uuid("CRYPT-LUKS2-0123456789abcdef0123456789abcdef-luks"));
        assert_null(backing_doubt_of_uuid("LVM-"));
        assert_null(backing_doubt_of_uuid("tpool"));
        assert_null(backing_doubt_of_uuid("x-tpool"));
        assert_non_null(strstr(backing_doubt_of_uuid(POOL), "thin"));
        assert_non_null(strstr(backing_doubt_of_uuid("VDO-0123"), "VDO"));
        assert_non_null(strstr(backing_doubt_of_uuid("LVM-abc-vpool"), "VDO"));
}

static void a_thin_volume_is_known_by_the_pool_below_it(void **state) {
        (void) state;
        add_device("dm-0", POOL, NULL);
        add_device("253:1", VOLUME, "dm-0");                /* a thin volume */
        add_device("dm-1", VOLUME, "dm-0");
        add_device("253:2", "CRYPT-LUKS2-0-x", "dm-1");     /* encryption on it */
        add_device("dm-3", NULL, NULL);                     /* a disk */
        add_device("253:4", VOLUME, "dm-3");                /* a plain volume */
        add_device("253:5", VOLUME, "253:5");               /* one that nobody has seen: stands on itself */

        assert_true(doubts(makedev(253, 1), "ext4", "thin"));
        assert_true(doubts(makedev(253, 2), "xfs", "thin"));
        assert_true(doubts(makedev(253, 4), "ext4", NULL));
        assert_true(doubts(makedev(253, 5), "ext4", NULL));
        assert_true(doubts(makedev(253, 9), "ext4", NULL)); /* btrfs and tmpfs have no device of their own */
        assert_true(doubts(makedev(253, 9), "zfs", "ZFS"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(types_that_share_a_pool_or_a_server_are_known),
                cmocka_unit_test(uuids_tell_pools_from_other_volumes),
                cmocka_unit_test(a_thin_volume_is_known_by_the_pool_below_it),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
