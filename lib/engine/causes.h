/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes the partition grow where its logs do not: when that is worth a survey, what the last one has found, and
 * whether people know of it. */

#include "cause.h"

typedef struct Causes {
        bool promised;         /* somebody makes surveys when asked to */
        uint64_t asked_usec;   /* when it was last asked whether one is wanted */
        uint64_t next_usec;    /* not before ... */
        uint64_t budget_usec;  /* ... and never before that: what the last one took has to be earned first */
        uint64_t due_usec;     /* one is under way, and has ended by then; 0: none is */
        uint64_t freed_bytes;  /* by acts, before it was begun */
        Cause coming[SURVEY_CAUSES_MAX]; /* of that one */
        uint32_t n_coming;

        Cause found[SURVEY_CAUSES_MAX]; /* of the last one, the largest first */
        char names[SURVEY_CAUSES_MAX][CONTAINER_NAME_MAX]; /* of their containers, which may be gone by the time they are told */
        uint32_t n_found;
        SurveyFacts facts;
        double all_bytes;      /* that grew within it: at least what is known to have */
        uint64_t found_usec;   /* when it had ended; 0: never */

        uint64_t told_alert;   /* people were told of the causes of this one ... */
        uint64_t told_usec;    /* ... then ... */
        Cause told;            /* ... and this was the first of them, at ... */
        int64_t told_bps;
} Causes;

void causes_begin(Causes *c, uint64_t until_usec, uint64_t freed_bytes);
void causes_add(Causes *c, const Cause *cause);
/* cpu_permyriad: of one core, that surveys may take on the mean. urgent: people wait for an answer. freed_bytes: by acts, so far. */
void causes_end(Causes *c, const SurveyFacts *facts, bool failed, uint32_t cpu_permyriad, bool urgent, uint64_t freed_bytes,
                uint64_t now_usec);
/* One is wanted as soon as the last one is earned. */
void causes_hurry(Causes *c, uint64_t now_usec);

/* A lot was given back, or it is over: what fills it from now on may be something else, and is news. */
void causes_forget(Causes *c, uint64_t now_usec);

/* What was found is not older than what people would take for now. */
bool causes_are_fresh(const Causes *c, uint64_t now_usec);
/* It grows no faster than the survey has seen it grow: what was found is what grows now. */
bool causes_fit(const Causes *c, double bps);
/* Of all growth within that survey. */
uint32_t causes_share_permyriad(const Causes *c, const Cause *cause);
int64_t causes_bps(const Causes *c, const Cause *cause);

/* For how long to look, where it grows at that pace. */
uint64_t causes_window_usec(double bps);

/* The first cause is news to those who were told of that alert. */
bool causes_are_news(const Causes *c, uint64_t alert_id, uint64_t now_usec);
void causes_told(Causes *c, uint64_t alert_id, uint64_t now_usec);
