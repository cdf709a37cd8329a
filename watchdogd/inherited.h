/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The descriptors that systemd hands over at start (sd_listen_fds(3)): the socket of diskbrake.socket, and what a
 * launcher before this one has put into the service's file-descriptor store (FDSTORE=1, sd_notify(3)): the state and
 * the stage pages. Each is known by its name and looked at before it is used. */

#include "stage.h"

/* Watcher and trimmer of each partition, twice: a partition that is replaced by another takes a free one. */
#define STAGES_MAX 32
#define STAGE_NAME_MAX 48

typedef struct Stage {
        uint32_t role;
        uint64_t key;
        int fd; /* memfd; -EBADF: free */
        uint64_t used_serial; /* which was used last */
} Stage;

typedef struct Inherited {
        int listen_fd, state_fd; /* -EBADF: none */
        Stage stages[STAGES_MAX];
        char stale[STAGES_MAX][STAGE_NAME_MAX]; /* names of what another version has left: to be taken out of the store */
        uint32_t n_stale;
} Inherited;

/* Takes them over, whatever they are; unknown ones are closed. The environment says so no more afterwards. */
void inherited_take(Inherited *ret_inherited);

/* The name of a stage in the store. */
const char *inherited_stage_name(const Stage *stage, char buf[static STAGE_NAME_MAX]);
