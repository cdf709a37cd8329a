/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <linux/sockios.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "console.h"
#include "event_text.h"
#include "journal_entry.h"
#include "journal_sender.h"
#include "outbox.h"
#include "timer.h"

/* A restarting journald is back within a second; one that is away for longer is asked more and more rarely. */
#define RETRY_MIN_USEC (100 * USEC_PER_MSEC)
#define RETRY_MAX_USEC (2 * USEC_PER_SEC)
/* When to see whether journald has read what it was sent: a healthy one has within a few milliseconds. */
#define CHECK_MIN_USEC (20 * USEC_PER_MSEC)
#define CHECK_MAX_USEC (500 * USEC_PER_MSEC)
/* What it has read is in its files within milliseconds; if it dies sooner than that, it is sent again. */
#define SETTLE_USEC (2 * USEC_PER_SEC)
/* Longer than a restart of journald takes; then what is critical goes to the console. */
#define CONSOLE_AFTER_USEC (1500 * USEC_PER_MSEC)

struct JournalSender {
        sd_event *event;
        struct sockaddr_un native, stream;
        State *state;
        Console *console;
        int fd;      /* connected to `native`; -EBADF: nobody is there */
        int bell_fd; /* connected to `stream`: hangs up when journald dies; -EBADF: not now */
        sd_event_source *timer, *bell;
        uint64_t pause_usec, retry_at_usec; /* the next try; 0: nothing hinders */
        uint64_t check_at_usec, check_pause_usec;
        Outbox outbox;
        bool ending;
        char datagram[JOURNAL_ENTRY_MAX]; /* these two: too large for the stack */
        JournalRecord record;
};

/* ---- the sockets --------------------------------------------------------------------------------------------- */

