/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "launch.h"
#include "launcher.h"
#include "macros.h"
#include "message.h"
#include "notify.h"
#include "records.h"
#include "say.h"
#include "stages.h"

/* Two workers a partition, one replacement of each, and one-shot children of six kinds. */
#define CHILDREN_MAX (2 * POST_MAX * PARTITIONS_MAX + 6 * ONE_SHOTS_MAX)
/* Of each kind: those that may be stuck at the same time, and the one after them. */
#define ONE_SHOTS_MAX (FINDERS_HUNG_MAX + 1)
/* Of one post: one that is stuck in the kernel, and its replacement. A supervisor that was started again knows nothing
 * of those that the one before it has left behind: so they are counted here. */
#define POST_MAX 2
/* A supervisor that dies at once must not eat a core; one that dies once is back within a blink. */
#define RESTART_MIN_USEC (10 * USEC_PER_MSEC)
#define RESTART_MAX_USEC USEC_PER_SEC
/* A supervisor that lived that long had a good start: the next wait is short again. */
#define RESTART_CALM_USEC (10 * USEC_PER_SEC)
/* That many deaths in a row by itself (not by SIGKILL), none after a good start: what it was left may be what kills it. */
#define DEATHS_MAX 3
/* A supervisor that does not end within that after SIGTERM is killed. Less than the unit's TimeoutStopSec=. */
#define STOP_USEC USEC_PER_SEC

typedef struct Child {
        pid_t pid; /* 0: free */
        uint32_t role;
        uint64_t key;
} Child;

typedef struct Launcher {
        const LauncherSeed *seed;
        int signal_fd;
        Notify notify;      /* to systemd */
        int notify_pair[2]; /* from the supervisor; its own end is kept for the next one */
        int supervisor_fd; /* -EBADF: none runs */
        pid_t supervisor_pid;
        uint64_t supervisor_since_usec;
        uint64_t restart_at_usec, restart_wait_usec;
        unsigned n_deaths;
        uint64_t stop_at_usec; /* when to kill it; 0: not stopping */
        bool stopping;
        int exit_status;
        Child children[CHILDREN_MAX];
        Stages stages;
        int state_fd;
} Launcher;

const char *role_to_string(Role role) {
        static const char *const names[_ROLE_MAX] = {
                [ROLE_SUPERVISOR] = "supervisor", [ROLE_WATCHER] = "watcher", [ROLE_TRIMMER] = "trimmer",
                [ROLE_READER] = "reader",         [ROLE_FINDER] = "finder",   [ROLE_VERSION] = "version",
                [ROLE_CRIER] = "crier",           [ROLE_ARCHIVER] = "archiver",
                [ROLE_SPOTTER] = "spotter",       [ROLE_SURVEYOR] = "surveyor",
        };

        return (unsigned) role < _ROLE_MAX ? names[role] : "unknown";
}

/* ---- in the child ------------------------------------------------------------------------------------------ */

static void child_reset_signals(void) {
        sigset_t none;

        (void) sigemptyset(&none);
        (void) sigprocmask(SIG_SETMASK, &none, NULL);
        /* Ctrl-C goes to the whole terminal group: the launcher alone decides who ends when. */
        (void) signal(SIGINT, SIG_IGN);
        (void) signal(SIGPIPE, SIG_IGN);
        (void) signal(SIGXFSZ, SIG_IGN);
}

/* Closes every descriptor but 0 to 2 and those to keep (sorted here). */
static void child_close_others(int *keep, size_t n_keep) {
        unsigned from = 3;

        for (size_t i = 0; i < n_keep; i++)
                for (size_t j = i + 1; j < n_keep; j++)
                        if (keep[j] < keep[i]) {
                                int t = keep[i];
                                keep[i] = keep[j];
                                keep[j] = t;
                        }
        for (size_t i = 0; i < n_keep; i++) {
                if (keep[i] < (int) from)
                        continue;
                if ((unsigned) keep[i] > from)
                        (void) close_range(from, (unsigned) keep[i] - 1, 0);
                from = (unsigned) keep[i] + 1;
        }
        (void) close_range(from, ~0U, 0);
}

static int role_run(const RoleContext *context, const LauncherSeed *seed) {
        switch (context->role) {
        case ROLE_SUPERVISOR:
                return supervisor_run(context, seed->identity, seed->listen_fd);
        case ROLE_WATCHER:
                return watcher_run(context);
        case ROLE_TRIMMER:
                return trimmer_run(context);
        case ROLE_READER:
                return reader_run(context);
        case ROLE_FINDER:
                return finder_run(context);
        case ROLE_VERSION:
                return version_run(context);
        case ROLE_CRIER:
                return crier_run(context);
        case ROLE_ARCHIVER:
                return archiver_run(context);
        case ROLE_SPOTTER:
                return spotter_run(context);
        case ROLE_SURVEYOR:
                return surveyor_run(context);
        case _ROLE_MAX:
                break;
        }
        return 1;
}

