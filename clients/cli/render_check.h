/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one line of `diskbrake check`, in the convention of the monitoring plugins: a word, a sentence, and
 * behind a bar the numbers. Returns the exit code. guard: NULL where there was no answer, reason says
 * why. */

#include "render.h"

int render_check(FILE *out, const cJSON *guard, const char *reason);

/* The same as an object: code, state (the word), text (the sentence), partitions (the numbers; as in the
 * line, without those that are not seen). The same exit code. */
int render_check_json(FILE *out, const cJSON *guard, const char *reason);
