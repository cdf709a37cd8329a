/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The launcher's stage pages: one for each post (watcher or trimmer of a partition), the same from life to life. They
 * are kept in systemd's store as well, so that what a killed trimmer began is finished whoever was killed with it. */

#include "inherited.h"
#include "notify.h"

typedef struct Stages {
        Stage items[STAGES_MAX];
        uint64_t serial;
} Stages;

/* Those of a launcher before this one; taken over. */
void stages_init(Stages *stages, const Stage inherited[static STAGES_MAX]);

/* The one of that post, made where there is none: with is_used() false for a page, it may be given to another post, the
 * least recently used one first. ret_fd: borrowed. -ENOSPC, and what memfd_create(2) says. */
int stages_get(Stages *stages, const Notify *notify, uint32_t role, uint64_t key,
               bool (*is_used)(uint32_t role, uint64_t key, void *userdata), void *userdata, int *ret_fd);
