/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>

#include "cut_internal.h"
#include "filler.h"

/* A line that is too long, or that reaches into what is to be kept, moves the cut up by one step. More than that many
 * such lines in a row, and it is not a log that we understand. */
#define ATTEMPTS_MAX 16

ActResult cut_failed(Outcome *o, int error) {
        o->error = error;
        return error == -EOPNOTSUPP || error == -ENOSYS ? ACT_UNSUPPORTED : ACT_FAILED;
}

static ActResult not_ours_to_cut(Outcome *o, int r) {
        if (r < 0)
                return cut_failed(o, r);
        return r == LOGFILE_E_CHANGED ? ACT_CHANGED : ACT_REFUSED;
}

int cut_find_hole(LogFile *f, uint64_t *ret_from, uint64_t *ret_to) {
        uint64_t from, to;
        int r;

        if (logfile_size_bytes(f) <= CUT_MARKER_BYTES)
                return LOGFILE_E_NO_HOLE;
        r = logfile_read(f, 0, f->chunk, CUT_MARKER_BYTES);
        if (r < 0)
                return r == -ENODATA ? LOGFILE_E_NO_HOLE : r;
        if (!cut_has_marker(f->chunk))
                return LOGFILE_E_NO_HOLE;
        r = logfile_seek_hole(f, CUT_MARKER_BYTES, &from);
        if (r < 0)
                return r;
        /* Behind the marker, or where healing a filesystem with large clusters was interrupted. One further down is
         * not ours. */
        if (from >= logfile_size_bytes(f) || from > CUT_ALIGNMENT)
                return LOGFILE_E_NO_HOLE;
        r = logfile_seek_data(f, from, &to);
        if (r < 0)
                return r;
        *ret_from = from;
        *ret_to = to;
        return 0;
}

uint64_t cut_find_filler(LogFile *f) {
        uint64_t end;

        f->call = "pread";
        stage_enter(f->stage, f->call, f->subject);
        end = filler_measure(f->fd, logfile_size_bytes(f));
        stage_leave(f->stage);
        return end;
}

/* Where the data begins that can be freed: behind our filler, our hole, or that of somebody's truncate. */
static int find_data(LogFile *f, CutPlan *p) {
        uint64_t hole_from;
        int r;

        p->filled_to = cut_find_filler(f);
        if (p->filled_to > 0) /* behind it, a fill that could not go on may have left a hole */
                return logfile_seek_data(f, p->filled_to, &p->data_from);
        r = cut_find_hole(f, &hole_from, &p->data_from);
        if (r < 0)
                return r;
        if (logfile_size_bytes(f) > CUT_MARKER_BYTES)
                p->has_marker = marker_read(f->chunk, &p->freed_before);
        if (r == 0)
                return 0;
        if (p->has_marker) {
                p->data_from = CUT_MARKER_BYTES;
                return 0;
        }
        return logfile_seek_data(f, 0, &p->data_from);
}

/* The data of a range, but for what others have, too. */
static int data_of_ours(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_bytes) {
        uint64_t shared;
        int r;

        r = logfile_data_bytes(f, from, to, ret_bytes);
        if (r == 0 && logfile_shared_bytes(f, from, to, &shared) == 0)
                *ret_bytes -= MIN(*ret_bytes, shared);
        return r;
}

ActResult cut_plan(LogFile *f, const Act *act, CutPlan *ret_plan, Outcome *o) {
        const uint64_t keep = MAX(act->keep_bytes, CUT_KEEP_MIN);
        uint64_t limit, want_to;
        bool no_line = false;
        CutPlan p = {};
        int r;

        r = find_data(f, &p);
        if (r != 0)
                return cut_failed(o, r);
        if (act->want_bytes == 0 || logfile_size_bytes(f) <= keep)
                return ACT_NOTHING_TO_DO;
        limit = logfile_size_bytes(f) - keep;
        if (act->until_offset != 0) /* what lies behind is not archived */
                limit = MIN(limit, act->until_offset);
        if (act->max_offset_bytes > 0)
                limit = MIN(limit, act->max_offset_bytes);
        if (__builtin_add_overflow(p.data_from, act->want_bytes, &want_to) || want_to > limit)
                want_to = limit;
        /* Rounded up to what was asked for, then down from what must stay. */
        p.cut_to = MIN(want_to + CUT_ALIGNMENT - 1, limit) / CUT_ALIGNMENT * CUT_ALIGNMENT;

        for (int i = 0; i < ATTEMPTS_MAX && p.cut_to >= p.data_from + CUT_ALIGNMENT; i++) {
                r = logfile_find_line(f, p.cut_to, &p.line_from, &p.line_to);
                if (r < 0)
                        return cut_failed(o, r);
                if (r == 0 && p.line_to <= limit) {
                        r = data_of_ours(f, p.data_from, p.cut_to, &p.freed_bytes);
                        if (r < 0)
                                return cut_failed(o, r);
                        *ret_plan = p;
                        return ACT_DONE;
                }
                no_line = no_line || r != 0;
                p.cut_to -= CUT_ALIGNMENT;
        }
        return no_line ? ACT_REFUSED : ACT_NOTHING_TO_DO;
}

