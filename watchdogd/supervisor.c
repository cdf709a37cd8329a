/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "clock.h"
#include "errand.h"
#include "launcher.h"
#include "methods.h"
#include "notify.h"
#include "say.h"
#include "supervisor.h"
#include "text.h"
#include "units.h"

/* Reading two small files; a disk that needs longer is sick. */
#define READER_TIMEOUT_USEC (5 * USEC_PER_SEC)
/* Looks through /proc once: 164 ms for 15,000 descriptors. */
#define FINDER_TIMEOUT_USEC (10 * USEC_PER_SEC)
/* Two seconds for dockerd to answer, one for all around it. */
#define VERSION_TIMEOUT_USEC (3 * USEC_PER_SEC)
/* New data-roots, moved mounts: once a minute; sooner, with growing pauses, while there is nothing to guard or a
 * dockerd is missing, since a restarted one is back within seconds. */
#define FIND_USEC USEC_PER_MINUTE
#define FIND_SOON_USEC (2 * USEC_PER_SEC)
#define FIND_AFTER_GONE_USEC (500 * USEC_PER_MSEC)
/* A partition that the finder misses once may only have been busy; twice, it is gone. */
#define MISSED_FINDS_MAX 2
/* With the unit's WatchdogSec=8s and a look every 5 s at the latest, a ping goes out with a look; the timer below is
 * for the times when there are none. */
#define PING_EARLIEST_PERMYRIAD 2500
#define PING_LATEST_PERMYRIAD 7500
#define STATUS_EVERY_USEC (5 * USEC_PER_SEC)

typedef struct Guarded {
        Partition *partition; /* NULL: free */
        unsigned missed_finds;
        int32_t asked_pid[PARTITION_ROOTS_MAX]; /* dockerd that was asked for its version, and its life */
        uint64_t asked_start[PARTITION_ROOTS_MAX];
        bool ask_again[PARTITION_ROOTS_MAX]; /* it did not answer: just started, or busy */
} Guarded;

struct Supervisor {
        const Options *options;
        const Identity *identity;
        sd_event *event;
        Children *children;
        JournalSender *journal;
        Teller *teller;
        Methods *methods;
        Notify notify;
        Config config;
        PartitionWorld world;
        Plan plan;
        Message say[2]; /* what an errand is told: copied by it */
        Guarded guarded[PARTITIONS_MAX];

        Errand *reader, *finder, *version;
        SupervisorReloaded on_reloaded;
        void *reload_userdata;
        Guarded *version_of;
        uint32_t version_root;

        Found found; /* the last answer of the finder: its notes are shown */
        bool found_once, ready, configured, stopping;
        sd_event_source *find_timer, *ping_timer;
        uint64_t find_pause_usec;
        unsigned n_unanswered; /* questions for a version, one after the other */
        uint64_t started_usec, longest_turn_usec, pinged_usec, status_usec;
        char status_line[256];
        int exit_status;
};

const Options *supervisor_options(const Supervisor *s) { return s->options; }
const Config *supervisor_config(const Supervisor *s) { return &s->config; }
Teller *supervisor_teller(const Supervisor *s) { return s->teller; }
uint64_t supervisor_started_usec(const Supervisor *s) { return s->started_usec; }
uint64_t supervisor_longest_turn_usec(const Supervisor *s) { return s->longest_turn_usec; }

size_t supervisor_n_partitions(const Supervisor *s) {
        size_t n = 0;

        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                n += s->guarded[i].partition != NULL;
        return n;
}

Partition *supervisor_partition(const Supervisor *s, size_t index) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition && index-- == 0)
                        return s->guarded[i].partition;
        return NULL;
}

size_t supervisor_notes(const Supervisor *s, const char **ret_notes, size_t n_max) {
        size_t n = MIN((size_t) s->found.n_notes, n_max);

        for (size_t i = 0; i < n; i++)
                ret_notes[i] = s->found.notes[i];
        return n;
}

