/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which Docker writes the logs of each data-root: each dockerd is asked once in its life, one at a time, by a one-shot
 * process. Until it has answered, its version is unknown, and the methods that are always safe are used. */

#include "errand.h"
#include "partition.h"

typedef struct Versions {
        const PartitionWorld *world;
        /* Somebody did not answer (just started, or busy): he is asked again with versions_ask_again(), after that. */
        void (*on_silent)(uint64_t pause_usec, void *userdata);
        void *userdata;
        struct {
                Partition *partition; /* NULL: free */
                int32_t asked_pid[PARTITION_ROOTS_MAX]; /* dockerd that was asked, and its life */
                uint64_t asked_start[PARTITION_ROOTS_MAX];
                bool again[PARTITION_ROOTS_MAX];
        } of[PARTITIONS_MAX];
        Errand *errand; /* NULL: nobody is being asked */
        size_t place;   /* who is */
        uint32_t root;
        unsigned n_silent; /* one after the other */
} Versions;

/* place: of a partition that is guarded from now on, or (NULL) no longer. */
void versions_set_partition(Versions *versions, size_t place, Partition *partition);
/* Asks who has not been asked yet. */
void versions_ask(Versions *versions);
/* And those that did not answer. */
void versions_ask_again(Versions *versions);
void versions_done(Versions *versions);
