/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Going away: what the guard has left on the disks of this host is listed, and once that is confirmed removed or mended. Logs
 * that were cut are healed, where nobody has them open and the filesystem can; archives, ballast and filler go. Run by a
 * person or by a package's script, while no guard runs. Each step is safe to be interrupted in, and to be done again. */

#include "role.h"

/* The exit status. */
#define TRACES_STAY 2 /* nothing failed, but something is still there: not confirmed, open, or not to be healed */

int traces_remove(const Options *options);
