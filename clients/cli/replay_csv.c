/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Samples of a partition, as text. */

#include "replay.h"
#include "replay_clock.h"
#include "sample_csv.h"

static int take_sample(Replay *replay, Replayed *p, ReplayClock *clock, const CsvSample *sample) {
        Observation o = {
                .type = OBSERVATION_PARTITION,
                .time_usec = replay_clock_at(clock, sample->seconds),
                .partition = sample->space,
        };

        /* What is printed is the time as it stands in the file. */
        replay->offset_sec = sample->seconds - (double) o.time_usec / (double) USEC_PER_SEC;
        int r = engine_observe(p->engine, &o);
        return r < 0 ? r : replay_decide(replay, p, o.time_usec);
}

static int read_samples(Replay *replay, Replayed *p, FILE *file) {
        _cleanup_free_ char *line = NULL;
        size_t line_bytes = 0, n_samples = 0;
        ReplayClock clock = {};

        while (getline(&line, &line_bytes, file) >= 0) {
                const char *error;
                CsvSample sample;

                replay->line++;
                int r = sample_csv_parse(line, n_samples == 0, &sample, &error);
                if (r == -EINVAL) {
                        cli_error("%s:%zu: %s", replay->path, replay->line, error);
                        return CLI_FAILED;
                }
                if (r == SAMPLE_CSV_E_NOTHING)
                        continue;
                n_samples++;
                r = take_sample(replay, p, &clock, &sample);
                if (r < 0) {
                        cli_error("%s:%zu: %s", replay->path, replay->line, strerror(-r));
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

int replay_csv(Replay *replay, const char *path) {
        Replayed *p;

        replay->path = path;
        int r = replay_find(replay, path, &p);
        if (r < 0) {
                cli_error("%s", strerror(-r));
                return CLI_FAILED;
        }
        FILE *file = fopen(path, "re");
        if (!file) {
                cli_error("cannot open %s: %s", path, strerror(errno));
                return CLI_FAILED;
        }
        r = read_samples(replay, p, file);
        (void) fclose(file);
        return r;
}
