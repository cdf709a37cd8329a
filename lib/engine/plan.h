/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* When acting begins, what it aims at, and what one log can give: the arithmetic of the plan, apart from its
 * ladder. */

#include "log_table.h"

/* Cuts are made in steps of that: less is not worth an act. */
#define PLAN_STEP_BYTES MIB(1)

#define PLAN_LEAD_MIN_USEC (250 * USEC_PER_MSEC)
#define PLAN_LEAD_MAX_USEC (5 * USEC_PER_SEC)

typedef struct PlanLimits {
        uint64_t act_below_bytes;    /* acting begins when less than that is available ... */
        uint64_t target_bytes;       /* ... and ends here */
        uint64_t rescue_below_bytes; /* logs that are not to blame give space only below that ... */
        uint64_t rescue_bytes;       /* ... and only up to here */
        uint64_t emergency_bytes;    /* emergency by space */
} PlanLimits;

/* lead_usec: how long it takes from planning to freed, as learned. */
PlanLimits plan_limits(const Config *config, uint64_t total_bytes, double worst_bps, uint64_t lead_usec);

/* The time to plan ahead with, from the mean duration of acts. */
uint64_t plan_lead_usec(uint64_t mean_duration_usec);

typedef struct PlanYield {
        uint64_t segments_bytes; /* by deleting rotated segments */
        uint64_t live_bytes;     /* by cutting the head of the live log, whole steps */
} PlanYield;

/* What a log can give so that the newest keep_bytes of it stay. */
PlanYield plan_yield(const LogSample *sample, uint64_t keep_bytes);

/* Less than that from one log is not worth an act yet: many small acts in a row hold no better than a few
 * larger ones. The less is left, the less it waits for. */
uint64_t plan_worth_bytes(uint64_t avail_bytes, size_t n_offenders);

/* need, in whole steps, as far as there is that much. */
uint64_t plan_want_bytes(uint64_t need_bytes, uint64_t yield_bytes);
