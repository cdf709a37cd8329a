/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fills by their shape: contract in filling.h. The constants are those that did best over the corpora of tests/forecast
 * (docs/FORECAST.md), chosen on other seeds than those that the report is made from; around each the result is flat. */

#include "filling.h"

#include <math.h>

#include "macros.h"

/* So much of what was free at the onset is taken. On a straight ramp a half would be just in time: a little less, since it
 * is seen a sample late. */
#define TAKEN_PART 0.42
/* What each quarter takes at least, against the mean of all: less is a step, or noise. */
#define QUARTER_PART 0.4
/* The last quarter too: still moving, not merely moved. */
#define MOVING_PART 0.4
/* A quarter of a straight ramp that is wider than that is a saw-tooth: what is above it is the height of a tooth. */
#define QUARTER_WIDTH 1.3
/* It has to be fuller than it was before, by that part of what is left. */
#define EARLIER_MARGIN 0.1
#define SURVIVED_MARGIN 0.2
/* What was survived counts for that many times the length of the window. */
#define SURVIVED_SPANS 32.0

/* Acceleration, from quarter to quarter. */
#define ACCELERATES 1.1
/* The first quarters took something: otherwise it is the onset of a straight ramp that is seen. */
#define FIRST_OF_SECOND 0.05
#define SECOND_OF_LAST 0.1
#define ACCELERATED_PART 0.03
/* Full within that many times of what has passed; more than 1, since the beginning of an acceleration is not seen. */
#define ACCELERATED_SPANS 2
/* Growth is smooth, noise is not: so much wider than what it took may a quarter be. */
#define SMOOTH_WIDTH 1.25
#define SMOOTH_PART 0.02
/* With so few samples in a bucket noise accelerates, too. */
#define ACCELERATED_SAMPLES 1

/* Of what was free, taken within one interval between two samples, or two. */
#define SUDDEN_PART_1 0.45
#define SUDDEN_PART_2 0.3
/* Nothing is written that fast: room was reserved, or the partition is another one. */
#define SUDDEN_PS_MAX 3e9
#define SUDDEN_SAMPLES 6
#define SUDDEN_EVEN_2 0.1
#define SUDDEN_EVEN 0.25

/* It is looked for when so much more of what is left is taken: a flood with each sample, a leak of days every few minutes. */
#define LOOK_PART 0.0001

/* The range: what it takes at the mean pace, times these. Quantiles over the corpora. */
#define RANGE_LOW 0.65
#define RANGE_HIGH 2.6
/* ... where it went without teeth, and each quarter took as much as the mean but for that part: such a writer goes on as he did. */
#define RANGE_EVEN_HIGH 1.4
#define EVEN_PART 0.25

const char *filling_shape_to_string(FillingShape shape) {
        static const char *const names[_FILLING_SHAPE_MAX] = {
                [FILLING_NONE] = "none",
                [FILLING_STRAIGHT] = "straight",
                [FILLING_ACCELERATING] = "accelerating",
                [FILLING_SUDDEN] = "sudden",
        };

        return (size_t) shape < ELEMENTS(names) ? names[shape] : "unknown";
}

static bool is_survived(const Trend *t, double since_sec, double used, double taken) {
        double before = MAX(trend_highest(t, since_sec, (SURVIVED_SPANS + 1) * since_sec),
                trend_highest_at_this_hour(t, since_sec));

        return before >= used - SURVIVED_MARGIN * taken;
}

static void set_range(Filling *f, double sec, double high) {
        f->low_sec = sec * RANGE_LOW;
        f->high_sec = sec * high;
}

/* The height of the teeth, where at least three of the quarters have them: the second lowest. */
static double teeth(const TrendWindow *w, double part) {
        double lowest = INFINITY, second = INFINITY;

        for (unsigned q = 0; q < TREND_QUARTERS; q++) {
                double over = MAX(w->high[q] - w->low[q] - part * QUARTER_WIDTH, 0.0);
                if (over < lowest) {
                        second = lowest;
                        lowest = over;
                } else
                        second = MIN(second, over);
        }
        return second;
}