int cut_find_data(LogFile *f, uint64_t *ret_from) {
        CutPlan p = {};
        int r = find_data(f, &p);

        *ret_from = p.data_from;
        return r;
}

ActResult cut_find_head(LogFile *f, const Act *act, uint64_t *ret_from, uint64_t *ret_to, Outcome *o) {
        CutPlan p = {};
        ActResult result = cut_plan(f, act, &p, o);

        if (result == ACT_DONE) {
                *ret_from = p.data_from;
                *ret_to = p.line_to;
        }
        return result;
}

void cut_intent_set(Intent *intent, const LogFile *f, const Act *act, const CutPlan *p, uint64_t cut_from) {
        intent->method = act->method;
        intent->root = act->root;
        (void) snprintf(intent->container, sizeof(intent->container), "%s", act->container);
        intent->device = act->device;
        intent->inode = act->inode;
        intent->size_bytes_before = logfile_size_bytes(f);
        intent->cut_from = cut_from;
        intent->cut_to = p->cut_to;
}

void cut_intent_phase(Intent *intent, uint32_t phase) {
        atomic_store_explicit(&intent->pending, phase, memory_order_release);
}

void cut_forget(Intent *intent) { cut_intent_phase(intent, CUT_PHASE_NONE); }

int cut_blank_line(LogFile *f, Intent *intent, uint64_t from, uint64_t to) {
        int r;

        if (to <= from + 1)
                return 0;
        cut_intent_phase(intent, CUT_PHASE_NONE);
        intent->blank_from = from;
        intent->blank_to = to - 1;
        cut_intent_phase(intent, CUT_PHASE_BLANK);
        r = logfile_blank(f, from, to - 1);
        if (r < 0 && r != -ENOSPC) {
                /* Half of it may be blank. Once more, now; else the intent stays for later. */
                if (logfile_blank(f, from, to - 1) == 0)
                        cut_intent_phase(intent, CUT_PHASE_NONE);
                return r;
        }
        return r;
}

/* Onto the disk, before what frees takes it for granted. Costs safety in a power cut alone, where it fails. */
static void flush_line(LogFile *f, uint64_t from, uint64_t to) { (void) logfile_flush(f, from, to); }

ActResult cut_collapse(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o) {
        CutPlan p = {};
        ActResult result;
        int r;

        result = cut_plan(f, act, &p, o);
        if (result != ACT_DONE)
                return result;
        result = check(userdata);
        if (result != ACT_DONE)
                return result;

        cut_intent_set(intent, f, act, &p, 0);
        r = cut_blank_line(f, intent, p.line_from, p.line_to);
        if (r < 0)
                return cut_failed(o, r);
        o->cut_bytes = p.line_to - p.line_from;

        /* The kernel itself writes out what it is about to move, and not what it is about to drop: a power cut between that
         * and its transaction, up to 5 s later, left the line with its front and without its end (seen on ext4 and XFS).
         * Both halves at once, in one write where the file lies in one piece there. */
        flush_line(f, p.line_from, p.line_to);
        cut_intent_phase(intent, CUT_PHASE_CUT);
        r = logfile_fallocate(f, FALLOC_FL_COLLAPSE_RANGE, 0, p.cut_to);
        cut_intent_phase(intent, CUT_PHASE_NONE);
        if (r == -EINVAL) {
                if (logfile_stat(f) != 0 || logfile_size_bytes(f) <= p.cut_to)
                        return ACT_CHANGED; /* dockerd emptied it in the middle: its own rotation with one file */
                f->call = "fallocate";
                return cut_failed(o, -EOPNOTSUPP); /* clusters larger than our alignment */
        }
        if (r < 0)
                return cut_failed(o, r);
        o->cut_bytes = p.line_to - p.data_from;
        o->cut_to_bytes = p.line_to;
        o->freed_bytes = p.freed_bytes;
        return ACT_DONE;
}

