/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "console.h"
#include "console_line.h"
#include "errand.h"

/* Writing ten lines to a serial line of 9600 baud takes ten seconds; a console that takes longer is dead. */
#define CRIER_TIMEOUT_USEC (15 * USEC_PER_SEC)
/* printk.devkmsg=ratelimit, the kernel's default: 10 lines in 5 s for each open file (kernel/printk/printk.c). The rest
 * is margin, since its window begins with the first line that it gets. */
#define QUOTA_USEC (5200 * USEC_PER_MSEC)
#define AGAIN_USEC (5 * USEC_PER_SEC)

_Static_assert(CRY_LINE_BYTES == CONSOLE_LINE_MAX + 1, "a line fits into the message");

struct Console {
        sd_event *event;
        Children *children;
        Errand *crier;
        void (*on_cried)(void *userdata);
        void *userdata;
        Outbox *outbox;
        uint64_t ids[CRY_LINES_MAX]; /* of the events that the crier has */
        uint32_t n_ids;
        uint64_t cried_usec[CRY_LINES_MAX]; /* a ring: when the last lines were written */
        uint32_t n_cried;
        uint64_t again_usec; /* not before */
        bool absent;         /* no kernel log */
        Message message;
};

static void set_on_console(Console *c, uint64_t id, bool on_console) {
        for (uint32_t i = 0; i < c->outbox->n; i++)
                if (c->outbox->entries[i].event.id == id)
                        c->outbox->entries[i].on_console = on_console;
}

static void crier_on_done(const Message *answer, int error, void *userdata) {
        Console *c = userdata;
        uint32_t n_written = 0;

        if (answer && answer->type == MESSAGE_CRIED) {
                n_written = MIN(answer->cried.n_written, c->n_ids);
                error = answer->cried.error;
                c->absent = error == -EBADF;
        }
        for (uint32_t i = n_written; i < c->n_ids; i++)
                set_on_console(c, c->ids[i], false);
        if (error < 0)
                c->again_usec = clock_monotonic_usec() + AGAIN_USEC;
        c->n_ids = 0;
        c->on_cried(c->userdata);
}

static uint32_t quota_left(const Console *c, uint64_t now_usec) {
        uint32_t n = 0;

        for (uint32_t i = 0; i < CRY_LINES_MAX; i++)
                n += c->cried_usec[i] == 0 || now_usec >= c->cried_usec[i] + QUOTA_USEC;
        return n;
}

uint64_t console_cry(Console *c, Outbox *outbox, uint64_t told_before_usec, uint64_t now_usec) {
        OutboxEntry *entries[CRY_LINES_MAX];
        Message *m = &c->message;
        size_t n;

        if (c->absent || c->crier)
                return USEC_INFINITY;
        if (now_usec < c->again_usec)
                return c->again_usec;
        n = outbox_find_unheard(outbox, told_before_usec, entries, quota_left(c, now_usec));
        if (n == 0) /* the ring is full: its next place is the one that is free first */
                return c->cried_usec[c->n_cried % CRY_LINES_MAX] + QUOTA_USEC;
        *m = (Message){.type = MESSAGE_CRY, .cry = {.n = (uint32_t) n}};
        for (size_t i = 0; i < n; i++)
                (void) console_line_format(&entries[i]->event, entries[i]->wall_usec, m->cry.line[i]);
        if (errand_start(c->children, c->event,
                    &(ErrandOrder){.role = ROLE_CRIER, .say = {m}, .timeout_usec = CRIER_TIMEOUT_USEC,
                                   .on_done = crier_on_done, .userdata = c}, &c->crier) < 0) {
                c->again_usec = now_usec + AGAIN_USEC;
                return c->again_usec;
        }
        c->outbox = outbox;
        c->n_ids = (uint32_t) n;
        for (size_t i = 0; i < n; i++) {
                c->ids[i] = entries[i]->event.id;
                entries[i]->on_console = true;
                c->cried_usec[c->n_cried++ % CRY_LINES_MAX] = now_usec;
        }
        return USEC_INFINITY;
}

int console_new(sd_event *event, Children *children, void (*on_cried)(void *userdata), void *userdata,
                Console **ret_console) {
        Console *c = calloc(1, sizeof(*c));

        if (!c)
                return -ENOMEM;
        c->event = sd_event_ref(event);
        c->children = children;
        c->on_cried = on_cried;
        c->userdata = userdata;
        *ret_console = c;
        return 0;
}

Console *console_free(Console *c) {
        if (!c)
                return NULL;
        errand_free(c->crier);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}
