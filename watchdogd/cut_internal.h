/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the ways of cutting share: cut.c, fill.c. */

#include "cut.h"

typedef struct CutPlan {
        uint64_t filled_to;          /* what lies before is our filler; 0: none */
        uint64_t data_from;          /* what lies before is freed already */
        uint64_t cut_to;
        uint64_t line_from, line_to; /* the line that the cut goes through; empty: it goes between two */
        uint64_t head_from, head_to; /* the line that the marker's end goes through */
        bool has_marker;
        uint64_t freed_before;       /* as it says */
        uint64_t freed_bytes;        /* what the range holds */
} CutPlan;

/* ACT_DONE: there is something to cut. */
ActResult cut_plan(LogFile *f, const Act *act, CutPlan *ret_plan, Outcome *o);

ActResult cut_failed(Outcome *o, int error);

void cut_intent_set(Intent *intent, const LogFile *f, const Act *act, const CutPlan *p, uint64_t cut_from);
void cut_intent_phase(Intent *intent, uint32_t phase);

/* Spaces over a line but for its newline. A line that is begun is covered by the intent until the next one is. */
int cut_blank_line(LogFile *f, Intent *intent, uint64_t from, uint64_t to);

/* What is to be blanked again must be what it was: the inside of one line. Else dockerd emptied the file meanwhile,
 * and nothing of ours is left in it. */
int cut_finish_blank(LogFile *f, const Intent *intent);
