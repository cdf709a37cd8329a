/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What somebody, or an error, has made of the partition itself: told once, and acted by from then on. */

#include "engine_internal.h"

/* Filesystems that share a pool (ZFS) change their size with whatever others take: smaller changes are no resize, and
 * one is said a minute. */
#define RESIZED_PART 256
#define RESIZED_GAP_USEC USEC_PER_MINUTE

static bool is_resized(const Engine *e, const PartitionSample *sample, uint64_t time_usec) {
        uint64_t before = e->space.total_bytes, now = sample->total_bytes;
        uint64_t moved = now > before ? now - before : before - now;

        if (before == 0 || moved < MAX(before / RESIZED_PART, MIB(1)))
                return false;
        return e->resized_said_usec == 0 || time_usec >= e->resized_said_usec + RESIZED_GAP_USEC;
}

void changes_observe(Engine *e, const PartitionSample *sample, uint64_t time_usec) {
        bool resized = is_resized(e, sample, time_usec);

        if (sample->read_only != e->read_only_said) {
                e->read_only_said = sample->read_only;
                events_add_pending(e, sample->read_only ? EVENT_READ_ONLY : EVENT_WRITABLE, time_usec)->space = *sample;
        }
        if (!resized)
                return;
        Event *event = events_add_pending(e, EVENT_RESIZED, time_usec);
        event->space = *sample;
        event->wanted_bytes = e->space.total_bytes;
        e->resized_said_usec = time_usec;
}
