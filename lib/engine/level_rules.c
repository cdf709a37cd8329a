/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rules of the levels: contract in level_rules.h.
 *
 * A forecast counts only once it has lasted for a part of the time that it leaves: a second of a flood that
 * fills the disk in ten is much, a second of a download is nothing. The part grows with the level, so that
 * in a flood warning, critical and emergency come one after the other.
 *
 * Warning and worse need more than a rate. Most of what writes fast ends by itself: pulls, builds, backups. So either logs
 * explain the growth, or an alarm stands: its shape is that of a fill (alarm.h). */

#include "level_rules.h"

#define HOLD_MIN_USEC (50 * USEC_PER_MSEC)
#define HOLD_MAX_USEC (30 * USEC_PER_MINUTE)
/* A notice is for what lasts: it may be as late as that. */
#define HOLD_NOTICE_USEC (10 * USEC_PER_MINUTE)

/* A raise counts as a return of the one before within that time: a week, and a little. */
#define RETURNS_USEC (8 * USEC_PER_DAY)

/* A steady writer keeps it to the letter; the rest is for those that come in bursts. */
#define KEPT_PROMISE 0.75

static const uint64_t hold_part[_LEVEL_MAX] = {
        [LEVEL_OK] = 16, /* stands for `falling` */
        [LEVEL_NOTICE] = 16,
        [LEVEL_WARNING] = 16,
        [LEVEL_CRITICAL] = 8,
        [LEVEL_EMERGENCY] = 4,
};

static uint64_t hold_usec(Level level, uint64_t low_usec) {
        uint64_t hold = low_usec / hold_part[level];

        hold = MAX(hold, level == LEVEL_NOTICE ? HOLD_NOTICE_USEC : HOLD_MIN_USEC);
        return MIN(hold, HOLD_MAX_USEC);
}

static uint64_t within_usec(const Config *config, Level level) {
        if (level == LEVEL_OK) /* falling: a fact, which stays one where the forecasts are turned off */
                return MAX(config->levels[LEVEL_NOTICE].within_usec, USEC_PER_DAY);
        return config->levels[level].within_usec;
}

static uint64_t relaxed(uint64_t value, uint64_t tenths) {
        return value / 10 > UINT64_MAX / 20 ? UINT64_MAX : value / 10 * tenths + value % 10 * tenths / 10;
}

static void timers_init(LevelTimers *t) {
        for (int l = 0; l < _LEVEL_MAX; l++)
                t->raise[l].since_usec = t->stay[l].since_usec = USEC_INFINITY;
}

void level_rules_init(LevelRules *rules, uint64_t now_usec) {
        *rules = (LevelRules){.level_since_usec = now_usec, .gone_since_usec = USEC_INFINITY};
        timers_init(&rules->bytes);
        timers_init(&rules->inodes);
}

static void timer_update(LevelTimer *t, bool is_so, const ForecastView *view, uint64_t now_usec) {
        if (!is_so)
                t->since_usec = USEC_INFINITY;
        else if (t->since_usec == USEC_INFINITY)
                *t = (LevelTimer){now_usec, view->consumed};
}

static void timers_update(LevelTimers *t, const LevelInput *in, const ForecastView *view) {
        uint64_t low = view->full.low_usec;
        bool filling = view->full.known && low != USEC_INFINITY;

        for (int l = 0; l < _LEVEL_MAX; l++) {
                uint64_t within = within_usec(in->config, l);
                timer_update(&t->raise[l], filling && low <= within, view, in->now_usec);
                timer_update(&t->stay[l], filling && low <= relaxed(within, 15), view, in->now_usec);
        }
}

/* Has it lasted, and was as much consumed meanwhile as the rate promised? Noise has rates, but gets nowhere.
 * Otherwise *wake is when it will have. */
static bool has_lasted(const LevelTimer *t, Level level, const ForecastView *view, uint64_t now_usec,
                uint64_t *wake_usec) {
        if (t->since_usec == USEC_INFINITY)
                return false;

        uint64_t hold = hold_usec(level, view->full.low_usec), until = t->since_usec + hold;
        double promised = view->worst_ps * (double) hold / (double) USEC_PER_SEC;
        if (now_usec < until) {
                if (wake_usec)
                        *wake_usec = MIN(*wake_usec, until);
                return false;
        }
        return view->consumed - t->consumed >= KEPT_PROMISE * promised;
}

static Level by_forecast(const LevelTimers *t, const LevelInput *in, const ForecastView *view, const Alarm *alarm,
                bool logs_explain, bool stay, uint64_t *wake_usec) {
        const LevelTimer *timers = stay ? t->stay : t->raise;

        for (Level l = LEVEL_EMERGENCY; l > LEVEL_OK; l--) {
                bool may_be_one = l < LEVEL_WARNING || logs_explain || alarm->raised;
                if (may_be_one && has_lasted(&timers[l], l, view, in->now_usec, wake_usec))
                        return l;
                /* Forecasts that are turned off are turned off altogether. */
                if (l == LEVEL_WARNING && alarm->raised && within_usec(in->config, l) > 0)
                        return l;
        }
        return LEVEL_OK;
}

uint64_t level_rules_space_bytes(const Config *config, Level level, uint64_t total_bytes) {
        const ConfigLevel *l = &config->levels[level];
        uint64_t share = (uint64_t) ((double) total_bytes * l->free_permyriad / 10000);

        return MIN(share, l->free_bytes);
}

