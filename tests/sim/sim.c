/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated world: contract in sim.h. */

#include "sim_internal.h"

/* How often the watcher looks for filler (watchdogd/sampler.c). */
#define FILLER_LOOK_SEC 10

#undef NDEBUG /* the checks are the test */
#include <assert.h>
#include <math.h>
#include <stdio.h>

static uint64_t to_usec(double sec) {
        return (uint64_t) (sec * 1e6 + 0.5);
}

double sim_random(Sim *s) {
        /* xorshift64*: the same everywhere. */
        s->random ^= s->random >> 12;
        s->random ^= s->random << 25;
        s->random ^= s->random >> 27;
        return (double) ((s->random * UINT64_C(2685821657736338717)) >> 11) / 9007199254740992.0;
}

Sim *sim_new(double total_bytes, double used_share, uint64_t seed) {
        Sim *s = calloc(1, sizeof(*s));

        assert(s);
        config_set_defaults(&s->config);
        s->total_bytes = total_bytes;
        s->used_share = used_share;
        s->can_collapse = s->can_punch = true;
        s->docker_major = 26;
        s->append = true;
        s->act_sec = 0.05;
        s->act_sec_per_gib = 0.05;
        s->stuck_from_sec = -1;
        s->cancel_after_sec = 10;
        s->wake_sec = 0.05;
        s->blind_from_sec = s->blind_to_sec = s->archive_fails_from_sec = s->archive_fails_to_sec = -1;
        s->archive_ratio = 0.1;
        s->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
        s->least_avail_bytes = total_bytes;
        s->now_sec = 1;
        return s;
}

Sim *sim_free(Sim *s) {
        if (s)
                engine_free(s->engine);
        free(s);
        return NULL;
}

SimLog *sim_add_log(Sim *s, const char *name, double bytes, double bps) {
        assert(s->n_logs < SIM_LOGS_MAX);
        SimLog *l = &s->logs[s->n_logs++];

        snprintf(l->name, sizeof(l->name), "%s", name);
        l->driver = LOG_DRIVER_JSON_FILE;
        l->live_bytes = bytes;
        l->line_bytes = 200;
        if (bps > 0)
                l->phases[l->n_phases++] = (SimPhase){0, INFINITY, bps};
        return l;
}

SimWriter *sim_add_writer(Sim *s, double from_sec, double to_sec, double bps) {
        assert(s->n_writers < SIM_WRITERS_MAX);
        SimWriter *w = &s->writers[s->n_writers++];

        if (bps > 0)
                w->phases[w->n_phases++] = (SimPhase){from_sec, to_sec, bps};
        return w;
}

/* ---- the watcher */

static LogWriter writer_of(const Sim *s, const SimLog *l) {
        return l->stopped ? (LogWriter){0} : (LogWriter){.pid = 1, .fd = 7, .append = s->append ? YES : NO};
}

static void introduce(Sim *s, uint32_t slot) {
        SimLog *l = &s->logs[slot];
        Observation o = {.type = OBSERVATION_LOG_INFO, .time_usec = to_usec(s->now_sec)};
        ContainerInfo *c = &o.log_info.container;

        o.log_info.slot = slot;
        snprintf(c->id, sizeof(c->id), "%064x", slot + 1);
        snprintf(c->name, sizeof(c->name), "%s", l->name);
        snprintf(c->image, sizeof(c->image), "%s", l->is_protected ? "trusted" : "image");
        c->driver = l->driver;
        c->running = !l->stopped;
        c->label_policy = l->is_protected ? POLICY_ALERT : _POLICY_INVALID;
        c->label_keep_bytes = c->label_max_bytes = CONFIG_KEEP_UNSET;
        o.log_info.writer = writer_of(s, l);
        o.log_info.inode = slot + 100;
        assert(engine_observe(s->engine, &o) == 0);
        l->introduced = true;
}

