/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What `diskbrake record` wrote: a file, or a folder of them. */

#include <fcntl.h>
#include <sys/stat.h>

#include "config_parse.h"
#include "replay.h"
#include "trace_json.h"
#include "trace_ring.h"

typedef struct Reading {
        Replay *replay;
        char boot_id[40];
        bool begun; /* there was a header */
        unsigned n_damaged; /* lines that were passed over */
} Reading;

/* More is not worth reading on. */
#define DAMAGED_MAX 20

static void print_summary(const Replay *replay);

static int take_header(Reading *reading, const TraceHeader *header) {
        Replay *replay = reading->replay;
        ConfigError error;

        /* Another boot has another clock, and another engine. */
        if (reading->begun && !streq(reading->boot_id, header->boot_id) && replay->as_text)
                print_summary(replay);
        if (!reading->begun || !streq(reading->boot_id, header->boot_id))
                replay_done(replay);
        memcpy(reading->boot_id, header->boot_id, sizeof(reading->boot_id));
        reading->begun = true;
        replay->offset_sec = ((double) header->wall_usec - (double) header->time_usec) / (double) USEC_PER_SEC;
        if (replay->config_is_given)
                return CLI_OK;
        config_set_defaults(&replay->config);
        if (config_parse(header->config, strlen(header->config), &replay->config, &error) != 0) {
                cli_error("%s:%zu: the configuration in it is none that this version reads: %s; give one with --config", replay->path,
                        replay->line, error.message);
                return CLI_FAILED;
        }
        for (size_t i = 0; i < replay->n_partitions; i++)
                engine_configure(replay->partitions[i].engine, &replay->config);
        return CLI_OK;
}

/* The recorded act is the one of ours that is alike. */
static void take_act(Replayed *p, const Act *act) {
        for (size_t i = 0; i < ELEMENTS(p->acts); i++)
                if (p->acts[i].ours != 0 && p->acts[i].recorded == 0 && p->acts[i].slot == act->slot && p->acts[i].method == act->method) {
                        p->acts[i].recorded = act->id;
                        return;
                }
}

static void take_outcome(Replayed *p, Outcome *outcome) {
        for (size_t i = 0; i < ELEMENTS(p->acts); i++)
                if (p->acts[i].ours != 0 && p->acts[i].recorded == outcome->act) {
                        outcome->act = p->acts[i].ours;
                        p->acts[i].ours = 0;
                        engine_settle(p->engine, outcome);
                        return;
                }
}

static int take_body(Replay *replay, TraceLine *line) {
        Replayed *p;

        int r = replay_find(replay, line->mount, &p);
        if (r < 0)
                return r;
        if (line->kind == TRACE_EVENT) {
                p->n_recorded += line->event.type == EVENT_LEVEL_RAISED && line->event.from < LEVEL_WARNING &&
                        line->event.level >= LEVEL_WARNING;
                return 0;
        }
        r = replay_wait(replay, p, line->time_usec);
        if (r < 0)
                return r;
        if (line->kind == TRACE_ACT)
                take_act(p, &line->act);
        else if (line->kind == TRACE_OUTCOME)
                take_outcome(p, &line->outcome);
        else if (engine_observe(p->engine, &line->observation) == -ENOMEM)
                return -ENOMEM;
        /* The logs of one look come before its partition's sample or after: one decision is enough for them all. */
        if (line->kind == TRACE_OBSERVATION && line->observation.type != OBSERVATION_PARTITION)
                return 0;
        return replay_decide(replay, p, line->time_usec);
}

static int take_line(Reading *reading, const char *text, size_t n_bytes) {
        Replay *replay = reading->replay;
        _cleanup_(json_input_freep) cJSON *json = NULL;
        const char *error = "";
        TraceLine line;

        int r = json_input_parse(text, n_bytes, TRACE_LINE_MAX, &json, &error);
        if (r == 0)
                r = trace_json_parse(json, &line, &error);
        if (r != 0) {
                cli_error("%s:%zu: %s", replay->path, replay->line, r == -ENOMEM ? strerror(ENOMEM) : error);
                return CLI_FAILED;
        }
        if (line.kind == TRACE_HEADER)
                return take_header(reading, &line.header);
        if (!reading->begun) {
                cli_error("%s:%zu: expected a header first: is it a trace?", replay->path, replay->line);
                return CLI_FAILED;
        }
        if (line.kind == TRACE_OTHER)
                return CLI_OK;
        r = take_body(replay, &line);
        if (r < 0) {
                cli_error("%s:%zu: %s", replay->path, replay->line, strerror(-r));
                return CLI_FAILED;
        }
        return CLI_OK;
}

static int read_file(Reading *reading, int dir_fd, const char *path) {
        _cleanup_free_ char *text = NULL;
        size_t text_bytes = 0;
        ssize_t n;
        int r = CLI_OK, fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");

        reading->replay->path = path;
        reading->replay->line = 0;
        if (!file) {
                cli_error("cannot open %s: %s", path, strerror(errno));
                (void) close_safe(fd);
                return CLI_FAILED;
        }
        while (r == CLI_OK && (n = getline(&text, &text_bytes, file)) > 0) {
                reading->replay->line++;
                if (text[n - 1] != '\n')
                        break; /* it is being written, or a crash cut it */
                if (n <= 1 || take_line(reading, text, (size_t) n - 1) == CLI_OK)
                        continue;
                /* Where there was a header, a line that a crash has damaged takes nothing from those behind it. */
                if (!reading->begun || ++reading->n_damaged > DAMAGED_MAX)
                        r = CLI_FAILED;
        }
        if (ferror(file)) {
                cli_error("cannot read %s: %s", path, strerror(errno));
                r = CLI_FAILED;
        }
        (void) fclose(file);
        return r;
}

static int read_folder(Reading *reading, const char *path) {
        _cleanup_close_ int dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char *names[TRACE_RING_NAMES_MAX];
        size_t n = 0;
        int r = dir_fd < 0 ? -errno : trace_ring_list(dir_fd, names, &n);

        if (r < 0 || n == 0) {
                cli_error("%s: %s", path, r < 0 ? strerror(-r) : "no traces are in it");
                return CLI_FAILED;
        }
        for (size_t i = 0; i < n; i++) {
                if (reading->n_damaged <= DAMAGED_MAX && read_file(reading, dir_fd, names[i]) != CLI_OK)
                        reading->n_damaged++;
                free(names[i]);
        }
        return CLI_OK;
}

static void print_summary(const Replay *replay) {
        for (size_t i = 0; i < replay->n_partitions; i++)
                printf("\n%s: warning or worse was raised %u times here, %u times in the recording\n", replay->partitions[i].mount,
                        replay->partitions[i].n_raised, replay->partitions[i].n_recorded);
}

int replay_trace(Replay *replay, const char *path) {
        Reading reading = {.replay = replay};
        struct stat st;

        replay->with_mount = true;
        if (stat(path, &st) < 0) {
                cli_error("cannot open %s: %s", path, strerror(errno));
                return CLI_FAILED;
        }
        int r = S_ISDIR(st.st_mode) ? read_folder(&reading, path) : read_file(&reading, AT_FDCWD, path);
        if (r == CLI_OK && !reading.begun) {
                cli_error("%s: nothing in it", path);
                return CLI_FAILED;
        }
        if (r == CLI_OK && replay->as_text)
                print_summary(replay);
        return reading.n_damaged > 0 ? CLI_FAILED : r;
}
