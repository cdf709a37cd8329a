/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "post.h"
#include "text.h"
#include "timer.h"
#include "units.h"

/* Between two tries: long enough that a hung disk is not hammered with processes, short enough that one that came
 * back is guarded again before a flood fills it. Those that just die (somebody kills them, memory is short) leave nothing
 * behind, and nobody looks meanwhile. */
#define PAUSE_MIN_USEC (200 * USEC_PER_MSEC)
#define PAUSE_MAX_USEC (30 * USEC_PER_SEC)
#define PAUSE_DIED_MAX_USEC USEC_PER_SEC
/* A worker that lived that long had a good start: the next pause is short again. */
#define GOOD_START_USEC USEC_PER_SEC
/* A deadline that is seen so much too late was missed by the guard, not by the worker: it gets as much again. */
#define LATE_USEC USEC_PER_SEC
/* Deadlines are about stuck processes: a fifth of a second more or less does not matter, a wake-up does. */
#define DEADLINE_ACCURACY_USEC (200 * USEC_PER_MSEC)

static void post_man(Post *p);

static void post_retry_later(Post *p) {
        uint64_t max_usec = p->hung || p->crowded ? PAUSE_MAX_USEC : PAUSE_DIED_MAX_USEC;

        p->pause_usec = MIN(p->pause_usec, max_usec);
        timer_set(p->retry, clock_monotonic_usec() + p->pause_usec);
        p->pause_usec *= 2;
}

static void post_miss(Post *p, int error) {
        if (!p->missed) {
                p->missed = true;
                /* One that hangs has since it was asked. */
                p->missed_since_usec = error == -ETIMEDOUT ? MIN(p->asked_usec, clock_monotonic_usec()) :
                        clock_monotonic_usec();
        }
        post_expect(p, USEC_INFINITY, 0);
        p->ops->on_missed(error, p->userdata);
}

static void worker_up(Worker *w, void *userdata) {
        Post *p = userdata;

        if (w != p->current)
                return;
        p->up_usec = clock_monotonic_usec();
        p->ops->on_up(p->userdata);
}

static void worker_message(Worker *w, const Message *message, void *userdata) {
        Post *p = userdata;

        if (w != p->current || p->current_killed)
                return; /* the last words of one that was given up */
        p->heard = true;
        /* One answer is no good start yet: its predecessor may have got stuck right after one. */
        if (worker_is_alone(w) && clock_monotonic_usec() >= p->up_usec + GOOD_START_USEC) {
                p->pause_usec = PAUSE_MIN_USEC;
                p->hung = p->frail = false;
        }
        if (p->missed) {
                p->missed = false;
                p->ops->on_back(p->userdata);
        }
        p->ops->on_message(message, p->userdata);
}

static void worker_alone(Worker *w, void *userdata) {
        Post *p = userdata;

        if (w == p->current && !p->missed && p->ops->on_alone)
                p->ops->on_alone(p->userdata);
}

static void worker_gone(Worker *w, void *userdata) {
        Post *p = userdata;

        p->crowded = worker_error(w) == -EBUSY;
        if (w == p->current) {
                p->frail = p->up_usec != 0 && clock_monotonic_usec() < p->up_usec + GOOD_START_USEC;
                p->current = NULL;
                if (!p->current_killed)
                        post_miss(p, -ECHILD);
        } else if (w == p->stuck) {
                p->stuck = p->current_killed ? TAKE_PTR(p->current) : NULL;
                p->pause_usec = PAUSE_MIN_USEC; /* what it was stuck in has ended */
        }
        p->current_killed = p->current && p->current_killed;
        worker_free(w);
        if (!p->current)
                post_retry_later(p);
}

static void post_man(Post *p) {
        static const WorkerOps ops = {.on_up = worker_up, .on_message = worker_message, .on_gone = worker_gone,
                                      .on_alone = worker_alone};

        if (p->current)
                return;
        if (children_spawn(p->children, p->role, p->key, &ops, p, &p->current) < 0)
                post_retry_later(p);
}