static _Noreturn void child_main(const LauncherSeed *seed, pid_t launcher, Role role, int channel_fd, int stage_fd,
                                int notify_fd, int state_fd) {
        RoleContext context = {.role = role, .options = seed->options, .channel_fd = channel_fd,
                               .notify_fd = notify_fd, .state_fd = state_fd,
                               .console_fd = role == ROLE_CRIER ? seed->console_fd : -EBADF};
        int keep[] = {channel_fd, stage_fd, role == ROLE_SUPERVISOR ? seed->listen_fd : -1, notify_fd, state_fd,
                      context.console_fd};
        char name[16];
        int r;

        child_reset_signals();
        child_close_others(keep, ELEMENTS(keep));
        (void) setpgid(0, 0);
        (void) snprintf(name, sizeof(name), "dbrk-%s", role_to_string(role));
        (void) prctl(PR_SET_NAME, name, 0, 0, 0);
        if (stage_fd >= 0) {
                context.stage = mmap(NULL, sizeof(StagePage), PROT_READ | PROT_WRITE, MAP_SHARED, stage_fd, 0);
                if (context.stage == MAP_FAILED)
                        _exit(1);
                (void) close(stage_fd);
        }
        r = privileges_drop(role, seed->identity);
        if (r < 0) {
                say(STDERR_FILENO, "<3>diskbrake: the %s could not drop its privileges: %s", role_to_string(role),
                        strerror(-r));
                _exit(1);
        }
        /* Nobody outlives the launcher, not even a process that somebody stopped: two guards would work on one log.
         * After the drop, which clears it; and it may have died before. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 || getppid() != launcher)
                _exit(1);
        _exit(role_run(&context, seed));
}

/* ---- the launcher ------------------------------------------------------------------------------------------ */

static size_t launcher_free_child(const Launcher *l) {
        size_t i = 0;

        while (i < CHILDREN_MAX && l->children[i].pid > 0)
                i++;
        return i;
}

static size_t launcher_n_children(const Launcher *l, uint32_t role, uint64_t key) {
        size_t n = 0;

        for (size_t i = 0; i < CHILDREN_MAX; i++)
                n += l->children[i].pid > 0 && l->children[i].role == role && l->children[i].key == key;
        return n;
}

static bool launcher_has_post(uint32_t role, uint64_t key, void *userdata) {
        return launcher_n_children(userdata, role, key) > 0;
}

/* Forks a role. -EBUSY: its places are taken by those that are stuck. On success ret_fds[0] is the other end of its channel, ret_fds[1] its stage or -EBADF (borrowed). */
static int launcher_fork(Launcher *l, Role role, uint64_t key, pid_t *ret_pid, int ret_fds[static LAUNCH_FDS_MAX]) {
        _cleanup_close_ int ours = -EBADF, theirs = -EBADF;
        int pair[2], stage_fd = -EBADF;
        size_t child = launcher_free_child(l);
        pid_t pid, self;

        if (role != ROLE_SUPERVISOR && child == CHILDREN_MAX)
                return -EBUSY;
        /* One-shot children that are stuck on a dead disk must not use up the places of those that guard. */
        if (role != ROLE_SUPERVISOR &&
            launcher_n_children(l, role, key) >= (role > ROLE_TRIMMER ? ONE_SHOTS_MAX : POST_MAX))
                return -EBUSY;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (role == ROLE_WATCHER || role == ROLE_TRIMMER) {
                int r = stages_get(&l->stages, &l->notify, role, key, launcher_has_post, l, &stage_fd);

                if (r < 0)
                        return r;
        }
        self = getpid();
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0)
                child_main(l->seed, self, role, theirs, stage_fd,
                           role == ROLE_SUPERVISOR ? l->notify_pair[1] : -EBADF,
                           role == ROLE_SUPERVISOR ? l->state_fd : -EBADF);
        if (role != ROLE_SUPERVISOR)
                l->children[child] = (Child){pid, role, key};
        *ret_pid = pid;
        ret_fds[0] = TAKE_FD(ours);
        ret_fds[1] = stage_fd;
        return 0;
}

static void launcher_start_supervisor(Launcher *l, uint64_t now_usec) {
        int fds[LAUNCH_FDS_MAX];
        pid_t pid;

        if (launcher_fork(l, ROLE_SUPERVISOR, 0, &pid, fds) < 0) {
                l->restart_at_usec = now_usec + RESTART_MAX_USEC;
                return;
        }
        l->supervisor_pid = pid;
        l->supervisor_fd = fds[0];
        l->supervisor_since_usec = now_usec;
        l->restart_at_usec = 0;
}

