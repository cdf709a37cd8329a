/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The range that people are told: eight times of ten the truth lies within it, as measured over the corpora of
 * tests/forecast (docs/FORECAST.md). */

#include "filling.h"
#include "forecast.h"

TimeToFull range_to_tell(const ForecastView *view, const Filling *filling);