/* It may write while this is read: copies are taken, and cleaned. */
static void post_keep_last_words(Post *p) {
        const StagePage *page = worker_stage(p->current);

        p->last_since_usec = page ? atomic_load_explicit(&page->since_usec, memory_order_acquire) : 0;
        if (p->last_since_usec == 0)
                return;
        (void) text_sanitize(p->last_call, sizeof(p->last_call), page->call, strnlen(page->call, sizeof(page->call)));
        (void) text_sanitize(p->last_subject, sizeof(p->last_subject), page->subject,
                strnlen(page->subject, sizeof(page->subject)));
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        Post *p = userdata;
        uint64_t now_usec = clock_monotonic_usec();

        (void) s, (void) usec;
        /* The guard itself was away (suspended, stopped): the answer may lie here unread. */
        if (now_usec > p->due_usec + LATE_USEC) {
                post_expect(p, now_usec, LATE_USEC);
                return 0;
        }
        p->hung = true;
        if (p->current) {
                post_keep_last_words(p);
                worker_kill(p->current);
                p->current_killed = p->stuck != NULL;
                if (!p->stuck) {
                        p->stuck = TAKE_PTR(p->current);
                        post_retry_later(p);
                }
        }
        post_miss(p, -ETIMEDOUT);
        return 0;
}

static int on_retry(sd_event_source *s, uint64_t usec, void *userdata) {
        (void) s, (void) usec;
        post_man(userdata);
        return 0;
}

int post_init(Post *p, Children *children, sd_event *event, Role role, uint64_t key, const PostOps *ops,
              void *userdata) {
        int r;

        *p = (Post){.children = children, .event = event, .role = role, .key = key, .ops = ops,
                    .userdata = userdata, .pause_usec = PAUSE_MIN_USEC};
        r = timer_add(event, &p->deadline, DEADLINE_ACCURACY_USEC, on_deadline, p);
        if (r >= 0)
                r = timer_add(event, &p->retry, DEADLINE_ACCURACY_USEC, on_retry, p);
        if (r < 0)
                return r;
        post_man(p);
        return 0;
}

void post_done(Post *p) {
        p->deadline = sd_event_source_disable_unref(p->deadline);
        p->retry = sd_event_source_disable_unref(p->retry);
        p->current = worker_free(p->current);
        p->stuck = worker_free(p->stuck);
}

void post_expect(Post *p, uint64_t from_usec, uint64_t within_usec) {
        p->asked_usec = from_usec;
        p->due_usec = from_usec == USEC_INFINITY ? USEC_INFINITY : from_usec + within_usec;
        timer_set(p->deadline, p->due_usec);
}

bool post_is_accounted_for(const Post *p, uint64_t now_usec) {
        /* Nothing is due from one that is not up yet: then the launcher is to be heard of, and it is the launcher that
         * the service watchdog would not hear of. */
        return p->heard || p->missed || (p->due_usec != USEC_INFINITY && now_usec < p->due_usec + DEADLINE_ACCURACY_USEC);
}

int post_send(Post *p, const Message *message) { return p->current ? worker_send(p->current, message) : -ENOTCONN; }

bool post_is_up(const Post *p) { return p->current && worker_pid(p->current) > 0; }

bool post_is_held_up(const Post *p, uint64_t now_usec) {
        bool up = post_is_up(p);

        return (up && !worker_is_alone(p->current)) || ((p->hung || p->frail) && (!up || now_usec < p->up_usec + GOOD_START_USEC));
}

void post_describe(const Post *p, uint64_t now_usec, char *buf, size_t buf_bytes) {
        bool somebody = p->stuck || post_is_up(p);
        char span[UNITS_TEXT_MAX];

        buf[0] = 0;
        if (!p->missed && !post_is_held_up(p, now_usec))
                return;
        if (somebody && p->last_since_usec > 0 && p->last_since_usec <= now_usec)
                (void) snprintf(buf, buf_bytes, "the %s is stuck in %s on %s since %s", role_to_string(p->role),
                        p->last_call, p->last_subject, span_format(now_usec - p->last_since_usec, span));
        else if (!p->missed && p->frail)
                (void) snprintf(buf, buf_bytes, "the %s ended soon after its start, and another one has just begun",
                        role_to_string(p->role));
        else if (!p->missed)
                (void) snprintf(buf, buf_bytes, "a %s is still stuck in the kernel", role_to_string(p->role));
        else
                (void) snprintf(buf, buf_bytes, "the %s %s since %s", role_to_string(p->role),
                        somebody ? "does not answer" : p->crowded ? "is stuck in the kernel, and so is another one," :
                                "is not running",
                        span_format(now_usec - p->missed_since_usec, span));
}
