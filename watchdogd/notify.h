/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* sd_notify(3) that cannot block: the library's waits for ever once PID 1 hangs and its queue is full. */

#include <stdint.h>

#include "macros.h"

typedef struct Notify {
        int fd;                 /* -EBADF: nobody wants to know */
        uint64_t watchdog_usec; /* WATCHDOG_USEC; 0: no service watchdog */
        char owed[64]; /* READY=1 and the like that PID 1 did not take; empty: none */
        bool owes_ping;
} Notify;

/* The launcher's: from $NOTIFY_SOCKET and $WATCHDOG_USEC. Not being told of a socket is no error. */
void notify_init(Notify *notify);
/* The supervisor's: through the launcher, since systemd listens to the main process alone. Takes fd over. */
void notify_init_relayed(Notify *notify, int fd);
/* Hands one datagram on, if it is one that a guard has to say. What systemd must not miss (that it is ready, or stops,
 * or is alive) is owed where its queue is full just now. */
void notify_relay(Notify *notify, int from_fd);
/* Tries again. Returns whether something is still owed. */
bool notify_pay(Notify *notify);
/* The launcher's: a descriptor for the service's store (FDSTORE=1), which systemd hands to the next main process of the
 * service, however this one ended. Refused where the unit has no FileDescriptorStoreMax=: nothing is kept then. */
void notify_keep_fd(const Notify *notify, const char *name, int fd);
void notify_forget_fd(const Notify *notify, const char *name);
void notify_done(Notify *notify);
/* One datagram, lines of KEY=VALUE. false: not taken just now. */
bool notify_send(const Notify *notify, const char *format, ...) _printf_(2, 3);
