/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an engine knows that must outlive it: alerts and who took them on, pauses, cooldowns, learnt rates. Plain data
 * of fixed size without pointers, so that it can be kept in shared memory. Its points in time are monotonic ones: it
 * says nothing after a reboot. */

#include "attribution.h"
#include "demand.h"
#include "engine.h"
#include "forecast.h"
#include "level_rules.h"
#include "trend.h"

/* Of the logs that grew lately, those that were acted on first: who causes an alert is among them. The others are
 * learnt again within seconds. */
#define ENGINE_MEMORY_LOGS_MAX 32

/* Why nothing more may be freed: what was said last. */
typedef enum NothingLeft {
        NOTHING_LEFT_NOT_SAID,
        NOTHING_LEFT_OTHERS,
        NOTHING_LEFT_PROTECTED,
        NOTHING_LEFT_UNCUTTABLE,
        NOTHING_LEFT_KEPT,
        NOTHING_LEFT_READ_ONLY,
        NOTHING_LEFT_UNREAD,
} NothingLeft;

typedef struct LogMemory {
        char container[CONTAINER_ID_MAX]; /* empty: none */
        uint64_t inode;
        LogSample sample;
        uint64_t sampled_usec;
        Rate growth;
        uint64_t grown_usec, last_act_usec, planned_usec;
        uint64_t barred_until_usec[_METHOD_MAX];
        uint64_t heal_at_usec, heal_backoff_usec;
        uint32_t n_ineffective;
        bool active;
} LogMemory;

/* The fields that an engine has under the same names: taken and given back as they are. */
#define ENGINE_MEMORY_FIELDS(F)                                                                             \
        F(Demand, demand)                                                                                   \
        F(Forecast, bytes)                                                                                  \
        F(Forecast, inodes)                                                                                 \
        F(Trend, bytes_trend)                                                                               \
        F(Trend, inodes_trend)                                                                              \
        F(double, demanded_bytes)                                                                           \
        F(LevelRules, rules)                                                                                \
        F(Attribution, attribution)                                                                         \
        F(uint64_t, duration_usec)                                                                          \
        F(uint64_t, lead_usec)                                                                              \
        F(uint64_t, paused_until_usec)                                                                      \
        F(uint64_t, alert_id)                                                                               \
        F(Acknowledgement, acknowledgement)                                                                 \
        F(uint64_t, nothing_left_usec)                                                                      \
        F(NothingLeft, nothing_left_why)                                                                    \
        F(uint64_t, ballast_planned_usec)                                                                   \
        F(uint64_t, resized_said_usec)                                                                      \
        F(uint64_t, freed_total_bytes)                                                                      \
        F(uint32_t, n_acts_total)                                                                           \
        F(bool, acting)                                                                                     \
        F(bool, pressed)                                                                                    \
        F(bool, read_only_said)

typedef struct EngineMemory {
#define FIELD(type, name) type name;
        ENGINE_MEMORY_FIELDS(FIELD)
#undef FIELD
        uint64_t expected_bytes; /* of acts whose outcome nobody will hear of */
        LogMemory logs[ENGINE_MEMORY_LOGS_MAX];
} EngineMemory;

void engine_remember(const Engine *e, uint64_t now_usec, EngineMemory *ret_memory);
/* Into an engine that has not observed anything yet. */
void engine_recall(Engine *e, const EngineMemory *memory, uint64_t now_usec);
