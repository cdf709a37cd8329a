/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kernel log, for alerts that the journal does not take: it reaches the console and dmesg. Its writing is left to a
 * one-shot process, since printing to a slow serial console takes longer than the guard may wait; and it keeps within
 * the kernel's quota, which drops what is beyond it without a word. */

#include <systemd/sd-event.h>

#include "children.h"
#include "outbox.h"

typedef struct Console Console;

/* on_cried: lines were written, or could not be: look again what is due. */
int console_new(sd_event *event, Children *children, void (*on_cried)(void *userdata), void *userdata,
                Console **ret_console);
Console *console_free(Console *console);
DEFINE_CLEANUP(Console, console_free)

/* Has the lines written that nobody has heard and that were told before that, as far as the quota goes. Returns when to
 * ask again; USEC_INFINITY: on_cried will tell, or there is no kernel log here. */
uint64_t console_cry(Console *console, Outbox *outbox, uint64_t told_before_usec, uint64_t now_usec);
