/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "partition_internal.h"

const PartitionTarget *partition_target(const Partition *p) { return &p->target; }
const char *partition_mount(const Partition *p) { return p->mount; }
const Engine *partition_engine(const Partition *p) { return p->engine; }
bool partition_has_started(const Partition *p) { return p->started; }
const char *partition_docker_text(const Partition *p, uint32_t root) { return p->docker[root]; }

void partition_fill(const Partition *p, Event *event) {
        EngineStatus status;

        engine_get_status(p->engine, &status);
        (void) snprintf(event->mount, sizeof(event->mount), "%s", p->mount);
        event->space = status.space;
        event->level = status.level;
        event->alert_id = status.alert_id;
        event->reason = status.reason;
        event->fill_bps = status.fill_bps;
        event->fill_inodes_ps = status.fill_inodes_ps;
        event->full = status.reason == REASON_INODES || status.reason == REASON_INODES_FORECAST ? status.inodes_full
                                                                                               : status.full;
}

void partition_tell(Partition *p, EventType type, const char *detail, uint64_t since_usec) {
        Event event = {.type = type};

        partition_fill(p, &event);
        event.since_usec = since_usec;
        (void) snprintf(event.detail, sizeof(event.detail), "%.255s", detail);
        teller_tell(p->world.teller, &event);
}

void partition_set_log(Event *event, const EngineLog *log) {
        memcpy(event->container_id, log->info->container.id, sizeof(event->container_id));
        memcpy(event->container_name, log->info->container.name, sizeof(event->container_name));
        memcpy(event->image, log->info->container.image, sizeof(event->image));
        event->is_protected = log->is_protected;
        event->share_permyriad = log->share_permyriad;
        event->growth_bps = log->growth_bps;
        event->allocated_bytes = log->sample.allocated_bytes + log->sample.segments_bytes;
        event->line_bytes = log->sample.line_bytes;
}

void partition_get_alert(const Partition *p, Event *ret_event) {
        EngineLog first;

        *ret_event = (Event){.type = EVENT_LEVEL_RAISED, .observing = p->world.config->mode == MODE_OBSERVE};
        partition_fill(p, ret_event);
        if (engine_get_logs(p->engine, &first, 1) == 0 || first.growth_bps <= 0)
                return;
        partition_set_log(ret_event, &first);
}

void partition_tell_guarding(Partition *p) {
        partition_tell(p, EVENT_GUARDING, p->target.n_roots > 0 ? p->target.roots[0].path : p->target.look_path, 0);
        if (p->target.space_doubt[0]) {
                char detail[256];

                (void) snprintf(detail, sizeof(detail), "what is free there may not be what it says: %s",
                                p->target.space_doubt);
                partition_tell(p, EVENT_NOTICE, detail, 0);
        }
}

GuardState partition_state(const Partition *p) {
        uint64_t now_usec = clock_monotonic_usec();
        EngineStatus status;

        engine_get_status(p->engine, &status);
        if (p->watcher.missed || p->blind.said || status.blind || status.sampled_usec == 0)
                return GUARD_BLIND;
        if (p->world.config->mode == MODE_OBSERVE)
                return GUARD_OBSERVING;
        if (p->trimmer.missed || post_is_held_up(&p->trimmer, now_usec) || p->cannot_write || (status.space.read_only && p->target.n_roots > 0))
                return GUARD_DEGRADED;
        return GUARD_GUARDING;
}

void partition_describe(const Partition *p, char *buf, size_t buf_bytes) {
        uint64_t now_usec = clock_monotonic_usec();
        EngineStatus status;
        char why[256];

        buf[0] = 0;
        engine_get_status(p->engine, &status);
        post_describe(&p->watcher, now_usec, why, sizeof(why));
        if (p->watcher.missed || p->blind.said) {
                (void) snprintf(buf, buf_bytes, "blind: %s", why[0] ? why : p->lost_why);
                return;
        }
        post_describe(&p->trimmer, now_usec, why, sizeof(why));
        if (why[0])
                (void) snprintf(buf, buf_bytes, "cannot act: %s", why);
        else if (p->cannot_write && !status.space.read_only)
                (void) snprintf(buf, buf_bytes, "cannot act: %s", p->cannot_write_why);
        else if (status.space.read_only)
                (void) snprintf(buf, buf_bytes, "cannot act: it is read-only");
        else if (status.sampled_usec == 0)
                (void) snprintf(buf, buf_bytes, "blind: the first look is still under way");
        else if (p->target.n_roots == 0)
                (void) snprintf(buf, buf_bytes, "no container logs here: watched and alerted on only");
}