static void timer_at(sd_event_source *source, uint64_t at_usec) {
        (void) sd_event_source_set_time(source, at_usec);
        (void) sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* ---- telling the service manager ---------------------------------------------------------------------------- */

static void supervisor_update_status(Supervisor *s, uint64_t now_usec, bool at_once) {
        char line[sizeof(s->status_line)];
        Text text = text_over(line, sizeof(line));

        if (!at_once && now_usec - s->status_usec < STATUS_EVERY_USEC)
                return;
        s->status_usec = now_usec;
        for (size_t i = 0; i < PARTITIONS_MAX; i++) {
                Partition *p = s->guarded[i].partition;
                EngineStatus status;
                uint64_t used_permyriad;

                if (!p)
                        continue;
                engine_get_status(partition_engine(p), &status);
                used_permyriad = status.space.total_bytes
                        ? 10000 - (uint64_t) ((double) status.space.avail_bytes * 10000 / (double) status.space.total_bytes)
                        : 0;
                (void) text_appendf(&text, "%s%s %s: %s, %u %% used", text.used ? "; " : "",
                        guard_state_to_string(partition_state(p)), partition_target(p)->mount,
                        level_to_string(status.level), (unsigned) (used_permyriad / 100));
        }
        if (text.used == 0)
                (void) text_append(&text, "no Docker data-root found yet; looking again");
        if (streq(line, s->status_line))
                return;
        memcpy(s->status_line, line, sizeof(line));
        notify_send(&s->notify, "STATUS=%s", line);
}

static void supervisor_ping(Supervisor *s) {
        uint64_t now_usec = clock_monotonic_usec(), watchdog_usec = s->notify.watchdog_usec;

        if (watchdog_usec == 0 || now_usec - s->pinged_usec < watchdog_usec / 10000 * PING_EARLIEST_PERMYRIAD)
                return;
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition && !partition_had_turn(s->guarded[i].partition))
                        return;
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition)
                        partition_take_turn(s->guarded[i].partition);
        notify_send(&s->notify, "WATCHDOG=1");
        s->pinged_usec = now_usec;
        timer_at(s->ping_timer, now_usec + watchdog_usec / 10000 * PING_LATEST_PERMYRIAD);
}

static int supervisor_on_ping(sd_event_source *source, uint64_t usec, void *userdata) {
        Supervisor *s = userdata;

        (void) source, (void) usec;
        supervisor_ping(s);
        /* Not all had their turn: ask again soon. A partition whose watcher hangs has missed its deadline by then. */
        if (clock_monotonic_usec() - s->pinged_usec > USEC_PER_SEC)
                timer_at(s->ping_timer, clock_monotonic_usec() + USEC_PER_SEC / 4);
        return 0;
}

static void supervisor_check_ready(Supervisor *s) {
        if (s->ready || !s->found_once)
                return;
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition && !partition_has_started(s->guarded[i].partition))
                        return;
        s->ready = true;
        supervisor_update_status(s, clock_monotonic_usec(), true);
        notify_send(&s->notify, "READY=1");
}

static void partition_on_turn(Partition *p, void *userdata) {
        Supervisor *s = userdata;

        (void) p;
        supervisor_check_ready(s);
        supervisor_ping(s);
        supervisor_update_status(s, clock_monotonic_usec(), false);
}

/* ---- Docker's version ---------------------------------------------------------------------------------------- */

static void supervisor_ask_versions(Supervisor *s);

static void version_on_done(const Message *answer, int error, void *userdata) {
        Supervisor *s = userdata;
        bool known = answer && answer->type == MESSAGE_VERSION && answer->version.root == s->version_root;
        char text[32] = "";

        (void) error;
        if (!known) {
                s->version_of->ask_again[s->version_root] = true;
                timer_at(s->find_timer, clock_monotonic_usec() + MIN(FIND_SOON_USEC << s->n_unanswered, FIND_USEC));
        }
        s->n_unanswered = known ? 0 : MIN(s->n_unanswered + 1, 5u);
        if (s->version_of->partition) {
                if (known)
                        (void) text_sanitize(text, sizeof(text), answer->version.text,
                                strnlen(answer->version.text, sizeof(answer->version.text)));
                partition_set_docker(s->version_of->partition, s->version_root, known ? answer->version.major : 0, text);
        }
        supervisor_ask_versions(s);
}

