/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the reasons, as they stand in the journal and in JSON. */

#include "event.h"

#include "macros.h"

const char *reason_to_string(Reason reason) {
        static const char *const names[_REASON_MAX] = {
                [REASON_NONE] = "none",
                [REASON_SPACE] = "space",
                [REASON_FORECAST] = "forecast",
                [REASON_INODES] = "inodes",
                [REASON_INODES_FORECAST] = "inodes-forecast",
                [REASON_REQUEST] = "request",
                [REASON_LIMIT] = "limit",
        };

        return (size_t) reason < ELEMENTS(names) ? names[reason] : "unknown";
}
