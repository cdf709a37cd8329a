/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes a partition grow, in words: for sentences, the journal and JSON alike. */

#include "event.h"
#include "text.h"

/* What it is: "the volume `pgdata` of `db`", "deleted files that java (pid 4711) keeps open". */
void cause_text_append(Text *text, const EventCause *cause);

/* Where, by whom and how fast, as far as that is not said already: "/var/lib/x/y.sst, by java (pid 4711), 12 MiB/s". */
void cause_text_append_details(Text *text, const EventCause *cause);
