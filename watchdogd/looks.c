/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "beneath.h"
#include "inspect.h"
#include "looks.h"
#include "mounts.h"
#include "report.h"
#include "roots.h"
#include "tracker.h"

/* Looks that events bring forward keep that distance, and stay below a twentieth of the time: thousands
 * of logs that each write now and then must not become thousands of looks. */
#define GAP_MIN_USEC (5 * USEC_PER_MSEC)
#define GAP_MAX_USEC (100 * USEC_PER_MSEC)
#define GAP_FACTOR 20

/* A log is cold after that many looks without a change, and not before it was still for as long as the
 * slowest pace of looks takes: a log that writes once a second must not fire a watch once a second. */
#define COLD_LOOKS 3
#define COLD_USEC (5 * USEC_PER_SEC)

/* The options of the superblock: read from the kernel's list of mounts, which is long on a host with many containers. */
#define SUPERBLOCK_USEC (10 * USEC_PER_SEC)

/* Of the logs that no watch could be had for, per look: a millisecond's worth. */
#define UNWATCHED_BATCH 512u

/* Every log is sampled at least that often, whatever its watch said. */
#define ROUND_USEC (10 * USEC_PER_MINUTE)
#define ROUND_BATCH 1024u /* at once, when looks were rare */

/* ---- the partition
 * ------------------------------------------------------------------------------------------- */

