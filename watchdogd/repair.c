/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "repair.h"

/* So much of what stands behind a fragment tells that it is still the same file: a short record with its time. */
#define BEHIND_BYTES 512u

#define REPAIR_E_CHANGED 1

static ActResult failed(Outcome *o, int error) {
        o->error = error;
        return ACT_FAILED;
}

/* ---- lines ---------------------------------------------------------------------------------------------------- */

/* REPAIR_E_CHANGED: it is no longer the inside of one line. */
static int hash_inside(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_hash) {
        uint64_t hash = LOG_RANGE_HASH_FIRST;
        int r;

        while (from < to) {
                const size_t n = (size_t) MIN(to - from, (uint64_t) sizeof(f->chunk));

                r = logfile_read(f, from, f->chunk, n);
                if (r < 0)
                        return r == -ENODATA ? REPAIR_E_CHANGED : r;
                if (memchr(f->chunk, '\n', n) || memchr(f->chunk, 0, n))
                        return REPAIR_E_CHANGED;
                hash = log_range_hash(hash, f->chunk, n);
                from += n;
        }
        *ret_hash = hash;
        return 0;
}

static int hash_behind(LogFile *f, uint64_t offset, uint64_t size_bytes, uint64_t *ret_hash) {
        const size_t n = (size_t) MIN(size_bytes - offset, (uint64_t) BEHIND_BYTES);
        int r;

        r = logfile_read(f, offset, f->chunk, n);
        if (r == 0)
                *ret_hash = log_range_hash(LOG_RANGE_HASH_FIRST, f->chunk, n);
        return r == -ENODATA ? REPAIR_E_CHANGED : r;
}

/* Whether what the watcher has found is still there: between the beginning of a line (or a record that lacks its
 * newline) and the next record (or the end of the line), in the very same bytes. */
static int check_range(LogFile *f, const LogRange *range) {
        char before = '\n', behind;
        uint64_t hash = 0;
        int r;

        if (range->from >= range->to || range->to - range->from > LOGFILE_LINE_MAX || range->to >= logfile_size_bytes(f))
                return REPAIR_E_CHANGED;
        r = logfile_read(f, range->to, &behind, 1);
        if (r == 0 && range->from > 0)
                r = logfile_read(f, range->from - 1, &before, 1);
        if (r < 0)
                return r == -ENODATA ? REPAIR_E_CHANGED : r;
        if ((behind != '{' && behind != '\n') || !memchr("\n\0} ", before, 4))
                return REPAIR_E_CHANGED;
        r = hash_inside(f, range->from, range->to, &hash);
        return r != 0 ? r : hash == range->hash ? 0 : REPAIR_E_CHANGED;
}

static int intent_begin(LogFile *f, Intent *intent, const Act *act, const LogRange *range) {
        uint64_t hash;
        int r;

        r = hash_behind(f, range->to, logfile_size_bytes(f), &hash);
        if (r != 0)
                return r;
        intent->method = act->method;
        intent->root = act->root;
        (void) snprintf(intent->container, sizeof(intent->container), "%s", act->container);
        intent->device = act->device;
        intent->inode = act->inode;
        intent->size_bytes_before = logfile_size_bytes(f);
        intent->cut_from = intent->cut_to = 0;
        intent->blank_from = range->from;
        intent->blank_to = range->to;
        intent->behind_hash = hash;
        atomic_store_explicit(&intent->pending, CUT_PHASE_BLANK, memory_order_release);
        return 0;
}

/* A fragment that could not be blanked whole stays covered by the intent. */
static int blank_range(LogFile *f, Intent *intent, const Act *act, const LogRange *range) {
        int r;

        r = intent_begin(f, intent, act, range);
        if (r == 0)
                r = logfile_blank(f, range->from, range->to);
        if (r < 0 && r != -ENOSPC && atomic_load(&intent->pending) != CUT_PHASE_NONE)
                r = logfile_blank(f, range->from, range->to); /* once more, now */
        if (r == 0)
                cut_forget(intent);
        return r;
}

ActResult repair_lines(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o) {
        const uint32_t n = MIN(act->n_ranges, (uint32_t) LOG_RANGES_MAX);
        ActResult result;
        int r;

        for (uint32_t i = 0; i < n; i++) {
                const LogRange *range = &act->ranges[i];

                r = check_range(f, range);
                if (r == REPAIR_E_CHANGED)
                        continue;
                if (r < 0)
                        return failed(o, r);
                result = check(userdata);
                if (result != ACT_DONE)
                        return result;
                r = blank_range(f, intent, act, range);
                if (r < 0)
                        return failed(o, r);
                if (r == 0)
                        o->cut_bytes += range->to - range->from;
        }
        return o->cut_bytes > 0 ? ACT_DONE : ACT_CHANGED;
}

