/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Repairs: bytes that are of no use to any reader and keep it from what follows them are overwritten in place. No
 * size changes, so that it is all the same who reads and writes the log meanwhile.
 *
 *      lines   fragments of torn lines become spaces. Where they are the watcher has found; here they are looked at
 *              again, byte by byte, and must be what they were
 *      head    the NULs that somebody's truncate has left in front of a writer without O_APPEND. A head of up to
 *              LOGFILE_LINE_MAX becomes a record that says so, and spaces: everybody can read the log again. Of a larger
 *              one, record and spaces frame the hole, which makes it one of ours: it is healed once the container stops
 *
 * Killed at any system call, a half-blanked fragment is finished by the next trimmer (repair_finish()). A head needs no
 * intent: its first byte is the last to be written, and until then it is still found to be NULs. */

#include "cut.h"

/* In the outcome: cut_bytes, what became spaces or a record; error where something failed. ACT_CHANGED: nothing was what
 * it should have been. */
ActResult repair_lines(LogFile *f, Intent *intent, const Act *act, CutCheck check, void *userdata, Outcome *o);
ActResult repair_head(LogFile *f, CutCheck check, void *userdata, Outcome *o);

/* As cut_finish(), for an intent of METHOD_BLANK. */
int repair_finish(LogFile *f, Intent *intent);