static int connect_to(const struct sockaddr_un *address, int type) {
        _cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void sender_lose_bell(JournalSender *s) {
        s->bell = sd_event_source_disable_unref(s->bell);
        s->bell_fd = close_safe(s->bell_fd);
}

static void sender_turn(JournalSender *s);

static void sender_on_cried(void *userdata) { sender_turn(userdata); }

static int sender_on_bell(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        JournalSender *s = userdata;

        (void) source, (void) fd, (void) revents;
        sender_lose_bell(s);
        outbox_rewind(&s->outbox);
        sender_turn(s);
        return 0;
}

/* journald keeps its sockets over a restart, so that they do not tell whether the one that read an entry lived to write
 * it down. A stream does: it is journald's end of it that closes. One that has not sent its header yet is neither
 * shown nor kept over a restart (systemd-journald.service(8), "Stream logging"). journald shuts its writing end at
 * once, which is no hang-up: so no event is asked for but that. */
static void sender_hang_bell(JournalSender *s) {
        if (s->bell_fd >= 0)
                return;
        s->bell_fd = connect_to(&s->stream, SOCK_STREAM);
        if (s->bell_fd < 0)
                s->bell_fd = -EBADF;
        else if (sd_event_add_io(s->event, &s->bell, s->bell_fd, 0, sender_on_bell, s) < 0)
                sender_lose_bell(s);
}

/* Connected, and not sendto(), so that the end of the socket with all that lay in it is noticed. */
static int sender_connect(JournalSender *s) {
        int size = 8 << 20; /* as the library has it: a queue is full by its number of messages, not by bytes */

        if (s->fd >= 0)
                return 0;
        s->fd = connect_to(&s->native, SOCK_DGRAM);
        if (s->fd < 0) {
                int r = s->fd;

                s->fd = -EBADF;
                return r;
        }
        (void) setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
        return 0;
}

static void sender_lose_peer(JournalSender *s) {
        s->fd = close_safe(s->fd);
        outbox_rewind(&s->outbox);
}

/* ---- sending --------------------------------------------------------------------------------------------------- */

static bool is_full(int error) { return error == -EAGAIN || error == -ENOBUFS; }

/* 0: it is in journald's socket (or will never be: dropped); negative errno: not now. */
static int sender_try(JournalSender *s, OutboxEntry *entry, uint64_t now_usec) {
        int n = journal_entry_encode(&entry->event, entry->wall_usec, s->datagram, sizeof(s->datagram)), r;

        r = n < 0 ? -EMSGSIZE : sender_connect(s);
        if (r == 0 && send(s->fd, s->datagram, (size_t) n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                r = -errno;
        if (r == 0)
                entry->sent_usec = now_usec;
        else if (r == -EMSGSIZE) {
                outbox_remove(&s->outbox, entry);
                return 0;
        } else if (!is_full(r))
                sender_lose_peer(s);
        return r;
}

/* What was sent counts as taken once nothing of it is left in the socket's queue (SIOCOUTQ counts what the peer has not
 * read), and the socket is still the one it was sent to: an empty datagram, which journald ignores, tells. */
static void sender_check(JournalSender *s, uint64_t now_usec) {
        int unread = 0;

        s->check_at_usec = 0;
        if (s->fd < 0 || !outbox_has_sent(&s->outbox))
                return;
        if (ioctl(s->fd, SIOCOUTQ, &unread) < 0 || unread > 0) {
                s->check_pause_usec = MIN(2 * s->check_pause_usec, CHECK_MAX_USEC);
                return;
        }
        s->check_pause_usec = CHECK_MIN_USEC;
        if (send(s->fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && !is_full(-errno)) {
                sender_lose_peer(s);
                return;
        }
        outbox_set_taken(&s->outbox, now_usec);
}

static void sender_send_waiting(JournalSender *s, uint64_t now_usec) {
        OutboxEntry *entry;
        bool any = false;
        int r = 0;

        while (r == 0 && (entry = outbox_next(&s->outbox))) {
                r = sender_try(s, entry, now_usec);
                any = any || r == 0;
        }
        if (any) /* it reads: the rest follows as fast as it does */
                s->pause_usec = RETRY_MIN_USEC;
        if (r == 0) {
                s->retry_at_usec = 0;
                s->pause_usec = RETRY_MIN_USEC;
                return;
        }
        s->retry_at_usec = now_usec + s->pause_usec;
        s->pause_usec = MIN(2 * s->pause_usec, RETRY_MAX_USEC);
}

static uint64_t sender_cry(JournalSender *s, uint64_t now_usec) {
        uint64_t first_usec = outbox_first_unheard_usec(&s->outbox);

        if (!s->console || first_usec == USEC_INFINITY)
                return USEC_INFINITY;
        if (now_usec < first_usec + CONSOLE_AFTER_USEC)
                return first_usec + CONSOLE_AFTER_USEC;
        return console_cry(s->console, &s->outbox, now_usec - CONSOLE_AFTER_USEC, now_usec);
}

/* ---- what is due ------------------------------------------------------------------------------------------------ */

/* What is not taken, the most important first, then the newest, as many as are kept. */
static void sender_choose(const JournalSender *s, bool ret_chosen[static OUTBOX_MAX]) {
        uint32_t n = 0;

        for (int priority = 0; priority < 8; priority++)
                for (uint32_t i = s->outbox.n; i-- > 0 && n < RECORDS_ENTRIES_MAX;) {
                        const OutboxEntry *entry = s->outbox.entries + i;

                        /* At an orderly end, what journald's socket has will be read. */
                        if (entry->taken_usec || (s->ending && entry->sent_usec) ||
                            event_priority(&entry->event) != priority)
                                continue;
                        ret_chosen[i] = true;
                        n++;
                }
}

/* For the next supervisor. */
static void sender_save(JournalSender *s) {
        bool chosen[OUTBOX_MAX] = {};

        if (!s->state)
                return;
        sender_choose(s, chosen);
        s->record.n = 0;
        for (uint32_t i = 0; i < s->outbox.n; i++)
                if (chosen[i]) {
                        s->record.entries[s->record.n].event = s->outbox.entries[i].event;
                        s->record.entries[s->record.n++].wall_usec = s->outbox.entries[i].wall_usec;
                }
        s->record.n_dropped = s->outbox.n_dropped;
        if (!s->ending) /* what is not kept is lost if it comes to that */
                s->record.n_dropped += outbox_n_waiting(&s->outbox) - s->record.n;
        state_put(s->state, RECORD_JOURNAL, s->record.n + s->record.n_dropped > 0 ? &s->record : NULL);
}

void journal_sender_end(JournalSender *s) {
        s->ending = true;
        sender_save(s);
}

static void sender_restore(JournalSender *s, uint64_t now_usec) {
        if (!s->state || !state_get(s->state, RECORD_JOURNAL, &s->record))
                return;
        s->outbox.n_dropped = s->record.n_dropped;
        for (uint32_t i = 0; i < MIN(s->record.n, (uint32_t) RECORDS_ENTRIES_MAX); i++)
                outbox_add(&s->outbox, &s->record.entries[i].event, s->record.entries[i].wall_usec, now_usec);
}

static void sender_turn(JournalSender *s) {
        uint64_t now_usec = clock_monotonic_usec(), wake_usec;
        bool settling;

        if (s->check_at_usec && now_usec >= s->check_at_usec)
                sender_check(s, now_usec);
        if (outbox_next(&s->outbox) && now_usec >= s->retry_at_usec)
                sender_send_waiting(s, now_usec);
        if (s->fd >= 0)
                sender_hang_bell(s);
        settling = outbox_settle(&s->outbox, now_usec - MIN(now_usec, SETTLE_USEC));
        wake_usec = sender_cry(s, now_usec);
        if (outbox_has_sent(&s->outbox)) {
                if (!s->check_at_usec)
                        s->check_at_usec = now_usec + s->check_pause_usec;
                wake_usec = MIN(wake_usec, s->check_at_usec);
        }
        if (s->retry_at_usec && outbox_next(&s->outbox))
                wake_usec = MIN(wake_usec, s->retry_at_usec);
        if (settling)
                wake_usec = MIN(wake_usec, now_usec + SETTLE_USEC);
        sender_save(s);
        timer_set(s->timer, wake_usec);
}

static int sender_on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source, (void) usec;
        sender_turn(userdata);
        return 0;
}

void journal_sender_send(JournalSender *s, const Event *event, uint64_t wall_usec) {
        outbox_add(&s->outbox, event, wall_usec, clock_monotonic_usec());
        sender_turn(s);
}

uint32_t journal_sender_n_queued(const JournalSender *s) { return outbox_n_waiting(&s->outbox); }

uint64_t journal_sender_since_usec(const JournalSender *s) {
        for (uint32_t i = 0; i < s->outbox.n; i++)
                if (!s->outbox.entries[i].taken_usec)
                        return s->outbox.entries[i].told_usec;
        return 0;
}

uint64_t journal_sender_take_dropped(JournalSender *s) {
        uint64_t n = outbox_next(&s->outbox) ? 0 : s->outbox.n_dropped;

        s->outbox.n_dropped -= n;
        return n;
}

static int address_set(struct sockaddr_un *address, const char *folder, const char *name) {
        address->sun_family = AF_UNIX;
        return snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s", folder, name) <
                        (int) sizeof(address->sun_path) ? 0 : -ENAMETOOLONG;
}

int journal_sender_new(sd_event *event, const JournalSenderConfig *config, JournalSender **ret_sender) {
        _cleanup_(journal_sender_freep) JournalSender *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return -ENOMEM;
        s->fd = s->bell_fd = -EBADF;
        s->event = sd_event_ref(event);
        s->state = config->state;
        s->pause_usec = RETRY_MIN_USEC;
        s->check_pause_usec = CHECK_MIN_USEC;
        r = address_set(&s->native, config->folder, "socket");
        if (r >= 0)
                r = address_set(&s->stream, config->folder, "stdout");
        if (r >= 0)
                r = timer_add(event, &s->timer, CHECK_MIN_USEC / 4, sender_on_timer, s);
        if (r >= 0 && config->children)
                r = console_new(event, config->children, sender_on_cried, s, &s->console);
        if (r < 0)
                return r;
        sender_restore(s, clock_monotonic_usec());
        if (s->outbox.n > 0)
                sender_turn(s);
        *ret_sender = TAKE_PTR(s);
        return 0;
}

JournalSender *journal_sender_free(JournalSender *s) {
        if (!s)
                return NULL;
        console_free(s->console);
        sender_lose_bell(s);
        sd_event_source_disable_unref(s->timer);
        (void) close_safe(s->fd);
        sd_event_unref(s->event);
        free(s);
        return NULL;
}