/* A supervisor that misses a message waits for ever for what it tells: a new one begins with what is true. */
static void launcher_tell(const Launcher *l, const LaunchMessage *message, const int *fds, size_t n_fds) {
        int r = launch_send(l->supervisor_fd, message, fds, n_fds);

        if (r < 0 && r != -EPIPE && l->supervisor_pid > 0)
                (void) kill(l->supervisor_pid, SIGKILL);
}

static void launcher_spawn(Launcher *l, const LaunchMessage *request) {
        LaunchMessage answer = {.verb = LAUNCH_SPAWNED, .role = request->role, .serial = request->serial,
                                .key = request->key};
        int fds[LAUNCH_FDS_MAX] = {-EBADF, -EBADF};
        pid_t pid = 0;

        if (request->role == ROLE_SUPERVISOR || request->role >= _ROLE_MAX)
                answer.error = -EINVAL;
        else
                answer.error = launcher_fork(l, (Role) request->role, request->key, &pid, fds);
        if (answer.error >= 0)
                answer.n_others = (uint32_t) launcher_n_children(l, request->role, request->key) - 1;
        answer.pid = pid;
        launcher_tell(l, &answer, fds, answer.error < 0 ? 0 : fds[1] >= 0 ? 2 : 1);
        (void) close_safe(fds[0]);
}

static void launcher_kill(const Launcher *l, pid_t pid) {
        for (size_t i = 0; i < CHILDREN_MAX; i++)
                if (pid > 0 && l->children[i].pid == pid)
                        (void) kill(pid, SIGKILL);
}

/* Most end by themselves when their channel closes; those that are stopped or stuck do not, and nobody speaks to them
 * any more. */
static void launcher_kill_all(const Launcher *l) {
        for (size_t i = 0; i < CHILDREN_MAX; i++)
                launcher_kill(l, l->children[i].pid);
}

static void launcher_on_request(Launcher *l) {
        LaunchMessage request;
        int fds[LAUNCH_FDS_MAX];
        int r = launch_receive(l->supervisor_fd, &request, fds);

        for (size_t i = 0; i < LAUNCH_FDS_MAX; i++)
                (void) close_safe(fds[i]);
        if (r == -EPIPE) {
                /* It closed its end or died; SIGCHLD tells the rest. */
                l->supervisor_fd = close_safe(l->supervisor_fd);
                return;
        }
        if (r < 0)
                return;
        if (request.verb == LAUNCH_SPAWN)
                launcher_spawn(l, &request);
        else if (request.verb == LAUNCH_KILL)
                launcher_kill(l, request.pid);
}

static void launcher_count_death(Launcher *l) {
        struct stat st;

        if (++l->n_deaths < DEATHS_MAX || l->state_fd < 0 || fstat(l->state_fd, &st) < 0)
                return;
        l->n_deaths = 0;
        if (fallocate(l->state_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size) == 0)
                say(STDERR_FILENO, "<4>diskbrake: the supervisor is started without what it knew before");
}

static void launcher_supervisor_ended(Launcher *l, int status, uint64_t now_usec) {
        l->supervisor_fd = close_safe(l->supervisor_fd);
        l->supervisor_pid = 0;
        launcher_kill_all(l);
        if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_CONFIGURATION) {
                l->stopping = true;
                l->exit_status = EXIT_CONFIGURATION;
        }
        if (l->stopping)
                return;
        if (now_usec - l->supervisor_since_usec > RESTART_CALM_USEC) {
                l->restart_wait_usec = RESTART_MIN_USEC;
                l->n_deaths = 0;
        }
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
                launcher_count_death(l);
        l->restart_at_usec = now_usec + l->restart_wait_usec;
        l->restart_wait_usec = MIN(2 * l->restart_wait_usec, RESTART_MAX_USEC);
        say(STDERR_FILENO, "<4>diskbrake: the supervisor ended (%s %d) and is started again",
                WIFSIGNALED(status) ? "signal" : "status", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void launcher_reap(Launcher *l, uint64_t now_usec) {
        int status;
        pid_t pid;

        while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
                if (pid == l->supervisor_pid) {
                        launcher_supervisor_ended(l, status, now_usec);
                        continue;
                }
                for (size_t i = 0; i < CHILDREN_MAX; i++) {
                        LaunchMessage exited = {.verb = LAUNCH_EXITED, .role = l->children[i].role,
                                                .key = l->children[i].key, .pid = pid, .status = status};

                        if (l->children[i].pid != pid)
                                continue;
                        l->children[i].pid = 0;
                        if (l->supervisor_fd >= 0)
                                launcher_tell(l, &exited, NULL, 0);
                }
        }
}

