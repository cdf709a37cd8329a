/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A real watcher in a process of its own, on a Docker-shaped tree in a temporary folder, and what it has
 * told so far. The tests drive the tree with real files and the watcher with real messages. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "clock.h"
#include "macros.h"
#include "message.h"
#include "role.h"

#define RIG_LOGS 64
/* For what happens within milliseconds, on a machine with other worries. */
#define RIG_WAIT_USEC (20 * USEC_PER_SEC)

typedef struct Rig {
        char root[CONFIG_PATH_MAX - 64];
        int fd;
        pid_t pid;
        StagePage stage;
        PartitionTarget target;
        Message message;
        uint64_t serial;
        /* what it has told */
        struct {
                bool known;
                LogInfo info;
                LogSample sample;
                uint32_t n_infos, n_samples, n_damages;
                LogDamage damage;
        } logs[RIG_LOGS];
        uint64_t looked_serial;
        uint32_t n_messages, n_partitions, n_lost, n_gone, n_looked, n_hastened, n_dockerd_gone, n_beyond;
        int32_t lost_error;
        uint32_t n_notices[_NOTICE_MAX];
        Notice notice; /* the last one */
        PartitionSample space;
} Rig;

/* ---- the tree
 * ------------------------------------------------------------------------------------------------ */

_printf_(1, 2) static inline void rig_shell(const char *format, ...) {
        char command[4096];
        va_list args;

        va_start(args, format);
        (void) vsnprintf(command, sizeof(command), format, args);
        va_end(args);
        if (system(command) != 0)
                fail_msg("%s", command);
}

/* An id of 64 times the same digit pair: short to name in a test. */
static inline const char *rig_id(unsigned n) {
        static char id[4][65];
        static unsigned turn;
        char *text = id[turn++ % 4];

        for (int i = 0; i < 64; i += 8)
                (void) snprintf(text + i, 9, "%08x", n);
        return text;
}

static inline const char *rig_path(const Rig *rig, unsigned n, const char *suffix) {
        static char path[4][PATH_MAX];
        static unsigned turn;
        char *text = path[turn++ % 4];
        const char *id = rig_id(n), *slash = suffix[0] ? "/" : "";

        if (suffix[0] == '-') /* "-json.log": behind the id */
                (void) snprintf(text, PATH_MAX, "%s/containers/%s/%s%s", rig->root, id, id, suffix);
        else
                (void) snprintf(text, PATH_MAX, "%s/containers/%s%s%s", rig->root, id, slash, suffix);
        return text;
}

static inline void rig_write(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void) close(fd);
}

static inline void rig_append(const char *path, const char *text) {
        int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        (void) close(fd);
}

/* As Docker does it: a temporary file, renamed. */
static inline void rig_commit(const Rig *rig, unsigned n, const char *name, bool running) {
        char text[1024];

        (void) snprintf(text, sizeof(text),
                        "{\"ID\":\"%s\",\"Name\":\"/%s\",\"Config\":{\"Image\":\"nginx\",\"Labels\":{}},"
                        "\"State\":{\"Running\":%s,\"Pid\":%d},\"Driver\":\"overlay2\"}",
                        rig_id(n), name, running ? "true" : "false", running ? 4711 : 0);
        rig_write(rig_path(rig, n, ".tmp-config.v2.json"), text);
        assert_int_equal(
                rename(rig_path(rig, n, ".tmp-config.v2.json"), rig_path(rig, n, "config.v2.json")), 0);
}

static inline void rig_container(const Rig *rig, unsigned n, const char *name, const char *driver) {
        char text[256];

        assert_int_equal(mkdir(rig_path(rig, n, ""), 0710), 0);
        (void) snprintf(text, sizeof(text), "{\"LogConfig\":{\"Type\":\"%s\",\"Config\":{}}}", driver);
        rig_write(rig_path(rig, n, "hostconfig.json"), text);
        rig_commit(rig, n, name, true);
}

static inline void rig_container_with_log(const Rig *rig, unsigned n, const char *name) {
        rig_container(rig, n, name, "json-file");
        rig_write(rig_path(rig, n, "-json.log"), "{\"log\":\"hello\\n\"}\n");
}

/* ---- the watcher
 * --------------------------------------------------------------------------------------------- */

static inline void rig_new(Rig *rig) {
        const char *tmp = getenv("TMPDIR");
        struct stat st;
        char *real;

        *rig = (Rig){.fd = -EBADF};
        (void) snprintf(rig->root, sizeof(rig->root), "%s/watcher-XXXXXX", tmp ? tmp : "/tmp");
        assert_non_null(mkdtemp(rig->root));
        real = realpath(rig->root, NULL);
        (void) snprintf(rig->root, sizeof(rig->root), "%s", real);
        free(real);
        rig_shell("mkdir %s/containers", rig->root);
        assert_int_equal(stat(rig->root, &st), 0);
        rig->target.device = st.st_dev;
        rig->target.n_roots = 1;
        rig->target.roots[0].owner_uid = st.st_uid;
        (void) snprintf(rig->target.mount, sizeof(rig->target.mount), "/mnt");
        (void) snprintf(rig->target.look_path, sizeof(rig->target.look_path), "%s", rig->root);
        (void) snprintf(rig->target.roots[0].path, sizeof(rig->target.roots[0].path), "%s", rig->root);
}

static inline void rig_send_target(Rig *rig) {
        memset(&rig->message, 0, sizeof(rig->message));
        rig->message.type = MESSAGE_TARGET;
        rig->message.target = rig->target;
        assert_int_equal(message_send(rig->fd, &rig->message, false), 0);
}

