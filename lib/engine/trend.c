/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory of what was used: contract in trend.h. */

#include "trend.h"

#include "macros.h"

#define FINEST_SEC 0.03125
/* Less of a quarter, before which nothing was seen, says nothing. */
#define FIRST_QUARTER_PART 0.25
/* "At this hour": jobs start late and take longer at times. From an hour before to two after. */
#define HOURS_BEFORE 1
#define HOURS_AFTER 2

double trend_bucket_sec(unsigned scale) {
        return FINEST_SEC * (double) (UINT64_C(1) << scale);
}

static double to_sec(uint64_t usec) {
        return (double) usec / (double) USEC_PER_SEC;
}

const TrendSample *trend_sample(const Trend *t, unsigned ago) {
        return &t->recent[(t->n_samples - 1 - ago) % TREND_RECENT];
}

static TrendBucket *bucket(TrendScale *scale, uint64_t number) {
        return &scale->buckets[number % TREND_BUCKETS];
}

static void bucket_add(TrendBucket *b, double used) {
        b->low = MIN(b->low, (float) used);
        b->high = MAX(b->high, (float) used);
}

static void scale_push(TrendScale *scale, double bucket_sec, const TrendSample *from, const TrendSample *to) {
        double from_sec = to_sec(from->time_usec), elapsed_sec = to_sec(to->time_usec) - from_sec;
        uint64_t number = (uint64_t) (to_sec(to->time_usec) / bucket_sec);

        if (scale->n == 0) {
                scale->head = number;
                scale->n = 1;
                *bucket(scale, number) = (TrendBucket){(float) to->used, (float) to->used};
                return;
        }
        if (number > scale->head + TREND_BUCKETS)
                scale->head = number - TREND_BUCKETS;
        while (scale->head < number) {
                double edge_sec = (double) (scale->head + 1) * bucket_sec - from_sec;
                double part = elapsed_sec > 0 ? CLAMP(edge_sec / elapsed_sec, 0.0, 1.0) : 1;
                double used = from->used + (to->used - from->used) * part;

                bucket_add(bucket(scale, scale->head), used);
                scale->head++;
                scale->n = MIN(scale->n + 1, (uint32_t) TREND_BUCKETS);
                *bucket(scale, scale->head) = (TrendBucket){(float) used, (float) used};
        }
        bucket_add(bucket(scale, number), to->used);
}

static void hours_push(Trend *t, const TrendSample *s) {
        uint64_t hour = s->time_usec / USEC_PER_HOUR;

        if (t->n_samples == 0 || hour > t->hour + TREND_HOURS)
                t->hour = hour > TREND_HOURS ? hour - TREND_HOURS : 0;
        if (t->n_samples == 0)
                for (unsigned i = 0; i < TREND_HOURS; i++)
                        t->hour_high[i] = -1;
        while (t->hour < hour)
                t->hour_high[++t->hour % TREND_HOURS] = -1;
        float *high = &t->hour_high[hour % TREND_HOURS];
        *high = MAX(*high, (float) s->used);
}

/* One gap or one burst of samples does not change what is usual much. */
static void usual_push(Trend *t, double elapsed_sec) {
        if (t->usual_sec == 0)
                t->usual_sec = elapsed_sec;
        else if (elapsed_sec > 0)
                t->usual_sec += (MIN(elapsed_sec, 2 * t->usual_sec) - t->usual_sec) / 8;
}

void trend_push(Trend *t, uint64_t time_usec, double used) {
        TrendSample s = {time_usec, used}, last = t->n_samples > 0 ? *trend_sample(t, 0) : s;

        s.time_usec = MAX(s.time_usec, last.time_usec);
        usual_push(t, to_sec(s.time_usec) - to_sec(last.time_usec));
        for (unsigned i = 0; i < TREND_SCALES; i++)
                scale_push(&t->scales[i], trend_bucket_sec(i), &last, &s);
        hours_push(t, &s);
        if (t->n_samples == 0)
                t->first_usec = s.time_usec;
        t->base_used = t->n_samples == 0 ? used : MIN(t->base_used, used);
        if (t->n_samples == UINT32_MAX) /* not to 0: that stands for nothing */
                t->n_samples -= TREND_RECENT;
        t->recent[t->n_samples++ % TREND_RECENT] = s;
}

