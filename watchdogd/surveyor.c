/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Looks twice through all processes for what grows on a partition and is no log, and ends. A process of its own: it takes its
 * time, and where it hangs the watcher's looks go on. */

#include <sys/resource.h>

#include "macros.h"
#include "role.h"
#include "survey.h"
#include "writer.h"

int surveyor_run(const RoleContext *context) {
        _cleanup_free_ Message *order = malloc(sizeof(*order));
        _cleanup_free_ Message *answer = malloc(sizeof(*answer));
        _cleanup_close_ int proc_fd = -EBADF;
        int r;

        if (!order || !answer || message_receive(context->channel_fd, order, false) < 0 || order->type != MESSAGE_SURVEY)
                return EXIT_FAILURE;
        /* The unit's own priority is for those that must not be late. */
        (void) setpriority(PRIO_PROCESS, 0, 5);
        r = writer_open_proc(&proc_fd);
        if (r < 0)
                return EXIT_FAILURE;
        *answer = (Message){.type = MESSAGE_SURVEYED};
        r = survey_make(proc_fd, &order->survey, &answer->surveyed);
        if (r >= 0)
                r = message_send(context->channel_fd, answer, false);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
