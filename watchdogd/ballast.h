/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The ballast: a preallocated file that gives its space back in an emergency, in case the logs cannot give enough in
 * time. Only a regular file of ours with one link is ever touched. Releasing empties it and leaves it in place, so that
 * making it again needs no new inode. */

#include "act.h"
#include "stage.h"

#define BALLAST_NAME "diskbrake-ballast"

/* look_fd: the directory that it lies in. What is allocated now; 0: none, or not ours. */
uint64_t ballast_bytes(StagePage *stage, int look_fd);

/* Makes it want_bytes large, from whatever it is. Where there is no room it is removed again. */
ActResult ballast_make(StagePage *stage, int look_fd, const Act *act, Outcome *o);
ActResult ballast_release(StagePage *stage, int look_fd, Outcome *o);
