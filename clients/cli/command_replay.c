/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `diskbrake replay`: what would have been raised and done, and when. */

#include "config_read.h"
#include "replay.h"

static int read_config(const char *path, Config *ret_config) {
        char message[CONFIG_READ_MESSAGE_MAX];

        config_set_defaults(ret_config);
        if (path && config_read(path, ret_config, message, sizeof(message)) != 0) {
                cli_error("%s", message);
                return CLI_FAILED;
        }
        return CLI_OK;
}

int command_replay(const Arguments *a) {
        _cleanup_free_ Replay *replay = calloc(1, sizeof(*replay));

        if (!replay) {
                cli_error("%s", strerror(ENOMEM));
                return CLI_FAILED;
        }
        if ((a->csv != NULL) == (a->n_operands > 0)) {
                cli_error("replay takes a TRACE, or --csv FILE");
                return CLI_USAGE;
        }
        int r = read_config(a->config, &replay->config);
        if (r != CLI_OK)
                return r;
        replay->config_is_given = a->config != NULL;
        replay->as_text = !a->json && !a->csv;
        r = a->csv ? replay_csv(replay, a->csv) : replay_trace(replay, a->operands[0]);
        replay_done(replay);
        return r;
}