static void sample_log(Sim *s, uint32_t slot) {
        SimLog *l = &s->logs[slot];
        Observation o = {.type = OBSERVATION_LOG_SAMPLE, .time_usec = to_usec(s->now_sec)};

        if (!l->introduced)
                introduce(s, slot);
        if (l->seen_filler_sec == 0 || s->now_sec >= l->seen_filler_sec + FILLER_LOOK_SEC) {
                l->seen_filler_bytes = l->filler_bytes;
                l->seen_filler_sec = s->now_sec;
        }
        o.log_sample.slot = slot;
        o.log_sample.allocated_bytes = (uint64_t) (sim_blocks(l->live_bytes) + l->filler_bytes - l->seen_filler_bytes);
        o.log_sample.filler_bytes = (uint64_t) l->seen_filler_bytes;
        o.log_sample.filler_usec = to_usec(l->seen_filler_sec);
        o.log_sample.segments_bytes = (uint64_t) sim_segments_bytes(l);
        for (size_t i = 0; i < SIM_SEGMENTS_MAX; i++)
                o.log_sample.n_segments += l->segments[i] > 0;
        o.log_sample.size_bytes = (uint64_t) (l->live_bytes + l->hole_bytes + l->filler_bytes);
        o.log_sample.hole_bytes = (uint64_t) l->hole_bytes;
        o.log_sample.line_bytes = (uint32_t) l->line_bytes;
        assert(engine_observe(s->engine, &o) == 0);
}

static bool is_blind(const Sim *s) {
        return s->now_sec >= s->blind_from_sec && s->now_sec < s->blind_to_sec;
}

static void look(Sim *s) {
        Observation o = {.type = OBSERVATION_PARTITION, .time_usec = to_usec(s->now_sec)};

        s->n_looks++;
        if (is_blind(s)) {
                o.type = OBSERVATION_LOST;
                o.lost.error = -ETIMEDOUT;
                assert(engine_observe(s->engine, &o) == 0);
                return;
        }
        for (uint32_t i = 0; i < s->n_logs; i++)
                sample_log(s, i);
        o.partition.total_bytes = (uint64_t) s->total_bytes;
        o.partition.free_bytes = (uint64_t) sim_free_bytes(s);
        o.partition.avail_bytes = (uint64_t) sim_avail_bytes(s);
        o.partition.total_inodes = 1000000;
        o.partition.avail_inodes = 900000;
        assert(engine_observe(s->engine, &o) == 0);
}

/* When a log that is being written wakes the watcher. */
static double next_wake_sec(const Sim *s, double last_look_sec) {
        double wake_sec = INFINITY;

        for (size_t i = 0; i < s->n_logs; i++) {
                const SimLog *l = &s->logs[i];
                if (l->stopped)
                        continue;
                if (l->burst_sec > 0) {
                        if (l->burst_at_sec > s->now_sec)
                                wake_sec = MIN(wake_sec, l->burst_at_sec);
                        continue;
                }
                for (size_t j = 0; j < l->n_phases; j++) {
                        if (l->phases[j].to_sec <= s->now_sec || l->phases[j].bps <= 0)
                                continue;
                        double from = MAX(l->phases[j].from_sec, last_look_sec);
                        wake_sec = MIN(wake_sec, from + l->line_bytes / l->phases[j].bps);
                }
        }
        return MAX(wake_sec, last_look_sec + s->wake_sec);
}

/* ---- the trimmer */

static void check_act(const Sim *s, const Act *act) {
        if (act->method == METHOD_BALLAST_RELEASE || act->method == METHOD_BALLAST_MAKE) {
                assert(act->slot == UINT32_MAX);
                return;
        }
        assert(act->slot < s->n_logs);
        const SimLog *l = &s->logs[act->slot];
        assert(!l->is_protected);
        assert(l->driver == LOG_DRIVER_JSON_FILE || l->driver == LOG_DRIVER_UNKNOWN);
        assert(s->config.mode == MODE_ENFORCE);
        if (act->method == METHOD_HEAL || act->method == METHOD_TRUNCATE)
                return;
        if (act->by_limit) {
                assert(s->config.max_log_bytes > 0 && act->keep_bytes >= s->config.max_log_bytes / 2);
                return;
        }
        assert(act->keep_bytes >= s->config.emergency_keep_bytes);
        assert(act->emergency || act->keep_bytes >= s->config.keep_bytes);
        assert(act->want_bytes >= MIB(1));
        if (act->method == METHOD_COLLAPSE)
                assert(s->docker_major > 0 && s->docker_major < 23 && s->append && !l->stopped);
        if (act->method == METHOD_COLLAPSE_LEASED)
                assert(l->stopped);
}

