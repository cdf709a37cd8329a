/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The methods of io.diskbrake: what each does with the supervisor's things. The transport is varlink_server.h's. */

#include <systemd/sd-event.h>

#include "partition.h"
#include "privileges.h"
#include "supervisor.h"

typedef struct Methods Methods;

/* listen_fd: taken over. */
int methods_new(Supervisor *supervisor, sd_event *event, const Identity *identity, int listen_fd,
                Methods **ret_methods);
Methods *methods_free(Methods *methods);
DEFINE_CLEANUP(Methods, methods_free)
