/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which partitions are guarded: has them found, again and again, by a one-shot finder, and each new dockerd asked for
 * its version by another. A finder that hangs at one place costs that place, and nothing else. */

#include "partition.h"

typedef struct Discovery Discovery;

typedef struct DiscoveryWorld {
        const PartitionWorld *partitions; /* what new ones are given */
        State *state;                     /* NULL: nothing is kept */
        void (*on_found)(void *userdata); /* a finder has come back, with or without an answer */
        void *userdata;
} DiscoveryWorld;

int discovery_new(const DiscoveryWorld *world, Discovery **ret_discovery);
Discovery *discovery_free(Discovery *discovery);
DEFINE_CLEANUP(Discovery, discovery_free)

/* After a crash: goes on with what a supervisor before this one guarded, before anything is found. */
void discovery_recall(Discovery *discovery);
/* After an orderly end, when the configuration may be another one: what was known of a partition counts once it is
 * found again. */
void discovery_recall_when_found(Discovery *discovery);
/* What the partition knows is kept for the next supervisor. */
void discovery_remember(Discovery *discovery, const Partition *partition);

/* Now, and from then on by itself. */
void discovery_begin(Discovery *discovery);
void discovery_find_soon(Discovery *discovery);
bool discovery_has_found(const Discovery *discovery); /* at least once, or failed to */
bool discovery_is_failing(const Discovery *discovery); /* the search itself; the notes say why */

size_t discovery_n_partitions(const Discovery *discovery);
Partition *discovery_partition(const Discovery *discovery, size_t index); /* NULL: no such */
/* Sentences on what is not guarded; at most n_max. Valid until the next turn of the loop. */
size_t discovery_notes(const Discovery *discovery, const char **ret_notes, size_t n_max);