static Level by_space(const LevelInput *in, bool stay) {
        const PartitionSample *s = in->space;

        if (s->total_bytes == 0)
                return LEVEL_OK;
        if (s->avail_bytes == 0)
                return LEVEL_EMERGENCY;
        for (Level l = LEVEL_EMERGENCY; l > LEVEL_OK; l--) {
                uint64_t below = level_rules_space_bytes(in->config, l, s->total_bytes);
                if (s->avail_bytes < (stay ? relaxed(below, 11) : below))
                        return l;
        }
        return LEVEL_OK;
}

static Level by_inodes(const LevelInput *in, bool stay) {
        const PartitionSample *s = in->space;

        if (s->total_inodes == 0)
                return LEVEL_OK;
        if (s->avail_inodes == 0)
                return LEVEL_EMERGENCY;
        for (Level l = LEVEL_EMERGENCY; l > LEVEL_OK; l--) {
                double share = in->config->levels[l].free_permyriad / 10000.0 * (stay ? 1.1 : 1);
                /* An amount of bytes alone says nothing of inodes. */
                if (in->config->levels[l].free_permyriad != CONFIG_PERMYRIAD_ANY &&
                                (double) s->avail_inodes < share * (double) s->total_inodes)
                        return l;
        }
        return LEVEL_OK;
}

/* The highest level that anything calls for; among equals what is told first is free space, then its
 * forecast. */
static Level called_for(
                LevelRules *r, const LevelInput *in, bool stay, uint64_t *wake_usec, Reason *ret_reason) {
        const struct {
                Level level;
                Reason reason;
        } calls[] = {
                {by_space(in, stay), REASON_SPACE},
                {by_forecast(&r->bytes, in, in->bytes, &r->bytes_alarm, in->logs_explain, stay, wake_usec),
                        REASON_FORECAST},
                {by_inodes(in, stay), REASON_INODES},
                {by_forecast(&r->inodes, in, in->inodes, &r->inodes_alarm, false, stay, wake_usec),
                        REASON_INODES_FORECAST},
        };
        Level level = LEVEL_OK;

        *ret_reason = REASON_NONE;
        for (size_t i = 0; i < ELEMENTS(calls); i++)
                if (calls[i].level > level) {
                        level = calls[i].level;
                        *ret_reason = calls[i].reason;
                }
        return level;
}

static void set_level(LevelRules *r, Level level, Reason reason, uint64_t now_usec) {
        r->level = level;
        r->reason = reason;
        r->level_since_usec = now_usec;
        r->gone_since_usec = USEC_INFINITY;
}

static void lower(LevelRules *r, const LevelInput *in, uint64_t *wake_usec) {
        Reason reason;
        Level stays = MIN(called_for(r, in, true, NULL, &reason), r->level);

        if (stays == r->level) {
                r->gone_since_usec = USEC_INFINITY;
                return;
        }
        if (r->gone_since_usec == USEC_INFINITY) {
                r->gone_since_usec = in->now_usec;
                r->gone_to = stays;
        }
        r->gone_to = MAX(r->gone_to, stays);

        /* Half as long again as it took to come back the last time: down to warning at once, out of it only then. */
        uint64_t gone_since_usec = r->gone_since_usec, hold_usec = in->config->clear_hold_usec;
        bool ends = r->level >= LEVEL_WARNING && r->gone_to < LEVEL_WARNING;
        if (ends && r->level > LEVEL_WARNING && r->away_usec > hold_usec &&
                        in->now_usec >= gone_since_usec + hold_usec) {
                set_level(r, LEVEL_WARNING, r->reason, in->now_usec);
                r->gone_since_usec = gone_since_usec;
        }
        uint64_t until = gone_since_usec + (ends ? MAX(hold_usec, r->away_usec) : hold_usec);
        if (in->now_usec >= until)
                set_level(r, r->gone_to, reason, in->now_usec);
        else
                *wake_usec = MIN(*wake_usec, until);
}

/* What came back within a week comes back again, most likely: a job every night, a log that is rotated. One alert that
 * stands is worth more than one every night. */
static void note_raise(LevelRules *r, uint64_t now_usec) {
        uint64_t since_usec = now_usec - r->raised_usec;
        bool again = r->raised_usec != 0 && since_usec < RETURNS_USEC;

        r->away_usec = again ? since_usec * 3 / 2 : 0;
        r->raised_usec = now_usec;
}

bool level_rules_ask_for_cause(const LevelRules *r, const Config *config, const ForecastView *bytes) {
        return !r->bytes_alarm.raised && bytes->full.known &&
                bytes->full.low_usec <= relaxed(within_usec(config, LEVEL_WARNING), 15);
}

void level_rules_update(LevelRules *r, const LevelInput *in, uint64_t *ret_wake_usec) {
        uint64_t wake_usec = USEC_INFINITY;
        Reason reason;

        timers_update(&r->bytes, in, in->bytes);
        timers_update(&r->inodes, in, in->inodes);
        alarm_update(&r->bytes_alarm, in->bytes_filling, in->demanded_bytes, (double) in->space->avail_bytes, in->now_usec);
        alarm_update(&r->inodes_alarm, in->inodes_filling,
                (double) (in->space->total_inodes - in->space->avail_inodes), (double) in->space->avail_inodes, in->now_usec);
        r->falling = has_lasted(&r->bytes.raise[LEVEL_OK], LEVEL_OK, in->bytes, in->now_usec, &wake_usec);

        Level level = called_for(r, in, false, &wake_usec, &reason);
        if (level > r->level) {
                if (level >= LEVEL_WARNING && r->level < LEVEL_WARNING)
                        note_raise(r, in->now_usec);
                set_level(r, level, reason, in->now_usec);
        } else
                lower(r, in, &wake_usec);
        *ret_wake_usec = wake_usec;
}
