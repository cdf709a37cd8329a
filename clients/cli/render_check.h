/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one line of `diskbrake check`, in the convention of the monitoring plugins: a word, a sentence, and
 * behind a bar the numbers. Returns the exit code. guard: NULL where there was no answer, reason says
 * why. */

#include "render.h"

int render_check(FILE *out, const cJSON *guard, const char *reason);
