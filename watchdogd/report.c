/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "report.h"
#include "text.h"

static void send_now(Watcher *w, const Message *message) {
        int r;

        if (w->failed < 0)
                return;
        r = message_send(w->channel_fd, message, false);
        if (r < 0)
                w->failed = r;
}

static Observation *begin(Watcher *w, ObservationType type) {
        w->message.type = MESSAGE_OBSERVATION;
        w->message.n = 0;
        memset(&w->message.observation, 0, sizeof(w->message.observation));
        w->message.observation.type = type;
        w->message.observation.time_usec = clock_monotonic_usec();
        return &w->message.observation;
}

void report_log_info(Watcher *w, const LogInfo *info) {
        begin(w, OBSERVATION_LOG_INFO)->log_info = *info;
        send_now(w, &w->message);
}

void report_log_gone(Watcher *w, uint32_t slot) {
        report_flush(w); /* the slot may soon be another log's */
        begin(w, OBSERVATION_LOG_GONE)->log_gone = slot;
        send_now(w, &w->message);
}

void report_log_damage(Watcher *w, const LogDamage *damage) {
        begin(w, OBSERVATION_LOG_DAMAGE)->log_damage = *damage;
        send_now(w, &w->message);
}

void report_notice(Watcher *w, NoticeKind kind, uint32_t slot, int error, uint64_t count,
                   const char *detail) {
        Notice *notice = &begin(w, OBSERVATION_NOTICE)->notice;

        notice->kind = kind;
        notice->slot = slot;
        notice->error = error;
        notice->count = count;
        (void) text_sanitize(notice->detail, sizeof(notice->detail), detail, strlen(detail));
        send_now(w, &w->message);
}

void report_partition(Watcher *w, const PartitionSample *sample) {
        begin(w, OBSERVATION_PARTITION)->partition = *sample;
        send_now(w, &w->message);
}

void report_lost(Watcher *w, int error) {
        begin(w, OBSERVATION_LOST)->lost.error = error;
        send_now(w, &w->message);
}

void report_looked(Watcher *w, const LookOrder *order) {
        w->message.type = MESSAGE_LOOKED;
        w->message.n = 0;
        w->message.looked = *order;
        send_now(w, &w->message);
}

void report_dockerd_gone(Watcher *w, uint32_t root) {
        w->message.type = MESSAGE_DOCKERD_GONE;
        w->message.n = 0;
        w->message.gone.root = root;
        send_now(w, &w->message);
}

void report_sample(Watcher *w, uint32_t slot) {
        const Watched *log = watched_get(&w->table, slot);

        if (!log || log->info_hash == 0)
                return;
        if (w->samples.n == 0) {
                w->samples.type = MESSAGE_SAMPLES;
                w->samples.samples.time_usec = clock_monotonic_usec();
        }
        w->samples.samples.sample[w->samples.n++] = (LogSample){
                .slot = slot,
                .n_segments = log->n_segments,
                .allocated_bytes = log->allocated_bytes - MIN(log->filler_bytes, log->allocated_bytes),
                .segments_bytes = log->segments_bytes,
                .size_bytes = log->size_bytes,
                .hole_bytes = log->has_nul_head ? 0 : log->hole_bytes,
                .nul_bytes = log->has_nul_head ? log->hole_bytes : 0,
                .filler_bytes = MIN(log->filler_bytes, log->allocated_bytes),
                .filler_usec = log->filler_usec,
                .line_bytes = log->line_bytes,
        };
        if (w->samples.n == SAMPLES_PER_MESSAGE)
                report_flush(w);
}

void report_flush(Watcher *w) {
        if (w->samples.n == 0)
                return;
        send_now(w, &w->samples);
        w->samples.n = 0;
}
