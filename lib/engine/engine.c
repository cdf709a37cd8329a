/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Observations in, plans out: contract in engine.h. */

#include "engine_internal.h"

#include "pace.h"

/* An act on a healthy disk, before anything was learned. */
#define DURATION_FIRST_USEC (60 * USEC_PER_MSEC)
/* Blind for longer than that, what we know is no ground to act on. */
#define STALE_USEC (2 * USEC_PER_SEC)

int engine_new(const Config *config, const char *mount, Engine **ret_engine) {
        _cleanup_(engine_freep) Engine *e = calloc(1, sizeof(*e));

        if (!e)
                return -ENOMEM;
        e->config = *config;
        strncpy(e->mount, mount, sizeof(e->mount) - 1);
        e->can_punch = true; /* all that Docker runs on can; where it cannot, the first try tells */
        e->duration_usec = DURATION_FIRST_USEC;
        e->lead_usec = plan_lead_usec(e->duration_usec);
        e->next_act = e->next_alert = e->alert_stride = 1;
        e->archived_slot = UINT32_MAX;
        level_rules_init(&e->rules, 0);
        *ret_engine = TAKE_PTR(e);
        return 0;
}

Engine *engine_free(Engine *e) {
        if (e)
                log_table_done(&e->logs);
        free(e);
        return NULL;
}

void engine_rename(Engine *e, const char *mount) {
        memset(e->mount, 0, sizeof(e->mount));
        strncpy(e->mount, mount, sizeof(e->mount) - 1);
}

static void resolve_policy(Engine *e, LogEntry *entry) {
        LogPolicy policy = policy_resolve(&e->config, &entry->info.container);

        if (policy.max_log_bytes != entry->policy.max_log_bytes)
                entry->limit_at_usec = entry->limit_size_bytes = entry->limit_said_usec = 0;
        log_table_set_policy(&e->logs, entry, &policy);
}

void engine_configure(Engine *e, const Config *config) {
        LogEntry *entry;
        uint32_t cursor = 0;

        e->config = *config;
        while ((entry = log_table_next(&e->logs, &cursor)))
                resolve_policy(e, entry);
        space_look_ahead(e);
}

void engine_seed(Engine *e, uint64_t next_act, uint64_t next_alert, uint64_t alert_stride) {
        e->alert_stride = alert_stride;
        e->next_act = MAX(e->next_act, next_act);
        e->next_alert = MAX(e->next_alert, next_alert);
}

/* ---- the logs */

static void news_of_log(LogEntry *entry, const LogInfo *info) {
        const LogInfo *old = &entry->info;

        if (old->inode != info->inode || old->container.running != info->container.running ||
                        old->writer.pid != info->writer.pid || old->writer.append != info->writer.append) {
                memset(entry->barred_until_usec, 0, sizeof(entry->barred_until_usec));
                entry->held_open = false;
                if (old->inode != info->inode)
                        readers_forget(entry);
                entry->heal_at_usec = entry->heal_backoff_usec = 0;
                entry->n_ineffective = entry->changes = 0;
                entry->archived = (Archived){};
                entry->archive_is_freed = false;
                entry->limit_at_usec = entry->limit_size_bytes = 0;
                entry->repair_at_usec = entry->repair_backoff_usec = 0;
                entry->repair_failed = false;
        }
        if (old->inode != info->inode) {
                entry->sample.filler_usec = 0; /* it was another file's */
                entry->torn = entry->damage_said = false;
        }
}

static int observe_log_info(Engine *e, const LogInfo *info) {
        LogEntry *entry = log_table_get(&e->logs, info->slot);

        /* A slot that was used again without a word. */
        if (entry && !streq(entry->info.container.id, info->container.id))
                log_table_remove(&e->logs, entry);

        bool known = log_table_get(&e->logs, info->slot) != NULL;
        int r = log_table_add(&e->logs, info->slot, &entry);
        if (r < 0)
                return r;
        news_of_log(entry, info);
        bool was_known = known && entry->info.container.driver != LOG_DRIVER_UNKNOWN;
        ContainerInfo last = entry->info.container;
        entry->info = *info;
        /* Its catalog can no longer be read, as on a full disk: who it is has not changed. A protected log must not
         * lose its protection then. */
        if (was_known && info->container.driver == LOG_DRIVER_UNKNOWN)
                entry->info.container = last;
        resolve_policy(e, entry);
        if (!known)
                memory_recall_log(e, entry);
        return 0;
}