static uint64_t multiply(uint64_t a, uint64_t b) {
        uint64_t product;

        return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* f_bavail wraps below 0 on some filesystems once the reserve is being eaten: the highest bit tells. */
static uint64_t clamp_count(uint64_t available, uint64_t free) {
        return available >> 63 ? 0 : MIN(available, free);
}

/* mount_read_only: as statvfs says; when that has changed, the superblock may have, too. */
static bool partition_is_read_only(Watcher *w, bool mount_read_only) {
        uint64_t now = clock_monotonic_usec();

        if (w->superblock_usec == 0 || now >= w->superblock_usec + SUPERBLOCK_USEC ||
            mount_read_only != w->mount_read_only) {
                watcher_enter(w, "read", "/proc/self/mountinfo");
                int r = mounts_is_read_only("/proc/self/mountinfo", w->target.device);
                w->superblock_usec = now;
                w->mount_read_only = mount_read_only;
                w->superblock_read_only = r < 0 ? mount_read_only : r > 0;
        }
        return w->superblock_read_only;
}

static int read_space(Watcher *w, PartitionSample *ret_sample) {
        _cleanup_close_ int fd = -EBADF;
        struct statvfs vfs;
        struct stat st;

        watcher_enter(w, "openat2", w->target.look_path);
        fd = beneath_open_absolute(w->target.look_path, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_dev != w->target.device)
                return -ENODEV;
        watcher_enter(w, "statvfs", w->target.look_path);
        if (fstatvfs(fd, &vfs) < 0)
                return -errno;
        *ret_sample = (PartitionSample){
                .total_bytes = multiply(vfs.f_blocks, vfs.f_frsize),
                .free_bytes = multiply(clamp_count(vfs.f_bfree, vfs.f_blocks), vfs.f_frsize),
                .avail_bytes = multiply(clamp_count(vfs.f_bavail, vfs.f_bfree), vfs.f_frsize),
                .total_inodes = vfs.f_files,
                .avail_inodes = clamp_count(vfs.f_favail, vfs.f_files),
                .read_only = partition_is_read_only(w, vfs.f_flag & ST_RDONLY),
        };
        return 0;
}

static void look_at_space(Watcher *w) {
        PartitionSample sample;
        int r, q;

        r = read_space(w, &sample);
        watcher_leave(w);
        q = roots_retry(w);
        if (r == 0)
                r = q;
        if (r < 0)
                report_lost(w, r);
        else {
                inspect_note_space(w, &sample);
                report_partition(w, &sample);
        }
}

/* ---- the logs
 * ------------------------------------------------------------------------------------------------ */

static void look_at_hot(Watcher *w) {
        uint64_t now = clock_monotonic_usec();

        /* Backwards: one that leaves the list is replaced by one that was looked at already. */
        for (uint32_t i = w->table.n_listed[WATCHED_HOT]; i-- > 0;) {
                if (i >= w->table.n_listed[WATCHED_HOT])
                        continue; /* a root was lost meanwhile, and its logs with it */
                uint32_t slot = w->table.lists[WATCHED_HOT][i];
                bool changed = tracker_sample(w, slot);
                Watched *log = watched_get(&w->table, slot);

                if (!log)
                        continue;
                if (changed)
                        log->unchanged_looks = 0;
                else if (log->unchanged_looks < UINT8_MAX)
                        log->unchanged_looks++;
                if (log->unchanged_looks >= COLD_LOOKS && log->changed_usec + COLD_USEC <= now)
                        tracker_cool(w, slot);
                report_sample(w, slot);
        }
}

static void look_at_unwatched(Watcher *w) {
        for (uint32_t i = 0; i < MIN(w->table.n_listed[WATCHED_UNWATCHED], UNWATCHED_BATCH); i++) {
                uint32_t turn = w->unwatched_turn++ % w->table.n_listed[WATCHED_UNWATCHED];
                uint32_t slot = w->table.lists[WATCHED_UNWATCHED][turn];
                if (tracker_sample(w, slot))
                        report_sample(w, slot);
        }
}

/* One step of the slow round: catches what no event told, and tries again for watches that could not be
 * had. */
static void visit(Watcher *w, uint32_t slot) {
        if (watched_get(&w->table, slot)->folder_wd <= 0)
                tracker_mark(w, slot);
        else if (tracker_sample(w, slot))
                report_sample(w, slot);
}

static void look_in_rounds(Watcher *w) {
        uint64_t now = clock_monotonic_usec(), step = ROUND_USEC / MAX(w->table.n, 1u), n;

        if (w->round_usec == 0 || w->table.n == 0)
                w->round_usec = now;
        n = (now - w->round_usec) / step;
        w->round_usec += n * step;
        for (n = MIN(n, MIN(ROUND_BATCH, w->table.n)); n > 0; n--) {
                uint32_t slot = watched_next(&w->table, w->round_slot);
                if (slot == WATCHED_NONE)
                        slot = watched_next(&w->table, 0);
                if (slot == WATCHED_NONE)
                        return;
                w->round_slot = slot + 1;
                visit(w, slot);
        }
}

/* ---- when
 * ---------------------------------------------------------------------------------------------------- */

void looks_hasten(Watcher *w) {
        uint64_t now = clock_monotonic_usec();

        if (w->event_look_usec == 0)
                w->event_look_usec = MAX(now, w->looked_usec + w->look_gap_usec);
}

uint64_t looks_next(const Watcher *w) {
        return watcher_earlier(w->event_look_usec, w->has_order ? MAX(w->order.look_at_usec, 1u) : 0);
}

bool looks_run_due(Watcher *w) {
        uint64_t now = clock_monotonic_usec(), next = looks_next(w);
        LookOrder looked = {.look_at_usec = now};

        if (!w->has_target || next == 0 || next > now)
                return false;
        if (w->has_order && w->order.look_at_usec <= now) {
                looked.serial = w->order.serial;
                w->has_order = false;
        }
        w->event_look_usec = 0;
        w->looked_usec = now;
        w->n_looks++;
        look_at_space(w);
        report_flush(w); /* what a scan has left carries its own, earlier time */
        look_at_hot(w);
        look_at_unwatched(w);
        look_in_rounds(w);
        report_flush(w);
        report_looked(w, &looked);
        w->look_gap_usec = CLAMP((clock_monotonic_usec() - now) * GAP_FACTOR, GAP_MIN_USEC, GAP_MAX_USEC);
        return true;
}
