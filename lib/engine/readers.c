/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Log shippers: contract in readers.h. */

#include "readers.h"

#include "plan.h"

/* Older than that is no knowledge: some looks have failed, or nobody has looked since. */
#define FRESH_USEC (15 * USEC_PER_SEC)
/* Between two looks. A look goes through all processes: some 30 ms of a core for a thousand of them. */
#define LOOK_USEC (3 * USEC_PER_SEC)
/* ... and never more than a twentieth of the time. */
#define LOOK_FACTOR 20
/* One that failed or hung: /proc itself is sick. */
#define LOOK_FAILED_USEC (15 * USEC_PER_SEC)
/* A look takes a tenth of that. */
#define WAIT_USEC (500 * USEC_PER_MSEC)
/* Behind, and not a byte further for that long: it hangs, or is not going to read. */
#define STILL_USEC (30 * USEC_PER_SEC)

bool readers_is_fresh(const LogEntry *entry, uint64_t now_usec) {
        return entry->readers_usec != 0 && now_usec < entry->readers_usec + FRESH_USEC &&
                        entry->readers.inode == entry->info.inode;
}

bool readers_has_any(const LogEntry *entry, uint64_t now_usec) {
        return readers_is_fresh(entry, now_usec) && entry->readers.n > 0;
}

uint64_t readers_limit_bytes(const LogEntry *entry, ReadersRespect respect, uint64_t now_usec) {
        if (respect == READERS_LOSE || !readers_has_any(entry, now_usec))
                return UINT64_MAX;
        if (respect == READERS_MOVE_HOLD && now_usec >= entry->reader_moved_usec + STILL_USEC)
                return UINT64_MAX;
        return entry->readers.slowest.offset_bytes;
}

uint64_t readers_let_go_bytes(const LogEntry *entry, uint64_t offset_bytes, uint64_t now_usec) {
        const LogSample *sample = &entry->sample;
        /* A hole at the front, ours or another one: what is allocated lies behind it. */
        uint64_t data_from = sample->size_bytes - MIN(sample->size_bytes, sample->allocated_bytes);
        uint64_t steps = offset_bytes > data_from ? (offset_bytes - data_from) / PLAN_STEP_BYTES : 0;

        if (now_usec < entry->reader_full_usec || steps == 0)
                return 0;
        return (steps - 1) * PLAN_STEP_BYTES;
}

void readers_observe(LogEntry *entry, const LogReaders *readers, uint64_t time_usec) {
        const LogReader *was = &entry->readers.slowest, *is = &readers->slowest;

        if (time_usec < entry->readers_usec || readers->inode != entry->info.inode)
                return;
        bool same = was->pid == is->pid && was->fd == is->fd && was->offset_bytes == is->offset_bytes;
        /* Who has read all there is stands still for a good reason. */
        if (entry->readers_usec == 0 || !same || is->offset_bytes >= entry->sample.size_bytes)
                entry->reader_moved_usec = time_usec;
        entry->readers = *readers;
        entry->readers_usec = time_usec;
}

void readers_forget(LogEntry *entry) {
        entry->readers = (LogReaders){};
        entry->readers_usec = 0;
}

void readers_look_begun(ReadersWatch *w, uint64_t now_usec, uint64_t until_usec) {
        w->begun_usec = now_usec;
        w->due_usec = until_usec;
}

void readers_look_ended(ReadersWatch *w, uint64_t now_usec, bool complete) {
        uint64_t took_usec = now_usec > w->begun_usec ? now_usec - w->begun_usec : 0;

        w->due_usec = w->waited_usec = 0;
        if (complete)
                w->seen_usec = w->begun_usec;
        w->next_usec = now_usec + (complete ? MAX(LOOK_USEC, LOOK_FACTOR * took_usec) : LOOK_FAILED_USEC);
}

bool readers_wait(ReadersWatch *w, uint64_t now_usec) {
        bool known = w->seen_usec != 0 && now_usec < w->seen_usec + FRESH_USEC;

        if (known || !w->promised) {
                w->waited_usec = 0;
                return false;
        }
        if (w->waited_usec == 0)
                w->waited_usec = now_usec;
        return now_usec < w->waited_usec + WAIT_USEC;
}
