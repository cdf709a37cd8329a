/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "traces.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "beneath.h"
#include "clock.h"
#include "config_read.h"
#include "launcher.h"
#include "traces_internal.h"
#include "units.h"

/* A disk that hangs: it is said after the trimmer's deadline, and given up after so many of them. */
#define DEADLINES_MAX 6
#define LOOK_MSEC 200

/* What the process that works shows to the one that watches it. */
typedef struct Shared {
        StagePage stage;
        _Atomic uint64_t deadline_usec;
} Shared;

typedef struct Kind {
        void (*walk)(Traces *t, bool act, Tally *tally);
        const char *heading, *question, *done, *noun;
} Kind;

/* In that order: filler is known by being shared, and its file is one of those that share it. */
static const Kind kinds[] = {
        {traces_walk_logs, "Logs that were cut:", "Heal those that can be healed?", "healed", "log"},
        {traces_walk_archives, "Archives:", "Remove the archives? What was archived is nowhere else.",
         "removed", "archive"},
        {traces_walk_files, "Ballast and filler:", "Remove these files?", "removed", "file"},
};

/* ---- what the kinds share ------------------------------------------------------------------------------------ */

void traces_fail(Tally *tally, int error, const char *format, ...) {
        va_list args;

        tally->n_failed++;
        (void) fflush(stdout);
        (void) fputs("watchdogd: ", stderr);
        va_start(args, format);
        (void) vfprintf(stderr, format, args);
        va_end(args);
        (void) fprintf(stderr, ": %s\n", strerrordesc_np(-error));
}

int traces_open_folder(Traces *t, const char *path) {
        int fd;

        stage_enter(t->stage, "openat2", path);
        fd = beneath_open_absolute(path, O_RDONLY | O_DIRECTORY);
        stage_leave(t->stage);
        return fd;
}

