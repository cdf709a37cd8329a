/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Events and alerts, a line each (longer ones wrapped). */

#include "render.h"

void render_event(FILE *out, const Style *style, const cJSON *event);

/* The newest n_max, oldest first, under a heading; nothing where there are none. */
void render_last_events(FILE *out, const Style *style, const cJSON *events, size_t n_max);

void render_alerts(FILE *out, const Style *style, const cJSON *alerts);
