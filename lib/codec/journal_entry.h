/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An event as an entry of the journal: the list of its fields, and the bytes of journald's native
 * protocol. */

#include <stddef.h>

#include "event.h"

/* Enough for every event with every text at its longest. */
#define JOURNAL_ENTRY_MAX 8192

/* What is not 0 ends the visit and is returned. */
typedef int (*JournalEntryField)(const char *name, const char *value, void *userdata);

/* Calls back for each field that applies, MESSAGE first. wall_usec: when it happened, CLOCK_REALTIME. */
int journal_entry_fields(const Event *event, uint64_t wall_usec, JournalEntryField callback, void *userdata);

/* One datagram for /run/systemd/journal/socket. Its length; -ENOBUFS. */
int journal_entry_encode(const Event *event, uint64_t wall_usec, char *buf, size_t buf_bytes);

/* One field, as both of the protocol's forms have it: a value with a newline is sent with its length, so
 * that what is in it cannot become a field. Adds to *used. -ENOBUFS. */
int journal_entry_append(char *buf, size_t buf_bytes, size_t *used, const char *name, const char *value);
