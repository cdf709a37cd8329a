/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Entries to the journal that cannot block: a datagram socket of our own with the native protocol
 * (https://systemd.io/JOURNAL_NATIVE_PROTOCOL/). sd_journal_sendv(3) waits for ever once a stopped journald has 513
 * messages queued, and reports success where the socket is missing. What journald does not take waits in the outbox, and
 * what it may have lost is sent again: each entry arrives at least once, with its DISKBRAKE_EVENT_ID. What is critical
 * and not read within a moment goes to the kernel log as well. */

#include <systemd/sd-event.h>

#include "children.h"
#include "records.h"

typedef struct JournalSender JournalSender;

typedef struct JournalSenderConfig {
        const char *folder;  /* of journald's sockets: "/run/systemd/journal" */
        Children *children;  /* to fork the crier from; NULL: there is no kernel log */
        State *state;        /* what is not delivered is kept there; NULL: nowhere */
} JournalSenderConfig;

/* Goes on with what a supervisor before this one could not deliver. */
int journal_sender_new(sd_event *event, const JournalSenderConfig *config, JournalSender **ret_sender);
JournalSender *journal_sender_free(JournalSender *sender);
DEFINE_CLEANUP(JournalSender, journal_sender_free)

/* Sends, or queues. When the queue is full the least important entry goes, the oldest of these first. */
void journal_sender_send(JournalSender *sender, const Event *event, uint64_t wall_usec);

/* The guard ends: what is handed over is as good as delivered. */
void journal_sender_end(JournalSender *sender);

uint32_t journal_sender_n_queued(const JournalSender *sender); /* not read by journald, as far as is known */
uint64_t journal_sender_since_usec(const JournalSender *sender); /* when the oldest of them was told; 0: none */
uint64_t journal_sender_take_dropped(JournalSender *sender); /* since the last call, once the queue is empty again */
