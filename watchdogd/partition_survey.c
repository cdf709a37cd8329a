/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What grows that is no log: has it looked for by a one-shot surveyor where the engine wants to know, and tells the engine. One
 * that hangs or fails costs that knowledge, and nothing else. */

#include <stdio.h>

#include "clock.h"
#include "partition_internal.h"
#include "text.h"

/* Two looks of half a second at most, a look at the writers, and a busy machine. */
#define SURVEYOR_EXTRA_USEC (4 * USEC_PER_SEC)

static void stuck_on_gone(void *userdata) { (void) userdata; }

void partition_init_survey(Partition *p) {
        p->survey.stuck = (ErrandStuck){.on_gone = stuck_on_gone, .userdata = p};
        engine_promise_surveys(p->engine);
}

void partition_done_survey(Partition *p) {
        p->survey.surveyor = errand_free(p->survey.surveyor);
        p->survey.stuck.worker = worker_free(p->survey.stuck.worker);
}

static void give_up(Partition *p, int error) {
        uint64_t now_usec = clock_monotonic_usec();
        Observation o = {.type = OBSERVATION_SURVEY, .time_usec = now_usec, .survey = {.ended = true, .failed = true}};
        Event event = {.type = EVENT_NOTICE};

        /* What it took is not known; at most all of the time. */
        o.survey.facts.cpu_usec = now_usec - p->survey.begun_usec;
        partition_observe(p, &o);
        if (p->survey.failed_said)
                return;
        p->survey.failed_said = true;
        partition_fill(p, &event);
        event.alert_id = 0;
        (void) snprintf(event.detail, sizeof(event.detail),
                "looking what grows beside the logs failed: %s; alerts name logs alone until it works again",
                errand_error_to_string(error));
        teller_tell(p->world.teller, &event);
}

/* The surveyor has read what others have named: its texts are not taken on trust. */
static void bound_texts(Cause *cause) {
        cause->container[sizeof(cause->container) - 1] = 0;
        cause->name[sizeof(cause->name) - 1] = 0;
        cause->path[sizeof(cause->path) - 1] = 0;
        cause->command[sizeof(cause->command) - 1] = 0;
}

static void on_answer(const Message *answer, int error, void *userdata) {
        Partition *p = userdata;
        const SurveyFound *found = answer ? &answer->surveyed : NULL;
        Observation o = {.type = OBSERVATION_CAUSE, .time_usec = clock_monotonic_usec()};

        if (!found || answer->type != MESSAGE_SURVEYED || found->n > SURVEY_CAUSES_MAX) {
                give_up(p, answer ? -EBADMSG : error);
                partition_decide(p);
                return;
        }
        p->survey.failed_said = false;
        p->survey.from_pid = found->next_pid;
        for (uint32_t i = 0; i < found->n; i++) {
                o.cause = found->causes[i];
                bound_texts(&o.cause);
                partition_observe(p, &o);
        }
        o = (Observation){.type = OBSERVATION_SURVEY, .time_usec = o.time_usec, .survey = {.ended = true, .facts = found->facts}};
        partition_observe(p, &o);
        partition_decide(p);
}

static int send_surveyor(Partition *p, uint64_t window_usec) {
        Message order = {.type = MESSAGE_SURVEY};

        order.survey = (SurveyOrder){.n_roots = p->target.n_roots, .window_usec = window_usec, .from_pid = p->survey.from_pid,
                                     .read_bytes = p->world.config->attribution_read_bytes};
        memcpy(order.survey.look_path, p->target.look_path, sizeof(order.survey.look_path));
        for (uint32_t i = 0; i < p->target.n_roots; i++)
                memcpy(order.survey.roots[i], p->target.roots[i].path, sizeof(order.survey.roots[i]));
        return errand_start(p->world.children, p->world.event,
                &(ErrandOrder){.role = ROLE_SURVEYOR, .say = {&order}, .timeout_usec = window_usec + SURVEYOR_EXTRA_USEC,
                               .on_done = on_answer, .userdata = p, .stuck = &p->survey.stuck},
                &p->survey.surveyor);
}

void partition_make_survey(Partition *p, uint64_t now_usec) {
        uint64_t window_usec;
        int r;

        if (p->survey.surveyor || p->survey.stuck.worker || !engine_wants_survey(p->engine, now_usec, &window_usec))
                return;
        p->survey.begun_usec = now_usec;
        Observation o = {.type = OBSERVATION_SURVEY, .time_usec = now_usec,
                         .survey = {.until_usec = now_usec + window_usec + SURVEYOR_EXTRA_USEC}};
        partition_observe(p, &o);
        r = send_surveyor(p, window_usec);
        if (r < 0)
                give_up(p, r);
}
