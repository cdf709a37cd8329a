/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From free space and forecasts to a level, with hold times on the way up and hysteresis on the way down. */

#include "alarm.h"
#include "forecast.h"
#include "observation.h"

/* For how long it has been on its way to full without a break, within the time of each level. LEVEL_OK's
 * stands for `falling`, within the notice's time. */
typedef struct LevelTimer {
        uint64_t since_usec;  /* USEC_INFINITY: it is not */
        double consumed;      /* at that time: forecast.h */
} LevelTimer;

typedef struct LevelTimers {
        LevelTimer raise[_LEVEL_MAX];
        LevelTimer stay[_LEVEL_MAX]; /* the same with hysteresis */
} LevelTimers;

typedef struct LevelRules {
        Level level;
        Reason reason;
        uint64_t level_since_usec;
        uint64_t gone_since_usec; /* since when the level's condition is gone; USEC_INFINITY: it is there */
        Level gone_to;            /* the worst that was called for meanwhile */
        LevelTimers bytes, inodes;
        Alarm bytes_alarm, inodes_alarm;
        uint64_t raised_usec; /* when it last came from below to warning or worse; 0: never */
        uint64_t away_usec;   /* that long it must stay away before warning is left */
        bool falling;             /* free bytes are on their way to none, within the notice's time */
} LevelRules;

typedef struct LevelInput {
        const Config *config;
        const PartitionSample *space;
        const ForecastView *bytes, *inodes;
        const Filling *bytes_filling, *inodes_filling;
        double demanded_bytes; /* what would be used, had we freed nothing */
        bool logs_explain;     /* it is logs that fill it: they do not end by themselves, as a download does */
        uint64_t now_usec;
} LevelInput;

void level_rules_init(LevelRules *rules, uint64_t now_usec);

/* The level, its reason and `falling` as of now. ret_wake_usec: when the same input would give another
 * answer; USEC_INFINITY: never. */
void level_rules_update(LevelRules *rules, const LevelInput *input, uint64_t *ret_wake_usec);

/* Whether logs_explain makes a difference. */
bool level_rules_ask_for_cause(const LevelRules *rules, const Config *config, const ForecastView *bytes);

/* Free bytes below which the level is reached by space alone. */
uint64_t level_rules_space_bytes(const Config *config, Level level, uint64_t total_bytes);
