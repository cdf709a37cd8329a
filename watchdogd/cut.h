/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Freeing the head of a log while its writer goes on appending. Two ways, and a third in
 * fill.h:
 *
 *      collapse   [0, cut) is taken out of the file; what follows moves to the front
 *      punch      the first page becomes a marker record, [CUT_MARKER_BYTES, cut) becomes a hole; nothing moves
 *
 * At every instant, and after being killed at any system call, the log is valid line by line for whoever reads it up to
 * the hole or from behind it: the line that the cut goes through (and the one that the marker's end goes through) is
 * overwritten with spaces first, its newline stays. Only that overwriting can be left half done; the intent in the
 * stage page covers it, and cut_finish() does it again. A power failure is covered by the order: blank, flush, free. What
 * that cannot cover: a line whose parts lie in two places of the disk becomes blank in two writes, one right after the
 * other, and XFS collapses a file of many pieces in several transactions. The next cut makes good what a power failure
 * in between leaves (tests/faults/test_power_cut.py).
 *
 * The cut is a multiple of CUT_ALIGNMENT, never goes into the newest bytes that are to be kept nor beyond what a reader
 * has read where the act says so, and takes no more than was asked for, rounded up. */

#include <stdbool.h>
#include <stdint.h>

#include "act.h"
#include "logfile.h"
#include "marker.h"
#include "stage.h"

/* A multiple of every block size and of bigalloc clusters of up to that much; small enough that rounding costs
 * nobody a log worth keeping. */
#define CUT_ALIGNMENT MIB(1)

/* The newest bytes that no cut goes into, whatever is asked for: the writer may be in the middle of them. */
#define CUT_KEEP_MIN KIB(64)

/* The hole begins behind the marker. */
#define CUT_MARKER_BYTES MARKER_BYTES

/* The phases of an intent: the values of Intent.pending. */
enum {
        CUT_PHASE_NONE,
        CUT_PHASE_BLANK, /* [blank_from, blank_to) is becoming spaces; nothing was freed yet */
        CUT_PHASE_CUT,   /* all that is to be blank is blank; marker and cut follow */
        CUT_PHASE_LATE,  /* there was no room to write: the hole comes first, marker and blanks after it */
};

/* Whether the first CUT_MARKER_BYTES of a log are our marker. */
static inline bool cut_has_marker(const char *head) { return marker_read(head, NULL); }

/* The hole behind the marker: [from, to). LOGFILE_E_NO_HOLE: no marker, or none behind it (healed). */
#define LOGFILE_E_NO_HOLE 5
int cut_find_hole(LogFile *f, uint64_t *ret_from, uint64_t *ret_to);

/* What cut_collapse() or cut_punch() would take of it as it is now: [from, to), whole lines but for a first one that is
 * blank. Nothing is touched. */
ActResult cut_find_head(LogFile *f, const Act *act, uint64_t *ret_from, uint64_t *ret_to, Outcome *o);

/* Where what was not freed yet begins, whichever way it was freed. */
int cut_find_data(LogFile *f, uint64_t *ret_from);

/* Where the filler at the head ends (fill.h); 0: there is none. */
uint64_t cut_find_filler(LogFile *f);

/* Frees the head by collapsing or punching. check is called right before the first byte is changed and may still
 * refuse (anything but ACT_DONE). In the outcome: cut_bytes, error where something failed, and freed_bytes: the data
 * that the range held and nobody shares (a snapshot or a reflink copy keeps it: that frees nothing). The file's blocks would not tell: XFS preallocates more for a busy writer than was cut. */
typedef ActResult (*CutCheck)(void *userdata);
ActResult cut_collapse(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o);
ActResult cut_punch(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o);

/* Finishes what a killed trimmer began on this (opened) log and clears the intent. Does no harm when done again.
 * A negative errno: could not, the intent stays. */
int cut_finish(LogFile *f, Intent *intent);

/* Forgets it: the log is gone, or another. */
void cut_forget(Intent *intent);
