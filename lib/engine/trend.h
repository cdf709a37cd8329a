/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was used, remembered at many scales from a quarter of a second to days, each with its lows and highs, and by hour
 * for a week: the ground on which a fill is told from what only looks like one (filling.h). For bytes and for inodes
 * alike. Bounded memory, constant time a sample, nothing is allocated. */

#include <stdbool.h>
#include <stdint.h>

/* Buckets of 1/32 s, 1/16 s, ... 4.5 h: with up to 16 of them a window, from an eighth of a second (a flood of gigabytes a
 * second on a small partition) to three days. */
#define TREND_SCALES 20
#define TREND_BUCKETS 32
/* A week, and a little: what comes weekly is late at times. */
#define TREND_HOURS (8 * 24)
#define TREND_RECENT 8

typedef struct TrendBucket {
        float low, high; /* of what was used */
} TrendBucket;

typedef struct TrendScale {
        uint64_t head; /* the newest bucket's number, counted from time 0 */
        uint32_t n;    /* how many there are, the newest one, which is not finished, among them */
        TrendBucket buckets[TREND_BUCKETS]; /* ring, by number */
} TrendScale;

typedef struct TrendSample {
        uint64_t time_usec;
        double used;
} TrendSample;

typedef struct Trend {
        uint32_t n_samples;
        uint64_t first_usec; /* the first sample: before it nothing is known */
        double usual_sec; /* between two samples */
        TrendSample recent[TREND_RECENT]; /* ring, by number */
        double base_used;  /* the least since trend_has_grown() was last true */
        TrendScale scales[TREND_SCALES];
        uint64_t hour;
        float hour_high[TREND_HOURS];     /* ring, by number; < 0: not known */
} Trend;

/* The last time and its length, cut into quarters; the last one is a little longer: the bucket that is not finished
 * belongs to it. */
#define TREND_QUARTERS 4
typedef struct TrendWindow {
        double seconds, first_quarter_sec, quarter_sec, last_quarter_sec; /* the first one may begin with the first sample */
        double low[TREND_QUARTERS], high[TREND_QUARTERS]; /* the oldest first */
} TrendWindow;

/* A time before the last one is taken for the last one. Between two samples what was used counts as a straight line. */
void trend_push(Trend *t, uint64_t time_usec, double used);

/* Whether what was used has grown by that much since it last had. */
bool trend_has_grown(Trend *t, double by);

double trend_bucket_sec(unsigned scale);
/* n_buckets: a multiple of the quarters. false: it does not reach that far back, or its lows do not rise from quarter to
 * quarter: then nothing fills over that time. */
bool trend_window(const Trend *t, unsigned scale, unsigned n_buckets, TrendWindow *ret_window);
/* ago: 0 is the last sample; below n_samples and TREND_RECENT. */
const TrendSample *trend_sample(const Trend *t, unsigned ago);
/* The most that was used between those times, about; < 0: not known. */
double trend_highest(const Trend *t, double from_sec_ago, double to_sec_ago);
/* The most that was used at about this hour on one of the days before; what is younger than that is left out. < 0: not
 * known. */
double trend_highest_at_this_hour(const Trend *t, double from_sec_ago);
