/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which data-roots there are. Those of the configuration, and no others, where it names any; else those
 * of the dockerds that run, what daemon.json says, and Docker's usual places, as far as they can be
 * trusted. */

#include "finder.h"
#include "finder_process.h"

#define FINDER_ROOTS_MAX (PARTITIONS_MAX * PARTITION_ROOTS_MAX)

typedef struct FoundRoot {
        DockerRoot docker;
        uint64_t device; /* of containers/, which may be a mount; of the root where there is none */
        bool apart;      /* containers/ lies on another device than the root */
} FoundRoot;

typedef struct FoundRoots {
        FoundRoot items[FINDER_ROOTS_MAX];
        uint32_t n;
} FoundRoots;

/* found: for its notes. */
void finder_roots_list(const FinderPlaces *places, const Config *config, const Dockerds *dockerds,
                       FoundRoots *ret_roots, Found *found);
