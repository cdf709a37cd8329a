/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Tells people: gives each event its number and time, and brings it to the journal, to those who follow the socket's
 * stream, and to the terminal where the guard runs in the foreground. Keeps the last ones for `status`. */

#include "journal_sender.h"
#include "status.h"

#define TELLER_LAST_MAX 64

typedef struct Teller Teller;

typedef void (*TellerFollower)(const Event *event, uint64_t wall_usec, void *userdata);

int teller_new(JournalSender *journal, bool in_foreground, Teller **ret_teller);
Teller *teller_free(Teller *teller);
DEFINE_CLEANUP(Teller, teller_free)

/* What is known of every event: whether nothing will be touched. */
void teller_set_observing(Teller *teller, bool observing);
/* One follower: the socket's methods. */
void teller_set_follower(Teller *teller, TellerFollower follower, void *userdata);

/* How many entries the journal did not take, once it takes them again; nothing where there are none. */
void teller_tell_dropped(Teller *teller);
/* Fills in id, mode and, where it is 0, the time; the event is copied. */
void teller_tell(Teller *teller, Event *event);

/* The last events, oldest first, at most n_max; pointers are valid until the next event is told. */
size_t teller_get_last(const Teller *teller, StatusEvent *ret_events, size_t n_max);
