/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "status.h"

#include "macros.h"

const char *guard_state_to_string(GuardState state) {
        static const char *const names[_GUARD_STATE_MAX] = {
                [GUARD_GUARDING] = "guarding",
                [GUARD_OBSERVING] = "observing",
                [GUARD_DEGRADED] = "degraded",
                [GUARD_BLIND] = "blind",
        };

        if ((unsigned) state >= ELEMENTS(names))
                return "blind"; /* never look calm */
        return names[state];
}
