/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which lines are in an archive and in a file as well: the archiver or the trimmer may have been killed at any moment, the file
 * may have been cut less than was archived, healed, rotated and compressed since. What counts is what the lines say. */

#include "log_pieces.h"

/* An archive of which all is still in a file is dropped. Of a file whose head is in an archive, what is in the archive is
 * passed over (from_offset), and so is the guard's marker where nothing is missing. The archives must be in order. */
int log_overlap_tell_apart(LogPieces *archives, LogPieces *files);

/* What archives in front of piece n hold already is passed over in it, where it is an archive as well: to be asked before it is
 * read. -ENOMEM. */
int log_overlap_settle(const LogPieces *pieces, size_t n);
