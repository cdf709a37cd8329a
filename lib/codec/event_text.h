/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Events in words: the sentence for a person, the names and numbers for programs. */

#include <stddef.h>

#include "event.h"

/* The longest sentence with its NUL. What does not fit into a smaller buffer is cut. */
#define EVENT_MESSAGE_MAX 1024

/* One sentence without a full stop. Returns buf. Of the event it reads, beyond what event.h says: full:
 * of the inodes where the reason is REASON_INODES*; allocated_bytes: after the act (0: not known);
 * detail: BLIND and CANNOT_ACT "the watcher is stuck in statvfs on /x since 14 s", ACT_FAILED the call
 * that failed, NOTHING_LEFT why (empty: said from the log that is named), GUARDING the data-root;
 * wanted_bytes: of DROPPED the number of entries. */
char *event_message(const Event *event, char *buf, size_t buf_bytes);

/* Syslog's. */
int event_priority(const Event *event);

/* "level-raised", "act-done", ...: stable, in the journal and in JSON. Making the ballast is no act on a log
 * and has names of its own: "ballast-made", "ballast-failed". */
const char *event_name(const Event *event);

/* 32 hexadecimal digits, for MESSAGE_ID= and the catalog. The level counts for EVENT_LEVEL_RAISED alone,
 * which has one each for notice, warning, critical and emergency; the method for the ballast alone. */
const char *event_message_id(const Event *event);
