/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* `diskbrake replay`: the engine of the daemon over a recording. What would have been raised, and when. */

#include "cli.h"
#include "config_read.h"
#include "engine.h"
#include "replay_clock.h"
#include "sample_csv.h"

typedef struct Replay {
        const char *path;
        Engine *engine;
        ReplayClock clock;
        Plan plan;
} Replay;

static void replay_done(Replay *replay) {
        replay->engine = engine_free(replay->engine);
}

static void write_range(JsonWriter *w, const char *key, const TimeToFull *full) {
        if (!full->known || full->low_usec == USEC_INFINITY) {
                json_writer_add_null(w, key);
                return;
        }
        json_writer_begin_array(w, key);
        json_writer_add_double(w, NULL, (double) full->low_usec / (double) USEC_PER_SEC);
        json_writer_add_double(w, NULL, (double) full->high_usec / (double) USEC_PER_SEC);
        json_writer_end_array(w);
}

static int print_change(const Event *event, double seconds) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text;

        json_writer_init(&w, VARLINK_REPLY_MAX);
        json_writer_begin_object(&w, NULL);
        json_writer_add_double(&w, "at", seconds);
        json_writer_add_string(&w, "level", level_to_string(event->level));
        json_writer_add_string(&w, "from", level_to_string(event->from));
        write_range(&w, "time_to_full_sec", &event->full);
        json_writer_add_string(&w, "reason", reason_to_string(event->reason));
        json_writer_end_object(&w);
        int r = json_writer_finish(&w, &text);
        if (r < 0)
                return r;
        puts(text);
        return 0;
}

static int decide(Replay *replay, uint64_t now_usec, double seconds) {
        uint64_t wake_usec;
        int r = 0;

        do {
                engine_decide(replay->engine, now_usec, &replay->plan, &wake_usec);
                for (uint32_t i = 0; i < replay->plan.n_events && r == 0; i++) {
                        const Event *event = &replay->plan.events[i];
                        if (event->type == EVENT_LEVEL_RAISED || event->type == EVENT_LEVEL_CLEARED)
                                r = print_change(event, seconds);
                }
        } while (replay->plan.more && r == 0);
        return r;
}

static int take_sample(Replay *replay, const CsvSample *sample) {
        Observation o = {
                .type = OBSERVATION_PARTITION,
                .time_usec = replay_clock_at(&replay->clock, sample->seconds),
                .partition = sample->space,
        };

        int r = engine_observe(replay->engine, &o);
        return r < 0 ? r : decide(replay, o.time_usec, sample->seconds);
}

static int replay_csv(Replay *replay, FILE *file) {
        _cleanup_free_ char *line = NULL;
        size_t line_bytes = 0, n_lines = 0, n_samples = 0;

        while (getline(&line, &line_bytes, file) >= 0) {
                const char *error;
                CsvSample sample;

                int r = sample_csv_parse(line, n_lines++ == 0, &sample, &error);
                if (r == -EINVAL) {
                        cli_error("%s:%zu: %s", replay->path, n_lines, error);
                        return CLI_FAILED;
                }
                if (r == SAMPLE_CSV_E_NOTHING)
                        continue;
                n_samples++;
                r = take_sample(replay, &sample);
                if (r < 0) {
                        cli_error("%s:%zu: %s", replay->path, n_lines, strerror(-r));
                        return CLI_FAILED;
                }
        }
        if (ferror(file)) {
                cli_error("cannot read %s: %s", replay->path, strerror(errno));
                return CLI_FAILED;
        }
        if (n_samples == 0) {
                cli_error("%s: no samples in it: expected lines of seconds,total_bytes,avail_bytes", replay->path);
                return CLI_FAILED;
        }
        return CLI_OK;
}

static int read_config(const char *path, Config *ret_config) {
        char message[CONFIG_READ_MESSAGE_MAX];

        if (!path) {
                config_set_defaults(ret_config);
                return CLI_OK;
        }
        if (config_read(path, ret_config, message, sizeof(message)) != 0) {
                cli_error("%s", message);
                return CLI_FAILED;
        }
        return CLI_OK;
}

int command_replay(const Arguments *a) {
        _cleanup_(replay_done) Replay replay = {.path = a->csv};
        Config config;

        if (!a->csv) {
                cli_error("replay takes --csv FILE");
                return CLI_USAGE;
        }
        int r = read_config(a->config, &config);
        if (r != CLI_OK)
                return r;
        r = engine_new(&config, "/", &replay.engine);
        if (r < 0) {
                cli_error("%s", strerror(-r));
                return CLI_FAILED;
        }
        FILE *file = fopen(a->csv, "re");
        if (!file) {
                cli_error("cannot open %s: %s", a->csv, strerror(errno));
                return CLI_FAILED;
        }
        r = replay_csv(&replay, file);
        (void) fclose(file);
        return r;
}
