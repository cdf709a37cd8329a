/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "stage.h"

void stage_enter(StagePage *page, const char *call, const char *subject) {
        /* The supervisor may read at any moment: the time is what says that the texts are there. */
        atomic_store_explicit(&page->since_usec, 0, memory_order_release);
        (void) snprintf(page->call, sizeof(page->call), "%s", call);
        (void) snprintf(page->subject, sizeof(page->subject), "%s", subject);
        atomic_store_explicit(&page->since_usec, clock_monotonic_usec(), memory_order_release);
}

void stage_leave(StagePage *page) {
        atomic_store_explicit(&page->since_usec, 0, memory_order_release);
}
