/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What must outlive the supervisor, in a memfd that the launcher and systemd's file-descriptor store keep: it needs no
 * disk, and is gone after a reboot, like all that it speaks of. Records of fixed size, each in two slots with a checksum:
 * the one that is written is not the one that is valid, so that a supervisor that is killed in the middle leaves the
 * state of before. What another version has written is not read. */

#include "macros.h"

typedef struct State State;

typedef struct StateLayout {
        const size_t *record_bytes; /* of each record; must stay valid */
        size_t n_records;
} StateLayout;

/* The launcher's: a memfd of the right size that nobody can resize. -ENOMEM and the like. */
int state_make(const StateLayout *layout, int *ret_fd);

/* Whether it is one of this layout's size, that nobody can resize. */
bool state_fits(int fd, const StateLayout *layout);

/* fd: borrowed. -EINVAL: not such a memfd; -ENOMEM. */
int state_open(int fd, const StateLayout *layout, State **ret_state);
State *state_free(State *state);
DEFINE_CLEANUP(State, state_free)

/* data: of the record's size. NULL: the record is empty from now on. */
void state_put(State *state, size_t record, const void *data);
/* false: empty, or not valid. */
bool state_get(const State *state, size_t record, void *ret_data);
