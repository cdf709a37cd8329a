/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an engine knows, told again as observations. */

#include "engine_internal.h"

/* The cursor counts the facts of the partition first, then the slots. */
enum {
        FACT_PARTITION,
        FACT_FILESYSTEM,
        FACT_DOCKER,
        FACT_LOGS = FACT_DOCKER + CONFIG_ROOTS_MAX,
};

static bool recount_fact(const Engine *e, uint64_t fact, Observation *ret) {
        *ret = (Observation){.time_usec = e->sampled_usec};
        if (fact == FACT_PARTITION) {
                ret->type = OBSERVATION_PARTITION;
                ret->partition = e->space;
                return e->sampled_usec != 0;
        }
        if (fact == FACT_FILESYSTEM) {
                ret->type = OBSERVATION_FILESYSTEM;
                ret->filesystem.can_collapse = e->can_collapse;
                ret->filesystem.can_punch = e->can_punch;
                ret->filesystem.can_reflink = e->can_reflink;
                ret->filesystem.freed_is_late = e->freed_is_late;
                ret->filesystem.ballast_bytes = e->ballast_bytes;
                ret->filesystem.may_have_ballast = e->ballast_known;
                return true;
        }
        ret->type = OBSERVATION_DOCKER;
        ret->docker.root = (uint32_t) (fact - FACT_DOCKER);
        ret->docker.version_major = e->docker_major[fact - FACT_DOCKER];
        return ret->docker.version_major != 0;
}

bool engine_recount(const Engine *e, uint64_t *cursor, Observation *ret_first, Observation *ret_second, size_t *ret_n) {
        while (*cursor < FACT_LOGS)
                if (recount_fact(e, (*cursor)++, ret_first)) {
                        *ret_n = 1;
                        return true;
                }
        uint32_t slot = (uint32_t) (*cursor - FACT_LOGS);
        const LogEntry *entry = log_table_next(&e->logs, &slot);

        *cursor = FACT_LOGS + slot;
        if (!entry)
                return false;
        *ret_first = (Observation){
                .type = OBSERVATION_LOG_INFO, .time_usec = e->sampled_usec, .log_info = entry->info};
        *ret_second = (Observation){
                .type = OBSERVATION_LOG_SAMPLE, .time_usec = entry->sampled_usec, .log_sample = entry->sample};
        ret_second->log_sample.slot = entry->info.slot;
        *ret_n = entry->sampled ? 2 : 1;
        return true;
}
