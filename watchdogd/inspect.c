/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/stat.h>

#include "beneath.h"
#include "inspect.h"
#include "log_repair.h"
#include "report.h"
#include "roots.h"
#include "sampler.h"

/* As full as a filesystem may be while a write fails: ext4 keeps up to 16 MiB or 2 % for itself, others less. Between two
 * looks a fast writer takes more than nothing. Reading too much costs a little, reading too little a log. */
#define FULL_BYTES MIB(64)
#define FULL_PART_MAX 32 /* of a small partition no more than that */

/* What has grown while it was full may be looked at that much later. */
#define FULL_LINGERS_USEC (10 * USEC_PER_SEC)

/* A torn line begins before the size that was seen, by no more than a line of Docker's. Also how much is read at once:
 * longer lines are none that we understand. */
#define LINE_MAX_BYTES MIB(1)

/* From one reading to the next: a twentieth of the time at most, and looks are late by no more than one reading takes. */
#define PACE_USEC (20 * USEC_PER_MSEC)
#define PACE_FACTOR 20
#define PACE_FACTOR_ORDERED 2 /* somebody waits */

/* What was told is read again; longer and longer, where it stays. */
#define AGAIN_MIN_USEC (2 * USEC_PER_SEC)
#define AGAIN_MAX_USEC USEC_PER_MINUTE
/* A line that has no end yet, once there is more of it. */
#define GROWN_USEC USEC_PER_SEC

static bool is_full(const PartitionSample *s) {
        return s->free_bytes <= MIN(FULL_BYTES, s->total_bytes / FULL_PART_MAX);
}

void inspect_note_space(Watcher *w, const PartitionSample *sample) {
        w->inspect.is_full = is_full(sample);
        if (w->inspect.is_full)
                w->inspect.full_until_usec = clock_monotonic_usec() + FULL_LINGERS_USEC;
}

static void read_from(Watcher *w, uint32_t slot, uint64_t offset, uint64_t due_usec) {
        Watched *log = watched_get(&w->table, slot);

        if (!watched_is_listed(log, WATCHED_SUSPECT) || offset < log->inspect_from) {
                log->inspect_from = offset;
                log->inspect_aligned = offset == 0;
        }
        if (log->inspect_usec == 0 || !watched_is_listed(log, WATCHED_SUSPECT))
                log->inspect_usec = due_usec;
        watched_list_add(&w->table, WATCHED_SUSPECT, slot);
}

void inspect_note_size(Watcher *w, uint32_t slot, uint64_t size_bytes_before) {
        const Watched *log = watched_get(&w->table, slot);
        const uint64_t now = clock_monotonic_usec();
        const bool is_suspect = watched_is_listed(log, WATCHED_SUSPECT);

        if (log->kind != LOG_KIND_JSON || log->odd || log->size_bytes == size_bytes_before)
                return;
        if (log->size_bytes < size_bytes_before) {
                if (is_suspect) /* collapsed or emptied: where it is now is not known */
                        read_from(w, slot, 0, now + GROWN_USEC);
                return;
        }
        if (now < w->inspect.full_until_usec)
                read_from(w, slot, size_bytes_before - MIN(size_bytes_before, LINE_MAX_BYTES), now + GROWN_USEC);
        else if (is_suspect && log->inspect_usec == 0)
                read_from(w, slot, log->inspect_from, now + GROWN_USEC);
}

void inspect_forget(Watcher *w, uint32_t slot) {
        Watched *log = watched_get(&w->table, slot);

        watched_list_remove(&w->table, WATCHED_SUSPECT, slot);
        log->inspect_told = log->inspect_ordered = false;
        log->inspect_tries = 0;
}

void inspect_order(Watcher *w, uint32_t slot) {
        const uint64_t now = clock_monotonic_usec();
        Watched *log = watched_get(&w->table, slot);

        if (!log || log->kind != LOG_KIND_JSON || log->odd)
                return;
        read_from(w, slot, 0, now);
        log->inspect_usec = now;
        log->inspect_ordered = true;
}

/* The one that is due first; WATCHED_NONE. On a full disk only those that somebody asked for: it is looked at again and
 * again then, and soon there is room. */
static uint32_t first_due(const Watcher *w, uint64_t *ret_usec) {
        uint32_t first = WATCHED_NONE;
        uint64_t first_usec = 0;

        for (uint32_t i = 0; i < w->table.n_listed[WATCHED_SUSPECT]; i++) {
                const uint32_t slot = w->table.lists[WATCHED_SUSPECT][i];
                const Watched *log = watched_get(&w->table, slot);
                const uint64_t due = w->inspect.is_full && !log->inspect_ordered ? 0 : log->inspect_usec;

                if (due != 0 && (first == WATCHED_NONE || due < first_usec)) {
                        first = slot;
                        first_usec = due;
                }
        }
        *ret_usec = first_usec;
        return first;
}