int repair_finish(LogFile *f, Intent *intent) {
        uint64_t hash;
        int r;

        r = logfile_stat(f);
        if (r < 0)
                return r;
        /* Removed, or emptied and written anew: then nothing of ours is left in it. */
        if (r == 0 && (logfile_size_bytes(f) < intent->size_bytes_before || intent->blank_to >= intent->size_bytes_before))
                r = REPAIR_E_CHANGED;
        if (r == 0)
                r = hash_behind(f, intent->blank_to, intent->size_bytes_before, &hash);
        if (r == 0 && hash != intent->behind_hash)
                r = REPAIR_E_CHANGED;
        if (r == 0)
                r = hash_inside(f, intent->blank_from, intent->blank_to, &hash);
        if (r == 0)
                r = logfile_blank(f, intent->blank_from, intent->blank_to);
        if (r < 0)
                return r;
        cut_forget(intent);
        return 0;
}

/* ---- head ----------------------------------------------------------------------------------------------------- */

typedef struct Head {
        uint64_t data; /* the hole ends here ... */
        uint64_t text; /* ... and the NULs: a record begins */
} Head;

/* The writer's offset was no multiple of a block: NULs that are no hole. Blanks among them are those of a try that was
 * interrupted, or of lines that were blanked before. */
static int find_text(LogFile *f, uint64_t data, uint64_t *ret_text) {
        const uint64_t limit = MIN(data + LOGFILE_LINE_MAX, logfile_size_bytes(f));
        int r;

        for (uint64_t from = data; from < limit; from += sizeof(f->chunk)) {
                const size_t n = (size_t) MIN(limit - from, (uint64_t) sizeof(f->chunk));

                r = logfile_read(f, from, f->chunk, n);
                if (r < 0)
                        return r;
                for (size_t i = 0; i < n; i++)
                        if (!memchr("\0 \n", f->chunk[i], 3)) {
                                *ret_text = from + i;
                                return f->chunk[i] == '{' ? 0 : LOGFILE_E_NO_LINE;
                        }
        }
        return LOGFILE_E_NO_LINE;
}

/* LOGFILE_E_NO_HOLE: no NULs, or nothing else. LOGFILE_E_NO_LINE: not a log that we understand. */
static int find_head(LogFile *f, Head *ret_head) {
        char first;
        Head h;
        int r;

        r = logfile_read(f, 0, &first, 1);
        if (r < 0)
                return r == -ENODATA ? LOGFILE_E_NO_HOLE : r;
        if (first != 0)
                return LOGFILE_E_NO_HOLE;
        r = logfile_seek_data(f, 0, &h.data);
        if (r < 0)
                return r;
        if (h.data >= logfile_size_bytes(f))
                return LOGFILE_E_NO_HOLE;
        r = find_text(f, h.data, &h.text);
        if (r == 0)
                *ret_head = h;
        return r == -ENODATA ? LOGFILE_E_NO_LINE : r;
}

/* With the time of the first record that is left, so that times ascend. */
static int make_marker(LogFile *f, uint64_t text, char ret_marker[static MARKER_BYTES]) {
        char line_end[MARKER_LINE_END_BYTES];
        uint64_t from, to;
        int r;

        r = logfile_find_line(f, text + 1, &from, &to);
        if (r == 0 && to >= text + sizeof(line_end))
                r = logfile_read(f, to - sizeof(line_end), line_end, sizeof(line_end));
        else if (r >= 0)
                r = LOGFILE_E_NO_LINE;
        if (r < 0)
                return r;
        marker_make_emptied(ret_marker, line_end, r == 0 ? sizeof(line_end) : 0);
        return 0;
}

/* All of a small one; of a large one what is no hole, so that what it takes is bounded. The beginning comes last. */
static int overwrite_head(LogFile *f, const Head *h) {
        const uint64_t newline = h->text - 1;
        char marker[MARKER_BYTES];
        uint64_t from = 0;
        int r;

        if (h->text < MARKER_BYTES) {
                r = logfile_write(f, newline, "\n", 1);
                return r < 0 ? r : logfile_blank(f, 0, newline);
        }
        from = h->text <= LOGFILE_LINE_MAX ? MARKER_BYTES : MAX(h->data, (uint64_t) MARKER_BYTES);
        r = make_marker(f, h->text, marker);
        if (r == 0 && from < h->text) {
                r = logfile_write(f, newline, "\n", 1);
                if (r == 0)
                        r = logfile_blank(f, from, newline);
        }
        if (r < 0)
                return r;
        (void) logfile_flush(f, from, h->text); /* costs time, not safety, where it fails */
        return logfile_write(f, 0, marker, sizeof(marker));
}

ActResult repair_head(LogFile *f, CutCheck check, void *userdata, Outcome *o) {
        ActResult result;
        Head head;
        int r;

        r = find_head(f, &head);
        if (r < 0)
                return failed(o, r);
        if (r > 0)
                return r == LOGFILE_E_NO_HOLE ? ACT_NOTHING_TO_DO : ACT_REFUSED;
        result = check(userdata);
        if (result != ACT_DONE)
                return result;
        r = overwrite_head(f, &head);
        if (r < 0)
                return failed(o, r);
        o->cut_bytes = head.text;
        return ACT_DONE;
}
