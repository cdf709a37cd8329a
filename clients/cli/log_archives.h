/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was archived of one container's log. */

#include "log_pieces.h"

/* The archives of the container of that short id, in no order. No archive at all is no error. */
int log_archives_open(const char *archives, const char *id12, LogPieces *ret_pieces);

/* The short id of the container of that name, short id or id, of which there are archives. -ENOENT; -ENOTUNIQ: of several;
 * ret_list has them then, a line each. */
int log_archives_find(const char *archives, const char *name, char ret_id12[static 13], char *ret_list, size_t list_bytes);
