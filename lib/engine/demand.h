/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the writers of a partition take, with our own doings taken out: a trim must look neither like a
 * writer that went away nor like somebody who tidied up. Works on used bytes (total - free): they go on
 * changing below the blocks that are reserved for root, and a partition that is resized does not jump. */

#include "macros.h"
#include "observation.h"

typedef struct Demand {
        bool started;
        uint64_t used_bytes, time_usec;
        double credit_bytes;       /* freed by us, and not yet seen in the samples */
        uint64_t credit_until_usec;
        double early_bytes;        /* seen in the samples before the trimmer reported it */
        double own_bytes;          /* taken by ourselves (ballast), not yet seen */
        uint64_t own_until_usec;
} Demand;

typedef struct DemandStep {
        bool valid;            /* false: the first sample, or one that is older than the last */
        double consumed_bytes; /* negative: a little was given back */
        bool reclaimed;        /* somebody else freed a lot: consumed_bytes is 0 */
        double moved_bytes;    /* the same, but with what was reclaimed */
} DemandStep;

/* expected_bps: how fast it was filling just now; stands in for what cannot be seen behind a gain of our
 * own. acting: acts are under way whose gain may show before their outcome is known. */
DemandStep demand_step(Demand *d, const PartitionSample *sample, uint64_t time_usec, double expected_bps,
                bool acting);

/* We freed bytes; late: the filesystem shows it only after a commit. */
void demand_credit(Demand *d, uint64_t freed_bytes, uint64_t time_usec, bool late);

/* We are about to take bytes ourselves. */
void demand_debit(Demand *d, uint64_t taken_bytes, uint64_t time_usec);