/* The record at the front. What the line's end says is read before the line is blanked. */
static int marker_prepare(LogFile *f, const CutPlan *p, char ret_head[static CUT_MARKER_BYTES]) {
        char line_end[MARKER_LINE_END_BYTES];
        uint64_t freed;
        int r;

        r = logfile_read(f, p->line_to - sizeof(line_end), line_end, sizeof(line_end));
        if (r < 0)
                return r;
        if (__builtin_add_overflow(p->freed_before, p->cut_to - p->data_from, &freed))
                freed = UINT64_MAX;
        /* The first one also takes what lay before it: all up to the cut. */
        if (!p->has_marker)
                freed = p->cut_to;
        marker_make(ret_head, freed, line_end, sizeof(line_end));
        return 0;
}

/* Blanks both lines and writes the marker, in an order that is valid after each step. -ENOSPC: half of it. */
static int make_way(LogFile *f, Intent *intent, const Act *act, const CutPlan *p, const char *head) {
        int r;

        r = cut_blank_line(f, intent, p->line_from, p->line_to);
        if (r == 0)
                r = cut_blank_line(f, intent, p->head_from, p->head_to);
        if (r < 0)
                return r;
        cut_intent_phase(intent, CUT_PHASE_CUT);
        r = logfile_write(f, 0, head, CUT_MARKER_BYTES);
        if (r < 0)
                return r;
        /* The hole is on the disk within 5 s, what was written would be only within 30: a power cut between left a hole
         * without a marker and fragments around it. In an emergency nobody waits for the disk, but it is told: what
         * it has got before the hole's transaction begins is there when that ends. */
        if (act->emergency) {
                (void) logfile_flush_begin(f, 0, MAX(p->head_to, (uint64_t) CUT_MARKER_BYTES));
                (void) logfile_flush_begin(f, p->line_from, p->line_to);
                return 0;
        }
        flush_line(f, 0, MAX(p->head_to, (uint64_t) CUT_MARKER_BYTES));
        flush_line(f, p->line_from, p->line_to);
        return 0;
}

/* After the hole, where there was no room before it (btrfs writes nothing in place). */
static int late_marks(LogFile *f, const Intent *intent, const char *head) {
        int r;

        (void) logfile_sync_filesystem(f); /* only then has the space arrived */
        r = logfile_write(f, 0, head, CUT_MARKER_BYTES);
        if (r == 0)
                r = logfile_blank(f, intent->blank_from, intent->blank_to);
        if (r == 0) { /* the hole is there already: a power cut now leaves fragments */
                flush_line(f, 0, CUT_MARKER_BYTES);
                flush_line(f, intent->blank_from, intent->blank_to);
        }
        return r;
}

static int punch(LogFile *f, uint64_t from, uint64_t to) {
        return logfile_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
}

static int punch_first(LogFile *f, Intent *intent, const CutPlan *p, const char *head) {
        int r;

        cut_intent_phase(intent, CUT_PHASE_NONE);
        intent->blank_from = MAX(p->line_from, p->cut_to);
        intent->blank_to = MAX(p->line_to, intent->blank_from + 1) - 1;
        cut_intent_phase(intent, CUT_PHASE_LATE);
        r = punch(f, intent->cut_from, intent->cut_to);
        if (r < 0) {
                /* Some of the line may be blank already: all of it has to be, once there is room. */
                cut_intent_phase(intent, CUT_PHASE_NONE);
                intent->blank_from = p->line_from;
                intent->blank_to = MAX(p->line_to, p->line_from + 1) - 1;
                cut_intent_phase(intent, CUT_PHASE_BLANK);
                return r;
        }
        r = late_marks(f, intent, head);
        if (r == 0)
                cut_intent_phase(intent, CUT_PHASE_NONE);
        /* Still no room: the space is free, or will be; the rest follows with the next message. */
        return r == -ENOSPC ? 0 : r;
}

/* The line that the marker will end in: its rest must not stay behind as a fragment while the hole is not there yet.
 * None where the marker takes the place of another, or of a hole. */
