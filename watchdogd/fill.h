/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Freeing the head of a log on a filesystem whose files can share blocks (XFS, btrfs): clones of the filler (filler.h) take
 * its place. Size and offsets stay and everything stays readable, so it harms neither the writer nor a reader, but for one who is in
 * the middle of what is replaced at that moment.
 *
 * From the front on, in steps of one call each, and valid line by line after each of them: the line that a step ends in
 * is blanked first. What a kill leaves of a step, fill_finish() makes whole. Earlier filler stays; a hole and its marker
 * (cut.h) are filled as well. */

#include "act.h"
#include "cut.h"
#include "logfile.h"

/* Like the cuts of cut.h. look_fd: where the filler's file lies. freed_bytes leaves out what is shared with other files: it
 * takes as much space as before. */
ActResult fill_log(LogFile *f, Intent *intent, const Act *act, int look_fd, CutCheck check, void *userdata, Outcome *o);

/* cut_finish() for METHOD_FILL. */
int fill_finish(LogFile *f, Intent *intent, int look_fd);
