/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The face of `diskbrake status`: the verdict in the first line, so that one second is enough; then each
 * partition, what the guard does there and the logs that grow; then what happened last. */

#include "render.h"

void render_status(FILE *out, const Style *style, const cJSON *guard);

/* What the whole host is like, from the worst of its partitions. */
typedef enum VerdictKind {
        VERDICT_OK,
        VERDICT_NOTHING,  /* guards no partition */
        VERDICT_PAUSED,
        VERDICT_LEVEL,    /* notice or worse: see level */
        VERDICT_DEGRADED, /* cannot act */
        VERDICT_BLIND,
} VerdictKind;

typedef struct Verdict {
        VerdictKind kind;
        char level[16];          /* the worst */
        const cJSON *partition;  /* the one it is about; NULL: none */
        bool observing;
        size_t n_partitions;
} Verdict;

Verdict render_verdict(const cJSON *guard);

/* Its numbers are old, then. A state that is not known here counts as blind. */
bool render_is_blind(const cJSON *partition);

/* state_detail of a partition, without the words that the badge before it says already. */
const char *render_state_detail(const Style *style, const cJSON *partition, char *buf, size_t buf_bytes);
