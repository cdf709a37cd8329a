/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reads the configuration, in a process of its own: a file on a sick mount then costs a failed reload, not the
 * guard. Answers once and ends. */

#include <stdio.h>

#include "config_read.h"
#include "macros.h"
#include "message.h"
#include "role.h"

int reader_run(const RoleContext *context) {
        static Message message;
        int r;

        message.type = MESSAGE_CONFIG;
        r = config_read(context->options->config_given ? context->options->config_path : NULL, &message.config.config,
                message.config.error, sizeof(message.config.error));
        message.config.ok = r == 0;
        if (r < 0 && !message.config.error[0])
                (void) snprintf(message.config.error, sizeof(message.config.error), "%s: %s",
                        context->options->config_path, strerror(-r));
        if (context->options->observe)
                message.config.config.mode = MODE_OBSERVE;
        return message_send(context->channel_fd, &message, false) < 0;
}
