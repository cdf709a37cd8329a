/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/falloc.h>

#include "cut_internal.h"
#include "fill.h"
#include "filler.h"

typedef struct Fill {
        LogFile *f;
        Intent *intent;
        const Act *act;
        int source_fd;
        CutPlan plan;
} Fill;

static int close_source(LogFile *f, int fd) {
        stage_enter(f->stage, "close", "the filler");
        fd = close_safe(fd);
        stage_leave(f->stage);
        return fd;
}

/* On another mount, or a file of another kind (nodatacow): not here, then. */
static int clone_filler(LogFile *f, int source_fd, uint64_t from, uint64_t to) {
        int r;

        r = logfile_clone(f, source_fd, from, to - from);
        return r == -EINVAL || r == -EXDEV || r == -ENOTTY ? -EOPNOTSUPP : r;
}

/* A call that ended in the middle may have left a part of a block. A hole needs nothing that could be lacking; at the front
 * it is one of cut.h, with a marker. The next fill closes it. */
static int make_hole(LogFile *f, uint64_t from, uint64_t to) {
        char head[CUT_MARKER_BYTES];
        int r;

        r = logfile_fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from, to - from);
        if (r < 0 || from > 0)
                return r;
        marker_make(head, to, "", 0);
        r = logfile_write(f, 0, head, sizeof(head));
        return r == -ENOSPC ? 0 : r;
}

/* The spaces must be on the disk before the filler is: else, after a power failure, a fragment follows it. */
static void flush_line(const Fill *s, uint64_t from, uint64_t to) {
        if (!s->act->emergency)
                (void) logfile_flush(s->f, from, to);
}

/* No room to blank the line (btrfs writes nothing in place): the filler first, which makes room. */
static int step_late(Fill *s, uint64_t to, uint64_t line_to) {
        int r, error;

        cut_intent_phase(s->intent, CUT_PHASE_NONE);
        s->intent->blank_from = to;
        s->intent->blank_to = MAX(line_to, to + 1) - 1;
        cut_intent_phase(s->intent, CUT_PHASE_LATE);
        error = r = clone_filler(s->f, s->source_fd, s->intent->cut_from, s->intent->cut_to);
        if (r < 0)
                r = make_hole(s->f, s->intent->cut_from, s->intent->cut_to);
        if (r < 0)
                return r;
        (void) logfile_sync_filesystem(s->f);
        r = logfile_blank(s->f, s->intent->blank_from, s->intent->blank_to);
        if (r == 0)
                cut_intent_phase(s->intent, CUT_PHASE_NONE);
        /* Still no room: the space is free, or will be; the rest follows with the next message. */
        if (r < 0 && r != -ENOSPC)
                return r;
        s->f->call = "ficlonerange";
        return error;
}

/* dockerd emptied the log right before the call, which made it as long as it was: that is taken back. */
static void take_back(LogFile *f, uint64_t from, uint64_t to) {
        uint64_t end;

        if (logfile_size_bytes(f) == to && logfile_seek_hole(f, 0, &end) == 0 && end < from)
                (void) logfile_truncate(f, end);
}

/* [from, to) becomes filler; [line_from, line_to) is the line that its end goes through. ACT_DONE: it is. */
static ActResult step(Fill *s, uint64_t from, uint64_t to, uint64_t line_from, uint64_t line_to, Outcome *o) {
        int r = 0;

        s->intent->cut_from = from;
        s->intent->cut_to = to;
        if (line_from < line_to)
                r = cut_blank_line(s->f, s->intent, line_from, line_to);
        if (r == -ENOSPC)
                r = step_late(s, to, line_to);
        else if (r == 0) {
                flush_line(s, to, line_to);
                cut_intent_phase(s->intent, CUT_PHASE_CUT);
                r = clone_filler(s->f, s->source_fd, from, to);
                /* Not supported is said before anything is done. */
                if (r == 0 || r == -EOPNOTSUPP || make_hole(s->f, from, to) == 0)
                        cut_intent_phase(s->intent, CUT_PHASE_NONE);
                s->f->call = "ficlonerange";
        }
        if (r < 0)
                return cut_failed(o, r);
        r = logfile_stat(s->f);
        if (r == 0 && logfile_size_bytes(s->f) >= s->intent->size_bytes_before)
                return ACT_DONE;
        if (r == 0)
                take_back(s->f, from, to);
        cut_forget(s->intent);
        return ACT_CHANGED;
}

