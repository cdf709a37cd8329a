/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* In which order pieces are to be read: that of their first records' times. Archives are numbered as they were made: the head
 * of the file that is written may have been archived before a segment that is older, and a container that was renamed has
 * several folders, each numbered from 1. */

#include "log_pieces.h"

/* How many of the pieces, which are in order, begin at that time or before. Looks into few of them. */
size_t log_order_find(const LogPieces *pieces, int64_t nsec);

/* Archives of one file, numbered one after the other, are taken to be in order: only where the file changes are times read. */
int log_order_archives(LogPieces *archives);

/* The files among the archives, which takes them from `files`. What is written stays the last. -ENOMEM. */
int log_order_join(LogPieces *archives, LogPieces *files);
