/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "archive_store.h"
#include "archiving.h"
#include "clock.h"
#include "discovery.h"
#include "errand.h"
#include "launcher.h"
#include "methods.h"
#include "records.h"
#include "say.h"
#include "service.h"
#include "supervisor.h"
#include "text.h"
#include "tracer.h"
#include "units.h"

/* Reading two small files; a disk that needs longer is sick. */
#define READER_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define NOTE_MAX 200
/* Longer than a healthy journal ever takes. */
#define JOURNAL_NOTE_USEC (2 * USEC_PER_SEC)

struct Supervisor {
        const Options *options;
        const Identity *identity;
        sd_event *event;
        Children *children;
        JournalSender *journal;
        Teller *teller;
        Tracer *tracer;
        Methods *methods;
        Archiving *archiving;
        Discovery *discovery;
        State *state; /* NULL: nothing outlives this supervisor */
        Service service;
        Config config;
        PartitionWorld world;
        Plan plan;

        Errand *reader;
        SupervisorReloaded on_reloaded; /* NULL: nobody waits */
        void *reload_userdata;
        bool reload_again;   /* asked for by a signal meanwhile */
        bool reload_settles; /* read and in force, but acts that were planned by the old one are under way */

        bool configured, recalled;
        bool config_is_old; /* guarding goes on with what was kept; the file has not been read yet */
        uint64_t started_usec, longest_turn_usec;
        char journal_note[NOTE_MAX];
        char archive_directory[CONFIG_PATH_MAX];
        int exit_status;
};

const Options *supervisor_options(const Supervisor *s) { return s->options; }
const Config *supervisor_config(const Supervisor *s) { return &s->config; }
Teller *supervisor_teller(const Supervisor *s) { return s->teller; }
Tracer *supervisor_tracer(const Supervisor *s) { return s->tracer; }
uint64_t supervisor_started_usec(const Supervisor *s) { return s->started_usec; }
uint64_t supervisor_longest_turn_usec(const Supervisor *s) { return s->longest_turn_usec; }

const char *supervisor_archive_directory(const Supervisor *s) { return s->archive_directory; }

size_t supervisor_n_partitions(const Supervisor *s) { return discovery_n_partitions(s->discovery); }
Partition *supervisor_partition(const Supervisor *s, size_t i) { return discovery_partition(s->discovery, i); }

size_t supervisor_notes(Supervisor *s, const char **ret_notes, size_t n_max) {
        uint64_t since_usec = journal_sender_since_usec(s->journal), now_usec = clock_monotonic_usec();
        uint32_t n_queued = journal_sender_n_queued(s->journal);
        char span[UNITS_TEXT_MAX];
        size_t n = 0;

        /* One that was just sent has not been read yet: no news. */
        if (n_max > 0 && n_queued > 0 && now_usec > since_usec + JOURNAL_NOTE_USEC) {
                (void) snprintf(s->journal_note, sizeof(s->journal_note),
                        "the journal does not take entries: %u of them wait, the oldest for %s", n_queued,
                        span_format(now_usec - since_usec, span));
                ret_notes[n++] = s->journal_note;
        }
        return n + discovery_notes(s->discovery, ret_notes + n, n_max - n);
}

/* ---- partitions ---------------------------------------------------------------------------------------------- */

static void supervisor_check_ready(Supervisor *s) {
        /* One that goes on with what it knew guards already, whether or not a finder has come back. */
        if (s->service.ready || !s->configured || (!s->recalled && !discovery_has_found(s->discovery)))
                return;
        for (size_t i = 0; i < supervisor_n_partitions(s); i++)
                if (!partition_has_started(supervisor_partition(s, i)))
                        return;
        service_set_ready(&s->service);
}

static void supervisor_settle_reload(Supervisor *s);

static void supervisor_put_pulse(Supervisor *s, bool stopping) {
        if (s->state)
                state_put(s->state, RECORD_PULSE, &(PulseRecord){clock_monotonic_usec(), stopping});
}

static void partition_on_turn(Partition *p, void *userdata) {
        Supervisor *s = userdata;

        teller_tell_dropped(s->teller);
        discovery_remember(s->discovery, p);
        supervisor_put_pulse(s, false);
        supervisor_settle_reload(s);
        supervisor_check_ready(s);
        service_update(&s->service);
}

