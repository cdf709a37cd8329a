/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What changes something by hand: trim and pause. */

#include "act.h"
#include "cli.h"
#include "units.h"

/* An act on a busy disk: the guard's own deadline for the trimmer is well below it. */
#define TRIM_TIMEOUT_USEC (60 * USEC_PER_SEC)

static bool method_is_for_people(Method method) {
        return method == METHOD_DELETE || method == METHOD_COLLAPSE || method == METHOD_COLLAPSE_LEASED ||
                method == METHOD_PUNCH || method == METHOD_FILL || method == METHOD_TRUNCATE || method == METHOD_HEAL;
}

static int write_trim(const Arguments *a, JsonWriter *w) {
        uint64_t keep_bytes = 0;

        if (a->keep && (bytes_parse(a->keep, &keep_bytes) < 0 || keep_bytes >= UINT64_C(1) << 53)) {
                cli_error("--keep %s is not a size: 16M, 1.5G", a->keep);
                return CLI_USAGE;
        }
        if (a->method && !method_is_for_people(method_from_string(a->method))) {
                cli_error("--method %s is none: " METHODS_FOR_PEOPLE, a->method);
                return CLI_USAGE;
        }
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "name", a->operands[0]);
        if (a->keep)
                json_writer_add_uint(w, "keep_bytes", keep_bytes);
        if (a->method)
                json_writer_add_string(w, "method", a->method);
        if (a->dry_run)
                json_writer_add_bool(w, "dry_run", true);
        json_writer_end_object(w);
        return CLI_OK;
}

static int print_trimmed(const cJSON *trimmed) {
        Style style = style_detect(stdout);
        char name[256], method[32], effect[512], result[32], freed[UNITS_TEXT_MAX], left[UNITS_TEXT_MAX];

        (void) render_field(&style, trimmed, "name", name, sizeof(name));
        (void) render_field(&style, trimmed, "method", method, sizeof(method));
        (void) render_field(&style, trimmed, "reader_effect", effect, sizeof(effect));
        (void) render_field(&style, trimmed, "result", result, sizeof(result));
        (void) bytes_format(render_bytes(trimmed, "freed_bytes"), freed);
        (void) bytes_format(render_bytes(trimmed, "allocated_bytes"), left);

        if (render_flag(trimmed, "dry_run"))
                printf("%s: would free %s of %s (%s); nothing was done\n", name, freed, left, method);
        else if (streq(result, "done"))
                printf("%s: freed %s (%s), %s are left\n", name, freed, method, left);
        else if (streq(result, "nothing-to-do")) {
                printf("%s: nothing to free, it is at what it must keep\n", name);
                return CLI_OK;
        } else {
                cli_error("%s: %s (%s)", name, result, method);
                return CLI_FAILED;
        }
        if (*effect) {
                fputs("readers: ", stdout);
                render_wrapped(stdout, effect, 9, 9);
        }
        return CLI_OK;
}

int command_trim(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *parameters = NULL;

        json_writer_init(&w, VARLINK_REQUEST_MAX / 2);
        int r = write_trim(a, &w);
        if (r != CLI_OK)
                return r;
        if (json_writer_finish(&w, &parameters) < 0) {
                cli_error("no container has a name that long");
                return CLI_USAGE;
        }
        r = cli_call(a, "Trim", parameters, TRIM_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        const cJSON *trimmed = cJSON_GetObjectItemCaseSensitive(reply.parameters, "trimmed");
        return a->json ? cli_print_json(trimmed ? trimmed : reply.parameters) : print_trimmed(trimmed);
}

/* What was asked for in *ret_usec; 0: --off. */
static int read_pause(const Arguments *a, uint64_t *ret_usec) {
        uint64_t usec = 0;

        if (a->off == (a->span != NULL)) {
                cli_error("pause needs either --for DURATION (30min, 2h) or --off");
                return CLI_USAGE;
        }
        if (a->span && (span_parse(a->span, &usec) < 0 || usec == 0)) {
                cli_error("--for %s is not a duration: 30min, 2h, 1d", a->span);
                return CLI_USAGE;
        }
        if (usec >= UINT64_C(1) << 53) {
                cli_error("a pause has to end: --for 30min, 2h, 1d");
                return CLI_USAGE;
        }
        *ret_usec = usec;
        return CLI_OK;
}

static int print_paused(const cJSON *parameters, uint64_t usec) {
        const cJSON *mounts = render_array(parameters, "mounts"), *item;
        Style style = style_detect(stdout);
        char mount[256], span[UNITS_TEXT_MAX];

        if (cJSON_GetArraySize(mounts) == 0) {
                printf(usec == 0 ? "nothing was paused\n" : "there is no partition to pause\n");
                return CLI_OK;
        }
        cJSON_ArrayForEach(item, mounts) {
                (void) render_string(&style, item, mount, sizeof(mount));
                if (usec > 0)
                        printf("no acts on %s for %s; alerts go on\n", mount, span_format(usec, span));
                else
                        printf("acts on %s go on\n", mount);
        }
        return CLI_OK;
}

int command_pause(const Arguments *a) {
        _cleanup_(varlink_reply_done) VarlinkReply reply = {};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *parameters = NULL;
        uint64_t usec = 0;

        int r = read_pause(a, &usec);
        if (r != CLI_OK)
                return r;
        json_writer_init(&w, VARLINK_REQUEST_MAX / 2);
        json_writer_begin_object(&w, NULL);
        if (a->n_operands > 0)
                json_writer_add_string(&w, "mount", a->operands[0]);
        json_writer_add_uint(&w, "for_usec", usec);
        json_writer_end_object(&w);
        if (json_writer_finish(&w, &parameters) < 0) {
                cli_error("no partition has a name that long");
                return CLI_USAGE;
        }
        r = cli_call(a, "Pause", parameters, CLIENT_TIMEOUT_USEC, &reply);
        if (r != CLI_OK)
                return r;
        return a->json ? cli_print_json(reply.parameters) : print_paused(reply.parameters, usec);
}
