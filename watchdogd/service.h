/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd is told of the guard: that it is ready, how it is, and that it is alive. */

#include <systemd/sd-event.h>

#include "discovery.h"
#include "notify.h"

typedef struct Service {
        Notify notify;
        const Discovery *discovery; /* NULL: nothing is guarded yet */
        sd_event_source *ping_timer;
        uint64_t pinged_usec, status_usec;
        uint64_t told_states;
        char status_line[256];
        bool ready;
} Service;

/* notify_fd: to the launcher, taken over. Embedded; must not move. */
int service_init(Service *service, sd_event *event, int notify_fd);
void service_done(Service *service);

/* Each partition has been looked at, or has missed its first deadline. */
void service_set_ready(Service *service);
/* After each turn: the watchdog is pinged when one is due and each watcher and trimmer has answered or missed its
 * deadline; STATUS= says how the partitions are. */
void service_update(Service *service);

/* Before READY=1 there is nothing to reload, as far as systemd knows: then these say nothing. */
void service_say_reloading(Service *service);
void service_say_reloaded(Service *service);
void service_say_stopping(Service *service);
