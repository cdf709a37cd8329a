/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the filesystem of a partition can do, found by trying. */

#include <stdbool.h>

#include "observation.h"
#include "stage.h"

/* Collapsing had bugs that corrupted files in kernels before 5.10: there it is not done. */
bool filesystem_kernel_may_collapse(void);

/* Fills an OBSERVATION_FILESYSTEM. may_write: it is tried on a file without a name (O_TMPFILE) and without a block,
 * which vanishes with its descriptor whatever happens. Else, or where that file cannot be made (no inode left), it is
 * guessed from the filesystem's kind; an act that cannot be done then says so. Sharing blocks is never guessed, and where
 * it works the file that filler is cloned from is made. look_fd: a directory on it. */
void filesystem_probe(StagePage *stage, int look_fd, bool may_write, Observation *ret_observation);
