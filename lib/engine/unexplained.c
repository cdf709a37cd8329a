/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Growth that no log explains: asks for surveys while there is any, and tells what they find. */

#include "engine_internal.h"

/* The offenders are known then, and the rest would change nothing. */
#define LOGS_EXPLAIN_MOST 0.6
/* Whether one is wanted takes a walk over all logs that grow. */
#define ASK_USEC (USEC_PER_SEC / 4)
/* That log is the cause: what else grows beside it can wait. */
#define LOG_EXPLAINS_PERMYRIAD 6000
/* Less is not worth a line of an alert. */
#define MINOR_PERMYRIAD 500

/* Over the last seconds: a step of before, as of an image, is none of that. */
#define PACE_SCALE 1

static double pace_bps(const Engine *e, uint64_t now_usec) {
        const Attribution *a = &e->attribution;

        return a->started ? MAX(rate_read(&a->partition, PACE_SCALE, a->since_usec, now_usec), 0.0) : 0;
}

void engine_promise_surveys(Engine *e) {
        e->causes.promised = true;
}

static bool may_fill(const Engine *e) {
        if (e->sampled_usec == 0 || e->blind || e->bytes_view.trend_ps <= 0)
                return false;
        return e->rules.falling || e->bytes_filling.shape != FILLING_NONE || e->rules.bytes_alarm.raised;
}

bool engine_wants_survey(Engine *e, uint64_t now_usec, uint64_t *ret_window_usec) {
        Causes *c = &e->causes;
        Ranking ranking;

        if (!c->promised || e->config.attribution_cpu_permyriad == 0 || now_usec < c->next_usec || now_usec < c->due_usec ||
                        !may_fill(e) || now_usec < c->asked_usec + ASK_USEC)
                return false;
        c->asked_usec = now_usec;
        attribution_rank(&e->attribution, &e->logs, plan_scale(e), now_usec, &ranking);
        if (ranking.partition_bps <= 0 || ranking.logs_bps >= LOGS_EXPLAIN_MOST * ranking.partition_bps)
                return false;
        *ret_window_usec = causes_window_usec(ranking.partition_bps);
        return true;
}

static void name_containers(Engine *e) {
        Causes *c = &e->causes;
        EngineLog log;

        memset(c->names, 0, sizeof(c->names));
        for (uint32_t i = 0; i < c->n_found; i++)
                /* By its id alone: others may be called like it. */
                if (c->found[i].container[0] && engine_find_log(e, c->found[i].container, &log) == 0 &&
                                streq(log.info->container.id, c->found[i].container))
                        memcpy(c->names[i], log.info->container.name, sizeof(c->names[i]));
}

static EventCause describe(const Causes *c, uint32_t i) {
        EventCause out = {
                .cause = c->found[i],
                .share_permyriad = causes_share_permyriad(c, c->found + i),
                .growth_bps = causes_bps(c, c->found + i),
        };

        memcpy(out.container_name, c->names[i], sizeof(out.container_name));
        return out;
}

void engine_get_survey(const Engine *e, uint64_t now_usec, EngineSurvey *ret_survey) {
        const Causes *c = &e->causes;

        *ret_survey = (EngineSurvey){};
        if (!causes_are_fresh(c, now_usec))
                return;
        ret_survey->ended_usec = c->found_usec;
        ret_survey->facts = c->facts;
        for (uint32_t i = 0; i < c->n_found; i++)
                ret_survey->causes[ret_survey->n++] = describe(c, i);
}

static bool is_about_bytes(Reason reason) {
        return reason == REASON_SPACE || reason == REASON_FORECAST;
}

/* By then logs have been freed, or something else has begun: what was seen then is not what fills it now. */
static bool is_known(Engine *e, uint64_t now_usec) {
        bool known = causes_are_fresh(&e->causes, now_usec) && causes_fit(&e->causes, pace_bps(e, now_usec));

        if (!known)
                causes_hurry(&e->causes, now_usec);
        return known;
}

void events_set_causes(Engine *e, Event *event, uint64_t now_usec) {
        Causes *c = &e->causes;

        if (event->share_permyriad >= LOG_EXPLAINS_PERMYRIAD || !is_about_bytes(event->reason) || !is_known(e, now_usec))
                return;
        for (uint32_t i = 0; i < c->n_found && event->n_causes < EVENT_CAUSES_MAX; i++)
                if (causes_share_permyriad(c, c->found + i) >= MINOR_PERMYRIAD)
                        event->causes[event->n_causes++] = describe(c, i);
        if (event->n_causes > 0 && event->alert_id != 0)
                causes_told(c, event->alert_id, now_usec);
}

/* An alert that was raised before it was known what fills it. */
static void tell(Engine *e, uint64_t now_usec) {
        if (e->rules.level < LEVEL_WARNING || !is_about_bytes(e->rules.reason) ||
                        !causes_are_news(&e->causes, e->alert_id, now_usec))
                return;
        if (!is_known(e, now_usec))
                return;
        events_set_causes(e, events_add_pending(e, EVENT_CAUSE_FOUND, now_usec), now_usec);
}

int unexplained_observe(Engine *e, const Observation *o) {
        bool urgent = e->alert_id != 0 && (e->causes.told_alert != e->alert_id || e->rules.level >= LEVEL_CRITICAL);

        if (o->type == OBSERVATION_CAUSE) {
                if ((unsigned) o->cause.kind >= _CAUSE_KIND_MAX)
                        return -EINVAL;
                causes_add(&e->causes, &o->cause);
                return 0;
        }
        if (!o->survey.ended) {
                causes_begin(&e->causes, o->survey.until_usec, e->freed_total_bytes);
                return 0;
        }
        causes_end(&e->causes, &o->survey.facts, o->survey.failed, e->config.attribution_cpu_permyriad, urgent,
                        e->freed_total_bytes, o->time_usec);
        if (o->survey.failed)
                return 0;
        name_containers(e);
        tell(e, o->time_usec);
        return 0;
}
