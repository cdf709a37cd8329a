/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "replay.h"

#include <time.h>

#include "event_text.h"
#include "status_json.h"

/* Between two lines of a recording an engine is asked so often at most. */
#define WAKES_MAX 1000

void replay_done(Replay *replay) {
        for (size_t i = 0; i < replay->n_partitions; i++)
                replay->partitions[i].engine = engine_free(replay->partitions[i].engine);
        replay->n_partitions = 0;
}

int replay_find(Replay *replay, const char *mount, Replayed **ret) {
        for (size_t i = 0; i < replay->n_partitions; i++)
                if (streq(replay->partitions[i].mount, mount)) {
                        *ret = replay->partitions + i;
                        return 0;
                }
        if (replay->n_partitions == REPLAY_MOUNTS_MAX)
                return -ENOSPC;
        Replayed *p = replay->partitions + replay->n_partitions;
        *p = (Replayed){.wake_usec = USEC_INFINITY};
        (void) snprintf(p->mount, sizeof(p->mount), "%s", mount);
        int r = engine_new(&replay->config, p->mount, &p->engine);
        if (r < 0)
                return r;
        replay->n_partitions++;
        *ret = p;
        return 0;
}

/* ---- printing ------------------------------------------------------------------------------------------------- */

static double seconds_of(const Replay *replay, uint64_t now_usec) {
        return (double) now_usec / (double) USEC_PER_SEC + replay->offset_sec;
}

static void begin(JsonWriter *w, const Replay *replay, const Replayed *p, uint64_t now_usec) {
        json_writer_init(w, VARLINK_REPLY_MAX);
        json_writer_begin_object(w, NULL);
        json_writer_add_double(w, "at", seconds_of(replay, now_usec));
        if (replay->with_mount)
                json_writer_add_string(w, "on", p->mount);
}

static int end(JsonWriter *w) {
        const char *text;

        json_writer_end_object(w);
        int r = json_writer_finish(w, &text);
        return r < 0 ? r : puts(text) < 0 ? -EIO : 0;
}

static void print_when(const Replay *replay, uint64_t now_usec) {
        double seconds = seconds_of(replay, now_usec);
        time_t whole = (time_t) seconds;
        char when[32];
        struct tm tm;

        if (seconds < 1e8 || seconds > 1e11 || !localtime_r(&whole, &tm) || strftime(when, sizeof(when), "%F %T", &tm) == 0)
                (void) snprintf(when, sizeof(when), "%.0f s", seconds);
        printf("%-19s  ", when);
}

static int print_change(const Replay *replay, const Replayed *p, const Event *event, uint64_t now_usec) {
        _cleanup_json_writer_ JsonWriter w = {};
        char message[EVENT_MESSAGE_MAX];

        if (replay->as_text) {
                print_when(replay, now_usec);
                return printf("%-9s  %s\n", level_to_string(event->level), event_message(event, message, sizeof(message))) < 0 ? -EIO : 0;
        }
        begin(&w, replay, p, now_usec);
        json_writer_add_string(&w, "level", level_to_string(event->level));
        json_writer_add_string(&w, "from", level_to_string(event->from));
        status_json_range(&w, "time_to_full_sec", &event->full);
        json_writer_add_string(&w, "reason", reason_to_string(event->reason));
        return end(&w);
}

static int print_act(const Replay *replay, const Replayed *p, const Act *act, uint64_t now_usec) {
        _cleanup_json_writer_ JsonWriter w = {};
        const char *name = "";
        char wanted[32];
        EngineLog log;

        if (act->slot != UINT32_MAX && engine_get_log(p->engine, act->slot, &log) == 0)
                name = log.info->container.name;
        if (replay->as_text) {
                print_when(replay, now_usec);
                (void) snprintf(wanted, sizeof(wanted), "%.1f MiB", (double) act->want_bytes / (double) MIB(1));
                return printf("%-9s  %s%s%s, %s\n", "act", method_to_string(act->method), *name ? " of the log of " : "", name, wanted) < 0
                        ? -EIO : 0;
        }
        begin(&w, replay, p, now_usec);
        json_writer_add_string(&w, "act", method_to_string(act->method));
        json_writer_add_string(&w, "name", name);
        json_writer_add_uint(&w, "want_bytes", act->want_bytes);
        return end(&w);
}

/* ---- deciding ------------------------------------------------------------------------------------------------- */

/* Its outcome in the recording will be told by another name. */
static void note_act(Replayed *p, const Act *act) {
        for (size_t i = 0; i < ELEMENTS(p->acts); i++)
                if (p->acts[i].ours == 0) {
                        p->acts[i].ours = act->id;
                        p->acts[i].recorded = 0;
                        p->acts[i].method = act->method;
                        p->acts[i].slot = act->slot;
                        return;
                }
}

static int tell(Replay *replay, Replayed *p, uint64_t now_usec) {
        for (uint32_t i = 0; i < replay->plan.n_events; i++) {
                const Event *event = &replay->plan.events[i];

                if (event->type != EVENT_LEVEL_RAISED && event->type != EVENT_LEVEL_CLEARED)
                        continue;
                p->n_raised += event->from < LEVEL_WARNING && event->level >= LEVEL_WARNING;
                int r = print_change(replay, p, event, now_usec);
                if (r < 0)
                        return r;
        }
        for (uint32_t i = 0; i < replay->plan.n_acts; i++) {
                note_act(p, &replay->plan.acts[i]);
                int r = print_act(replay, p, &replay->plan.acts[i], now_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}

int replay_decide(Replay *replay, Replayed *p, uint64_t now_usec) {
        p->now_usec = MAX(p->now_usec, now_usec);
        do {
                engine_decide(p->engine, p->now_usec, &replay->plan, &p->wake_usec);
                int r = tell(replay, p, p->now_usec);
                if (r < 0)
                        return r;
        } while (replay->plan.more);
        return 0;
}

int replay_wait(Replay *replay, Replayed *p, uint64_t until_usec) {
        for (unsigned i = 0; i < WAKES_MAX && p->wake_usec < until_usec; i++) {
                int r = replay_decide(replay, p, p->wake_usec);
                if (r < 0)
                        return r;
        }
        return 0;
}
