/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine alone, so that its instructions can be counted:
 *
 *   engine_steps LOGS WHAT STEPS
 *
 * introduces so many logs on a partition of 1 TiB, then does so many steps of one kind:
 *
 *   grown      a sample of a log that has grown; of one log after the other
 *   same       a sample of a log that has not
 *   partition  a sample of the partition
 *   calm       a decision with nothing to do
 *   calm-grew  the same, where all logs have grown lately
 *   acting     a decision while the partition is nearly full and all logs grow, none of whose acts has an outcome yet
 *
 * What a step takes is the difference of two runs with unlike numbers of steps, by the difference of these. */

#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine.h"

#define TOTAL_BYTES GIB(1024)
#define STEP_USEC (5 * USEC_PER_MSEC)
/* How long each log goes unsampled, however many there are: what its rates take depends on that. */
#define SAMPLE_GAP_USEC (5 * USEC_PER_SEC)

typedef struct World {
        Engine *engine;
        uint32_t n_logs;
        uint64_t now_usec, avail_bytes;
        uint32_t turn;
        uint64_t *log_bytes;
        Plan plan;
} World;

static void introduce(World *w, uint32_t slot) {
        Observation o = {.type = OBSERVATION_LOG_INFO, .time_usec = w->now_usec};
        ContainerInfo *c = &o.log_info.container;

        o.log_info.slot = slot;
        (void) snprintf(c->id, sizeof(c->id), "%064x", slot + 1);
        (void) snprintf(c->name, sizeof(c->name), "app-%u (compose shop/app-%u)", slot, slot);
        (void) snprintf(c->image, sizeof(c->image), "registry.example.com/shop/app:1.25.3");
        c->driver = LOG_DRIVER_JSON_FILE;
        c->running = true;
        c->label_policy = _POLICY_INVALID;
        c->label_keep_bytes = c->label_max_bytes = CONFIG_KEEP_UNSET;
        o.log_info.writer = (LogWriter){.pid = 1, .fd = (int32_t) slot + 10, .append = YES};
        o.log_info.inode = slot + 100;
        assert(engine_observe(w->engine, &o) == 0);
}

static void sample_log(World *w, uint32_t slot, uint64_t grown_bytes) {
        Observation o = {.type = OBSERVATION_LOG_SAMPLE, .time_usec = w->now_usec};

        w->log_bytes[slot] += grown_bytes;
        o.log_sample = (LogSample){.slot = slot, .allocated_bytes = w->log_bytes[slot], .size_bytes = w->log_bytes[slot], .line_bytes = 200};
        assert(engine_observe(w->engine, &o) == 0);
}

static void sample_partition(World *w, uint64_t taken_bytes) {
        Observation o = {.type = OBSERVATION_PARTITION, .time_usec = w->now_usec};

        w->avail_bytes -= MIN(taken_bytes, w->avail_bytes);
        o.partition = (PartitionSample){.total_bytes = TOTAL_BYTES, .free_bytes = w->avail_bytes, .avail_bytes = w->avail_bytes,
                                        .total_inodes = 64000000, .avail_inodes = 60000000};
        assert(engine_observe(w->engine, &o) == 0);
}

static void decide(World *w) {
        uint64_t wake_usec;

        engine_decide(w->engine, w->now_usec, &w->plan, &wake_usec);
}

static void grow_all(World *w, uint64_t bytes) {
        for (uint32_t slot = 0; slot < w->n_logs; slot++)
                sample_log(w, slot, bytes);
}

/* Some seconds of a flood that takes what is left. */
static void press(World *w) {
        for (int i = 0; i < 50; i++) {
                w->now_usec += 100 * USEC_PER_MSEC;
                if (i % 10 == 0)
                        grow_all(w, GIB(1) / w->n_logs);
                sample_partition(w, GIB(1) / 10);
                decide(w);
        }
}

static void step(World *w, const char *what) {
        bool is_of_log = streq(what, "grown") || streq(what, "same");

        w->now_usec += is_of_log ? SAMPLE_GAP_USEC / w->n_logs : STEP_USEC;
        w->turn = (w->turn + 7919) % w->n_logs;
        if (streq(what, "grown"))
                sample_log(w, w->turn, KIB(4));
        else if (streq(what, "same"))
                sample_log(w, w->turn, 0);
        else if (streq(what, "partition"))
                sample_partition(w, KIB(4));
        else
                decide(w);
}

int main(int argc, char **argv) {
        World w = {.now_usec = USEC_PER_HOUR};
        Config config;

        if (argc != 4)
                return 2;
        w.n_logs = (uint32_t) strtoul(argv[1], NULL, 10);
        w.avail_bytes = streq(argv[2], "acting") ? TOTAL_BYTES / 100 : TOTAL_BYTES / 2;
        w.log_bytes = calloc(w.n_logs, sizeof(*w.log_bytes));
        assert(w.n_logs > 0 && w.log_bytes);
        config_set_defaults(&config);
        assert(engine_new(&config, "/var/lib/docker", &w.engine) == 0);
        sample_partition(&w, 0);
        for (uint32_t slot = 0; slot < w.n_logs; slot++) {
                introduce(&w, slot);
                sample_log(&w, slot, MIB(32));
        }
        w.now_usec += SAMPLE_GAP_USEC;
        sample_partition(&w, 0);
        decide(&w);
        if (streq(argv[2], "calm-grew"))
                grow_all(&w, KIB(4));
        if (streq(argv[2], "acting"))
                press(&w);
        for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0; i--)
                step(&w, argv[2]);
        EngineStatus status;
        engine_get_status(w.engine, &status);
        printf("%s %u %u\n", level_to_string(status.level), status.n_acts_under_way, status.n_logs);
        engine_free(w.engine);
        free(w.log_bytes);
        return 0;
}