/* Each dockerd is asked once in its life, one at a time. */
static void supervisor_ask_versions(Supervisor *s) {
        for (size_t i = 0; i < PARTITIONS_MAX && !s->version; i++) {
                Guarded *g = s->guarded + i;
                const PartitionTarget *target = g->partition ? partition_target(g->partition) : NULL;

                for (uint32_t k = 0; target && k < target->n_roots && !s->version; k++) {
                        const DockerRoot *root = target->roots + k;

                        if (root->dockerd_pid == g->asked_pid[k] && root->dockerd_start == g->asked_start[k])
                                continue;
                        g->asked_pid[k] = root->dockerd_pid;
                        g->asked_start[k] = root->dockerd_start;
                        /* Another dockerd, or none: what is not known yet is unknown. */
                        partition_set_docker(g->partition, k, 0, "");
                        if (root->dockerd_pid == 0 || !root->api_socket[0])
                                continue;
                        s->version_of = g;
                        s->version_root = k;
                        s->say[0] = (Message){.type = MESSAGE_TARGET, .target = *target};
                        s->say[1] = (Message){.type = MESSAGE_DOCKERD_GONE, .gone = {.root = k}};
                        (void) errand_start(s->children, s->event,
                                &(ErrandOrder){ROLE_VERSION, {s->say, s->say + 1}, VERSION_TIMEOUT_USEC, version_on_done, s},
                                &s->version);
                }
        }
}

/* ---- finding partitions -------------------------------------------------------------------------------------- */

static Guarded *supervisor_find_guarded(Supervisor *s, const PartitionTarget *target) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition && partition_target(s->guarded[i].partition)->device == target->device)
                        return s->guarded + i;
        return NULL;
}

static void supervisor_drop(Supervisor *s, Guarded *g) {
        Event event = {.type = EVENT_PARTITION_GONE};
        const char *mount = partition_target(g->partition)->mount;

        (void) text_sanitize(event.mount, sizeof(event.mount), mount, strlen(mount));
        if (s->version && s->version_of == g)
                s->version = errand_free(s->version);
        g->partition = partition_free(g->partition);
        *g = (Guarded){};
        teller_tell(s->teller, &event);
}

static void supervisor_take_found(Supervisor *s) {
        bool seen[PARTITIONS_MAX] = {};

        for (uint32_t i = 0; i < s->found.n_partitions; i++) {
                const PartitionTarget *target = s->found.partitions + i;
                Guarded *g = supervisor_find_guarded(s, target);

                if (g) {
                        partition_retarget(g->partition, target);
                } else {
                        for (g = s->guarded; g < s->guarded + PARTITIONS_MAX && g->partition; g++)
                                ;
                        if (g == s->guarded + PARTITIONS_MAX || partition_new(&s->world, target, &g->partition) < 0)
                                continue;
                }
                g->missed_finds = 0;
                seen[g - s->guarded] = true;
        }
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                /* One that was found by its dockerd alone goes on being guarded while that is down. */
                if (s->guarded[i].partition && !seen[i] && ++s->guarded[i].missed_finds >= MISSED_FINDS_MAX &&
                    (s->config.n_data_roots > 0 || partition_state(s->guarded[i].partition) == GUARD_BLIND))
                        supervisor_drop(s, s->guarded + i);
}

static bool supervisor_misses_dockerd(const Supervisor *s) {
        for (uint32_t i = 0; i < s->found.n_partitions; i++)
                for (uint32_t k = 0; k < s->found.partitions[i].n_roots; k++)
                        if (s->found.partitions[i].roots[k].dockerd_pid == 0)
                                return true;
        return s->found.n_partitions == 0;
}

static void finder_on_done(const Message *answer, int error, void *userdata) {
        Supervisor *s = userdata;

        (void) error;
        if (answer && answer->type == MESSAGE_FOUND) {
                s->found = answer->found;
                for (uint32_t i = 0; i < s->found.n_notes; i++)
                        s->found.notes[i][sizeof(s->found.notes[i]) - 1] = 0;
                supervisor_take_found(s);
                for (size_t i = 0; i < PARTITIONS_MAX; i++)
                        for (size_t k = 0; k < PARTITION_ROOTS_MAX; k++)
                                if (s->guarded[i].ask_again[k]) {
                                        s->guarded[i].ask_again[k] = false;
                                        s->guarded[i].asked_pid[k] = -1;
                                }
                supervisor_ask_versions(s);
        }
        s->found_once = true;
        supervisor_check_ready(s);
        if (supervisor_n_partitions(s) == 0)
                supervisor_ping(s);
        s->find_pause_usec = supervisor_misses_dockerd(s) ? MIN(2 * s->find_pause_usec, FIND_USEC) : FIND_USEC;
        timer_at(s->find_timer, clock_monotonic_usec() + s->find_pause_usec);
}