static void note_act(Sim *s, const Act *act) {
        s->n_acts++;
        if (act->slot < s->n_logs)
                s->logs[act->slot].n_acts++;
        if (s->n_journal == SIM_JOURNAL_MAX)
                return;
        SimEntry *entry = &s->journal[s->n_journal++];
        *entry = (SimEntry){
                .at_sec = s->now_sec,
                .is_act = true,
                .method = act->method,
                .slot = act->slot,
                .used_share = 1 - sim_avail_bytes(s) / s->total_bytes,
                .wanted_bytes = (double) act->want_bytes,
        };
        if (act->slot < s->n_logs)
                memcpy(entry->container, s->logs[act->slot].name, sizeof(entry->container));
}

static void begin_archive(Sim *s, const Act *act) {
        assert(s->archive.id == 0 && s->archive_bps > 0);
        s->archive = *act;
        s->archive_begin_sec = s->now_sec;
        s->archive_written_bytes = 0;
        s->archive_end_sec = s->now_sec + 0.1 + (double) act->want_bytes / s->archive_bps;
}

/* What is archived is freed unharmed; what it takes lies on the same partition, up to its budget. */
static void end_archive(Sim *s) {
        Act act = s->archive;
        SimLog *l = &s->logs[act.slot];
        double bytes = MIN((double) act.want_bytes, l->live_bytes);
        Outcome o = {.act = act.id, .method = act.method, .slot = act.slot, .result = ACT_DONE,
                     .end_usec = to_usec(s->now_sec)};

        for (size_t i = 0; act.then == METHOD_DELETE && i < SIM_SEGMENTS_MAX; i++)
                if (l->segments[i] > 0)
                        bytes = l->segments[i];
        s->archive.id = 0;
        if (s->now_sec >= s->archive_fails_from_sec && s->now_sec < s->archive_fails_to_sec) {
                o.result = ACT_FAILED;
                o.error = -ENOSPC;
                s->archive_bytes -= s->archive_written_bytes;
                engine_settle(s->engine, &o);
                return;
        }
        if (s->archive_refuses_first && act.slot == 0)
                o.result = ACT_REFUSED;
        else if (s->segments_are_busy && act.then == METHOD_DELETE)
                o.result = ACT_BUSY;
        else if (s->archiver_dies > 0) {
                s->archiver_dies--;
                o.result = ACT_FAILED;
                o.error = -ECHILD;
        }
        if (o.result != ACT_DONE) {
                s->archive_bytes -= s->archive_written_bytes;
                engine_settle(s->engine, &o);
                return;
        }
        s->n_archived++;
        o.archived.to_offset = o.archived.segment_inode = 1;
        o.archived.log_bytes = (uint64_t) bytes;
        o.archived.file_bytes = (uint64_t) (bytes * s->archive_ratio);
        s->archive_bytes = MIN(s->archive_bytes, MIN((double) s->config.archive_bytes,
                        s->total_bytes * s->config.archive_permyriad / 10000));
        engine_settle(s->engine, &o);
}

static void begin_act(Sim *s, const Act *act) {
        check_act(s, act);
        if (act->method == METHOD_ARCHIVE) {
                begin_archive(s, act);
                return;
        }
        note_act(s, act);
        assert(s->n_queue < SIM_QUEUE_MAX);

        double begin_sec = s->n_queue > 0 ? s->queue[s->n_queue - 1].end_sec : s->now_sec;
        double gib = (double) act->want_bytes / (double) GIB(1);
        double end_sec = begin_sec + s->act_sec + s->act_sec_per_gib * gib;
        if (s->stuck_from_sec >= 0 && begin_sec >= s->stuck_from_sec)
                end_sec = INFINITY;
        s->queue[s->n_queue].act = *act;
        s->queue[s->n_queue].begin_sec = begin_sec;
        s->queue[s->n_queue++].end_sec = end_sec;
}

static double delete_segments(SimLog *l, double want_bytes, double keep_bytes, bool one) {
        double freed = 0;

        for (size_t i = SIM_SEGMENTS_MAX; i-- > 0 && freed < (one ? 1 : want_bytes);) {
                double rest = sim_blocks(l->live_bytes) + sim_segments_bytes(l) - sim_blocks(l->segments[i]);
                if (l->segments[i] > 0 && rest < keep_bytes)
                        break;
                freed += sim_blocks(l->segments[i]);
                l->segments[i] = 0;
        }
        return freed;
}

