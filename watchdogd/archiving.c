/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archiving.h"

#include <stdio.h>

#include "clock.h"
#include "timer.h"

/* Each partition has one at most. */
#define ORDERS_MAX PARTITIONS_MAX
/* Longer than from one chunk to the next while space is freed. */
#define IDLE_USEC (10 * USEC_PER_SEC)
/* What is too old, or more than a smaller budget, goes within the hour: nothing depends on the minute. */
#define HOUSE_USEC USEC_PER_HOUR
/* Not during a start, when there is enough to do. */
#define HOUSE_FIRST_USEC USEC_PER_MINUTE
#define HOUSE_ACCURACY_USEC USEC_PER_MINUTE
/* How long keeping house may take. For an act the engine knows. */
#define HOUSE_MAX_USEC (5 * USEC_PER_MINUTE)
/* One that was killed ends at once, or is stuck. */
#define DYING_MAX_USEC (2 * USEC_PER_SEC)

typedef struct Order {
        Partition *partition; /* NULL: to keep house */
        ArchiveOrder archive;
} Order;

struct Archiving {
        sd_event *event;
        Children *children;
        const Config *config;
        Worker *worker; /* who is spoken to */
        Worker *dying;  /* killed and not gone yet */
        bool up, is_busy, is_stuck; /* stuck: it should be gone by now */
        bool is_stale;  /* the worker goes by an older configuration */
        Order orders[ORDERS_MAX + 1]; /* the first is under way when is_busy */
        size_t n;
        sd_event_source *idle, *house, *deadline; /* deadline: of keeping house, or of dying */
};

static void go_on(Archiving *a);

static void end_worker(Archiving *a) {
        a->worker = worker_free(a->worker); /* with its channel closed it ends by itself */
        a->up = a->is_busy = a->is_stale = false;
}

static void kill_worker(Archiving *a) {
        worker_kill(a->worker);
        a->dying = TAKE_PTR(a->worker);
        a->up = a->is_busy = a->is_stale = false;
        timer_set(a->deadline, clock_monotonic_usec() + DYING_MAX_USEC);
}

static void remove_order(Archiving *a, size_t i) {
        a->n--;
        memmove(a->orders + i, a->orders + i + 1, (a->n - i) * sizeof(a->orders[0]));
}

static void settle(Archiving *a, const Outcome *outcome) {
        Partition *partition = a->orders[0].partition;
        Outcome o = *outcome;

        remove_order(a, 0);
        if (!partition && !a->dying)
                timer_set(a->deadline, USEC_INFINITY);
        a->is_busy = false;
        if (partition)
                partition_settle_archive(partition, &o);
}

static Outcome unable(const Act *act, ActResult result, int error) {
        Outcome o = {.act = act->id, .method = METHOD_ARCHIVE, .slot = act->slot, .result = result, .error = error,
                     .end_usec = clock_monotonic_usec()};

        (void) snprintf(o.stage, sizeof(o.stage), "the archiver");
        return o;
}

static void fail_first(Archiving *a, int error) {
        Outcome o = unable(&a->orders[0].archive.act, ACT_FAILED, error);

        settle(a, &o);
}

/* ---- the worker ---------------------------------------------------------------------------------------------- */

/* A message is too large for the stack, and for being kept. */
static int tell_config(Archiving *a) {
        _cleanup_free_ Message *message = calloc(1, sizeof(*message));

        if (!message)
                return -ENOMEM;
        message->type = MESSAGE_CONFIG;
        message->config.ok = true;
        message->config.config = *a->config;
        return worker_send(a->worker, message);
}

static int tell_order(Archiving *a) {
        _cleanup_free_ Message *message = calloc(1, sizeof(*message));

        if (!message)
                return -ENOMEM;
        message->type = MESSAGE_ARCHIVE;
        message->archive = a->orders[0].archive;
        return worker_send(a->worker, message);
}

static void on_up(Worker *w, void *userdata) {
        Archiving *a = userdata;

        if (w != a->worker)
                return;
        a->up = tell_config(a) == 0;
        if (!a->up)
                worker_kill(w); /* on_gone() tells who waits */
        go_on(a);
}

static void on_message(Worker *w, const Message *message, void *userdata) {
        Archiving *a = userdata;

        if (w != a->worker || !a->is_busy || message->type != MESSAGE_OUTCOME ||
            message->outcome.act != a->orders[0].archive.act.id)
                return;
        if (a->is_stale) /* before the next order, which settling may bring */
                end_worker(a);
        settle(a, &message->outcome);
        go_on(a);
}

static void on_gone(Worker *w, void *userdata) {
        Archiving *a = userdata;
        int error = worker_error(w);

        if (w == a->dying) {
                a->dying = NULL;
                a->is_stuck = false;
                timer_set(a->deadline, USEC_INFINITY);
        }
        worker_free(w);
        if (w == a->worker) {
                a->worker = NULL;
                a->up = a->is_stale = false;
                if (a->n > 0)
                        fail_first(a, error < 0 ? error : -ECHILD);
                a->is_busy = false;
        }
        go_on(a);
}