static void supervisor_find(Supervisor *s) {
        if (s->finder || !s->configured)
                return;
        s->say[0] = (Message){.type = MESSAGE_CONFIG, .config = {.ok = true, .config = s->config}};
        if (errand_start(s->children, s->event,
                    &(ErrandOrder){ROLE_FINDER, {s->say}, FINDER_TIMEOUT_USEC, finder_on_done, s}, &s->finder) < 0)
                timer_at(s->find_timer, clock_monotonic_usec() + FIND_SOON_USEC);
}

static int supervisor_on_find(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source, (void) usec;
        supervisor_find(userdata);
        return 0;
}

static void supervisor_find_soon(Supervisor *s) {
        s->find_pause_usec = FIND_SOON_USEC / 2;
        timer_at(s->find_timer, clock_monotonic_usec() + FIND_AFTER_GONE_USEC);
}

static void partition_on_dockerd_gone(Partition *p, uint32_t root, void *userdata) {
        Supervisor *s = userdata;

        partition_set_docker(p, root, 0, "");
        supervisor_find_soon(s);
}

static void partition_on_blind(Partition *p, void *userdata) {
        (void) p;
        supervisor_find_soon(userdata);
}

/* ---- configuration ------------------------------------------------------------------------------------------- */

static void supervisor_apply(Supervisor *s, const Config *config) {
        s->config = *config;
        teller_set_observing(s->teller, config->mode == MODE_OBSERVE);
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                if (s->guarded[i].partition)
                        partition_configure(s->guarded[i].partition);
}

static void supervisor_reloaded(Supervisor *s, const char *error) {
        SupervisorReloaded on_reloaded = s->on_reloaded;
        Event event = {.type = error ? EVENT_RELOAD_FAILED : EVENT_RELOADED};

        s->on_reloaded = NULL;
        (void) snprintf(event.detail, sizeof(event.detail), "%s", error ? error : s->options->config_path);
        teller_tell(s->teller, &event);
        notify_send(&s->notify, "READY=1");
        if (on_reloaded)
                on_reloaded(error, s->reload_userdata);
}

static void reader_on_done(const Message *answer, int error, void *userdata) {
        Supervisor *s = userdata;
        bool ok = answer && answer->type == MESSAGE_CONFIG && answer->config.ok;
        char why[512] = "";

        if (answer && answer->type == MESSAGE_CONFIG)
                (void) text_sanitize(why, sizeof(why), answer->config.error,
                        strnlen(answer->config.error, sizeof(answer->config.error)));
        else
                (void) snprintf(why, sizeof(why), "%s could not be read: %s", s->options->config_path, strerror(-error));

        if (!s->configured && !ok) {
                /* Nothing is guarded by a configuration that nobody meant. */
                Event event = {.type = EVENT_REFUSED};

                (void) snprintf(event.detail, sizeof(event.detail), "%.255s", why);
                teller_tell(s->teller, &event);
                say(STDERR_FILENO, "watchdogd: %s", why);
                /* Nobody could read it, on a slow disk perhaps: that is no mistake in it, and is tried again. */
                s->exit_status = answer ? EXIT_CONFIGURATION : 1;
                (void) sd_event_exit(s->event, 0);
                return;
        }
        if (ok)
                supervisor_apply(s, &answer->config.config);
        if (s->configured) {
                supervisor_reloaded(s, ok ? NULL : why);
        } else {
                Event event = {.type = EVENT_STARTED};

                s->configured = true;
                (void) snprintf(event.detail, sizeof(event.detail), "%s", s->options->config_path);
                teller_tell(s->teller, &event);
        }
        supervisor_find(s);
}

static int supervisor_read_config(Supervisor *s) {
        return errand_start(s->children, s->event,
                &(ErrandOrder){ROLE_READER, {}, READER_TIMEOUT_USEC, reader_on_done, s}, &s->reader);
}

int supervisor_reload(Supervisor *s, SupervisorReloaded on_done, void *userdata) {
        int r;

        if (s->reader)
                return -EALREADY;
        notify_send(&s->notify, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long) clock_monotonic_usec());
        r = supervisor_read_config(s);
        if (r < 0) {
                notify_send(&s->notify, "READY=1");
                return r;
        }
        s->on_reloaded = on_done;
        s->reload_userdata = userdata;
        return 0;
}

void supervisor_forget_reload(Supervisor *s, void *userdata) {
        if (s->reload_userdata == userdata)
                s->on_reloaded = NULL;
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static int supervisor_on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *userdata) {
        Supervisor *s = userdata;

        (void) source;
        if (info->ssi_signo == SIGHUP) {
                (void) supervisor_reload(s, NULL, NULL);
                return 0;
        }
        Event event = {.type = EVENT_STOPPING};

        notify_send(&s->notify, "STOPPING=1");
        teller_tell(s->teller, &event);
        return sd_event_exit(s->event, 0);
}

