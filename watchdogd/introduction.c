/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "dockerds.h"
#include "introduction.h"
#include "report.h"

/* FNV-1a, 64 bits: that two successive states of one container collide is no danger one could meet. */
static uint64_t hash_bytes(uint64_t hash, const void *data, size_t n) {
        const uint8_t *bytes = data;

        for (size_t i = 0; i < n; i++)
                hash = (hash ^ bytes[i]) * UINT64_C(0x100000001B3);
        return hash;
}

static uint64_t hash_text(uint64_t hash, const char *text) {
        return hash_bytes(hash, text, strlen(text) + 1);
}

static uint64_t hash_info(const LogInfo *info) {
        const ContainerInfo *c = &info->container;
        const uint64_t numbers[] = {
                (uint64_t) c->driver,       c->running,         (uint64_t) c->pid,
                c->max_size_bytes,          c->max_file,        (uint64_t) c->label_policy,
                c->label_keep_bytes,        c->label_max_bytes,        c->label_bad,       (uint64_t) info->writer.pid,
                (uint64_t) info->writer.fd, (uint64_t) info->writer.append,
                info->device,               info->inode,        info->odd,
        };
        uint64_t hash = UINT64_C(0xCBF29CE484222325);

        hash = hash_text(hash, c->name);
        hash = hash_text(hash, c->image);
        return hash_bytes(hash, numbers, sizeof(numbers)) | 1; /* 0 means: never told */
}

static void tell_oddities(Watcher *w, Watched *log, const Introduction *intro) {
        if (intro->catalog_result != 0 && !log->told_bad) {
                log->told_bad = true;
                report_notice(w, NOTICE_CATALOG_BAD, intro->slot, MIN(intro->catalog_result, 0), 1,
                              intro->catalog_result == CATALOG_E_ABSENT ? "config.v2.json: is missing"
                              : intro->catalog_result < 0               ? "cannot be read: no memory"
                                                                        : intro->catalog_detail);
        }
        if (intro->oddity && !log->told_odd) {
                log->told_odd = true;
                report_notice(w, NOTICE_LOG_ODD, intro->slot, 0, 1, intro->oddity);
        }
        if (intro->info.container.label_bad && !log->told_label) {
                log->told_label = true;
                report_notice(w, NOTICE_LABEL_BAD, intro->slot, 0, 1,
                              "a label io.diskbrake.* has a value that is none: it is ignored");
        }
}

void introduction_tell(Watcher *w, Introduction *intro) {
        Watched *log = watched_get(&w->table, intro->slot);
        LogInfo *info = &intro->info;
        uint64_t hash;

        log->running = info->container.running;
        dockerds_settle_writer(w, intro->slot);
        info->slot = intro->slot;
        info->root = log->root;
        info->writer = (LogWriter){.append = UNKNOWN};
        if (log->has_writer)
                info->writer = (LogWriter){
                        .pid = w->roots[log->root].docker.dockerd_pid,
                        .fd = log->writer_fd,
                        .append = (Tristate) log->writer_append,
                };
        info->device = w->target.device;
        info->inode = log->inode;
        info->odd = log->odd;
        hash = hash_info(info);
        if (hash != log->info_hash) {
                log->info_hash = hash;
                report_log_info(w, info);
        }
        report_sample(w, intro->slot);
        tell_oddities(w, log, intro);
}
