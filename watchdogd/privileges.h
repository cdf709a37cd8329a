/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What each process may do, in one table, and the way down to it. */

#include <stdbool.h>
#include <sys/types.h>

#include "role.h"

/* The user that the supervisor and the watchers run as. */
typedef struct Identity {
        uid_t uid;
        gid_t gid;       /* the group that may use the socket, too */
        bool is_nobody;  /* the user diskbrake does not exist here */
} Identity;

/* Looks up the user "diskbrake", or "nobody" where it does not exist. Reads the user database: once, at start. */
int identity_resolve(Identity *ret_identity);

/* Drops this process to what its role needs, for good: uid, gid, groups, capabilities, bounding set, no_new_privs,
 * limits. Memory is locked and real-time priority taken where the role wants it and the system allows it (a system
 * that does not allow it is no error). Any other failure is one: the process must not go on. */
int privileges_drop(Role role, const Identity *identity);
