/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "clock.h"
#include "discovery.h"
#include "errand.h"
#include "mounts.h"
#include "records.h"
#include "text.h"
#include "timer.h"
#include "versions.h"

/* Looks through /proc once: 164 ms for 15,000 descriptors. A disk that keeps it longer than that is sick. */
#define FINDER_TIMEOUT_USEC (5 * USEC_PER_SEC)
/* New data-roots, moved mounts: once a minute; sooner, with growing pauses, while there is nothing to guard or a
 * dockerd is missing, since a restarted one is back within seconds. */
#define FIND_USEC USEC_PER_MINUTE
#define FIND_SOON_USEC (2 * USEC_PER_SEC)
#define FIND_AFTER_GONE_USEC (500 * USEC_PER_MSEC)
/* A search that fails is said again, for those who came later. */
#define FAILED_AGAIN_USEC (10 * USEC_PER_MINUTE)
/* A partition that the finder misses once may only have been busy; twice, it is gone. */
#define MISSED_FINDS_MAX 2

typedef struct Guarded {
        Partition *partition; /* NULL: free */
        unsigned missed_finds;
} Guarded;

typedef struct HungFinder {
        ErrandStuck stuck;
        char path[CONFIG_PATH_MAX];
        char note[CONFIG_PATH_MAX + 80];
} HungFinder;

struct Discovery {
        DiscoveryWorld world;
        Guarded guarded[PARTITIONS_MAX];
        Versions versions;
        Errand *finder;
        HungFinder hung[FINDERS_HUNG_MAX];
        HungFinder *hangs_next; /* where the running finder would stand if it hung; NULL: no place is left */
        char looking[CONFIG_PATH_MAX]; /* where the running finder is */
        Found found; /* the last answer of the finder: its notes are shown */
        char failed[128]; /* why there was none the last time, and not because it hangs; "" when there was */
        uint64_t failed_said_usec;
        bool begun, found_once;
        bool has_records; /* of before an orderly end, not looked at yet */
        sd_event_source *timer;
        uint64_t find_at_usec; /* USEC_INFINITY: a finder is under way */
        uint64_t soon_usec;    /* something has happened meanwhile: look again then; USEC_INFINITY: nothing has */
        uint64_t pause_usec;
        Message say[2];        /* what an errand is told: copied by it */
        PartitionRecord record; /* too large for the stack */
};

/* Then, or when it is due anyhow: the earlier of the two. */
static void find_at(Discovery *d, uint64_t at_usec) {
        d->find_at_usec = MIN(d->find_at_usec, at_usec);
        timer_set(d->timer, d->find_at_usec);
}

/* ---- what is guarded ----------------------------------------------------------------------------------------- */

static Guarded *find_guarded(Discovery *d, uint64_t device) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (d->guarded[i].partition && partition_target(d->guarded[i].partition)->device == device)
                        return d->guarded + i;
        return NULL;
}

/* Where records have not been looked at yet, its own place for a partition that has one, and an empty one for others. */
static Guarded *free_place(Discovery *d, const PartitionTarget *target) {
        Guarded *place = NULL;

        for (size_t i = 0; i < PARTITIONS_MAX; i++) {
                bool taken = d->has_records && state_get(d->world.state, RECORD_PARTITION + i, &d->record);

                if (d->guarded[i].partition)
                        continue;
                if (taken && d->record.target.device == target->device)
                        return d->guarded + i;
                if (!taken && !place)
                        place = d->guarded + i;
        }
        return place;
}

static void drop(Discovery *d, Guarded *g, const char *why) {
        Event event = {.type = EVENT_PARTITION_GONE};
        const char *mount = partition_target(g->partition)->mount;

        (void) text_sanitize(event.mount, sizeof(event.mount), mount, strlen(mount));
        (void) snprintf(event.detail, sizeof(event.detail), "%.255s", why);
        versions_set_partition(&d->versions, (size_t) (g - d->guarded), NULL);
        g->partition = partition_free(g->partition);
        *g = (Guarded){};
        if (d->world.state)
                state_put(d->world.state, RECORD_PARTITION + (size_t) (g - d->guarded), NULL);
        teller_tell(d->world.partitions->teller, &event);
}

static bool is_among(const PartitionTarget *target, const char *path) {
        bool any = streq(target->look_path, path);

        for (uint32_t i = 0; i < target->n_roots; i++)
                any = any || streq(target->roots[i].path, path);
        for (uint32_t i = 0; i < target->n_parts; i++)
                any = any || streq(target->parts[i], path);
        return any;
}