bool traces_is_ours(const struct stat *st) {
        return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

/* ---- before anything is touched ------------------------------------------------------------------------------ */

static int read_config(Traces *t, Shared *shared) {
        char why[CONFIG_READ_MESSAGE_MAX] = "";
        int r;

        stage_enter(t->stage, "openat", t->options->config_path);
        r = config_read(t->options->config_given ? t->options->config_path : NULL, &t->config, why, sizeof(why));
        stage_leave(t->stage);
        if (r != 0) {
                (void) fprintf(stderr, "watchdogd: %s\nwatchdogd: nothing was changed: what is to be removed depends on it\n", why);
                return -EINVAL;
        }
        atomic_store(&shared->deadline_usec, t->config.trimmer_deadline_usec);
        return 0;
}

static bool say_where(const char *path, void *userdata) {
        stage_enter(userdata, "realpath", path);
        return true;
}

static void add_roots(Traces *t, const FoundRoots *more) {
        for (uint32_t i = 0; i < more->n; i++) {
                bool known = false;

                for (uint32_t k = 0; k < t->roots.n; k++)
                        known = known || streq(t->roots.items[k].docker.path, more->items[i].docker.path);
                if (!known && t->roots.n < FINDER_ROOTS_MAX)
                        t->roots.items[t->roots.n++] = more->items[i];
        }
}

/* Those that are guarded, and those that would be without DataRoot=: they may have been, before it was set. */
static int find_roots(Traces *t) {
        _cleanup_free_ Dockerds *dockerds = calloc(1, sizeof(*dockerds));
        _cleanup_free_ FoundRoots *roots = malloc(sizeof(*roots));
        _cleanup_free_ Found *found = calloc(1, sizeof(*found));
        _cleanup_free_ Config *config = malloc(sizeof(*config));
        FinderPlaces places = *finder_default_places();

        if (!dockerds || !roots || !found || !config)
                return -ENOMEM;
        places.may_look = say_where;
        places.userdata = t->stage;
        *config = t->config;
        stage_enter(t->stage, "readlinkat", "the dockerds that run");
        (void) finder_process_list(places.proc, places.daemon_json, dockerds);
        finder_roots_list(&places, config, dockerds, &t->roots, found);
        for (uint32_t i = 0; i < found->n_notes; i++)
                (void) printf("note: %s\n", found->notes[i]);
        if (config->n_data_roots > 0) {
                config->n_data_roots = 0;
                finder_roots_list(&places, config, dockerds, roots, found);
                add_roots(t, roots);
        }
        stage_leave(t->stage);
        finder_process_done(dockerds);
        return 0;
}

/* ---- the work ------------------------------------------------------------------------------------------------ */

static bool ask(const char *question) {
        char answer[64];

        (void) printf("%s [y/N] ", question);
        (void) fflush(stdout);
        return fgets(answer, sizeof(answer), stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

static void add_tally(Tally *sum, const Tally *tally) {
        sum->n += tally->n;
        sum->n_stay += tally->n_stay;
        sum->n_failed += tally->n_failed;
}

static bool is_wanted(const Traces *t, const Kind *kind) {
        return !t->options->keep_archives || kind->walk != traces_walk_archives;
}

static void list(Traces *t, Tally tallies[static ELEMENTS(kinds)], Tally *sum) {
        char size[UNITS_TEXT_MAX];

        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                if (!is_wanted(t, kinds + i))
                        continue;
                (void) puts(kinds[i].heading);
                kinds[i].walk(t, false, tallies + i);
                if (tallies[i].n + tallies[i].n_stay + tallies[i].n_failed == 0)
                        (void) puts("  none");
                else if (tallies[i].n > 1)
                        (void) printf("  together %" PRIu64 ", %s\n", tallies[i].n, bytes_format(tallies[i].bytes, size));
                add_tally(sum, tallies + i);
        }
}

/* Those that were listed as staying are come by once more, and counted then. */
static void act(Traces *t, const Kind *kind, Tally *sum) {
        char size[UNITS_TEXT_MAX];
        Tally tally = {};

        kind->walk(t, true, &tally);
        (void) printf("%s %" PRIu64 " %s%s", kind->done, tally.n, kind->noun, tally.n == 1 ? "" : "s");
        if (tally.bytes > 0)
                (void) printf(" (%s)", bytes_format(tally.bytes, size));
        (void) puts("");
        add_tally(sum, &tally);
}

static void explain_open_logs(const Tally *logs) {
        if (logs->n_stay == 0)
                return;
        (void) puts("Logs that stay as they are can be read with `docker logs -f` and `--tail`. From the start, `docker logs` stops at a\n"
                    "hole, and shows a line per MiB of filler. To have one healed that somebody has open, stop its container, run this\n"
                    "again, and start it. On a filesystem that cannot do it, only a new container has a log without it.");
}

static int work(const Options *options, Shared *shared) {
        Traces *t = calloc(1, sizeof(*t));
        Tally listed[ELEMENTS(kinds)] = {}, found = {}, left = {};
        int r;

        if (!t)
                return EXIT_FAILURE;
        t->options = options;
        t->stage = &shared->stage;
        t->log.fd = -EBADF;
        (void) signal(SIGIO, SIG_IGN); /* somebody wants a log that is leased: he waits, that is soon over */
        r = read_config(t, shared);
        if (r < 0)
                return EXIT_CONFIGURATION;
        r = find_roots(t);
        if (r < 0)
                return EXIT_FAILURE;

        list(t, listed, &found);
        if (found.n > 0 && !options->confirmed && !isatty(STDIN_FILENO)) {
                (void) puts("Nothing was changed: there is no terminal to ask on, and --yes was not given.");
                return found.n_failed > 0 ? EXIT_FAILURE : TRACES_STAY;
        }
        for (size_t i = 0; i < ELEMENTS(kinds); i++)
                if (listed[i].n > 0 && (options->confirmed || ask(kinds[i].question)))
                        act(t, kinds + i, &left);
                else {
                        left.n_stay += listed[i].n + listed[i].n_stay;
                        left.n_failed += listed[i].n_failed;
                }
        explain_open_logs(listed);
        return left.n_failed > 0 ? EXIT_FAILURE : left.n_stay > 0 ? TRACES_STAY : EXIT_SUCCESS;
}

/* ---- and who watches it -------------------------------------------------------------------------------------- */

/* For how long it has been in one call that may hang. */
static uint64_t stuck_usec(Shared *shared) {
        const uint64_t since_usec = atomic_load_explicit(&shared->stage.since_usec, memory_order_acquire);
        const uint64_t now_usec = clock_monotonic_usec();

        return since_usec == 0 || now_usec < since_usec ? 0 : now_usec - since_usec;
}

static void say_stuck(const Shared *shared, uint64_t usec, const char *end) {
        char span[UNITS_TEXT_MAX];

        (void) fprintf(stderr, "watchdogd: stuck in %.*s on %.*s for %s%s\n", (int) sizeof(shared->stage.call) - 1,
                shared->stage.call, (int) sizeof(shared->stage.subject) - 1, shared->stage.subject, span_format(usec, span), end);
}

/* The exit status. One that is stuck for good is left behind: killed, it ends with the call that it is in. */
static int watch(pid_t pid, int pidfd, Shared *shared) {
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        bool said = false;
        int status;

        while (poll(&ended, 1, LOOK_MSEC) <= 0) {
                const uint64_t usec = stuck_usec(shared), deadline_usec = atomic_load(&shared->deadline_usec);

                if (usec > deadline_usec && !said)
                        say_stuck(shared, usec, "; waiting");
                said = usec > deadline_usec;
                if (usec > deadline_usec * DEADLINES_MAX) {
                        say_stuck(shared, usec, "; given up, run it again once that is over");
                        (void) kill(pid, SIGKILL);
                        return EXIT_FAILURE;
                }
        }
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}

int traces_remove(const Options *options) {
        Shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        const pid_t parent = getpid();
        Config defaults;
        pid_t pid;
        int pidfd, r;

        if (traces_guard_is_there(options->runtime_dir)) {
                (void) fputs("watchdogd: a guard runs, or is started when it is asked; stop it first:\n"
                             "  systemctl disable --now diskbrake.service diskbrake.socket\n", stderr);
                return EXIT_FAILURE;
        }
        if (shared == MAP_FAILED)
                return EXIT_FAILURE;
        config_set_defaults(&defaults);
        atomic_store(&shared->deadline_usec, defaults.trimmer_deadline_usec);
        pid = fork();
        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                r = getppid() == parent ? work(options, shared) : EXIT_FAILURE;
                (void) fflush(stdout);
                _exit(r);
        }
        pidfd = pid < 0 ? -1 : (int) syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0) {
                (void) fprintf(stderr, "watchdogd: %s\n", strerror(errno));
                if (pid > 0)
                        (void) kill(pid, SIGKILL);
                return EXIT_FAILURE;
        }
        return watch(pid, pidfd, shared);
}
