/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much of a partition's growth each log explains, and how much none does. */

#include "log_table.h"

/* So many are told apart and ranked; more that grow alike are all offenders. */
#define RANKING_MAX 32

typedef struct Attribution {
        bool started;
        bool shown_late; /* the partition shows growth later than the logs do */
        uint64_t since_usec;
        Rate partition; /* what was consumed; clean-ups by others do not count */
} Attribution;

typedef struct RankedLog {
        LogEntry *entry;
        double bps;
} RankedLog;

typedef struct Ranking {
        RankedLog logs[RANKING_MAX]; /* fastest first */
        size_t n_logs;
        double partition_bps; /* all growth: at least what the logs explain */
        double logs_bps;
        bool logs_explain;    /* it is the logs that fill it */
        size_t n_offenders;   /* among the ranked */
        double offender_bps;  /* logs that grow at least that fast are what explains it ... */
        double minor_bps;     /* ... and these have a part in it that is worth a thought at emergency */
} Ranking;

void attribution_push(Attribution *a, uint64_t time_usec, double consumed_bytes);
/* A log grew (or shrank, not by us) by that much. */
void attribution_push_log(Attribution *a, LogEntry *entry, uint64_t time_usec, double grown_bytes);

double attribution_log_bps(const Attribution *a, const LogEntry *entry, unsigned scale, uint64_t now_usec);

/* Over one scale of rate.h. Logs that have been quiet for hours leave the table's active list. */
void attribution_rank(const Attribution *a, LogTable *table, unsigned scale, uint64_t now_usec,
                Ranking *ret_ranking);

uint32_t attribution_share_permyriad(const Ranking *ranking, double bps);
