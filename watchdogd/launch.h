/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the supervisor asks of the launcher and what it hears back, over their socketpair: fixed-size structs. */

#include "role.h"

typedef enum LaunchVerb {
        LAUNCH_SPAWN = 1, /* to the launcher: fork that role */
        LAUNCH_KILL,      /* to the launcher: SIGKILL that child */
        LAUNCH_SPAWNED,   /* from it: pid or error; with the channel and, where it has one, the stage's memfd */
        LAUNCH_EXITED,    /* from it: a child ended */
} LaunchVerb;

typedef struct LaunchMessage {
        uint32_t verb;   /* LaunchVerb */
        uint32_t role;   /* Role */
        uint64_t serial; /* of the request, comes back in the answer */
        uint64_t key;    /* names the stage page that watchers (trimmers) of one partition share over time: its device */
        int32_t pid;
        int32_t error;  /* negative errno of the fork */
        int32_t status; /* wait status, with LAUNCH_EXITED */
        uint32_t n_others; /* of the same role and key that are still there, with LAUNCH_SPAWNED: stuck, or about to end */
} LaunchMessage;

#define LAUNCH_FDS_MAX 2

/* fds: handed over (n_fds of them), still the caller's to close. -EAGAIN, -EPIPE. */
int launch_send(int fd, const LaunchMessage *message, const int *fds, size_t n_fds);
/* ret_fds: owned by the caller from then on; unused ones are -EBADF. -EAGAIN, -EPIPE, -EBADMSG. */
int launch_receive(int fd, LaunchMessage *ret_message, int ret_fds[static LAUNCH_FDS_MAX]);
