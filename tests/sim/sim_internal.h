/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the simulated world share. */

#include "sim.h"

#define SIM_BLOCK 4096.0

double sim_blocks(double bytes); /* as a filesystem allocates them */
double sim_segments_bytes(const SimLog *l);
double sim_used_bytes(const Sim *s);
double sim_free_bytes(const Sim *s);
/* Everybody writes until then; what does not fit is denied. */
void sim_advance(Sim *s, double to_sec);