/* The partition that has taken its place: what stood where it was looked at now lies on another one. */
static const PartitionTarget *find_heir(const Discovery *d, const PartitionTarget *target) {
        for (uint32_t i = 0; i < d->found.n_partitions; i++)
                if (d->found.partitions[i].device != target->device &&
                    is_among(d->found.partitions + i, target->look_path))
                        return d->found.partitions + i;
        return NULL;
}

/* A finder has left something out: whoever it did not find may lie there. */
static bool left_something_out(const Discovery *d) {
        for (size_t i = 0; i < FINDERS_HUNG_MAX; i++)
                if (d->hung[i].stuck.worker)
                        return true;
        return false;
}

static void look_for_missing(Discovery *d, const bool seen[static PARTITIONS_MAX]) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++) {
                Guarded *g = d->guarded + i;
                const PartitionTarget *target = g->partition ? partition_target(g->partition) : NULL, *heir;
                char why[EVENT_MOUNT_MAX + 64];

                if (!target || seen[i])
                        continue;
                heir = find_heir(d, target);
                if (heir) {
                        (void) snprintf(why, sizeof(why), streq(heir->mount, target->mount) ?
                                "another filesystem is mounted at %s now" : "it was unmounted; its place lies on %s now",
                                heir->mount);
                        drop(d, g, why);
                } else if (!left_something_out(d) && ++g->missed_finds >= MISSED_FINDS_MAX &&
                           /* One that was found by its dockerd alone goes on being guarded while that is down. */
                           (d->world.partitions->config->n_data_roots > 0 ||
                            partition_state(g->partition) == GUARD_BLIND))
                        drop(d, g, "it was unmounted or its folder is gone");
        }
}

/* anew: says that it is guarded. */
static bool guard(Discovery *d, Guarded *g, const PartitionTarget *target, const PartitionRecord *record, bool anew) {
        size_t place = (size_t) (g - d->guarded);

        if (partition_new(d->world.partitions, place, target, record, &g->partition) < 0)
                return false;
        versions_set_partition(&d->versions, place, g->partition);
        if (anew)
                partition_tell_guarding(g->partition);
        return true;
}

/* What was known of it before an orderly end; NULL: nothing. */
static const PartitionRecord *find_record(Discovery *d, const PartitionTarget *target) {
        for (size_t i = 0; d->has_records && i < PARTITIONS_MAX; i++)
                if (state_get(d->world.state, RECORD_PARTITION + i, &d->record) &&
                    d->record.target.device == target->device && streq(d->record.target.mount, target->mount)) {
                        /* What was wrong then is told again if it still is: somebody may have restarted it for that. */
                        d->record.blind_said = d->record.stuck_said = d->record.cannot_write = false;
                        return &d->record;
                }
        return NULL;
}

/* Of partitions that are no longer to be guarded. */
static void forget_other_records(Discovery *d) {
        if (left_something_out(d))
                return;
        for (size_t i = 0; d->has_records && i < PARTITIONS_MAX; i++)
                if (!d->guarded[i].partition)
                        state_put(d->world.state, RECORD_PARTITION + i, NULL);
        d->has_records = false;
}

static void take_found(Discovery *d) {
        bool seen[PARTITIONS_MAX] = {};

        for (uint32_t i = 0; i < d->found.n_partitions; i++) {
                const PartitionTarget *target = d->found.partitions + i;
                Guarded *g = find_guarded(d, target->device);

                if (g) {
                        partition_retarget(g->partition, target);
                } else {
                        g = free_place(d, target);
                        if (!g || !guard(d, g, target, find_record(d, target), true))
                                continue;
                }
                g->missed_finds = 0;
                seen[g - d->guarded] = true;
        }
        forget_other_records(d);
        look_for_missing(d, seen);
}

/* ---- finding ------------------------------------------------------------------------------------------------- */

static bool misses_partition(const Discovery *d) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (d->guarded[i].missed_finds == 1)
                        return true;
        return false;
}

static bool misses_dockerd(const Discovery *d) {
        for (uint32_t i = 0; i < d->found.n_partitions; i++)
                for (uint32_t k = 0; k < d->found.partitions[i].n_roots; k++)
                        if (d->found.partitions[i].roots[k].dockerd_pid == 0)
                                return true;
        return d->found.n_partitions == 0;
}

static void finder_on_progress(const Message *message, void *userdata) {
        Discovery *d = userdata;

        (void) text_sanitize(d->looking, sizeof(d->looking), message->looking.path,
                strnlen(message->looking.path, sizeof(message->looking.path)));
}

/* What hung has let go of it: what is there can be looked for again. */
static void finder_is_free_again(void *userdata) { discovery_find_soon(userdata); }

/* After an orderly end: what was guarded at that path, or anywhere (NULL), is guarded on. Where it hangs it will be blind,
 * and say so. */
