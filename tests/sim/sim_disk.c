/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The disk of the simulated world: who writes what, and how much is left. */

#include "sim_internal.h"

#include <math.h>

double sim_blocks(double bytes) {
        return ceil(bytes / SIM_BLOCK) * SIM_BLOCK;
}

double sim_segments_bytes(const SimLog *l) {
        double bytes = 0;

        for (size_t i = 0; i < SIM_SEGMENTS_MAX; i++)
                bytes += sim_blocks(l->segments[i]);
        return bytes;
}

double sim_used_bytes(const Sim *s) {
        double used = s->static_bytes + s->ballast_bytes + s->archive_bytes;

        for (size_t i = 0; i < s->n_logs; i++)
                used += sim_blocks(s->logs[i].live_bytes) + sim_segments_bytes(&s->logs[i]);
        for (size_t i = 0; i < s->n_writers; i++)
                used += sim_blocks(s->writers[i].bytes + MAX(s->writers[i].noise_now, 0.0));
        for (size_t i = 0; i < s->n_late; i++)
                used += s->late[i].bytes;
        return used;
}

double sim_free_bytes(const Sim *s) {
        double left = s->total_bytes - sim_used_bytes(s);

        return MAX(left, 0.0);
}

double sim_avail_bytes(const Sim *s) {
        double left = sim_free_bytes(s) - s->reserved_bytes;

        return MAX(left, 0.0);
}

static double written(const SimPhase *phases, size_t n, double from_sec, double to_sec) {
        double bytes = 0;

        for (size_t i = 0; i < n; i++) {
                double from = MAX(from_sec, phases[i].from_sec), to = MIN(to_sec, phases[i].to_sec);
                if (to > from)
                        bytes += (to - from) * phases[i].bps;
        }
        return bytes;
}

static double take(Sim *s, double bytes, double *left_bytes) {
        double taken = MIN(bytes, *left_bytes);

        *left_bytes -= taken;
        s->denied_bytes += bytes - taken;
        return taken;
}

static void rotate(SimLog *l) {
        while (l->max_size_bytes > 0 && l->live_bytes >= l->max_size_bytes) {
                size_t n = MIN(l->max_file > 0 ? l->max_file - 1 : 0, (size_t) SIM_SEGMENTS_MAX);
                double rest = l->live_bytes - l->max_size_bytes;

                for (size_t i = SIM_SEGMENTS_MAX - 1; i > 0; i--)
                        l->segments[i] = i < n ? l->segments[i - 1] : 0;
                l->segments[0] = n > 0 ? l->max_size_bytes : 0;
                l->live_bytes = rest;
                l->hole_bytes = l->filler_bytes = l->seen_filler_bytes = 0;
        }
}

static void write_log(Sim *s, SimLog *l, double to_sec, double *left_bytes) {
        double bytes = l->stopped ? 0 : written(l->phases, l->n_phases, s->now_sec, to_sec);

        if (l->burst_sec > 0) {
                l->burst_pending_bytes += bytes;
                bytes = 0;
                if (to_sec >= l->burst_at_sec) {
                        bytes = l->burst_pending_bytes;
                        l->burst_pending_bytes = 0;
                        l->burst_at_sec = to_sec + l->burst_sec;
                }
        }
        l->live_bytes += take(s, bytes, left_bytes);
        rotate(l);
}

static void write_other(Sim *s, SimWriter *w, double to_sec, double *left_bytes) {
        w->bytes += take(s, written(w->phases, w->n_phases, s->now_sec, to_sec), left_bytes);
        if (w->vacuum_at_bytes > 0 && w->bytes >= w->vacuum_at_bytes)
                w->bytes = 0;
        if (w->noise_bytes > 0 && to_sec >= w->noise_at_sec) {
                double wanted = sim_random(s) * w->noise_bytes;
                w->noise_now = wanted > w->noise_now
                                               ? w->noise_now + take(s, wanted - w->noise_now, left_bytes)
                                               : wanted;
                w->noise_at_sec = to_sec + w->noise_every_sec * (0.5 + sim_random(s));
        }
}

/* An archive grows while it is written, not at its end. */
static void write_archive(Sim *s, double to_sec, double *left_bytes) {
        double span_sec = s->archive_end_sec - s->archive_begin_sec, part, bytes;

        if (s->archive.id == 0 || s->archive_end_sec <= s->archive_begin_sec)
                return;
        part = MIN((to_sec - s->archive_begin_sec) / span_sec, 1.0);
        bytes = part * s->archive_ratio * (double) s->archive.want_bytes - s->archive_written_bytes;
        bytes = MIN(MAX(bytes, 0.0), *left_bytes);
        *left_bytes -= bytes;
        s->archive_bytes += bytes;
        s->archive_written_bytes += bytes;
}

void sim_advance(Sim *s, double to_sec) {
        double left_bytes = sim_free_bytes(s);

        write_archive(s, to_sec, &left_bytes);

        for (size_t i = 0; i < s->n_logs; i++)
                write_log(s, &s->logs[i], to_sec, &left_bytes);
        for (size_t i = 0; i < s->n_writers; i++)
                write_other(s, &s->writers[i], to_sec, &left_bytes);
        s->now_sec = to_sec;
        for (size_t i = 0; i < s->n_late;)
                if (s->late[i].at_sec <= to_sec)
                        s->late[i] = s->late[--s->n_late];
                else
                        i++;
        s->least_avail_bytes = MIN(s->least_avail_bytes, sim_avail_bytes(s));
}
