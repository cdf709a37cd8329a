/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The supervisor's side of the archiver: one process for the host, started when there is something to archive and ended
 * when there has not been for a while. It is killed whenever the engine says so; nobody waits for it. */

#include "partition.h"

/* config: in force, borrowed. -ENOMEM and what sd-event says. */
int archiving_new(sd_event *event, Children *children, const Config *config, Archiving **ret_archiving);
Archiving *archiving_free(Archiving *archiving);
DEFINE_CLEANUP(Archiving, archiving_free)

/* The configuration is another one: from the next order on. */
void archiving_configure(Archiving *archiving);

/* One act (METHOD_ARCHIVE) of a partition; what comes of it goes to partition_settle_archive(), perhaps before this returns.
 * name: of the container. */
void archiving_give(Archiving *archiving, Partition *partition, const Act *act, const char *name);
/* Its outcome is not wanted any more. */
void archiving_cancel(Archiving *archiving, const Partition *partition, uint64_t act);
/* The partition is gone. */
void archiving_forget(Archiving *archiving, const Partition *partition);