static int observe_log_sample(Engine *e, const LogSample *sample, uint64_t time_usec) {
        LogEntry *entry = log_table_get(&e->logs, sample->slot);

        if (!entry)
                return -EINVAL;
        if (!entry->sampled) {
                /* What was there when we came is nobody's growth. */
                rate_init(&entry->growth, time_usec);
                entry->sampled = true;
                entry->sampled_usec = time_usec;
                log_table_set_sample(&e->logs, entry, sample);
                return 0;
        }
        if (time_usec < entry->sampled_usec)
                return 0;

        if (sample->size_bytes < entry->sample.size_bytes || sample->size_bytes < entry->archived.until_offset)
                entry->archived = (Archived){}; /* somebody else has emptied it */
        /* What our own act has told of the filler is newer. */
        LogSample known = log_sample_with_filler(sample, &entry->sample);
        double before = (double) log_entry_total_bytes(entry);
        log_table_set_sample(&e->logs, entry, &known);
        double grown = (double) log_entry_total_bytes(entry) - before;
        entry->sampled_usec = time_usec;
        attribution_push_log(&e->attribution, entry, time_usec, grown);
        engine_unseen_add(e, grown);
        if (grown > 0)
                log_table_list(&e->logs, entry, LOG_LIST_ACTIVE, true);
        e->moved_bytes += (uint64_t) (grown < 0 ? -grown : grown);
        return 0;
}

static int observe_log_readers(Engine *e, const LogReaders *readers, uint64_t time_usec) {
        LogEntry *entry = log_table_get(&e->logs, readers->slot);

        if (!entry)
                return -EINVAL;
        readers_observe(entry, readers, time_usec);
        return 0;
}

static int observe_log_gone(Engine *e, uint32_t slot) {
        LogEntry *entry = log_table_get(&e->logs, slot);

        if (!entry)
                return -EINVAL;
        log_table_remove(&e->logs, entry);
        return 0;
}

int engine_observe(Engine *e, const Observation *o) {
        switch (o->type) {
        case OBSERVATION_PARTITION:
                space_observe(e, &o->partition, o->time_usec);
                return 0;
        case OBSERVATION_LOG_INFO:
                return observe_log_info(e, &o->log_info);
        case OBSERVATION_LOG_SAMPLE:
                return observe_log_sample(e, &o->log_sample, o->time_usec);
        case OBSERVATION_LOG_GONE:
                return observe_log_gone(e, o->log_gone);
        case OBSERVATION_LOST:
                e->blind = true;
                return 0;
        case OBSERVATION_DOCKER:
                if (o->docker.root >= CONFIG_ROOTS_MAX)
                        return -EINVAL;
                e->docker_major[o->docker.root] = o->docker.version_major;
                return 0;
        case OBSERVATION_FILESYSTEM:
                e->can_collapse = o->filesystem.can_collapse;
                e->can_punch = o->filesystem.can_punch;
                e->can_reflink = o->filesystem.can_reflink;
                e->freed_is_late = e->attribution.shown_late = o->filesystem.freed_is_late;
                e->ballast_bytes = o->filesystem.ballast_bytes;
                e->ballast_known = o->filesystem.may_have_ballast;
                return 0;
        case OBSERVATION_LOG_DAMAGE:
                return repair_observe(e, &o->log_damage);
        case OBSERVATION_LOG_READERS:
                return observe_log_readers(e, &o->log_readers, o->time_usec);
        case OBSERVATION_READERS_LOOK:
                if (o->readers_look.ended)
                        readers_look_ended(&e->readers, o->time_usec, o->readers_look.complete);
                else
                        readers_look_begun(&e->readers, o->time_usec, o->readers_look.until_usec);
                return 0;
        case OBSERVATION_CAUSE:
        case OBSERVATION_SURVEY:
                return unexplained_observe(e, o);
        case OBSERVATION_NOTICE: /* for people; changes nothing here */
                return 0;
        }
        return -EINVAL;
}

/* ---- deciding */

/* Whether it is logs that fill it: asked only where the answer counts. */
static bool logs_explain(Engine *e, uint64_t now_usec) {
        Ranking ranking;

        if (!level_rules_ask_for_cause(&e->rules, &e->config, &e->bytes_view))
                return false;
        attribution_rank(&e->attribution, &e->logs, plan_scale(e), now_usec, &ranking);
        return ranking.logs_explain;
}

