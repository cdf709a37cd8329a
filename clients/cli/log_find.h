/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where a container's log lies, by its name: asked of the daemon; of one that was removed, what was archived of it. */

#include "cli.h"

typedef struct LogPlace {
        char path[4096];     /* of the file that is written; "": there is none, or it is not wanted */
        char archives[4096]; /* the folder of all archives; "": none are kept */
        char id12[13];
} LogPlace;

/* CLI_OK, or what went wrong has been said. */
int log_find(const Arguments *a, LogPlace *ret_place);