static void supervisor_on_launcher_lost(void *userdata) {
        Supervisor *s = userdata;

        s->exit_status = 1;
        (void) sd_event_exit(s->event, 0);
}

static int supervisor_add_signal(Supervisor *s, int signo) {
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, signo);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        return sd_event_add_signal(s->event, NULL, signo, supervisor_on_signal, s);
}

static int supervisor_add_timer(Supervisor *s, sd_event_source **source, sd_event_time_handler_t handler) {
        int r = sd_event_add_time(s->event, source, CLOCK_MONOTONIC, 0, USEC_PER_SEC / 4, handler, s);

        return r < 0 ? r : sd_event_source_set_enabled(*source, SD_EVENT_OFF);
}

static int supervisor_set_up(Supervisor *s, const RoleContext *context, int listen_fd) {
        int r = sd_event_new(&s->event);

        if (r >= 0)
                r = children_new(s->event, context->channel_fd, supervisor_on_launcher_lost, s, &s->children);
        if (r >= 0)
                r = journal_sender_new(s->event, "/run/systemd/journal/socket", &s->journal);
        if (r >= 0)
                r = teller_new(s->journal, s->options->in_foreground, &s->teller);
        if (r >= 0)
                r = methods_new(s, s->event, s->identity, listen_fd, &s->methods);
        if (r >= 0)
                r = supervisor_add_timer(s, &s->find_timer, supervisor_on_find);
        if (r >= 0)
                r = supervisor_add_timer(s, &s->ping_timer, supervisor_on_ping);
        for (size_t i = 0; i < 3 && r >= 0; i++)
                r = supervisor_add_signal(s, (const int[]){SIGTERM, SIGINT, SIGHUP}[i]);
        if (r >= 0)
                r = supervisor_read_config(s);
        if (r >= 0 && s->notify.watchdog_usec > 0)
                timer_at(s->ping_timer, clock_monotonic_usec() + s->notify.watchdog_usec / 2);
        return r;
}

static void supervisor_done(Supervisor *s) {
        errand_free(s->reader);
        errand_free(s->finder);
        errand_free(s->version);
        methods_free(s->methods);
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                partition_free(s->guarded[i].partition);
        sd_event_source_disable_unref(s->find_timer);
        sd_event_source_disable_unref(s->ping_timer);
        teller_free(s->teller);
        journal_sender_free(s->journal);
        children_free(s->children);
        notify_done(&s->notify);
        sd_event_unref(s->event);
}

/* Turns are measured: how long the loop was away from waiting. */
static int supervisor_loop(Supervisor *s) {
        for (;;) {
                uint64_t begin_usec;
                int r = sd_event_prepare(s->event);

                if (r == 0)
                        r = sd_event_wait(s->event, UINT64_MAX);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                begin_usec = clock_monotonic_usec();
                r = sd_event_dispatch(s->event);
                s->longest_turn_usec = MAX(s->longest_turn_usec, clock_monotonic_usec() - begin_usec);
                if (r < 0)
                        return r;
                if (r == 0)
                        return 0; /* asked to exit */
        }
}

int supervisor_run(const RoleContext *context, const Identity *identity, int listen_fd) {
        /* Not static: the processes that have no use for it would have it locked in their memory, too. */
        Supervisor *s = calloc(1, sizeof(*s));
        int r;

        if (!s)
                return 1;
        s->options = context->options;
        s->identity = identity;
        s->started_usec = clock_monotonic_usec();
        s->find_pause_usec = FIND_SOON_USEC / 2;
        s->world = (PartitionWorld){.config = &s->config, .plan = &s->plan,
                                    .on_dockerd_gone = partition_on_dockerd_gone, .on_blind = partition_on_blind,
                                    .on_turn = partition_on_turn, .userdata = s};
        notify_init_relayed(&s->notify, context->notify_fd);
        r = supervisor_set_up(s, context, listen_fd);
        if (r >= 0) {
                s->world.event = s->event;
                s->world.children = s->children;
                s->world.teller = s->teller;
                r = supervisor_loop(s);
        }
        if (r < 0)
                say(STDERR_FILENO, "watchdogd: the supervisor failed: %s", strerror(-r));
        r = r < 0 ? 1 : s->exit_status;
        supervisor_done(s);
        free(s);
        return r;
}
