/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The names of the causes, as they stand in the journal and in JSON. */

#include "cause.h"

#include "macros.h"

const char *cause_kind_to_string(CauseKind kind) {
        static const char *const names[_CAUSE_KIND_MAX] = {
                [CAUSE_FILES] = "files",
                [CAUSE_WRITE_LAYER] = "write-layer",
                [CAUSE_VOLUME] = "volume",
                [CAUSE_BIND_MOUNT] = "bind-mount",
                [CAUSE_IMAGES] = "images",
                [CAUSE_JOURNAL] = "journal",
                [CAUSE_DELETED] = "deleted",
        };

        return (size_t) kind < ELEMENTS(names) ? names[kind] : "unknown";
}
