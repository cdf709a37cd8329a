/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "errand.h"

struct Errand {
        Errand **self;
        Worker *worker;
        sd_event_source *timer;
        Message *say[2];
        ErrandDone on_done;
        void (*on_progress)(const Message *message, void *userdata);
        void *userdata;
        ErrandStuck *stuck;
};

Errand *errand_free(Errand *e) {
        if (!e)
                return NULL;
        if (e->worker)
                worker_kill(e->worker);
        worker_free(e->worker);
        sd_event_source_disable_unref(e->timer);
        for (size_t i = 0; i < ELEMENTS(e->say); i++)
                free(e->say[i]);
        free(e);
        return NULL;
}

static void errand_done(Errand *e, const Message *answer, int error) {
        ErrandDone on_done = e->on_done;
        void *userdata = e->userdata;

        *e->self = NULL;
        errand_free(e);
        on_done(answer, error, userdata);
}

static void errand_on_up(Worker *w, void *userdata) {
        Errand *e = userdata;

        for (size_t i = 0; i < ELEMENTS(e->say); i++)
                if (e->say[i])
                        (void) worker_send(w, e->say[i]);
}

static void errand_on_message(Worker *w, const Message *message, void *userdata) {
        Errand *e = userdata;

        (void) w;
        if (message->type != MESSAGE_LOOKING)
                errand_done(e, message, 0);
        else if (e->on_progress)
                e->on_progress(message, e->userdata);
}

static void errand_on_gone(Worker *w, void *userdata) {
        int error = worker_error(w);

        errand_done(userdata, NULL, error < 0 ? error : -ECHILD);
}

static void stuck_on_up(Worker *w, void *userdata) { (void) userdata, worker_kill(w); }

static void stuck_on_message(Worker *w, const Message *message, void *userdata) { (void) w, (void) message, (void) userdata; }

static void stuck_on_gone(Worker *w, void *userdata) {
        ErrandStuck *stuck = userdata;

        stuck->worker = worker_free(w);
        stuck->on_gone(stuck->userdata);
}

static int errand_on_timeout(sd_event_source *s, uint64_t usec, void *userdata) {
        static const WorkerOps ops = {stuck_on_up, stuck_on_message, stuck_on_gone};
        Errand *e = userdata;

        if (e->stuck) {
                worker_kill(e->worker);
                worker_rebind(e->worker, &ops, e->stuck);
                e->stuck->worker = TAKE_PTR(e->worker);
        }
        (void) s, (void) usec;
        errand_done(userdata, NULL, -ETIMEDOUT);
        return 0;
}

int errand_start(Children *children, sd_event *event, const ErrandOrder *order, Errand **ret_errand) {
        static const WorkerOps ops = {errand_on_up, errand_on_message, errand_on_gone};
        Errand *e = calloc(1, sizeof(*e));
        int r = 0;

        if (!e)
                return -ENOMEM;
        *e = (Errand){.self = ret_errand, .on_done = order->on_done, .on_progress = order->on_progress,
                      .userdata = order->userdata, .stuck = order->stuck};
        for (size_t i = 0; i < ELEMENTS(e->say) && order->say[i] && r >= 0; i++) {
                e->say[i] = malloc(sizeof(Message));
                if (e->say[i])
                        *e->say[i] = *order->say[i];
                else
                        r = -ENOMEM;
        }
        if (r >= 0)
                r = sd_event_add_time(event, &e->timer, CLOCK_MONOTONIC, clock_monotonic_usec() + order->timeout_usec,
                        USEC_PER_SEC / 10, errand_on_timeout, e);
        if (r >= 0)
                r = children_spawn(children, order->role, 0, &ops, e, &e->worker);
        if (r < 0) {
                errand_free(e);
                return r;
        }
        *ret_errand = e;
        return 0;
}

const char *errand_error_to_string(int error) {
        switch (error) {
        case -ECHILD:
                return "its process ended before its time";
        case -ETIMEDOUT:
                return "no answer in time";
        case -EBUSY:
                return "the processes that were sent before are stuck in the kernel";
        default:
                return strerror(-error);
        }
}
