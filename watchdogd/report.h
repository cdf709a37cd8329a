/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the watcher tells the supervisor. Sending waits when the supervisor is slow; when it is gone,
 * w->failed is set and everything here does nothing any more. A sample never overtakes the introduction
 * of its log, nor comes after its end. */

#include "watcher.h"

void report_log_info(Watcher *w, const LogInfo *info);
void report_log_gone(Watcher *w, uint32_t slot);
void report_log_damage(Watcher *w, const LogDamage *damage);
void report_notice(Watcher *w, NoticeKind kind, uint32_t slot, int error, uint64_t count,
                   const char *detail);
void report_partition(Watcher *w, const PartitionSample *sample);
void report_lost(Watcher *w, int error);
void report_looked(Watcher *w, const LookOrder *order);
void report_dockerd_gone(Watcher *w, uint32_t root);

/* Samples are sent SAMPLES_PER_MESSAGE at a time, the rest with report_flush(). */
void report_sample(Watcher *w, uint32_t slot);
void report_flush(Watcher *w);
