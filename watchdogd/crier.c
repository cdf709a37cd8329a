/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The crier: writes a few lines to the kernel log and ends. It may wait for a slow console; nobody waits for it. */

#include "macros.h"
#include "message.h"
#include "role.h"

int crier_run(const RoleContext *context) {
        _cleanup_free_ Message *m = calloc(1, sizeof(*m));
        uint32_t n, n_written = 0;
        int error = 0, r;

        if (!m)
                return EXIT_FAILURE;
        r = message_receive(context->channel_fd, m, false);
        if (r < 0 || m->type != MESSAGE_CRY)
                return EXIT_FAILURE;
        n = MIN(m->cry.n, (uint32_t) CRY_LINES_MAX);
        while (n_written < n && error == 0) {
                /* One write is one line. */
                const char *line = m->cry.line[n_written];
                ssize_t k = write(context->console_fd, line, strnlen(line, CRY_LINE_BYTES));

                if (k >= 0)
                        n_written++;
                else if (errno != EINTR)
                        error = -errno;
        }
        *m = (Message){.type = MESSAGE_CRIED, .cried = {n_written, error}};
        r = message_send(context->channel_fd, m, false);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
