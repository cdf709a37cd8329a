/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Is a fill under way? By the shape of what was used: a fill has taken about half of what was free at its onset, or is
 * about to at the pace at which it accelerates; quarter by quarter; is still moving; and is more than what was survived
 * before. Such a rule needs no threshold of space and no slope: on a straight ramp half is gone when as much time is
 * left as has passed. */

#include "trend.h"

typedef enum FillingShape {
        FILLING_NONE,
        FILLING_STRAIGHT,     /* quarter by quarter alike; of a saw-tooth, its troughs */
        FILLING_ACCELERATING,
        FILLING_SUDDEN,       /* too fast for the samples: seen in a few of them */
        _FILLING_SHAPE_MAX,
} FillingShape;

const char *filling_shape_to_string(FillingShape shape); /* "none", "straight", ... */

typedef struct Filling {
        FillingShape shape;
        bool survived;    /* it was as full before, of late or at this hour, and that went by */
        double since_sec; /* for so long it has been seen */
        double taken;     /* in that time */
        double avail;     /* that were left then */
        double teeth;     /* the height of its teeth: what is given back of that is none */
        double low_sec, high_sec; /* to full: eight times of ten within that */
} Filling;

/* avail: what is left, as of the last sample. Where it has hardly grown since the last look, nothing is looked for, and nothing
 * found: an alarm keeps what it was raised by. */
Filling filling_look(Trend *t, double avail);