static int plan_head(LogFile *f, CutPlan *p) {
        int r;

        if (p->has_marker || p->data_from >= CUT_MARKER_BYTES)
                return 0;
        r = logfile_find_line(f, CUT_MARKER_BYTES, &p->head_from, &p->head_to);
        /* No end in sight: the hole swallows it, right after the marker is written. */
        return r == LOGFILE_E_NO_LINE ? 0 : r;
}

ActResult cut_punch(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o) {
        char head[CUT_MARKER_BYTES];
        CutPlan p = {};
        ActResult result;
        int r;

        result = cut_plan(f, act, &p, o);
        if (result != ACT_DONE)
                return result;
        r = plan_head(f, &p);
        if (r == 0)
                r = marker_prepare(f, &p, head);
        if (r != 0)
                return not_ours_to_cut(o, r);
        result = check(userdata);
        if (result != ACT_DONE)
                return result;

        cut_intent_set(intent, f, act, &p, CUT_MARKER_BYTES);
        r = make_way(f, intent, act, &p, head);
        if (r == -ENOSPC)
                r = punch_first(f, intent, &p, head);
        else if (r == 0) {
                r = punch(f, CUT_MARKER_BYTES, p.cut_to);
                cut_intent_phase(intent, CUT_PHASE_NONE);
        }
        if (r < 0)
                return cut_failed(o, r);
        o->cut_bytes = p.line_to - p.data_from;
        o->cut_to_bytes = p.line_to;
        o->freed_bytes = p.freed_bytes;
        if (p.data_from == 0) /* the marker took the place of the first page */
                o->freed_bytes -= MIN(p.freed_bytes, (uint64_t) CUT_MARKER_BYTES);
        return ACT_DONE;
}

int cut_finish_blank(LogFile *f, const Intent *intent) {
        char before = '\n';
        int r;

        if (intent->blank_from >= intent->blank_to)
                return 0;
        r = logfile_check_line(f, intent->blank_from, intent->blank_to);
        if (r == 0 && intent->blank_from > 0)
                r = logfile_read(f, intent->blank_from - 1, &before, 1);
        if (r == 0 && before != '\n' && before != 0)
                r = LOGFILE_E_NO_LINE;
        if (r != 0)
                return r < 0 ? r : 0;
        return logfile_blank(f, intent->blank_from, intent->blank_to);
}

/* A hole that was begun is made again, where the marker says that all before it was done: written, if not flushed. */
static int finish_punch(LogFile *f, const Intent *intent) {
        char head[CUT_MARKER_BYTES];
        int r;

        r = logfile_read(f, 0, head, sizeof(head));
        if (r < 0)
                return r == -ENODATA ? 0 : r;
        if (!cut_has_marker(head))
                return 0;
        flush_line(f, 0, CUT_MARKER_BYTES + LOGFILE_LINE_MAX);
        flush_line(f, intent->cut_to - MIN(intent->cut_to, (uint64_t) LOGFILE_LINE_MAX),
                   intent->cut_to + LOGFILE_LINE_MAX);
        return punch(f, intent->cut_from, intent->cut_to);
}

static int finish_late(LogFile *f, const Intent *intent) {
        char head[CUT_MARKER_BYTES];
        uint64_t freed = 0;
        int r;

        if (intent->blank_from < intent->blank_to) {
                r = logfile_check_line(f, intent->blank_from, intent->blank_to);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        r = punch(f, intent->cut_from, intent->cut_to);
        if (r < 0)
                return r;
        r = logfile_read(f, 0, head, sizeof(head));
        if (r < 0)
                return r;
        (void) marker_read(head, &freed);
        marker_make(head, MAX(freed, intent->cut_to), "", 0);
        return late_marks(f, intent, head);
}

int cut_finish(LogFile *f, Intent *intent) {
        const uint32_t phase = atomic_load_explicit(&intent->pending, memory_order_acquire);
        int r;

        r = logfile_stat(f);
        if (r < 0)
                return r;
        if (r > 0 || logfile_size_bytes(f) < intent->size_bytes_before)
                r = 0; /* collapsed, and thus done; or removed; or emptied by dockerd: nothing of ours is left in it */
        else if (phase == CUT_PHASE_BLANK)
                r = cut_finish_blank(f, intent);
        else if (phase == CUT_PHASE_CUT && intent->method == METHOD_PUNCH)
                r = finish_punch(f, intent);
        else if (phase == CUT_PHASE_LATE)
                r = finish_late(f, intent);
        if (r == 0)
                cut_forget(intent);
        return r;
}
