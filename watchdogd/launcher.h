/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The unit's main process: keeps root, forks the others when the supervisor asks, restarts the supervisor when that
 * dies, and does nothing else. It parses nothing and opens nothing once it runs. */

#include "inherited.h"
#include "privileges.h"
#include "role.h"

/* Handed on to every supervisor. */
typedef struct LauncherSeed {
        const Options *options;
        const Identity *identity;
        int listen_fd;  /* the listening socket */
        int console_fd; /* the kernel log, opened for writing; -EBADF: there is none */
        const Inherited *inherited; /* what a launcher before this one has left; listen_fd is not looked at */
} LauncherSeed;

/* Runs until a SIGTERM or SIGINT has ended the supervisor. Returns the exit status: the supervisor's where it ended
 * by itself on purpose (a configuration that it cannot start on). */
int launcher_run(const LauncherSeed *seed);

/* The supervisor, in supervisor.c. Exit status: EXIT_CONFIGURATION where it must not be started again. */
int supervisor_run(const RoleContext *context, const Identity *identity, int listen_fd);

/* sysexits.h's EX_CONFIG, which systemd knows by name: RestartPreventExitStatus= names it. */
#define EXIT_CONFIGURATION 78