/* Where the next step ends, and the line there. One that is not understood, or the hole that is being filled, has none. */
static uint64_t plan_step(Fill *s, uint64_t from, uint64_t *ret_line_from, uint64_t *ret_line_to) {
        const CutPlan *p = &s->plan;
        const uint64_t to = MIN(from + FILLER_SOURCE_BYTES, p->cut_to);

        *ret_line_from = p->line_from;
        *ret_line_to = p->line_to;
        if (to < p->cut_to && (to <= p->data_from || logfile_find_line(s->f, to, ret_line_from, ret_line_to) != 0))
                *ret_line_from = *ret_line_to = to;
        return to;
}

static ActResult fill(Fill *s, Outcome *o) {
        uint64_t line_from, line_to, to;
        ActResult result = ACT_DONE;

        for (uint64_t from = s->plan.filled_to; from < s->plan.cut_to && result == ACT_DONE; from = to) {
                uint64_t bytes = 0, shared = 0, data_from = MAX(from, s->plan.data_from);

                to = plan_step(s, from, &line_from, &line_to);
                if (data_from < to && logfile_data_bytes(s->f, data_from, to, &bytes) == 0 &&
                    logfile_shared_bytes(s->f, data_from, to, &shared) == 0)
                        bytes -= MIN(bytes, shared);
                result = step(s, from, to, line_from, line_to, o);
                if (result == ACT_DONE && data_from < to) {
                        o->cut_to_bytes = MAX(to, line_to);
                        o->cut_bytes = o->cut_to_bytes - s->plan.data_from;
                        o->freed_bytes += bytes;
                }
        }
        /* Of what was done until then it can be told; what stopped it shows with the next act. */
        if ((result == ACT_FAILED || result == ACT_UNSUPPORTED) && o->freed_bytes > 0) {
                o->error = 0;
                result = ACT_DONE;
        }
        return result;
}

ActResult fill_log(LogFile *f, Intent *intent, const Act *act, int look_fd, CutCheck check, void *userdata, Outcome *o) {
        Fill s = {.f = f, .intent = intent, .act = act};
        ActResult result;

        result = cut_plan(f, act, &s.plan, o);
        if (result != ACT_DONE)
                return result;
        s.source_fd = filler_open(f->stage, look_fd, &f->call);
        if (s.source_fd < 0)
                return cut_failed(o, s.source_fd);
        result = check(userdata);
        if (result == ACT_DONE) {
                cut_intent_set(intent, f, act, &s.plan, s.plan.filled_to);
                result = fill(&s, o);
        }
        (void) close_source(f, s.source_fd);
        return result;
}

/* ---- what a killed trimmer began --------------------------------------------------------------------------------- */

/* The step once more. */
static int finish_step(LogFile *f, const Intent *intent, int look_fd) {
        const char *call;
        int fd, r;

        fd = filler_open(f->stage, look_fd, &call);
        if (fd < 0)
                return make_hole(f, intent->cut_from, intent->cut_to);
        r = clone_filler(f, fd, intent->cut_from, intent->cut_to);
        (void) close_source(f, fd);
        return r < 0 ? make_hole(f, intent->cut_from, intent->cut_to) : 0;
}

static int finish_late(LogFile *f, const Intent *intent, int look_fd) {
        int r;

        if (intent->blank_from < intent->blank_to) {
                r = logfile_check_line(f, intent->blank_from, intent->blank_to);
                if (r != 0)
                        return r < 0 ? r : 0;
        }
        r = finish_step(f, intent, look_fd);
        if (r < 0)
                return r;
        (void) logfile_sync_filesystem(f);
        return logfile_blank(f, intent->blank_from, intent->blank_to);
}

int fill_finish(LogFile *f, Intent *intent, int look_fd) {
        const uint32_t phase = atomic_load_explicit(&intent->pending, memory_order_acquire);
        int r;

        r = logfile_stat(f);
        if (r < 0)
                return r;
        if (r > 0 || logfile_size_bytes(f) < intent->size_bytes_before)
                r = 0; /* removed, or emptied by dockerd: nothing of ours is left in it */
        else if (phase == CUT_PHASE_BLANK)
                r = cut_finish_blank(f, intent);
        else if (phase == CUT_PHASE_CUT)
                r = finish_step(f, intent, look_fd);
        else if (phase == CUT_PHASE_LATE)
                r = finish_late(f, intent, look_fd);
        if (r == 0)
                cut_forget(intent);
        return r;
}
