/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/falloc.h>

#include "cut.h"
#include "heal.h"

static ActResult failed(Outcome *o, int error) {
        o->error = error;
        return error == -EOPNOTSUPP || error == -ENOSYS ? ACT_UNSUPPORTED : ACT_FAILED;
}

/* What cannot be collapsed becomes an empty line: spaces and a newline. */
static int fill(LogFile *f, uint64_t from, uint64_t to) {
        int r;

        if (from >= to)
                return 0;
        r = logfile_blank(f, from, to - 1);
        return r < 0 ? r : logfile_write(f, to - 1, "\n", 1);
}

/* -EINVAL: not in multiples of that. */
static int collapse_aligned(LogFile *f, uint64_t from, uint64_t to, uint64_t alignment) {
        const uint64_t low = (from + alignment - 1) / alignment * alignment, high = to / alignment * alignment;
        int r;

        if (high <= low)
                return -EOPNOTSUPP;
        /* The front shares its cluster with the marker: it takes no space to fill it. The rear has something to fill
         * only in holes that others made, ours end at a multiple. */
        r = fill(f, from, low);
        if (r == 0)
                r = fill(f, high, to);
        if (r == 0)
                r = logfile_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, low, high - low);
        return r;
}

ActResult heal_log(LogFile *f, Outcome *o) {
        const uint64_t filler = cut_find_filler(f);
        uint64_t from, to;
        int r;

        if (filler > 0) {
                r = logfile_seek_data(f, filler, &to); /* a hole that a fill has left behind it */
                if (r == 0)
                        r = logfile_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, to / CUT_ALIGNMENT * CUT_ALIGNMENT);
                return r < 0 ? failed(o, r) : ACT_DONE;
        }
        r = cut_find_hole(f, &from, &to);
        if (r < 0)
                return failed(o, r);
        if (r > 0)
                return ACT_NOTHING_TO_DO;

        /* What a filesystem with clusters (ext4 bigalloc) wants multiples of, it does not tell: try. */
        r = -EINVAL;
        for (uint64_t alignment = CUT_MARKER_BYTES; r == -EINVAL && alignment <= CUT_ALIGNMENT; alignment *= 2)
                r = collapse_aligned(f, from, to, alignment);
        if (r == -EINVAL)
                r = -EOPNOTSUPP;
        return r < 0 ? failed(o, r) : ACT_DONE;
}