static bool is_steady(const TrendWindow *w, double part) {
        for (unsigned q = 0; q < TREND_QUARTERS; q++) {
                if (w->high[q] - w->low[q] > part * QUARTER_WIDTH)
                        return false;
                if (q > 0 && fabs(w->low[q] - w->low[q - 1] - part) > EVEN_PART * part)
                        return false;
        }
        return true;
}

static bool look_straight(const Trend *t, const TrendWindow *w, double avail, Filling *ret) {
        double used = trend_sample(t, 0)->used, total = used + avail;
        double pace = (w->low[3] - w->low[0]) / (w->seconds - w->last_quarter_sec);
        double taken = pace * w->seconds, part = pace * w->quarter_sec;

        if (taken <= 0)
                return false;
        for (unsigned q = 0; q + 1 < TREND_QUARTERS; q++)
                if (w->low[q + 1] - w->low[q] < QUARTER_PART * part)
                        return false;
        double highest = MAX(used, w->high[3]);
        if (highest - w->low[3] < MOVING_PART * part)
                return false;

        /* What matters of a saw-tooth is how high the next tooth will reach. */
        double peak = MAX(w->low[0] + taken + teeth(w, part), used);
        double room = MAX(total - peak, 0.0);
        /* When the next sample comes it may be too late to say so. */
        if (taken + pace * t->usual_sec < TAKEN_PART * (taken + room))
                return false;

        *ret = (Filling){.shape = FILLING_STRAIGHT, .since_sec = w->seconds, .taken = taken, .avail = avail,
                          .teeth = MAX(peak - (w->low[0] + taken), 0.0)};
        set_range(ret, room / pace, is_steady(w, part) ? RANGE_EVEN_HIGH : RANGE_HIGH);
        double earlier = MAX(w->high[0], MAX(w->high[1], w->high[2]));
        ret->survived = earlier >= highest - EARLIER_MARGIN * (total - highest) || is_survived(t, w->seconds, highest, taken);
        return true;
}

/* In how many quarters it is full when it goes on to accelerate as it did: up to n_max, INFINITY when not within that.
 * Where growth is a power of the time, 1 / (growth from quarter to quarter - 1) increases by 1 with every quarter; where
 * it is exponential it stays what it is. What happened so far tells which. */
static double quarters_left(const double took[TREND_QUARTERS], double avail, unsigned n_max) {
        double slowness[TREND_QUARTERS - 1];

        for (unsigned i = 0; i + 1 < TREND_QUARTERS; i++)
                slowness[i] = 1 / (took[i + 1] / took[i] - 1);
        double slows = CLAMP((slowness[2] - slowness[0]) / 2, 0.0, 1.0), s = slowness[2], next = took[3];
        for (unsigned n = 0; n < n_max; n++) {
                s += slows;
                next *= 1 + 1 / s;
                if (avail <= next)
                        return n + avail / next;
                avail -= next;
        }
        return INFINITY;
}

static bool look_accelerating(const Trend *t, const TrendWindow *w, double avail, Filling *ret) {
        double used = trend_sample(t, 0)->used, taken = used - w->low[0];
        double took[TREND_QUARTERS] = {
                (w->low[1] - w->low[0]) * w->quarter_sec / w->first_quarter_sec, w->low[2] - w->low[1], w->low[3] - w->low[2],
                (used - w->low[3]) * w->quarter_sec / w->last_quarter_sec,
        };

        if (taken < ACCELERATED_PART * (taken + avail) || took[0] <= 0 || took[0] < FIRST_OF_SECOND * took[1] ||
                        took[1] < SECOND_OF_LAST * took[3])
                return false;
        for (unsigned q = 0; q + 1 < TREND_QUARTERS; q++)
                if (took[q + 1] < ACCELERATES * took[q])
                        return false;
        for (unsigned q = 0; q < TREND_QUARTERS; q++)
                if (w->high[q] - w->low[q] > took[q] * SMOOTH_WIDTH + SMOOTH_PART * taken)
                        return false;

        double left = quarters_left(took, avail, (unsigned) (TREND_QUARTERS * ACCELERATED_SPANS) + 1);
        if (left > TREND_QUARTERS * ACCELERATED_SPANS)
                return false;
        *ret = (Filling){.shape = FILLING_ACCELERATING, .since_sec = w->seconds, .taken = taken, .avail = avail};
        set_range(ret, left * w->quarter_sec, RANGE_HIGH);
        ret->survived = is_survived(t, w->seconds, used, taken);
        return true;
}

