/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks once through all processes for those that read the logs it is told of, and ends. A process of its own: on a host
 * with thousands of them it takes its time, and where it hangs the watcher's looks go on. */

#include "clock.h"
#include "log_readers.h"
#include "macros.h"
#include "role.h"
#include "writer.h"

/* What does not fit goes on with the next look: some 250,000 descriptors in that time. */
#define DEADLINE_USEC (500 * USEC_PER_MSEC)
#define DESCRIPTORS_MAX 200000u

int spotter_run(const RoleContext *context) {
        _cleanup_free_ Message *order = malloc(sizeof(*order));
        _cleanup_free_ Message *answer = malloc(sizeof(*answer));
        ReadersLimits limits = {.n_descriptors = DESCRIPTORS_MAX};
        _cleanup_close_ int proc_fd = -EBADF;
        int r;

        if (!order || !answer || message_receive(context->channel_fd, order, false) < 0 || order->type != MESSAGE_SPOT)
                return EXIT_FAILURE;
        r = writer_open_proc(&proc_fd);
        if (r < 0)
                return EXIT_FAILURE;
        limits.deadline_usec = clock_monotonic_usec() + DEADLINE_USEC;
        *answer = (Message){.type = MESSAGE_SPOTTED};
        r = log_readers_scan(proc_fd, &order->spot, &limits, &answer->spotted);
        if (r >= 0)
                r = message_send(context->channel_fd, answer, false);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
