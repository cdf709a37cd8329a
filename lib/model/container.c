/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of Docker's log drivers, as far as they matter here. */

#include "container.h"

#include "macros.h"

const char *log_driver_to_string(LogDriver driver) {
        static const char *const names[] = {
                [LOG_DRIVER_UNKNOWN] = "unknown",
                [LOG_DRIVER_JSON_FILE] = "json-file",
                [LOG_DRIVER_LOCAL] = "local",
                [LOG_DRIVER_OTHER] = "other",
        };

        return (size_t) driver < ELEMENTS(names) ? names[driver] : "unknown";
}