static int start(Archiving *a) {
        static const WorkerOps ops = {.on_up = on_up, .on_message = on_message, .on_gone = on_gone};

        return children_spawn(a->children, ROLE_ARCHIVER, 0, &ops, a, &a->worker);
}

/* The next order, if there is one and somebody to do it. */
static void go_on(Archiving *a) {
        int r = 0;

        if (a->n == 0) {
                if (a->worker)
                        timer_set(a->idle, clock_monotonic_usec() + IDLE_USEC);
                return;
        }
        timer_set(a->idle, USEC_INFINITY);
        /* One that was killed and does not end is stuck: another one would get stuck beside it. */
        if (a->is_busy || a->dying)
                return;
        if (!a->worker)
                r = start(a);
        else if (a->up) {
                a->is_busy = true;
                if (!a->orders[0].partition)
                        timer_set(a->deadline, clock_monotonic_usec() + HOUSE_MAX_USEC);
                r = tell_order(a);
        }
        if (r < 0)
                fail_first(a, r);
}

static int on_idle(sd_event_source *s, uint64_t usec, void *userdata) {
        Archiving *a = userdata;

        (void) s, (void) usec;
        if (a->n == 0 && a->worker)
                end_worker(a);
        return 0;
}

static int on_deadline(sd_event_source *s, uint64_t usec, void *userdata) {
        Archiving *a = userdata;

        (void) s, (void) usec;
        if (a->dying) {
                /* Who waits for it is told, and nobody waits any more until it is gone: his log is freed unarchived. */
                worker_kill(a->dying);
                a->is_stuck = true;
                while (a->n > 0)
                        fail_first(a, -EBUSY);
        } else if (a->n > 0 && a->is_busy && !a->orders[0].partition) {
                kill_worker(a);
                remove_order(a, 0);
        }
        return 0;
}

static int on_house(sd_event_source *s, uint64_t usec, void *userdata) {
        Archiving *a = userdata;

        (void) s, (void) usec;
        timer_set(a->house, clock_monotonic_usec() + HOUSE_USEC);
        /* Also where nothing is archived any more: what is there is to go in its time. */
        if (!a->is_stuck && a->n < ELEMENTS(a->orders)) {
                a->orders[a->n++] = (Order){};
                go_on(a);
        }
        return 0;
}

/* ---- from outside -------------------------------------------------------------------------------------------- */

int archiving_new(sd_event *event, Children *children, const Config *config, Archiving **ret_archiving) {
        _cleanup_(archiving_freep) Archiving *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return -ENOMEM;
        a->event = sd_event_ref(event);
        a->children = children;
        a->config = config;
        r = timer_add(event, &a->idle, USEC_PER_SEC, on_idle, a);
        if (r >= 0)
                r = timer_add(event, &a->house, HOUSE_ACCURACY_USEC, on_house, a);
        if (r >= 0)
                r = timer_add(event, &a->deadline, USEC_PER_SEC, on_deadline, a);
        if (r < 0)
                return r;
        timer_set(a->house, clock_monotonic_usec() + HOUSE_FIRST_USEC);
        *ret_archiving = TAKE_PTR(a);
        return 0;
}

Archiving *archiving_free(Archiving *a) {
        if (!a)
                return NULL;
        worker_free(a->worker);
        worker_free(a->dying);
        sd_event_source_disable_unref(a->idle);
        sd_event_source_disable_unref(a->house);
        sd_event_source_disable_unref(a->deadline);
        sd_event_unref(a->event);
        free(a);
        return NULL;
}

void archiving_configure(Archiving *a) {
        if (a->worker && !a->is_busy && a->n == 0)
                end_worker(a); /* the next one is told */
        else if (a->up)
                a->is_stale = true; /* one at work is not broken off: its orders are small */
}

void archiving_give(Archiving *a, Partition *partition, const Act *act, const char *name) {
        const PartitionTarget *target = partition_target(partition);
        Order *order;

        if (a->is_stuck || a->n == ELEMENTS(a->orders) || act->root >= target->n_roots) {
                Outcome o = a->is_stuck ? unable(act, ACT_FAILED, -EBUSY) : unable(act, ACT_CANCELLED, -EAGAIN);

                partition_settle_archive(partition, &o);
                return;
        }
        order = a->orders + a->n++;
        *order = (Order){.partition = partition, .archive.act = *act};
        order->archive.owner_uid = target->roots[act->root].owner_uid;
        (void) snprintf(order->archive.root_path, sizeof(order->archive.root_path), "%s",
                target->roots[act->root].path);
        (void) snprintf(order->archive.name, sizeof(order->archive.name), "%s", name);
        go_on(a);
}

static void drop(Archiving *a, size_t i) {
        if (i == 0 && a->is_busy)
                kill_worker(a);
        remove_order(a, i);
}

void archiving_cancel(Archiving *a, const Partition *partition, uint64_t act) {
        for (size_t i = 0; i < a->n; i++)
                if (a->orders[i].partition == partition && a->orders[i].archive.act.id == act) {
                        drop(a, i);
                        break;
                }
        go_on(a);
}

void archiving_forget(Archiving *a, const Partition *partition) {
        for (size_t i = a->n; i-- > 0;)
                if (a->orders[i].partition == partition)
                        drop(a, i);
        go_on(a);
}
