/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Surveys and what they find: contract in causes.h. */

#include "causes.h"

#include "macros.h"

/* Between two surveys: while an alert stands without a cause, and else. */
#define URGENT_USEC (10 * USEC_PER_SEC)
#define CALM_USEC (60 * USEC_PER_SEC)
/* Longer than that goes by from one to the next. */
#define FRESH_USEC (3 * USEC_PER_MINUTE)
/* Two writers that take turns are not told of every minute. */
#define TELL_AGAIN_USEC (5 * USEC_PER_MINUTE)
/* Twice, and a little: it is another writer then, or another one beside him. */
#define ANOTHER_PACE 2.5
/* Less is not what makes it grow. */
#define NEWS_PERMYRIAD 2000

/* So much should come within a survey: 4,000 blocks, far more than what a journal or a database does by the way. A flood shows
 * that at once; who waits for the cause of a slow leak waits a quarter of a minute. */
#define WINDOW_BYTES ((double) MIB(16))
#define WINDOW_LEAST_USEC (USEC_PER_SEC / 2)
#define WINDOW_MOST_USEC (15 * USEC_PER_SEC)

void causes_begin(Causes *c, uint64_t until_usec, uint64_t freed_bytes) {
        c->freed_bytes = freed_bytes;
        c->due_usec = until_usec;
        c->n_coming = 0;
}

void causes_add(Causes *c, const Cause *cause) {
        uint32_t i = c->n_coming;

        if (i == SURVEY_CAUSES_MAX && cause->grown_bytes <= c->coming[i - 1].grown_bytes)
                return;
        if (i == SURVEY_CAUSES_MAX)
                i--;
        else
                c->n_coming++;
        for (; i > 0 && c->coming[i - 1].grown_bytes < cause->grown_bytes; i--)
                c->coming[i] = c->coming[i - 1];
        c->coming[i] = *cause;
}

static bool is_same(const Cause *a, const Cause *b) {
        bool named = a->name[0] || a->container[0] || a->kind == CAUSE_IMAGES || a->kind == CAUSE_JOURNAL;

        return a->kind == b->kind && streq(a->container, b->container) && streq(a->name, b->name) &&
                        (named || streq(a->command, b->command));
}

/* At least what is known to have grown: what was given back meanwhile, by acts or by others, does not show in the partition. */
static double all_growth(const Causes *c, uint64_t freed_bytes) {
        double known = (double) c->facts.logs_bytes, shown = (double) c->facts.grown_bytes - (double) c->facts.shrunk_bytes;

        for (uint32_t i = 0; i < c->n_found; i++)
                known += (double) c->found[i].grown_bytes;
        return MAX(known, shown + (double) freed_bytes);
}

/* There are so many processes that a survey sees a part of them: what the one before has found is as true. */
static void keep_other_part(Causes *c) {
        for (uint32_t i = 0; i < c->n_found; i++) {
                bool known = false;

                for (uint32_t k = 0; k < c->n_coming; k++)
                        known = known || is_same(c->found + i, c->coming + k);
                if (!known)
                        causes_add(c, c->found + i);
        }
}

void causes_end(Causes *c, const SurveyFacts *facts, bool failed, uint32_t cpu_permyriad, bool urgent, uint64_t freed_bytes,
                uint64_t now_usec) {
        uint64_t budget_usec = cpu_permyriad > 0 ? MIN(facts->cpu_usec, USEC_PER_HOUR) * 10000 / cpu_permyriad : USEC_PER_HOUR;

        c->due_usec = 0;
        c->budget_usec = now_usec + MIN(budget_usec, USEC_PER_HOUR);
        c->next_usec = MAX(c->budget_usec, now_usec + (urgent && !failed ? URGENT_USEC : CALM_USEC));
        /* Where nothing grew in that moment, what grew before is still the best that is known. */
        if (failed || (c->n_coming == 0 && facts->grown_bytes == 0))
                return;
        if (!facts->complete && !c->facts.complete && causes_are_fresh(c, now_usec))
                keep_other_part(c);
        memcpy(c->found, c->coming, sizeof(c->found));
        c->n_found = c->n_coming;
        c->facts = *facts;
        c->all_bytes = all_growth(c, freed_bytes - MIN(freed_bytes, c->freed_bytes));
        c->found_usec = now_usec;
}

void causes_hurry(Causes *c, uint64_t now_usec) {
        c->next_usec = MIN(c->next_usec, MAX(c->budget_usec, now_usec));
}

void causes_forget(Causes *c, uint64_t now_usec) {
        c->n_found = 0;
        c->found_usec = c->told_usec = 0;
        causes_hurry(c, now_usec);
}

bool causes_are_fresh(const Causes *c, uint64_t now_usec) {
        return c->found_usec != 0 && now_usec < c->found_usec + FRESH_USEC;
}

bool causes_fit(const Causes *c, double bps) {
        double then_bps = c->facts.window_usec > 0 ? c->all_bytes / (double) c->facts.window_usec * 1e6 : 0;

        return bps <= ANOTHER_PACE * then_bps;
}

uint32_t causes_share_permyriad(const Causes *c, const Cause *cause) {
        return c->all_bytes > 0 ? (uint32_t) (MIN((double) cause->grown_bytes / c->all_bytes, 1.0) * 10000) : 0;
}

int64_t causes_bps(const Causes *c, const Cause *cause) {
        if (c->facts.window_usec == 0)
                return 0;
        return (int64_t) MIN((double) cause->grown_bytes / (double) c->facts.window_usec * 1e6, 1e17);
}

uint64_t causes_window_usec(double bps) {
        double sec = bps > 0 ? WINDOW_BYTES / bps : 1e6;

        return (uint64_t) CLAMP(sec * 1e6, (double) WINDOW_LEAST_USEC, (double) WINDOW_MOST_USEC);
}

bool causes_are_news(const Causes *c, uint64_t alert_id, uint64_t now_usec) {
        if (alert_id == 0 || c->n_found == 0 || causes_share_permyriad(c, c->found) < NEWS_PERMYRIAD)
                return false;
        if (c->told_alert != alert_id)
                return true;
        if (is_same(&c->told, c->found))
                return false;
        return now_usec >= c->told_usec + TELL_AGAIN_USEC || c->told_usec == 0 ||
                        (double) causes_bps(c, c->found) > ANOTHER_PACE * (double) c->told_bps;
}

void causes_told(Causes *c, uint64_t alert_id, uint64_t now_usec) {
        c->told_alert = alert_id;
        c->told_usec = now_usec;
        c->told = c->found[0];
        c->told_bps = causes_bps(c, c->found);
}
