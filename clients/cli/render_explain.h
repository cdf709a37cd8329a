/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why the level of a partition is what it is: sentences with the numbers that decided. */

#include "json_writer.h"
#include "render.h"

void render_explain(FILE *out, const Style *style, const cJSON *partition);
/* The same as an object: mount, level, reason, sentences. */
void render_explain_json(JsonWriter *w, const cJSON *partition);