static void guard_what_was(Discovery *d, const char *path) {
        for (size_t i = 0; d->has_records && i < PARTITIONS_MAX; i++) {
                Guarded *g;

                if (!state_get(d->world.state, RECORD_PARTITION + i, &d->record) ||
                    (path && !is_among(&d->record.target, path) && !mounts_is_below(path, d->record.target.mount)) ||
                    find_guarded(d, d->record.target.device))
                        continue;
                /* At its own place: the record of another one must not be written over. */
                g = d->guarded + i;
                if (!g->partition)
                        (void) guard(d, g, &d->record.target, &d->record, true);
        }
}

/* The next one leaves out where this one hangs, until it is free again. */
static void finder_has_hung(Discovery *d) {
        HungFinder *h = d->hangs_next;
        Event event = {.type = EVENT_NOTICE, .error = -ETIMEDOUT};

        d->failed[0] = 0; /* this note takes its place */
        if (!h || !h->stuck.worker)
                return;
        memcpy(h->path, d->looking, sizeof(h->path));
        (void) snprintf(h->note, sizeof(h->note),
                "%s hangs: what is there is not looked for until it answers again", h->path[0] ? h->path : "/proc");
        (void) snprintf(event.detail, sizeof(event.detail), "%.255s", h->note);
        teller_tell(d->world.partitions->teller, &event);
        if (h->path[0])
                guard_what_was(d, h->path);
}

/* Killed, or short of memory. One that works again takes it back. */
static void finder_has_failed(Discovery *d, int error) {
        Event event = {.type = EVENT_NOTICE};
        uint64_t now_usec = clock_monotonic_usec();
        bool is_known = d->failed[0] && now_usec < d->failed_said_usec + FAILED_AGAIN_USEC;

        (void) snprintf(d->failed, sizeof(d->failed), "the search for Docker's data-roots failed: %s; it is tried again",
                errand_error_to_string(error));
        (void) snprintf(event.detail, sizeof(event.detail), "%s", d->failed);
        if (!is_known) {
                d->failed_said_usec = now_usec;
                teller_tell(d->world.partitions->teller, &event);
        }
        guard_what_was(d, NULL);
}

static void finder_on_done(const Message *answer, int error, void *userdata) {
        Discovery *d = userdata;
        bool found = answer && answer->type == MESSAGE_FOUND, failed = !found && error != -ETIMEDOUT;

        if (found) {
                d->failed[0] = 0;
                d->found = answer->found;
                /* It has seen what others wrote: its counts are not taken on trust. */
                d->found.n_partitions = MIN(d->found.n_partitions, (uint32_t) PARTITIONS_MAX);
                d->found.n_notes = MIN(d->found.n_notes, (uint32_t) FOUND_NOTES_MAX);
                for (uint32_t i = 0; i < d->found.n_partitions; i++) {
                        PartitionTarget *target = d->found.partitions + i;

                        target->n_roots = MIN(target->n_roots, (uint32_t) PARTITION_ROOTS_MAX);
                        target->n_parts = MIN(target->n_parts, (uint32_t) PARTITION_PARTS_MAX);
                }
                for (uint32_t i = 0; i < d->found.n_notes; i++)
                        d->found.notes[i][sizeof(d->found.notes[i]) - 1] = 0;
                take_found(d);
                versions_ask_again(&d->versions);
        } else if (failed)
                finder_has_failed(d, answer ? -EBADMSG : error);
        else
                finder_has_hung(d);
        d->found_once = d->found_once || found || failed || !d->hangs_next;
        if (failed || misses_partition(d)) /* it may be there again in a moment, or is gone for good */
                d->pause_usec = FIND_SOON_USEC;
        else
                d->pause_usec = misses_dockerd(d) ? MIN(2 * d->pause_usec, FIND_USEC) : FIND_USEC;
        find_at(d, MIN(d->soon_usec, clock_monotonic_usec() + (error == -ETIMEDOUT ? 0 : d->pause_usec)));
        d->soon_usec = USEC_INFINITY;
        d->world.on_found(d->world.userdata);
}