static void supervisor_on_found(void *userdata) {
        Supervisor *s = userdata;

        supervisor_settle_reload(s);
        supervisor_check_ready(s);
        if (supervisor_n_partitions(s) == 0) {
                supervisor_put_pulse(s, false);
                service_update(&s->service);
        }
}

static void partition_on_dockerd_gone(Partition *p, uint32_t root, void *userdata) {
        Supervisor *s = userdata;

        partition_set_docker(p, root, 0, "");
        discovery_find_soon(s->discovery);
}

static void partition_on_blind(Partition *p, void *userdata) {
        Supervisor *s = userdata;

        (void) p;
        discovery_find_soon(s->discovery);
}

/* ---- configuration ------------------------------------------------------------------------------------------- */

static void supervisor_apply(Supervisor *s, const Config *config) {
        s->config = *config;
        if (s->state)
                state_put(s->state, RECORD_CONFIG, config);
        teller_set_observing(s->teller, config->mode == MODE_OBSERVE);
        if (archive_store_path(config, s->options->state_dir, s->archive_directory) < 0)
                s->archive_directory[0] = 0;
        archiving_configure(s->archiving);
        for (size_t i = 0; i < supervisor_n_partitions(s); i++)
                partition_configure(supervisor_partition(s, i));
}

static void supervisor_reloaded(Supervisor *s, const char *error) {
        SupervisorReloaded on_reloaded = s->on_reloaded;
        Event event = {.type = error ? EVENT_RELOAD_FAILED : EVENT_RELOADED};

        s->on_reloaded = NULL;
        s->reload_settles = false;
        (void) snprintf(event.detail, sizeof(event.detail), "%s", error ? error : s->options->config_path);
        teller_tell(s->teller, &event);
        service_say_reloaded(&s->service);
        if (on_reloaded)
                on_reloaded(error, s->reload_userdata);
        if (s->reload_again) {
                s->reload_again = false;
                (void) supervisor_reload(s, NULL, NULL);
        }
}

/* A reload has ended only when no act is under way any more that was planned by the old configuration: whoever has just
 * protected a log may count on it. A trimmer that is stuck does not hold it up beyond its deadline. */
static void supervisor_settle_reload(Supervisor *s) {
        if (!s->reload_settles)
                return;
        for (size_t i = 0; i < supervisor_n_partitions(s); i++)
                if (partition_has_old_acts(supervisor_partition(s, i)))
                        return;
        supervisor_reloaded(s, NULL);
}

/* From here on it guards. */
static void supervisor_begin(Supervisor *s, EventType type, uint64_t since_usec) {
        Event event = {.type = type, .since_usec = since_usec};

        s->configured = true;
        if (type == EVENT_STARTED)
                (void) snprintf(event.detail, sizeof(event.detail), "%s", s->options->config_path);
        teller_tell(s->teller, &event);
}

/* What a supervisor before this one knew: guarding goes on with it at once, before any file is read or any disk is
 * looked at, since one of them may be what is sick. After an orderly end the file counts first. */
static void supervisor_recall(Supervisor *s) {
        Config *config = malloc(sizeof(*config));
        PulseRecord pulse;

        if (config && s->state && state_get(s->state, RECORD_PULSE, &pulse) && !pulse.stopping &&
            state_get(s->state, RECORD_CONFIG, config)) {
                s->recalled = s->config_is_old = true;
                supervisor_apply(s, config);
                supervisor_begin(s, EVENT_RECOVERED, clock_monotonic_usec() - pulse.time_usec);
                discovery_recall(s->discovery);
        }
        free(config);
}

