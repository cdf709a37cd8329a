/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "event_text.h"
#include "journal_entry.h"
#include "journal_sender.h"

/* More than a night of alerts makes; 150 KiB, allocated at start. */
#define QUEUE_MAX 128
/* A restarting journald is back within a second; one that is away for longer is asked more and more rarely. */
#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (2 * USEC_PER_SEC)

typedef struct Entry {
        Event event;
        uint64_t wall_usec;
} Entry;

struct JournalSender {
        int fd;
        struct sockaddr_un address;
        sd_event_source *retry;
        uint64_t pause_usec;
        uint64_t n_dropped;
        uint32_t n;
        Entry queue[QUEUE_MAX]; /* oldest first */
};


/* 0: journald has it (or will never take it); -EAGAIN and the like: try again later. */
static int sender_try(JournalSender *s, const Entry *entry) {
        static char datagram[JOURNAL_ENTRY_MAX];
        int n = journal_entry_encode(&entry->event, entry->wall_usec, datagram, sizeof(datagram));

        if (n < 0)
                return 0;
        /* Not connected, so that a socket that was made anew is found again. */
        if (sendto(s->fd, datagram, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *) &s->address,
                   sizeof(s->address)) < 0)
                return errno == EMSGSIZE ? 0 : -errno;
        return 0;
}

static void sender_retry_later(JournalSender *s) {
        (void) sd_event_source_set_time(s->retry, clock_monotonic_usec() + s->pause_usec);
        s->pause_usec = MIN(2 * s->pause_usec, RETRY_MAX_USEC);
        (void) sd_event_source_set_enabled(s->retry, SD_EVENT_ONESHOT);
}

static void sender_remove(JournalSender *s, uint32_t i) {
        memmove(s->queue + i, s->queue + i + 1, (s->n - i - 1) * sizeof(Entry));
        s->n--;
}

static int sender_on_retry(sd_event_source *source, uint64_t usec, void *userdata) {
        JournalSender *s = userdata;

        (void) source, (void) usec;
        while (s->n > 0 && sender_try(s, s->queue) >= 0)
                sender_remove(s, 0);
        if (s->n > 0)
                sender_retry_later(s);
        return 0;
}

/* The least important of the queue and the new one; the oldest of these. QUEUE_MAX: the new one. */
static uint32_t sender_choose_victim(const JournalSender *s, const Event *event) {
        int worst = event_priority(event);
        uint32_t victim = QUEUE_MAX;

        for (uint32_t i = s->n; i-- > 0;) {
                int p = event_priority(&s->queue[i].event);

                if (p >= worst) {
                        worst = p;
                        victim = i;
                }
        }
        return victim;
}

void journal_sender_send(JournalSender *s, const Event *event, uint64_t wall_usec) {
        Entry entry = {*event, wall_usec};

        if (s->n == 0 && sender_try(s, &entry) >= 0)
                return;
        if (s->n == QUEUE_MAX) {
                uint32_t victim = sender_choose_victim(s, event);

                s->n_dropped++;
                if (victim == QUEUE_MAX)
                        return;
                sender_remove(s, victim);
        }
        s->queue[s->n++] = entry;
        if (s->n > 1)
                return;
        s->pause_usec = RETRY_MIN_USEC;
        sender_retry_later(s);
}

uint32_t journal_sender_n_queued(const JournalSender *s) { return s->n; }

uint64_t journal_sender_take_dropped(JournalSender *s) {
        uint64_t n = s->n == 0 ? s->n_dropped : 0;

        s->n_dropped -= n;
        return n;
}

int journal_sender_new(sd_event *event, const char *socket_path, JournalSender **ret_sender) {
        _cleanup_(journal_sender_freep) JournalSender *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->fd = -EBADF;
        s->address.sun_family = AF_UNIX;
        if (strlen(socket_path) >= sizeof(s->address.sun_path))
                return -ENAMETOOLONG;
        strcpy(s->address.sun_path, socket_path);
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (s->fd < 0)
                return -errno;
        r = sd_event_add_time(event, &s->retry, CLOCK_MONOTONIC, 0, RETRY_MIN_USEC / 4, sender_on_retry, s);
        if (r < 0)
                return r;
        (void) sd_event_source_set_enabled(s->retry, SD_EVENT_OFF);
        *ret_sender = TAKE_PTR(s);
        return 0;
}

JournalSender *journal_sender_free(JournalSender *s) {
        if (!s)
                return NULL;
        sd_event_source_disable_unref(s->retry);
        (void) close_safe(s->fd);
        free(s);
        return NULL;
}
