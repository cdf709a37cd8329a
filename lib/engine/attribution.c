/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who fills it: contract in attribution.h. */

#include "attribution.h"

/* Less than a tenth of the growth: it is not the logs, and cutting them would not help (an image pull). */
#define LOGS_EXPLAIN 0.1
/* The offenders together explain that much of what the logs explain. */
#define OFFENDERS_EXPLAIN 0.9
/* Slow beside the others, but such a log can hold gigabytes by the time it matters. */
#define MINOR_PART 0.005
/* Quiet for as long as the slowest scale sees. */
#define ACTIVE_USEC (4 * USEC_PER_HOUR)

void attribution_push(Attribution *a, uint64_t time_usec, double consumed_bytes) {
        if (!a->started) {
                rate_init(&a->partition, time_usec);
                a->since_usec = time_usec;
                a->started = true;
        }
        rate_push(&a->partition, time_usec, consumed_bytes);
}

void attribution_push_log(Attribution *a, LogEntry *entry, uint64_t time_usec, double grown_bytes) {
        if (!a->started)
                return;
        rate_push(&entry->growth, time_usec, grown_bytes);
        if (grown_bytes > 0)
                entry->grown_usec = time_usec;
}

double attribution_log_bps(const Attribution *a, const LogEntry *entry, unsigned scale, uint64_t now_usec) {
        if (!a->started || !entry->links[LOG_LIST_ACTIVE].in)
                return 0;
        return rate_read(&entry->growth, scale, a->since_usec, now_usec);
}

static void rank_insert(Ranking *r, LogEntry *entry, double bps) {
        size_t i = r->n_logs;

        if (i == RANKING_MAX && bps <= r->logs[i - 1].bps)
                return;
        if (i == RANKING_MAX)
                i--;
        else
                r->n_logs++;
        for (; i > 0 && r->logs[i - 1].bps < bps; i--)
                r->logs[i] = r->logs[i - 1];
        r->logs[i] = (RankedLog){entry, bps};
}

static double slowest_offender_bps(const Ranking *r, size_t n_growing) {
        double explained_bps = 0;

        for (size_t i = 0; i < r->n_logs; i++) {
                explained_bps += r->logs[i].bps;
                if (explained_bps >= OFFENDERS_EXPLAIN * r->logs_bps)
                        return r->logs[i].bps;
        }
        /* More than can be ranked, and alike: all that grow not much less than the mean. */
        return r->logs_bps / (double) MAX(n_growing, (size_t) 1) / 2;
}

void attribution_rank(const Attribution *a, LogTable *table, unsigned scale, uint64_t now_usec,
                Ranking *ret_ranking) {
        Ranking *r = ret_ranking;
        size_t n_growing = 0;
        LogEntry *next;

        r->n_logs = 0;
        r->logs_bps = 0;
        for (LogEntry *entry = table->first[LOG_LIST_ACTIVE]; entry; entry = next) {
                next = entry->links[LOG_LIST_ACTIVE].next;
                if (now_usec > entry->grown_usec + ACTIVE_USEC) {
                        log_table_list(table, entry, LOG_LIST_ACTIVE, false);
                        continue;
                }
                double bps = attribution_log_bps(a, entry, scale, now_usec);
                if (bps <= 0)
                        continue;
                n_growing++;
                r->logs_bps += bps;
                rank_insert(r, entry, bps);
        }

        double partition_bps = a->started ? rate_read(&a->partition, scale, a->since_usec, now_usec) : 0;
        r->partition_bps = MAX(partition_bps, r->logs_bps);
        /* Where the partition does not grow by what the logs grow, others give back what they take: no harm
         * is done. */
        bool harmful = a->shown_late || partition_bps >= r->logs_bps / 2;
        r->logs_explain = r->logs_bps > 0 && harmful && r->logs_bps >= LOGS_EXPLAIN * r->partition_bps;
        r->offender_bps = slowest_offender_bps(r, n_growing);
        r->minor_bps = MIN(MINOR_PART * r->partition_bps, r->offender_bps);
        r->n_offenders = 0;
        while (r->n_offenders < r->n_logs && r->logs[r->n_offenders].bps >= r->offender_bps)
                r->n_offenders++;
}

uint32_t attribution_share_permyriad(const Ranking *ranking, double bps) {
        if (bps <= 0 || ranking->partition_bps <= 0)
                return 0;
        return (uint32_t) (MIN(bps / ranking->partition_bps, 1.0) * 10000 + 0.5);
}