static void reader_on_done(const Message *answer, int error, void *userdata) {
        Supervisor *s = userdata;
        bool ok = answer && answer->type == MESSAGE_CONFIG && answer->config.ok;
        char why[512] = "";

        if (answer && answer->type == MESSAGE_CONFIG)
                (void) text_sanitize(why, sizeof(why), answer->config.error,
                        strnlen(answer->config.error, sizeof(answer->config.error)));
        else
                (void) snprintf(why, sizeof(why), "%s could not be read: %s", s->options->config_path,
                        errand_error_to_string(error));

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
        if (!s->configured) {
                supervisor_begin(s, EVENT_STARTED, 0);
                discovery_recall_when_found(s->discovery);
        } else if (!ok) {
                supervisor_reloaded(s, why);
        } else if (!s->config_is_old) {
                s->reload_settles = true;
                supervisor_settle_reload(s);
        }
        if (s->config_is_old && s->reload_again) {
                s->reload_again = false;
                (void) supervisor_reload(s, NULL, NULL);
        }
        s->config_is_old = false;
        discovery_begin(s->discovery);
}

static int supervisor_read_config(Supervisor *s) {
        return errand_start(s->children, s->event,
                &(ErrandOrder){.role = ROLE_READER, .timeout_usec = READER_TIMEOUT_USEC, .on_done = reader_on_done,
                               .userdata = s},
                &s->reader);
}

int supervisor_reload(Supervisor *s, SupervisorReloaded on_done, void *userdata) {
        int r;

        if (s->reader || s->reload_settles)
                return -EALREADY;
        r = supervisor_read_config(s);
        if (r < 0)
                return r;
        service_say_reloading(&s->service);
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
                /* One is under way, and may have read what has changed since: once more when it has ended. */
                s->reload_again = supervisor_reload(s, NULL, NULL) == -EALREADY;
                return 0;
        }
        Event event = {.type = EVENT_STOPPING};

        service_say_stopping(&s->service);
        teller_tell(s->teller, &event);
        journal_sender_end(s->journal);
        supervisor_put_pulse(s, true);
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

static int supervisor_set_up(Supervisor *s, const RoleContext *context, int listen_fd) {
        int r = sd_event_new(&s->event);

        if (r >= 0)
                r = children_new(s->event, context->channel_fd, supervisor_on_launcher_lost, s, &s->children);
        /* Without it everything works but going on after a crash. */
        if (r >= 0 && context->state_fd >= 0)
                (void) state_open(context->state_fd, &records_layout, &s->state);
        if (r >= 0)
                r = journal_sender_new(s->event,
                        &(JournalSenderConfig){"/run/systemd/journal", s->children, s->state}, &s->journal);
        if (r >= 0)
                r = teller_new(s->journal, s->options->in_foreground, &s->teller);
        if (r >= 0)
                r = tracer_new(&s->tracer);
        if (r >= 0)
                r = methods_new(s, s->event, s->identity, listen_fd, &s->methods);
        if (r >= 0)
                r = archiving_new(s->event, s->children, &s->config, &s->archiving);
        if (r >= 0)
                r = service_init(&s->service, s->event, context->notify_fd);
        for (size_t i = 0; i < 3 && r >= 0; i++)
                r = supervisor_add_signal(s, (const int[]){SIGTERM, SIGINT, SIGHUP}[i]);
        if (r < 0)
                return r;
        s->world = (PartitionWorld){.event = s->event, .children = s->children, .teller = s->teller,
                                    .config = &s->config, .archiving = s->archiving, .tracer = s->tracer, .plan = &s->plan,
                                    .on_dockerd_gone = partition_on_dockerd_gone, .on_blind = partition_on_blind,
                                    .on_turn = partition_on_turn, .userdata = s};
        r = discovery_new(&(DiscoveryWorld){&s->world, s->state, supervisor_on_found, s}, &s->discovery);
        if (r < 0)
                return r;
        s->service.discovery = s->discovery;
        supervisor_recall(s);
        return supervisor_read_config(s);
}

static void supervisor_done(Supervisor *s) {
        errand_free(s->reader);
        methods_free(s->methods);
        discovery_free(s->discovery);
        archiving_free(s->archiving);
        tracer_free(s->tracer);
        teller_free(s->teller);
        journal_sender_free(s->journal);
        state_free(s->state);
        children_free(s->children);
        service_done(&s->service);
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
        r = supervisor_set_up(s, context, listen_fd);
        if (r >= 0)
                r = supervisor_loop(s);
        if (r < 0)
                say(STDERR_FILENO, "watchdogd: the supervisor failed: %s", strerror(-r));
        r = r < 0 ? 1 : s->exit_status;
        supervisor_done(s);
        free(s);
        return r;
}
