/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the commands share: the arguments, and the daemon at the other end. */

#include "client.h"
#include "render.h"

/* Exit codes; `check` has those of the monitoring plugins. */
#define CLI_OK 0
#define CLI_FAILED 1
#define CLI_USAGE 2
#define CHECK_OK 0
#define CHECK_WARNING 1
#define CHECK_CRITICAL 2
#define CHECK_UNKNOWN 3

/* What `trim --method` takes: help and the message on a wrong one say the same. */
#define METHODS_FOR_PEOPLE "delete, collapse, collapse-leased, fill, punch, truncate or heal"

typedef struct Arguments {
        const char *socket;
        bool json, follow, archives_only, dry_run, off, help, version;
        const char *keep, *method, *span, *lines, *since, *until, *csv, *config, *size, *interval;
        const char *const *operands; /* behind the command */
        int n_operands;
} Arguments;

int command_status(const Arguments *a);
int command_check(const Arguments *a);
int command_trim(const Arguments *a);
int command_logs(const Arguments *a);
int command_repair(const Arguments *a);
int command_pause(const Arguments *a);
int command_alerts(const Arguments *a);
int command_ack(const Arguments *a);
int command_explain(const Arguments *a);
int command_events(const Arguments *a);
int command_config(const Arguments *a);
int command_record(const Arguments *a);
int command_replay(const Arguments *a);
int command_reload(const Arguments *a);

/* "diskbrake: ..." on standard error. */
void cli_error(const char *format, ...) _printf_(1, 2);

/* Connects, calls, and says on standard error what went wrong: then CLI_FAILED. timeout_usec: for the
 * answer. */
int cli_call(const Arguments *a, const char *method, const char *parameters, uint64_t timeout_usec,
             VarlinkReply *ret_reply);
/* The same in two steps: the answer may be an error, which cli_take() says; then there is nothing left of it. */
int cli_ask(const Arguments *a, const char *method, const char *parameters, uint64_t timeout_usec,
            VarlinkReply *ret_reply);
int cli_take(VarlinkReply *reply);
/* {"name": ...} of the container that the first operand names, for the methods that want no more; valid as long as the
 * writer. CLI_USAGE: it has been said that no name is that long. */
int cli_write_name(const Arguments *a, JsonWriter *w, const char **ret_parameters);
int cli_connect(const Arguments *a, Client **ret_client);

/* What was written, as a line or as it is indented. */
int cli_print_written(JsonWriter *w);
/* Indented, for --json. */
int cli_print_json(const cJSON *json);