static double cut_head(SimLog *l, double want_bytes, double keep_bytes) {
        double most = floor((sim_blocks(l->live_bytes) - keep_bytes) / SIM_BLOCK) * SIM_BLOCK;
        double freed = MIN(floor(want_bytes / SIM_BLOCK) * SIM_BLOCK, MAX(most, 0.0));

        l->live_bytes -= freed;
        return freed;
}

static void gain(Sim *s, double bytes) {
        if (s->late_sec > 0 && bytes > 0) {
                assert(s->n_late < SIM_LATE_MAX);
                s->late[s->n_late].at_sec = s->now_sec + s->late_sec;
                s->late[s->n_late++].bytes = bytes;
        }
}

static double do_act(Sim *s, const Act *act, Outcome *o) {
        SimLog *l = act->slot < s->n_logs ? &s->logs[act->slot] : NULL;
        double freed = 0, want = (double) act->want_bytes, keep = (double) act->keep_bytes;

        switch (act->method) {
        case METHOD_DELETE:
                return delete_segments(l, want, keep, act->segment_inode != 0);
        case METHOD_COLLAPSE:
        case METHOD_COLLAPSE_LEASED:
                if (!s->can_collapse)
                        o->result = ACT_UNSUPPORTED;
                else if (!s->collapse_frees_nothing)
                        freed = cut_head(l, want, keep);
                if (freed > 0)
                        l->filler_bytes = l->seen_filler_bytes = 0;
                return freed;
        case METHOD_FILL:
                if (!s->can_reflink)
                        o->result = ACT_UNSUPPORTED;
                else if (!s->fill_frees_nothing)
                        freed = cut_head(l, want, keep);
                l->filler_bytes += freed;
                return freed;
        case METHOD_PUNCH:
                if (!s->can_punch)
                        o->result = ACT_UNSUPPORTED;
                else if (!s->punch_frees_nothing)
                        freed = cut_head(l, want, keep);
                l->hole_bytes += freed;
                return freed;
        case METHOD_TRUNCATE:
                freed = sim_blocks(l->live_bytes);
                l->live_bytes = l->hole_bytes = l->filler_bytes = l->seen_filler_bytes = 0;
                l->n_truncated++;
                return freed;
        case METHOD_HEAL:
                l->hole_bytes = l->filler_bytes = l->seen_filler_bytes = 0;
                return 0;
        case METHOD_BALLAST_RELEASE:
                freed = s->ballast_bytes;
                s->ballast_bytes = 0;
                return freed;
        case METHOD_BALLAST_MAKE:
                s->ballast_bytes += MIN(want, sim_free_bytes(s));
                return 0;
        default:
                assert(false);
                return 0;
        }
}

static void end_act(Sim *s, bool cancelled) {
        Act act = s->queue[0].act;
        Outcome o = {
                .act = act.id,
                .method = act.method,
                .slot = act.slot,
                .result = cancelled ? ACT_CANCELLED : ACT_DONE,
                .begin_usec = to_usec(s->queue[0].begin_sec),
                .end_usec = to_usec(s->now_sec),
        };

        memmove(s->queue, s->queue + 1, (--s->n_queue) * sizeof(s->queue[0]));
        if (!cancelled) {
                double freed = do_act(s, &act, &o);
                gain(s, freed);
                o.freed_bytes = (uint64_t) freed;
                if (act.slot < s->n_logs) {
                        SimLog *l = &s->logs[act.slot];
                        l->cut_bytes += freed;
                        if (act.until_offset == 0 && act.segment_inode == 0)
                                l->lost_bytes += freed;
                        o.cut_bytes = o.freed_bytes;
                        o.allocated_bytes = (uint64_t) sim_blocks(l->live_bytes);
                        o.segments_bytes = (uint64_t) sim_segments_bytes(l);
                        o.size_bytes = (uint64_t) (l->live_bytes + l->hole_bytes + l->filler_bytes);
                        o.filler_bytes = (uint64_t) l->filler_bytes;
                        o.hole_bytes = (uint64_t) l->hole_bytes;
                        o.writer = writer_of(s, l);
                        for (size_t i = 0; i < SIM_SEGMENTS_MAX; i++)
                                o.n_segments += l->segments[i] > 0;
                        if (o.result == ACT_DONE && act.method != METHOD_TRUNCATE &&
                                        act.method != METHOD_HEAL && freed > 0)
                                assert(o.allocated_bytes + o.segments_bytes >=
                                                s->config.emergency_keep_bytes);
                }
                o.ballast_bytes = (uint64_t) s->ballast_bytes;
        }
        engine_settle(s->engine, &o);
}

