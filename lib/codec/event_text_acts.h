/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The sentences of event_text.c that are about acts. Private to the codec. */

#include "event.h"
#include "text.h"

bool event_text_is_about_act(EventType type);
void event_text_say_act(Text *text, const Event *e);
