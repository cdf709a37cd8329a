/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "clock.h"
#include "service.h"
#include "text.h"
#include "timer.h"

/* With the unit's WatchdogSec=8s and a look every 5 s at the latest, a ping goes out with a look; the timer below is
 * for the times when there are none. */
#define PING_EARLIEST_PERMYRIAD 2500
#define PING_LATEST_PERMYRIAD 7500
/* Not all have answered: asked again that soon. */
#define PING_AGAIN_USEC (250 * USEC_PER_MSEC)
/* A line for people; levels may come and go many times a second. */
#define STATUS_EVERY_USEC (5 * USEC_PER_SEC)
#define STATUS_CHANGED_USEC (500 * USEC_PER_MSEC)

static size_t n_partitions(const Service *s) { return s->discovery ? discovery_n_partitions(s->discovery) : 0; }

/* State and level of each partition: when they change, so does what systemctl shows, at once. */
static uint64_t states_of(const Service *s) {
        uint64_t states = 0;

        for (size_t i = 0; i < n_partitions(s); i++) {
                const Partition *p = discovery_partition(s->discovery, i);
                EngineStatus status;

                engine_get_status(partition_engine(p), &status);
                states = states * _GUARD_STATE_MAX * _LEVEL_MAX + (uint64_t) partition_state(p) * _LEVEL_MAX +
                        (uint64_t) status.level;
        }
        return states;
}

static void append_partition(Text *text, const Partition *p) {
        EngineStatus status;
        double used = 0;

        engine_get_status(partition_engine(p), &status);
        if (status.space.total_bytes > 0)
                used = 100 - (double) status.space.avail_bytes * 100 / (double) status.space.total_bytes;
        (void) text_appendf(text, "%s%s %s: %s, %u %% used", text->used ? "; " : "",
                guard_state_to_string(partition_state(p)), partition_target(p)->mount, level_to_string(status.level),
                (unsigned) used);
}

static void say_status(Service *s, uint64_t now_usec) {
        char line[sizeof(s->status_line)];
        Text text = text_over(line, sizeof(line));
        uint64_t states = states_of(s);

        uint64_t gap_usec = states == s->told_states ? STATUS_EVERY_USEC : STATUS_CHANGED_USEC;

        if (s->status_usec != 0 && now_usec - s->status_usec < gap_usec)
                return;
        s->told_states = states;
        s->status_usec = now_usec;
        for (size_t i = 0; i < n_partitions(s); i++)
                append_partition(&text, discovery_partition(s->discovery, i));
        if (s->discovery && discovery_is_failing(s->discovery))
                (void) text_appendf(&text, "%sthe search for Docker's data-roots fails", text.used ? "; " : "");
        else if (text.used == 0)
                (void) text_append(&text, "no Docker data-root found yet; looking again");
        if (streq(line, s->status_line))
                return;
        memcpy(s->status_line, line, sizeof(line));
        (void) notify_send(&s->notify, "STATUS=%s", line);
}

static void ping(Service *s, uint64_t now_usec) {
        uint64_t watchdog_usec = s->notify.watchdog_usec;

        if (watchdog_usec == 0 || now_usec - s->pinged_usec < watchdog_usec / 10000 * PING_EARLIEST_PERMYRIAD)
                return;
        for (size_t i = 0; i < n_partitions(s); i++)
                if (!partition_had_turn(discovery_partition(s->discovery, i), now_usec))
                        return;
        if (!notify_send(&s->notify, "WATCHDOG=1"))
                return;
        for (size_t i = 0; i < n_partitions(s); i++)
                partition_take_turn(discovery_partition(s->discovery, i), now_usec);
        s->pinged_usec = now_usec;
        timer_set(s->ping_timer, now_usec + watchdog_usec / 10000 * PING_LATEST_PERMYRIAD);
}

static int on_ping(sd_event_source *source, uint64_t usec, void *userdata) {
        Service *s = userdata;
        uint64_t now_usec = clock_monotonic_usec();

        (void) source, (void) usec;
        ping(s, now_usec);
        /* One whose watcher hangs has missed its deadline by then. */
        if (s->pinged_usec != now_usec)
                timer_set(s->ping_timer, now_usec + PING_AGAIN_USEC);
        return 0;
}

void service_update(Service *s) {
        uint64_t now_usec = clock_monotonic_usec();

        ping(s, now_usec);
        if (s->ready)
                say_status(s, now_usec);
}

void service_set_ready(Service *s) {
        if (s->ready)
                return;
        say_status(s, clock_monotonic_usec());
        s->ready = notify_send(&s->notify, "READY=1"); /* else with the next turn */
}

void service_say_reloading(Service *s) {
        if (s->ready)
                (void) notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_monotonic_usec());
}

void service_say_reloaded(Service *s) {
        if (s->ready)
                (void) notify_send(&s->notify, "READY=1");
}

void service_say_stopping(Service *s) { (void) notify_send(&s->notify, "STOPPING=1"); }

int service_init(Service *s, sd_event *event, int notify_fd) {
        int r;

        *s = (Service){};
        notify_init_relayed(&s->notify, notify_fd);
        r = timer_add(event, &s->ping_timer, PING_AGAIN_USEC, on_ping, s);
        if (r >= 0 && s->notify.watchdog_usec > 0)
                timer_set(s->ping_timer, clock_monotonic_usec() + s->notify.watchdog_usec / 2);
        return r;
}

void service_done(Service *s) {
        s->ping_timer = sd_event_source_disable_unref(s->ping_timer);
        notify_done(&s->notify);
}