/* ---- the loop */

static void note_event(Sim *s, const Event *event) {
        if (s->n_journal == SIM_JOURNAL_MAX)
                return;
        SimEntry *entry = &s->journal[s->n_journal++];
        *entry = (SimEntry){
                .at_sec = s->now_sec,
                .type = event->type,
                .level = event->level,
                .method = event->method,
                .used_share = 1 - sim_avail_bytes(s) / s->total_bytes,
                .wanted_bytes = (double) event->wanted_bytes,
                .freed_bytes = (double) event->freed_bytes,
        };
        snprintf(entry->container, sizeof(entry->container), "%.31s", event->container_name);
        snprintf(entry->detail, sizeof(entry->detail), "%.63s", event->detail);
}

static double decide(Sim *s) {
        static Plan plan;
        uint64_t wake_usec;

        do {
                engine_decide(s->engine, to_usec(s->now_sec), &plan, &wake_usec);
                s->n_decisions++;
                assert(wake_usec > to_usec(s->now_sec));
                if (plan.cancel != 0) {
                        assert(plan.cancel == s->archive.id);
                        s->archive.id = 0;
                        s->archive_bytes -= s->archive_written_bytes;
                        s->n_gave_way++;
                }
                for (uint32_t i = 0; i < plan.n_events; i++)
                        note_event(s, &plan.events[i]);
                for (uint32_t i = 0; i < plan.n_acts; i++)
                        begin_act(s, &plan.acts[i]);
        } while (plan.more);
        return (double) wake_usec / 1e6;
}

static void start(Sim *s) {
        Observation o = {.type = OBSERVATION_FILESYSTEM, .time_usec = to_usec(s->now_sec)};

        s->static_bytes = s->total_bytes * s->used_share - sim_used_bytes(s);
        s->static_bytes = MAX(s->static_bytes, 0.0);
        snprintf(s->config.trust_labels[0], sizeof(s->config.trust_labels[0]), "trusted");
        s->config.n_trust_labels = 1;
        if (s->archive_bps == 0)
                s->config.archive_bytes = 0;
        assert(engine_new(&s->config, "/sim", &s->engine) == 0);
        o.filesystem.can_collapse = s->can_collapse;
        o.filesystem.can_reflink = s->can_reflink;
        o.filesystem.can_punch = true; /* the trimmer will know better */
        o.filesystem.freed_is_late = s->late_sec > 0;
        o.filesystem.ballast_bytes = (uint64_t) s->ballast_bytes;
        o.filesystem.may_have_ballast = true;
        assert(engine_observe(s->engine, &o) == 0);
        o = (Observation){.type = OBSERVATION_DOCKER, .time_usec = to_usec(s->now_sec)};
        o.docker.version_major = s->docker_major;
        assert(engine_observe(s->engine, &o) == 0);
}

void sim_run(Sim *s, double until_sec) {
        double look_sec = s->now_sec, look_at_sec;

        if (!s->engine)
                start(s);
        look(s);
        look_at_sec = decide(s);
        while (s->now_sec < until_sec) {
                double wake_sec = next_wake_sec(s, look_sec);
                double next_sec = MIN(look_at_sec, wake_sec), act_sec = INFINITY;
                bool stuck = false;

                if (s->n_queue > 0) {
                        stuck = isinf(s->queue[0].end_sec);
                        act_sec = stuck ? s->queue[0].begin_sec + s->cancel_after_sec : s->queue[0].end_sec;
                        act_sec = MAX(act_sec, s->now_sec);
                }
                double archive_sec = s->archive.id != 0 ? s->archive_end_sec : INFINITY;
                sim_advance(s, MIN(MIN(next_sec, MIN(act_sec, archive_sec)), until_sec));
                if (act_sec <= s->now_sec)
                        end_act(s, stuck);
                if (s->archive.id != 0 && archive_sec <= s->now_sec)
                        end_archive(s);
                if (next_sec <= s->now_sec) {
                        look(s);
                        look_sec = s->now_sec;
                }
                look_at_sec = decide(s);
        }
}
