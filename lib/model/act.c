/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the methods and of what came of them, and what each does to those who read the log: what the
 * table "What a trim is" of the documentation says in a line. */

#include "act.h"

#include "macros.h"

static const struct {
        const char *name;
        const char *reader_effect;
} methods[_METHOD_MAX] = {
        [METHOD_NONE] = { "none", "readers see no change" },
        [METHOD_DELETE] = { "delete", "readers see no change but fewer old lines" },
        [METHOD_COLLAPSE] = { "collapse", "a running `docker logs -f` may repeat or skip" },
        [METHOD_COLLAPSE_LEASED] = { "collapse-leased", "readers see no change but fewer old lines" },
        [METHOD_PUNCH] = { "punch",
                "`docker logs -f` and `--tail` go on, reading from the start stops at the cut until the "
                "container stops" },
        [METHOD_FILL] = { "fill",
                "readers see no change but a filler line per MiB where the oldest lines were" },
        [METHOD_TRUNCATE] = { "truncate",
                "everything before is gone, `docker logs -f` and `--tail` may need a restart of the "
                "container" },
        [METHOD_HEAL] = { "heal", "all readers work again" },
        [METHOD_BLANK] = { "blank", "readers get to what stands behind the torn line" },
        [METHOD_MARK] = { "mark",
                "`docker logs -f` and `--tail` work, so do all readers once the container has stopped" },
        [METHOD_BALLAST_RELEASE] = { "ballast-release", "no log was touched" },
        [METHOD_BALLAST_MAKE] = { "ballast-make", "no log was touched" },
        [METHOD_ARCHIVE] = { "archive", "no log was touched" },
};

const char *method_to_string(Method method) {
        return method >= 0 && method < _METHOD_MAX ? methods[method].name : "unknown";
}

Method method_from_string(const char *s) {
        for (Method method = 0; method < _METHOD_MAX; method++)
                if (streq(methods[method].name, s))
                        return method;
        return _METHOD_INVALID;
}

const char *method_reader_effect(Method method) {
        if (method < 0 || method >= _METHOD_MAX)
                return "what readers see is not known";
        return methods[method].reader_effect;
}

bool method_keeps_offsets(Method method) {
        switch (method) {
        case METHOD_PUNCH:
        case METHOD_FILL:
                return true;
        default:
                return false;
        }
}

const char *act_result_to_string(ActResult result) {
        static const char *const names[_ACT_RESULT_MAX] = {
                [ACT_DONE] = "done",
                [ACT_NOTHING_TO_DO] = "nothing-to-do",
                [ACT_CHANGED] = "changed",
                [ACT_REFUSED] = "refused",
                [ACT_BUSY] = "busy",
                [ACT_UNSUPPORTED] = "unsupported",
                [ACT_FAILED] = "failed",
                [ACT_CANCELLED] = "cancelled",
        };

        return (size_t) result < ELEMENTS(names) ? names[result] : "unknown";
}
