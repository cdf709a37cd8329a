/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cli.h"
#include "config_read.h"

/* error: NULL: it is right. */
static int print_checked(const char *path, const ConfigReadError *error) {
        _cleanup_json_writer_ JsonWriter w = {};

        json_writer_init(&w, VARLINK_REPLY_MAX);
        w.indent = true;
        json_writer_begin_object(&w, NULL);
        json_writer_add_bool(&w, "ok", !error);
        json_writer_add_string(&w, "file", error ? error->file : path);
        if (error) {
                if (error->line > 0)
                        json_writer_add_uint(&w, "line", error->line);
                else
                        json_writer_add_null(&w, "line");
                json_writer_add_string(&w, "message", error->message);
        }
        json_writer_end_object(&w);
        int r = cli_print_written(&w);
        return error ? CLI_FAILED : r;
}

static int check_json(const char *path) {
        ConfigReadError error;
        Config config;

        int r = config_read_files(path, &config, &error);
        return print_checked(path ? path : CONFIG_READ_PATH_DEFAULT, r == 0 ? NULL : &error);
}

/* Without the daemon: before it is started, and by whoever may read the file. */
static int check(const char *path) {
        char message[CONFIG_READ_MESSAGE_MAX];
        Config config;

        int r = config_read(path, &config, message, sizeof(message));
        if (r != 0) {
                (void) fflush(stdout);
                fprintf(stderr, "%s\n", message); /* as compilers do: editors jump there */
                return CLI_FAILED;
        }
        if (!path && access(CONFIG_READ_PATH_DEFAULT, F_OK) < 0)
                puts("there is no " CONFIG_READ_PATH_DEFAULT ": the defaults are right");
        else
                printf("%s is right\n", path ? path : CONFIG_READ_PATH_DEFAULT);
        return CLI_OK;
}

static int show(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        const char *text = "";

        int r = cli_call(a, "Config", NULL, CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        if (a->json)
                return cli_print_json(reply.parameters);
        (void) varlink_get_string(reply.parameters, "text", &text);
        fputs(text, stdout);
        return CLI_OK;
}

int command_config(const Arguments *a) {
        const char *what = a->operands[0];

        if (streq(what, "check")) {
                const char *path = a->n_operands > 1 ? a->operands[1] : NULL;
                return a->json ? check_json(path) : check(path);
        }
        if (streq(what, "show") && a->n_operands == 1)
                return show(a);
        cli_error("config takes `check [FILE]` or `show`");
        return CLI_USAGE;
}

int command_reload(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};

        int r = cli_call(a, "Reload", NULL, 2 * CLIENT_TIMEOUT_USEC, &reply);
        if (r == CLI_OK)
                puts("the new configuration is in force");
        return r;
}
