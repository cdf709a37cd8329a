/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Entries to the journal that cannot block: a datagram socket of our own with the native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). sd_journal_sendv(3) waits for ever once a stopped journald has 513
 * messages queued, and reports success where the socket is missing. What journald does not take waits here in order. */

#include <systemd/sd-event.h>

#include "event.h"
#include "macros.h"

typedef struct JournalSender JournalSender;

/* socket_path: "/run/systemd/journal/socket". */
int journal_sender_new(sd_event *event, const char *socket_path, JournalSender **ret_sender);
JournalSender *journal_sender_free(JournalSender *sender);
DEFINE_CLEANUP(JournalSender, journal_sender_free)

/* Sends, or queues. When the queue is full the least important entry goes, the oldest of these first. */
void journal_sender_send(JournalSender *sender, const Event *event, uint64_t wall_usec);

uint32_t journal_sender_n_queued(const JournalSender *sender);
uint64_t journal_sender_take_dropped(JournalSender *sender); /* since the last call, once the queue is empty again */
