/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A fill is under way, until it is not: raised by its shape, ended by a real reclaim or a long stall. */

#include "filling.h"

typedef struct Alarm {
        bool raised;
        Filling filling;      /* the largest that was seen since */
        double highest;       /* the most that was used since */
        double moved_used;    /* what was used when it last moved on by something that counts ... */
        uint64_t moved_usec;  /* ... and when that was */
} Alarm;

void alarm_update(Alarm *a, const Filling *filling, double used, double avail, uint64_t now_usec);
