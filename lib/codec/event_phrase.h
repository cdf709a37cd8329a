/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The parts that the sentences of event_text.c share. Private to the codec. Those with `before` append
 * nothing at all where there is nothing to say. */

#include "event.h"
#include "text.h"
#include "units.h"

typedef char Units[UNITS_TEXT_MAX];

const char *event_phrase_mount(const Event *e);

/* As df has it: of what others than root may use. Permyriad. */
uint32_t event_phrase_used(uint64_t total, uint64_t free_units, uint64_t avail);

/* "the log of `web` (compose shop/web)"; one of which only the id is known by its first 12 digits. */
void event_phrase_log(Text *text, const Event *e);

/* "4 min", "4 to 6 min", "50 s to 2 min". False: not filling, or too early to tell. */
bool event_phrase_range(Text *text, const char *before, const TimeToFull *full);

/* What makes it grow. */
void event_phrase_cause(Text *text, const char *before, const Event *e);

/* What else makes it grow, the largest first: "71 % of the growth is the volume `pgdata` (...)". False: not known. */
bool event_phrase_causes(Text *text, const char *before, const Event *e);

/* "fluent-bit (pid 4711)" */
void event_phrase_reader(Text *text, const LogReader *reader);

void event_phrase_error(Text *text, const char *before, int32_t error);
void event_phrase_asker(Text *text, const char *before, const Asker *asker);
void event_phrase_detail(Text *text, const char *before, const Event *e);
