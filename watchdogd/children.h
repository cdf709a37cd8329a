/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The supervisor's side of the launcher: asks for processes, and holds the channel of each. Nothing here waits. */

#include <systemd/sd-event.h>

#include "macros.h"
#include "message.h"
#include "role.h"

typedef struct Children Children;
typedef struct Worker Worker;

typedef struct WorkerOps {
        void (*on_up)(Worker *worker, void *userdata); /* forked: it may be sent to from now on */
        void (*on_message)(Worker *worker, const Message *message, void *userdata); /* valid during the call */
        void (*on_gone)(Worker *worker, void *userdata); /* reaped, or could not be forked; free it here or later */
        /* The last of the others at its post is gone: those that were killed and stuck, also of a supervisor before this
         * one. NULL: does not matter. */
        void (*on_alone)(Worker *worker, void *userdata);
} WorkerOps;

/* launcher_fd: taken over. on_lost: the launcher is gone; the supervisor must end. -ENOMEM and what sd-event says. */
int children_new(sd_event *event, int launcher_fd, void (*on_lost)(void *userdata), void *userdata,
                 Children **ret_children);
Children *children_free(Children *children);
DEFINE_CLEANUP(Children, children_free)

/* key: of the stage page that follows this kind of worker from life to life (launch.h); 0 for one-shot children. */
int children_spawn(Children *children, Role role, uint64_t key, const WorkerOps *ops, void *userdata,
                   Worker **ret_worker);

/* Somebody else looks after it from now on. */
void worker_rebind(Worker *worker, const WorkerOps *ops, void *userdata);
/* -EAGAIN: it does not read; -ENOTCONN: not up, or gone. */
int worker_send(Worker *worker, const Message *message);
/* SIGKILL. A process stuck in the kernel does not end by it until it is unstuck; on_gone tells. */
void worker_kill(Worker *worker);
/* Closes the channel, so that it ends by itself, and forgets it: no more callbacks. */
Worker *worker_free(Worker *worker);

pid_t worker_pid(const Worker *worker); /* 0: not forked yet */
bool worker_is_alone(const Worker *worker); /* no other is left at its post */
int worker_error(const Worker *worker); /* why it could not be forked; -EBUSY: earlier ones are still stuck; 0: it was */
const StagePage *worker_stage(const Worker *worker); /* NULL: has none */
