/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <time.h>

#include "clock.h"
#include "event_text.h"
#include "say.h"
#include "teller.h"

typedef struct Told {
        Event event;
        uint64_t wall_usec;
} Told;

struct Teller {
        JournalSender *journal;
        bool in_foreground, colours, observing;
        uint64_t id;
        TellerFollower follower;
        void *userdata;
        Told last[TELLER_LAST_MAX]; /* a ring */
        uint64_t n_told;
};

int teller_new(JournalSender *journal, bool in_foreground, Teller **ret_teller) {
        Teller *t = calloc(1, sizeof(*t));

        if (!t)
                return -ENOMEM;
        t->journal = journal;
        /* Goes on above the numbers of a supervisor before this one: nobody tells a thousand events a second. */
        t->id = clock_monotonic_usec() / USEC_PER_MSEC;
        t->in_foreground = in_foreground;
        t->colours = in_foreground && isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
        *ret_teller = t;
        return 0;
}

Teller *teller_free(Teller *t) {
        free(t);
        return NULL;
}

void teller_set_observing(Teller *t, bool observing) { t->observing = observing; }

void teller_set_follower(Teller *t, TellerFollower follower, void *userdata) {
        t->follower = follower;
        t->userdata = userdata;
}

/* The colours that journalctl gives these priorities. */
static const char *priority_colour(int priority) {
        return priority <= 3 ? "\033[1;31m" : priority == 4 ? "\033[1;33m" : priority == 5 ? "\033[1m" : "";
}

static void teller_print(const Teller *t, const Event *event, uint64_t wall_usec) {
        time_t seconds = (time_t) (wall_usec / USEC_PER_SEC);
        char message[EVENT_MESSAGE_MAX], clock[16] = "";
        int priority = event_priority(event);
        struct tm tm;

        (void) event_message(event, message, sizeof(message));
        if (localtime_r(&seconds, &tm))
                (void) strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
        say(STDOUT_FILENO, "%s  %s%s%s", clock, t->colours ? priority_colour(priority) : "", message,
                t->colours && priority <= 5 ? "\033[0m" : "");
}

static void teller_pass_on(Teller *t, Event *event) {
        uint64_t wall_usec;

        event->id = ++t->id;
        event->observing = t->observing;
        if (event->time_usec == 0)
                event->time_usec = clock_monotonic_usec();
        wall_usec = clock_wall_usec();
        t->last[t->n_told++ % TELLER_LAST_MAX] = (Told){*event, wall_usec};
        journal_sender_send(t->journal, event, wall_usec);
        if (t->in_foreground)
                teller_print(t, event, wall_usec);
        if (t->follower)
                t->follower(event, wall_usec, t->userdata);
}

void teller_tell_dropped(Teller *t) {
        uint64_t n_dropped = journal_sender_take_dropped(t->journal);

        if (n_dropped > 0) {
                Event dropped = {.type = EVENT_DROPPED, .wanted_bytes = n_dropped};

                teller_pass_on(t, &dropped);
        }
}

void teller_tell(Teller *t, Event *event) {
        teller_tell_dropped(t);
        teller_pass_on(t, event);
}

size_t teller_get_last(const Teller *t, StatusEvent *ret_events, size_t n_max) {
        uint64_t kept = MIN(t->n_told, (uint64_t) TELLER_LAST_MAX);
        size_t n = MIN((size_t) kept, n_max);

        for (size_t i = 0; i < n; i++) {
                const Told *told = t->last + (t->n_told - n + i) % TELLER_LAST_MAX;

                ret_events[i] = (StatusEvent){&told->event, told->wall_usec};
        }
        return n;
}
