/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The folder that holds all archives: root's alone, and of one archiver at a time. */

#include <stdbool.h>

/* Opened and locked; closing lets go of it. make: with the folder that it lies in, where they are not there. Nothing is
 * changed about one that is there.
 *
 * -ENOENT: it is not there; -ENOTDIR: it is something else, as a link; -EBADFD: it is not root's alone, or is /; -EBUSY: another archiver has it, of another guard, or
 * one that was killed and is stuck. No other call in an archiver says the latter two, so they are told in words.
 * ret_call: the call that failed. */
int archive_place_open(const char *path, bool make, const char **ret_call);