static inline void rig_start(Rig *rig) {
        int pair[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
        rig->pid = fork();
        assert_true(rig->pid >= 0);
        if (rig->pid == 0) {
                RoleContext context = {.role = ROLE_WATCHER, .channel_fd = pair[1], .stage = &rig->stage};

                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                /* What the test has open is not to be held open here: a close would not be seen as the
                 * last one. */
                if (pair[1] > 3)
                        (void) close_range(3, (unsigned) pair[1] - 1, 0);
                (void) close_range((unsigned) pair[1] + 1, ~0U, 0);
                _exit(watcher_run(&context));
        }
        (void) close(pair[1]);
        rig->fd = pair[0];
        rig_send_target(rig);
}

static inline int rig_stop(Rig *rig) {
        int status = -1;

        (void) kill(rig->pid, SIGCONT);
        rig->fd = close_safe(rig->fd);
        assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
        rig_shell("rm -rf %s", rig->root);
        return status;
}

static inline void rig_take_observation(Rig *rig, const Observation *o) {
        switch (o->type) {
        case OBSERVATION_PARTITION:
                rig->n_partitions++;
                rig->space = o->partition;
                break;
        case OBSERVATION_LOG_INFO:
                if (o->log_info.slot >= RIG_LOGS) {
                        rig->n_beyond++;
                        break;
                }
                rig->logs[o->log_info.slot].known = true;
                rig->logs[o->log_info.slot].info = o->log_info;
                rig->logs[o->log_info.slot].n_infos++;
                break;
        case OBSERVATION_LOG_GONE:
                rig->n_gone++;
                if (o->log_gone < RIG_LOGS)
                        memset(&rig->logs[o->log_gone], 0, sizeof(rig->logs[0]));
                break;
        case OBSERVATION_LOST:
                rig->n_lost++;
                rig->lost_error = o->lost.error;
                break;
        case OBSERVATION_NOTICE:
                rig->n_notices[o->notice.kind]++;
                rig->notice = o->notice;
                break;
        case OBSERVATION_LOG_DAMAGE:
                assert_true(o->log_damage.slot < RIG_LOGS && o->log_damage.n <= LOG_RANGES_MAX);
                rig->logs[o->log_damage.slot].damage = o->log_damage;
                rig->logs[o->log_damage.slot].n_damages++;
                break;
        default:
                fail_msg("an observation of type %d", (int) o->type);
        }
}

static inline void rig_take(Rig *rig) {
        const Message *m = &rig->message;

        rig->n_messages++;
        switch (m->type) {
        case MESSAGE_OBSERVATION:
                rig_take_observation(rig, &m->observation);
                break;
        case MESSAGE_SAMPLES:
                assert_in_range(m->n, 1, SAMPLES_PER_MESSAGE);
                for (uint32_t i = 0; i < m->n; i++) {
                        const LogSample *sample = &m->samples.sample[i];
                        if (sample->slot >= RIG_LOGS)
                                continue;
                        /* never before its introduction, nor after its end */
                        assert_true(rig->logs[sample->slot].known);
                        rig->logs[sample->slot].sample = *sample;
                        rig->logs[sample->slot].n_samples++;
                }
                break;
        case MESSAGE_LOOKED:
                rig->n_looked++;
                rig->n_hastened += m->looked.serial == 0;
                if (m->looked.serial != 0)
                        rig->looked_serial = m->looked.serial;
                break;
        case MESSAGE_DOCKERD_GONE:
                rig->n_dockerd_gone++;
                break;
        default:
                fail_msg("a message of type %u", m->type);
        }
}

/* Takes what comes within that time. Returns whether anything came. */
static inline bool rig_pump(Rig *rig, uint64_t usec) {
        struct pollfd p = {.fd = rig->fd, .events = POLLIN};
        bool any = false;

        while (poll(&p, 1, (int) (usec / USEC_PER_MSEC)) > 0) {
                assert_int_equal(message_receive(rig->fd, &rig->message, false), 0);
                rig_take(rig);
                any = true;
                usec = 0;
        }
        return any;
}

/* Takes what comes until nothing has come for that long. */
static inline void rig_settle(Rig *rig, uint64_t usec) {
        while (rig_pump(rig, usec))
                ;
}

#define rig_wait_until(rig, condition)                                                                      \
        do {                                                                                                \
                uint64_t _deadline = clock_monotonic_usec() + RIG_WAIT_USEC;                                \
                while (!(condition)) {                                                                      \
                        (void) rig_pump(rig, 10 * USEC_PER_MSEC);                                           \
                        if (clock_monotonic_usec() > _deadline)                                             \
                                fail_msg("waited in vain for: %s", #condition);                             \
                }                                                                                           \
        } while (0)

/* Orders a look for now and waits for its end. */
static inline void rig_look(Rig *rig) {
        memset(&rig->message, 0, sizeof(rig->message));
        rig->message.type = MESSAGE_LOOK;
        rig->message.look = (LookOrder){++rig->serial, clock_monotonic_usec()};
        assert_int_equal(message_send(rig->fd, &rig->message, false), 0);
        rig_wait_until(rig, rig->looked_serial == rig->serial);
}

/* The slot of a container, or -1: not known. */
static inline int rig_slot(const Rig *rig, unsigned n) {
        for (int i = 0; i < RIG_LOGS; i++)
                if (rig->logs[i].known && streq(rig->logs[i].info.container.id, rig_id(n)))
                        return i;
        return -1;
}

static inline void rig_wait_known(Rig *rig, unsigned n) { rig_wait_until(rig, rig_slot(rig, n) >= 0); }
