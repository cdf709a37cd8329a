/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of damages, as they stand in JSON. */

#include "observation.h"

#include "macros.h"

const char *damage_kind_to_string(DamageKind kind) {
        static const char *const names[_DAMAGE_KIND_MAX] = {
                [DAMAGE_NONE] = "none",
                [DAMAGE_TORN] = "torn",
                [DAMAGE_NUL_HEAD] = "nul-head",
        };

        return (size_t) kind < ELEMENTS(names) ? names[kind] : "unknown";
}
