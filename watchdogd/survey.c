/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "survey_internal.h"

#include <sys/resource.h>
#include <sys/statvfs.h>
#include <time.h>

#include "clock.h"

/* Writers are looked at so often: a file is in their hands for a moment only. */
#define PEEKS 16
#define PEEK_USEC (10 * USEC_PER_MSEC)
/* Less of the growth than that is not looked for in what processes write. */
#define REST_PART 0.1
#define REST_LEAST_BYTES MIB(1)
/* Of a process that may have written elsewhere, about the amount that is missing here. */
#define AMOUNT_LEAST 0.5
#define AMOUNT_MOST 2.0

static void sleep_usec(uint64_t usec) {
        struct timespec span = {.tv_sec = (time_t) (usec / USEC_PER_SEC), .tv_nsec = (long) (usec % USEC_PER_SEC * 1000)};

        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &span, &span) == EINTR)
                ;
}

/* ---- writers of files that they do not keep open -------------------------------------------------------------- */

static SurveyPlace find_place(SurveySubject *p) {
        SurveyPlace place = {};

        for (int i = 0; i < PEEKS; i++) {
                if (i > 0)
                        sleep_usec(PEEK_USEC);
                if (survey_look_peek(p, &place))
                        return place;
        }
        place.cause.likely = true;
        survey_causes_learn_cgroup(p);
        memcpy(place.cause.container, p->container, sizeof(place.cause.container));
        return place;
}

/* How sure it is that what a process has written, and no file explains, went here. */
typedef enum Suspicion {
        NONE,  /* it has files where that may have gone, and it is not the amount that is missing here */
        MAYBE, /* it has, and it is */
        LIKELY,
} Suspicion;

static Suspicion suspect(const SurveyProcess *p, uint64_t rest_bytes) {
        double part = (double) survey_process_unexplained(p) / (double) rest_bytes;

        if (survey_process_unexplained(p) < REST_LEAST_BYTES || part < REST_PART)
                return NONE;
        if (!p->is_ambiguous)
                return LIKELY;
        return part >= AMOUNT_LEAST && part <= AMOUNT_MOST ? MAYBE : NONE;
}

static void ask_writer(Survey *s, SurveyProcess process, uint64_t *rest_bytes) {
        _cleanup_close_ int process_fd = survey_look_open(s->proc_fd, process.pid);
        SurveySubject subject = {.s = s, .process = &process, .process_fd = process_fd};

        if (process_fd < 0)
                return;
        SurveyPlace place = find_place(&subject);
        place.cause.grown_bytes = MIN(survey_process_unexplained(&process), *rest_bytes);
        *rest_bytes -= place.cause.grown_bytes;
        survey_causes_add(&subject, &place.cause);
}

/* Those with nothing that speaks for them first. */
static void ask_writers(Survey *s, uint64_t rest_bytes) {
        uint64_t all_bytes = rest_bytes;

        for (Suspicion suspicion = LIKELY; suspicion > NONE; suspicion--)
                for (size_t i = 0; i < s->writers.n && (double) rest_bytes >= REST_PART * (double) all_bytes; i++)
                        if (suspect(s->writers.items + i, rest_bytes) == suspicion)
                                ask_writer(s, s->writers.items[i], &rest_bytes);
}

/* ---- the survey ----------------------------------------------------------------------------------------------- */

static int read_free(const SurveyOrder *order, uint64_t *ret_free_bytes, uint64_t *ret_total_bytes) {
        struct statvfs st;

        if (statvfs(order->look_path, &st) < 0)
                return -errno;
        *ret_free_bytes = (uint64_t) st.f_bfree * st.f_frsize;
        *ret_total_bytes = (uint64_t) st.f_blocks * st.f_frsize;
        return 0;
}

static int make(Survey *s, SurveyFound *found) {
        uint64_t begun_usec = clock_monotonic_usec(), free_before = 0, free_after = 0, total = 0, known;
        struct rusage usage = {};
        int r;

        s->begun_wall_usec = clock_wall_usec();
        r = read_free(s->order, &free_before, &total);
        s->held_least_bytes = total / SURVEY_HELD_PART;
        if (r >= 0)
                r = survey_look_at_all(s, 1);
        if (r < 0)
                return r;
        sleep_usec(s->order->window_usec);
        r = survey_look_at_all(s, 2);
        survey_look_settle(s);
        if (r >= 0)
                r = read_free(s->order, &free_after, &total);
        if (r < 0)
                return r;
        found->facts.window_usec = clock_monotonic_usec() - begun_usec;
        found->facts.grown_bytes = free_before - MIN(free_before, free_after);
        found->facts.shrunk_bytes = free_after - MIN(free_before, free_after);
        found->facts.logs_bytes = s->logs_bytes;
        known = s->logs_bytes;
        for (uint32_t i = 0; i < s->n_causes; i++)
                known += s->causes[i].grown_bytes;
        uint64_t rest = found->facts.grown_bytes - MIN(found->facts.grown_bytes, known);
        if (rest >= MAX((uint64_t) ((double) found->facts.grown_bytes * REST_PART), REST_LEAST_BYTES))
                ask_writers(s, rest);
        survey_causes_give(s, found);
        found->next_pid = s->next_pid;
        found->facts.complete = s->next_pid == 0 && s->order->from_pid == 0 && !s->files_full;
        if (getrusage(RUSAGE_SELF, &usage) == 0) {
                found->facts.cpu_usec = (uint64_t) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * USEC_PER_SEC +
                        (uint64_t) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
                found->facts.read_bytes = (uint64_t) usage.ru_inblock * 512;
        }
        return 0;
}

int survey_make(int proc_fd, const SurveyOrder *order, SurveyFound *ret_found) {
        Survey s = {.proc_fd = proc_fd, .order = order};
        int r;

        memset(ret_found, 0, sizeof(*ret_found));
        r = survey_look_init(&s);
        if (r >= 0)
                r = survey_mounts_init(&s.mounts, proc_fd, order);
        if (r >= 0)
                r = make(&s, ret_found);
        survey_mounts_done(&s.mounts);
        survey_look_done(&s);
        return r;
}
