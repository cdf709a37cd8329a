/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells the supervisor of a log, but only what it does not know yet: what was told last is kept as a
 * hash. */

#include "watcher.h"

typedef struct Introduction {
        uint32_t slot;
        LogInfo info;       /* the container is filled in by the caller, the rest here */
        const char *oddity; /* why the log is odd; NULL: it is not */
        int catalog_result; /* of catalog_read() */
        const char *catalog_detail;
} Introduction;

void introduction_tell(Watcher *w, Introduction *intro);