static void update_level(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        LevelInput in = {
                .config = &e->config,
                .space = &e->space,
                .bytes = &e->bytes_view,
                .inodes = &e->inodes_view,
                .bytes_filling = &e->bytes_filling,
                .inodes_filling = &e->inodes_filling,
                .demanded_bytes = e->demanded_bytes,
                .logs_explain = logs_explain(e, now_usec),
                .now_usec = now_usec,
        };
        Level from = e->rules.level;
        uint64_t rules_wake_usec;
        Ranking ranking;

        level_rules_update(&e->rules, &in, &rules_wake_usec);
        *wake_usec = MIN(*wake_usec, rules_wake_usec);
        if (e->rules.level == from)
                return;
        attribution_rank(&e->attribution, &e->logs, plan_scale(e), now_usec, &ranking);
        events_add_levels(e, plan, from, &ranking, now_usec);
}

static bool may_act(const Engine *e, uint64_t now_usec) {
        if (e->sampled_usec == 0 || now_usec < e->paused_until_usec)
                return false;
        return !e->blind || now_usec <= e->sampled_usec + STALE_USEC;
}

static void plan_work(Engine *e, Plan *plan, uint64_t now_usec, uint64_t *wake_usec) {
        uint64_t upkeep_wake_usec;

        plan_archived(e, plan, now_usec);
        /* What was begun at critical goes on up to the target. */
        if (e->rules.level >= LEVEL_CRITICAL || e->acting) {
                Ranking ranking;
                attribution_rank(&e->attribution, &e->logs, plan_scale(e), now_usec, &ranking);
                plan_acts(e, plan, &ranking, now_usec);
        } else
                e->acting = e->pressed = false;
        plan_upkeep(e, plan, now_usec, &upkeep_wake_usec);
        *wake_usec = MIN(*wake_usec, upkeep_wake_usec);
}

void engine_decide(Engine *e, uint64_t now_usec, Plan *ret_plan, uint64_t *ret_wake_at_usec) {
        uint64_t wake_usec = e->sampled_usec != 0 ? e->look_at_usec : now_usec + PACE_MAX_USEC;

        ret_plan->n_acts = 0;
        ret_plan->cancel = 0;
        ret_plan->more = false;
        events_take_pending(e, ret_plan);
        if (e->sampled_usec != 0 && !e->blind)
                update_level(e, ret_plan, now_usec, &wake_usec);
        archiving_give_way(e, ret_plan, now_usec);
        repair_tell(e, ret_plan, now_usec);
        if (may_act(e, now_usec))
                plan_work(e, ret_plan, now_usec, &wake_usec);
        else if (now_usec < e->paused_until_usec)
                wake_usec = MIN(wake_usec, e->paused_until_usec);

        if (e->acting || acts_any_under_way(e))
                wake_usec = MIN(wake_usec, now_usec + PACE_ACTING_USEC);
        /* What is overdue is asked for again soon, not in a tight loop. */
        *ret_wake_at_usec = MAX(wake_usec, now_usec + PACE_MIN_USEC);
}

void engine_promise_readers(Engine *e) {
        e->readers.promised = true;
}

bool engine_wants_readers(const Engine *e, uint64_t now_usec) {
        bool near = e->rules.level >= LEVEL_WARNING && (e->rules.falling || e->acting || e->pressed);

        return (near || e->readers.waited_usec != 0) && e->logs.n_logs > 0 && e->readers.due_usec <= now_usec &&
                        now_usec >= e->readers.next_usec;
}

void engine_pause(Engine *e, uint64_t until_usec) {
        e->paused_until_usec = until_usec;
}

int engine_acknowledge(Engine *e, uint64_t alert_id, const Asker *asker, uint64_t now_usec, uint64_t until_usec) {
        if (alert_id == 0 || alert_id != e->alert_id)
                return ENGINE_E_NO_ALERT;
        if (acknowledgement_holds(&e->acknowledgement, e->rules.level, now_usec))
                return ENGINE_E_ACKNOWLEDGED;
        e->acknowledgement = (Acknowledgement){true, *asker, e->rules.level, until_usec};
        return 0;
}

bool acknowledgement_holds(const Acknowledgement *a, Level level, uint64_t now_usec) {
        return a->given && level <= a->level && now_usec < a->until_usec;
}