static void launcher_on_signal(Launcher *l, uint64_t now_usec) {
        struct signalfd_siginfo info;

        while (read(l->signal_fd, &info, sizeof(info)) == (ssize_t) sizeof(info))
                switch (info.ssi_signo) {
                case SIGCHLD:
                        launcher_reap(l, now_usec);
                        break;
                case SIGHUP:
                        if (l->supervisor_pid > 0)
                                (void) kill(l->supervisor_pid, SIGHUP);
                        break;
                default: /* SIGTERM, SIGINT */
                        if (!l->stopping)
                                l->stop_at_usec = now_usec + STOP_USEC;
                        l->stopping = true;
                        if (l->supervisor_pid > 0)
                                (void) kill(l->supervisor_pid, SIGTERM);
                }
}

/* What PID 1 did not take is tried again that soon: most likely it was only busy. */
#define OWED_MSEC 100

static int launcher_timeout_msec(const Launcher *l, uint64_t now_usec) {
        uint64_t at = l->restart_at_usec ? l->restart_at_usec : l->stopping ? l->stop_at_usec : 0;
        bool owes = l->notify.owed[0] || l->notify.owes_ping;
        int msec = at == 0 ? -1 : at <= now_usec ? 0 : (int) ((at - now_usec + 999) / 1000);

        return owes && (msec < 0 || msec > OWED_MSEC) ? OWED_MSEC : msec;
}

int launcher_run(const LauncherSeed *seed) {
        Launcher l = {.seed = seed, .supervisor_fd = -EBADF, .restart_wait_usec = RESTART_MIN_USEC,
                      .state_fd = -EBADF};
        sigset_t mask;

        (void) sigemptyset(&mask);
        (void) sigaddset(&mask, SIGCHLD);
        (void) sigaddset(&mask, SIGTERM);
        (void) sigaddset(&mask, SIGINT);
        (void) sigaddset(&mask, SIGHUP);
        (void) sigprocmask(SIG_BLOCK, &mask, NULL);
        (void) signal(SIGPIPE, SIG_IGN);
        /* With the unprivileged uid as its real one, the launcher may signal those that run as it without CAP_KILL, and
         * so may the kernel when the launcher dies (PR_SET_PDEATHSIG is checked like kill(2) by it). The effective uid,
         * and with it all that root may, stays. The price: those that run as that uid may signal the launcher. They could
         * as well kill the supervisor, which runs as it, too; systemd starts the guard again. */
        if (setresuid(seed->identity->uid, 0, 0) < 0)
                return 1;
        l.signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (l.signal_fd < 0)
                return 1;

        notify_init(&l.notify);
        for (uint32_t i = 0; i < seed->inherited->n_stale; i++)
                notify_forget_fd(&l.notify, seed->inherited->stale[i]);
        stages_init(&l.stages, seed->inherited->stages);
        l.state_fd = seed->inherited->state_fd;
        if (l.state_fd < 0 && state_make(&records_layout, &l.state_fd) == 0)
                notify_keep_fd(&l.notify, "state", l.state_fd);
        if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, l.notify_pair) < 0)
                return 1;
        launcher_start_supervisor(&l, clock_monotonic_usec());
        while (!l.stopping || l.supervisor_pid > 0) {
                struct pollfd fds[] = {{.fd = l.signal_fd, .events = POLLIN}, {.fd = l.supervisor_fd, .events = POLLIN},
                                       {.fd = l.notify_pair[0], .events = POLLIN}};
                int n = poll(fds, ELEMENTS(fds), launcher_timeout_msec(&l, clock_monotonic_usec()));
                uint64_t now_usec = clock_monotonic_usec();

                if (n > 0 && fds[1].revents && l.supervisor_fd >= 0)
                        launcher_on_request(&l);
                if (n > 0 && fds[2].revents)
                        notify_relay(&l.notify, l.notify_pair[0]);
                else
                        (void) notify_pay(&l.notify);
                if (n > 0 && fds[0].revents)
                        launcher_on_signal(&l, now_usec);
                if (l.restart_at_usec && now_usec >= l.restart_at_usec && !l.stopping)
                        launcher_start_supervisor(&l, now_usec);
                if (l.stopping && l.supervisor_pid > 0 && l.stop_at_usec && now_usec >= l.stop_at_usec) {
                        (void) kill(l.supervisor_pid, SIGKILL);
                        l.stop_at_usec = now_usec + STOP_USEC;
                }
        }
        return l.exit_status;
}