uint64_t inspect_next(const Watcher *w) {
        uint64_t due;

        if (w->table.n_listed[WATCHED_SUSPECT] == 0 || first_due(w, &due) == WATCHED_NONE)
                return 0;
        return MAX(due, w->inspect.next_usec);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

typedef struct Reading {
        uint64_t offset;   /* of what stands at the beginning of the buffer */
        size_t n_bytes;
        uint64_t line;     /* the first line that has no end yet begins there */
        uint64_t size_bytes;
        LogDamage damage;
} Reading;

static void add_fragments(Reading *r, const char *line, size_t n_bytes, uint64_t offset) {
        LogDamage *d = &r->damage;
        size_t done = 0, from, to;

        while (d->n < LOG_RANGES_MAX && log_repair_find(line + done, n_bytes - done, &from, &to) == 0) {
                d->ranges[d->n++] = (LogRange){
                        .from = offset + done + from,
                        .to = offset + done + to,
                        .hash = log_range_hash(LOG_RANGE_HASH_FIRST, line + done + from, to - from),
                };
                done += to;
        }
}

static void take_lines(Reading *r, const char *buffer, bool aligned) {
        const char *at = buffer, *end = buffer + r->n_bytes, *newline;

        if (!aligned) { /* the end of some line: what it was is not known */
                newline = memchr(at, '\n', (size_t) (end - at));
                at = newline ? newline + 1 : end;
        }
        while (r->damage.n < LOG_RANGES_MAX && (newline = memchr(at, '\n', (size_t) (end - at)))) {
                const char *nul = memrchr(at, 0, (size_t) (newline - at));

                if (nul)
                        at = nul + 1;
                add_fragments(r, at, (size_t) (newline - at), r->offset + (uint64_t) (at - buffer));
                at = newline + 1;
        }
        r->line = r->offset + (uint64_t) (at - buffer);
}

/* Reads on from where the log was left. 0; negative errno. */
static int read_on(const Watched *log, int fd, char *buffer, Reading *r) {
        off_t data;
        ssize_t n;
        bool aligned = log->inspect_aligned;

        r->offset = log->inspect_from;
        data = lseek(fd, (off_t) r->offset, SEEK_DATA);
        if (data > (off_t) r->offset) {
                r->offset = (uint64_t) data; /* behind a hole a line begins */
                aligned = true;
        } else if (data < 0 && errno == ENXIO)
                r->offset = r->size_bytes; /* nothing but a hole */
        n = pread(fd, buffer, LINE_MAX_BYTES, (off_t) r->offset);
        if (n < 0)
                return -errno;
        r->n_bytes = (size_t) n;
        take_lines(r, buffer, aligned);
        return 0;
}

/* What was read decides what is read next. */
static void go_on(Watcher *w, uint32_t slot, Reading *r) {
        const uint64_t now = clock_monotonic_usec(), end = r->offset + r->n_bytes;
        Watched *log = watched_get(&w->table, slot);

        if (r->damage.n > 0) {
                log->inspect_from = r->damage.ranges[0].from;
                log->inspect_aligned = true; /* what was whole in front of it in its line may be left out */
                log->inspect_usec = now + MIN(AGAIN_MIN_USEC << log->inspect_tries, AGAIN_MAX_USEC);
                log->inspect_tries = (uint8_t) MIN(log->inspect_tries + 1, 5);
                log->inspect_told = true;
                report_log_damage(w, &r->damage);
                return;
        }
        log->inspect_tries = 0;
        log->inspect_from = r->line;
        log->inspect_aligned = true;
        log->inspect_usec = now;
        if (r->line == r->offset && r->n_bytes == LINE_MAX_BYTES) { /* longer than any line of Docker's */
                log->inspect_from = end;
                log->inspect_aligned = false;
                return;
        }
        if (end < r->size_bytes)
                return;
        if (log->inspect_told || log->inspect_ordered)
                report_log_damage(w, &r->damage);
        log->inspect_told = log->inspect_ordered = false;
        log->inspect_usec = 0; /* a line without an end: nothing stands behind it yet */
        if (r->line >= end)
                watched_list_remove(&w->table, WATCHED_SUSPECT, slot);
}

static int read_log(Watcher *w, uint32_t slot, Reading *r) {
        const Watched *log = watched_get(&w->table, slot);
        const int dir_fd = roots_fd(w, log->root);
        _cleanup_close_ int fd = -EBADF;
        SamplerSubject subject;
        struct stat st;
        int error;

        if (dir_fd < 0)
                return dir_fd;
        if (!w->inspect.buffer)
                w->inspect.buffer = malloc(LINE_MAX_BYTES);
        if (!w->inspect.buffer)
                return -ENOMEM;
        sampler_name(log, &subject);
        watcher_enter(w, "openat2", subject.text);
        fd = beneath_open(dir_fd, subject.path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return fd;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_ino != log->inode || !S_ISREG(st.st_mode))
                return -ESTALE; /* rotated: it is looked at again, and forgotten */
        r->size_bytes = (uint64_t) st.st_size;
        r->damage = (LogDamage){.slot = slot, .inode = log->inode};
        watcher_enter(w, "pread", subject.text);
        error = read_on(log, fd, w->inspect.buffer, r);
        watcher_enter(w, "close", subject.text);
        return error;
}

/* Nothing is read soon: what is left waits for growth, or for room. */
static void release_buffer(Watcher *w) {
        uint64_t due;

        if (first_due(w, &due) != WATCHED_NONE)
                return;
        free(w->inspect.buffer);
        w->inspect.buffer = NULL;
}

void inspect_run_due(Watcher *w) {
        const uint64_t begin = clock_monotonic_usec(), next = inspect_next(w);
        Reading reading = {};
        uint64_t due, took;
        bool ordered;
        uint32_t slot;
        int r;

        if (next == 0 || next > begin)
                return;
        slot = first_due(w, &due);
        ordered = watched_get(&w->table, slot)->inspect_ordered;
        r = read_log(w, slot, &reading);
        watcher_leave(w);
        if (r == 0)
                go_on(w, slot, &reading);
        else
                watched_get(&w->table, slot)->inspect_usec = begin + AGAIN_MAX_USEC;
        release_buffer(w);
        took = clock_monotonic_usec() - begin;
        w->inspect.next_usec = begin + (ordered ? took * PACE_FACTOR_ORDERED : MAX(PACE_USEC, took * PACE_FACTOR));
}