bool trend_has_grown(Trend *t, double by) {
        double used = trend_sample(t, 0)->used;

        if (used <= t->base_used || used - t->base_used < by)
                return false;
        t->base_used = used;
        return true;
}

/* The quarter q of a window of n_buckets a quarter, from the bucket `first` on. The bucket that is not finished is the last
 * quarter's. */
static float lowest_of(const TrendScale *scale, uint64_t first, unsigned n_buckets) {
        float low = scale->buckets[first % TREND_BUCKETS].low;

        for (unsigned i = 1; i < n_buckets; i++)
                low = MIN(low, scale->buckets[(first + i) % TREND_BUCKETS].low);
        return low;
}

static float highest_of(const TrendScale *scale, uint64_t first, unsigned n_buckets) {
        float high = scale->buckets[first % TREND_BUCKETS].high;

        for (unsigned i = 1; i < n_buckets; i++)
                high = MAX(high, scale->buckets[(first + i) % TREND_BUCKETS].high);
        return high;
}

bool trend_window(const Trend *t, unsigned s, unsigned n_buckets, TrendWindow *ret_window) {
        const TrendScale *scale = &t->scales[s];
        unsigned n = n_buckets / TREND_QUARTERS;
        float low[TREND_QUARTERS];

        if (n == 0 || n_buckets >= scale->n)
                return false;
        uint64_t first = scale->head - n_buckets;
        /* The newest first: in quiet times that is all that is looked at. */
        for (unsigned q = TREND_QUARTERS; q-- > 0;) {
                low[q] = lowest_of(scale, first + q * n, n + (q == TREND_QUARTERS - 1));
                if (q + 1 < TREND_QUARTERS && low[q] >= low[q + 1])
                        return false;
        }

        double first_sec = (double) first * trend_bucket_sec(s), quarter_sec = n * trend_bucket_sec(s);
        double now_sec = to_sec(trend_sample(t, 0)->time_usec), begin_sec = MAX(first_sec, to_sec(t->first_usec));
        double first_quarter_sec = first_sec + quarter_sec - begin_sec;
        if (first_quarter_sec < FIRST_QUARTER_PART * quarter_sec)
                return false;
        *ret_window = (TrendWindow){
                .seconds = now_sec - begin_sec,
                .first_quarter_sec = first_quarter_sec,
                .quarter_sec = quarter_sec,
                .last_quarter_sec = now_sec - first_sec - (TREND_QUARTERS - 1) * quarter_sec,
        };
        for (unsigned q = 0; q < TREND_QUARTERS; q++) {
                ret_window->low[q] = (double) low[q];
                ret_window->high[q] = (double) highest_of(scale, first + q * n, n + (q == TREND_QUARTERS - 1));
        }
        return true;
}

/* Over all scales: the fine ones know what was just before, the coarse ones what was long ago. A bucket that reaches
 * into what is younger is left out. */
double trend_highest(const Trend *t, double from_sec_ago, double to_sec_ago) {
        double now_sec = to_sec(trend_sample(t, 0)->time_usec), highest = -1;

        for (unsigned s = 0; s < TREND_SCALES; s++)
                for (unsigned i = 0; i < t->scales[s].n; i++) {
                        uint64_t number = t->scales[s].head - i;
                        double end_sec_ago = now_sec - (double) (number + 1) * trend_bucket_sec(s);
                        if (end_sec_ago > to_sec_ago)
                                break;
                        if (end_sec_ago >= from_sec_ago)
                                highest = MAX(highest, (double) t->scales[s].buckets[number % TREND_BUCKETS].high);
                }
        return highest;
}

double trend_highest_at_this_hour(const Trend *t, double from_sec_ago) {
        double highest = -1;

        for (int day = 1; day < TREND_HOURS / 24; day++)
                for (int hour = day * 24 - HOURS_AFTER; hour <= day * 24 + HOURS_BEFORE; hour++)
                        if ((uint64_t) hour <= t->hour && hour * 3600.0 >= from_sec_ago)
                                highest = MAX(highest,
                                        (double) t->hour_high[(t->hour - (uint64_t) hour) % TREND_HOURS]);
        return highest;
}