/* Is what the last n intervals took as even as so few can tell? The oldest may begin before the onset. */
static bool is_even(unsigned n, double least_ps, double mean_ps) {
        return n == 1 || least_ps >= (n == 2 ? SUDDEN_EVEN_2 : SUDDEN_EVEN) * mean_ps;
}

static bool look_sudden(const Trend *t, double avail, Filling *ret) {
        const TrendSample *now = trend_sample(t, 0);
        double least_ps = INFINITY;
        bool found = false;

        for (unsigned n = 1; n <= SUDDEN_SAMPLES && n < t->n_samples; n++) {
                const TrendSample *a = trend_sample(t, n), *b = trend_sample(t, n - 1);
                double step_sec = (double) (b->time_usec - a->time_usec) / (double) USEC_PER_SEC;
                double since_sec = (double) (now->time_usec - a->time_usec) / (double) USEC_PER_SEC;
                double taken = now->used - a->used;

                if (b->used <= a->used || step_sec <= 0)
                        break;
                least_ps = MIN(least_ps, (b->used - a->used) / step_sec);
                if (n > 2 && !is_even(n, least_ps, taken / since_sec))
                        break;
                double part = n == 1 ? SUDDEN_PART_1 : n == 2 ? SUDDEN_PART_2 : TAKEN_PART / (1 + 1.0 / n);
                if ((n == 1 && taken / since_sec > SUDDEN_PS_MAX) || !is_even(n, least_ps, taken / since_sec) || taken < part * (taken + avail))
                        continue;
                *ret = (Filling){.shape = FILLING_SUDDEN, .since_sec = since_sec, .taken = taken, .avail = avail};
                set_range(ret, avail / taken * since_sec,
                                least_ps >= (1 - EVEN_PART) * taken / since_sec && n > 1 ? RANGE_EVEN_HIGH : RANGE_HIGH);
                ret->survived = is_survived(t, since_sec, now->used, taken);
                found = true;
                if (!ret->survived)
                        break;
        }
        return found;
}

Filling filling_look(Trend *t, double avail) {
        Filling survived = {};
        bool finest = true;

        /* What does not grow does not begin to be one. */
        if (t->n_samples < 3 || !trend_has_grown(t, LOOK_PART * avail))
                return survived;
        if (look_sudden(t, avail, &survived) && !survived.survived)
                return survived;
        for (unsigned s = 0; s < TREND_SCALES; s++) {
                /* A bucket without a sample knows nothing. */
                if (trend_bucket_sec(s) < 0.9 * t->usual_sec)
                        continue;
                /* Windows of up to 7 buckets are those of the scale below. */
                for (unsigned n = finest ? 4 : 8; n <= 16; n += 4) {
                        TrendWindow w;
                        Filling f;

                        if (!trend_window(t, s, n, &w))
                                continue;
                        bool is_one = look_straight(t, &w, avail, &f);
                        if (!is_one && trend_bucket_sec(s) >= ACCELERATED_SAMPLES * t->usual_sec)
                                is_one = look_accelerating(t, &w, avail, &f);
                        if (!is_one)
                                continue;
                        if (!f.survived)
                                return f;
                        survived = f;
                }
                finest = false;
        }
        return survived;
}