static void find(Discovery *d) {
        Message *skip = d->say + 1;
        int r;

        if (d->finder || !d->begun)
                return;
        d->say[0] = (Message){.type = MESSAGE_CONFIG, .config = {.ok = true, .config = *d->world.partitions->config}};
        *skip = (Message){.type = MESSAGE_SKIP};
        d->hangs_next = NULL;
        for (size_t i = 0; i < FINDERS_HUNG_MAX; i++)
                if (d->hung[i].stuck.worker && d->hung[i].path[0])
                        memcpy(skip->skip.paths[skip->n++], d->hung[i].path, sizeof(d->hung[i].path));
                else if (!d->hung[i].stuck.worker && !d->hangs_next)
                        d->hangs_next = d->hung + i;
        d->looking[0] = 0;
        d->find_at_usec = USEC_INFINITY;
        timer_set(d->timer, USEC_INFINITY);
        r = errand_start(d->world.partitions->children, d->world.partitions->event,
                    &(ErrandOrder){.role = ROLE_FINDER, .say = {d->say, skip}, .timeout_usec = FINDER_TIMEOUT_USEC,
                                   .on_done = finder_on_done, .userdata = d, .on_progress = finder_on_progress,
                                   .stuck = d->hangs_next ? &d->hangs_next->stuck : NULL},
                    &d->finder);
        if (r < 0)
                finder_on_done(NULL, r, d);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source, (void) usec;
        find(userdata);
        return 0;
}

void discovery_begin(Discovery *d) {
        d->begun = true;
        find(d);
}

static void on_silent(uint64_t pause_usec, void *userdata) {
        Discovery *d = userdata;

        if (!d->finder)
                find_at(d, clock_monotonic_usec() + MIN(pause_usec, FIND_USEC));
}

void discovery_find_soon(Discovery *d) {
        uint64_t at_usec = clock_monotonic_usec() + FIND_AFTER_GONE_USEC;

        d->pause_usec = FIND_SOON_USEC / 2;
        /* What the one that is under way has seen may be from before that. */
        if (d->finder)
                d->soon_usec = MIN(d->soon_usec, at_usec);
        else
                find_at(d, at_usec);
}

bool discovery_has_found(const Discovery *d) { return d->found_once; }

bool discovery_is_failing(const Discovery *d) { return d->failed[0]; }

/* ---- over a crash -------------------------------------------------------------------------------------------- */

void discovery_recall(Discovery *d) {
        for (size_t i = 0; d->world.state && i < PARTITIONS_MAX; i++)
                if (state_get(d->world.state, RECORD_PARTITION + i, &d->record))
                        (void) guard(d, d->guarded + i, &d->record.target, &d->record, false);
}

void discovery_recall_when_found(Discovery *d) { d->has_records = d->world.state != NULL; }

void discovery_remember(Discovery *d, const Partition *partition) {
        for (size_t i = 0; d->world.state && i < PARTITIONS_MAX; i++)
                if (d->guarded[i].partition == partition) {
                        partition_remember(partition, &d->record);
                        state_put(d->world.state, RECORD_PARTITION + i, &d->record);
                }
}

/* ---- all of it ----------------------------------------------------------------------------------------------- */

size_t discovery_n_partitions(const Discovery *d) {
        size_t n = 0;

        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                n += d->guarded[i].partition != NULL;
        return n;
}

Partition *discovery_partition(const Discovery *d, size_t index) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (d->guarded[i].partition && index-- == 0)
                        return d->guarded[i].partition;
        return NULL;
}

size_t discovery_notes(const Discovery *d, const char **ret_notes, size_t n_max) {
        size_t n = 0;

        if (d->failed[0] && n < n_max)
                ret_notes[n++] = d->failed;
        for (size_t i = 0; i < FINDERS_HUNG_MAX && n < n_max; i++)
                if (d->hung[i].stuck.worker && d->hung[i].note[0])
                        ret_notes[n++] = d->hung[i].note;
        for (uint32_t i = 0; i < d->found.n_notes && n < n_max; i++)
                ret_notes[n++] = d->found.notes[i];
        return n;
}

int discovery_new(const DiscoveryWorld *world, Discovery **ret_discovery) {
        _cleanup_(discovery_freep) Discovery *d = calloc(1, sizeof(*d));
        int r;

        if (!d)
                return -ENOMEM;
        d->world = *world;
        d->pause_usec = FIND_SOON_USEC / 2;
        d->find_at_usec = d->soon_usec = USEC_INFINITY;
        d->versions = (Versions){.world = world->partitions, .on_silent = on_silent, .userdata = d};
        for (size_t i = 0; i < FINDERS_HUNG_MAX; i++)
                d->hung[i].stuck = (ErrandStuck){.on_gone = finder_is_free_again, .userdata = d};
        r = timer_add(world->partitions->event, &d->timer, USEC_PER_SEC / 4, on_timer, d);
        if (r < 0)
                return r;
        *ret_discovery = TAKE_PTR(d);
        return 0;
}

Discovery *discovery_free(Discovery *d) {
        if (!d)
                return NULL;
        errand_free(d->finder);
        versions_done(&d->versions);
        for (size_t i = 0; i < FINDERS_HUNG_MAX; i++)
                worker_free(d->hung[i].stuck.worker);
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                partition_free(d->guarded[i].partition);
        sd_event_source_disable_unref(d->timer);
        free(d);
        return NULL;
}
