/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The table of a partition's logs: those that grow, or where none does, the largest. */

#include "render.h"

void render_logs(FILE *out, const Style *style, const cJSON *partition);
