/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <sys/mman.h>

#include "children.h"
#include "launch.h"

/* Two posts of two processes for each partition, and one-shot children. */
#define WORKERS_MAX (4 * PARTITIONS_MAX + 16)
/* Messages taken from one worker before the loop looks at others again: a scan of 10,000 containers arrives in one
 * stream, and a client's question must not wait for its end. */
#define MESSAGES_PER_TURN 64

struct Worker {
        Children *children;
        Role role;
        uint64_t key, serial;
        pid_t pid;
        int fd;
        sd_event_source *io;
        StagePage *stage;
        const WorkerOps *ops;
        void *userdata;
        int error;
        uint32_t n_others;
};

struct Children {
        sd_event *event;
        int fd;
        sd_event_source *io;
        void (*on_lost)(void *userdata);
        void *userdata;
        uint64_t serial;
        Worker *workers[WORKERS_MAX];
        Message message; /* too large for the stack of a callback within a callback */
};

pid_t worker_pid(const Worker *worker) { return worker->pid; }
bool worker_is_alone(const Worker *worker) { return worker->n_others == 0; }
int worker_error(const Worker *worker) { return worker->error; }
const StagePage *worker_stage(const Worker *worker) { return worker->stage; }

static void worker_hang_up(Worker *w) {
        w->io = sd_event_source_disable_unref(w->io);
        w->fd = close_safe(w->fd);
}

Worker *worker_free(Worker *w) {
        if (!w)
                return NULL;
        for (size_t i = 0; i < WORKERS_MAX; i++)
                if (w->children->workers[i] == w)
                        w->children->workers[i] = NULL;
        worker_hang_up(w);
        if (w->stage)
                (void) munmap(w->stage, sizeof(*w->stage));
        free(w);
        return NULL;
}

void worker_rebind(Worker *w, const WorkerOps *ops, void *userdata) {
        w->ops = ops;
        w->userdata = userdata;
}

int worker_send(Worker *w, const Message *message) {
        return w->fd < 0 ? -ENOTCONN : message_send(w->fd, message, true);
}

void worker_kill(Worker *w) {
        if (w->pid > 0)
                (void) launch_send(w->children->fd, &(LaunchMessage){.verb = LAUNCH_KILL, .pid = w->pid}, NULL, 0);
}

/* Whether the worker still stands in the table: a callback may have freed it, and have made another one that got its
 * address. */
static bool children_has(const Children *c, const Worker *w, uint64_t serial) {
        for (size_t i = 0; i < WORKERS_MAX; i++)
                if (c->workers[i] == w)
                        return w->serial == serial;
        return false;
}

static int worker_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Worker *w = userdata;
        Children *c = w->children;
        uint64_t serial = w->serial;

        (void) s, (void) fd, (void) revents;
        for (unsigned i = 0; i < MESSAGES_PER_TURN && children_has(c, w, serial) && w->fd >= 0; i++) {
                int r = message_receive(w->fd, &c->message, true);

                if (r == -EAGAIN)
                        break;
                if (r == -EBADMSG)
                        continue;
                if (r < 0) {
                        /* It hung up: ended, or about to. The launcher tells when it is reaped. */
                        worker_hang_up(w);
                        break;
                }
                w->ops->on_message(w, &c->message, w->userdata);
        }
        return 0;
}

static Worker *children_find(Children *c, uint64_t serial, pid_t pid) {
        for (size_t i = 0; i < WORKERS_MAX; i++)
                if (c->workers[i] && (serial ? c->workers[i]->serial == serial : c->workers[i]->pid == pid))
                        return c->workers[i];
        return NULL;
}

static int worker_adopt(Worker *w, const LaunchMessage *m, int fds[static LAUNCH_FDS_MAX]) {
        w->error = m->error;
        w->n_others = m->n_others;
        if (m->error < 0)
                return m->error;
        w->pid = m->pid;
        w->fd = TAKE_FD(fds[0]);
        if (fds[1] >= 0) {
                void *page = mmap(NULL, sizeof(StagePage), PROT_READ, MAP_SHARED, fds[1], 0);

                if (page == MAP_FAILED)
                        return -errno;
                w->stage = page;
        }
        return sd_event_add_io(w->children->event, &w->io, w->fd, EPOLLIN, worker_on_io, w);
}

static void children_tell_others(Children *c, const LaunchMessage *exited) {
        for (size_t i = 0; i < WORKERS_MAX; i++) {
                Worker *w = c->workers[i];

                if (!w || w->role != exited->role || w->key != exited->key || w->pid == exited->pid || w->pid <= 0 ||
                    w->n_others == 0 || --w->n_others > 0)
                        continue;
                if (w->ops->on_alone)
                        w->ops->on_alone(w, w->userdata);
        }
}

static void children_on_launch_message(Children *c, const LaunchMessage *m, int fds[static LAUNCH_FDS_MAX]) {
        Worker *w = m->verb == LAUNCH_SPAWNED ? children_find(c, m->serial, 0) : children_find(c, 0, m->pid);

        if (m->verb == LAUNCH_EXITED)
                children_tell_others(c, m);
        if (!w) {
                /* Forgotten meanwhile: with its channel closed here it ends by itself. */
                return;
        }
        if (m->verb == LAUNCH_SPAWNED) {
                int r = worker_adopt(w, m, fds);

                if (r >= 0)
                        w->ops->on_up(w, w->userdata);
                else if (w->pid > 0)
                        worker_kill(w);
                else
                        w->ops->on_gone(w, w->userdata);
                return;
        }
        /* What it said before it ended is still in the channel. */
        uint64_t serial = w->serial;
        if (w->fd >= 0)
                (void) worker_on_io(NULL, w->fd, 0, w);
        if (!children_has(c, w, serial))
                return;
        worker_hang_up(w);
        w->pid = 0;
        w->ops->on_gone(w, w->userdata);
}

static int children_on_io(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Children *c = userdata;

        (void) s, (void) revents;
        for (;;) {
                LaunchMessage m;
                int fds[LAUNCH_FDS_MAX];
                int r = launch_receive(fd, &m, fds);

                if (r == -EAGAIN)
                        return 0;
                if (r == -EBADMSG)
                        continue;
                if (r < 0) {
                        c->on_lost(c->userdata);
                        return 0;
                }
                children_on_launch_message(c, &m, fds);
                for (size_t i = 0; i < LAUNCH_FDS_MAX; i++)
                        (void) close_safe(fds[i]);
        }
}

int children_new(sd_event *event, int launcher_fd, void (*on_lost)(void *userdata), void *userdata,
                 Children **ret_children) {
        _cleanup_(children_freep) Children *c = calloc(1, sizeof(*c));
        int r;

        if (!c)
                return -ENOMEM;
        c->fd = -EBADF;
        c->event = sd_event_ref(event);
        c->on_lost = on_lost;
        c->userdata = userdata;
        r = sd_event_add_io(event, &c->io, launcher_fd, EPOLLIN, children_on_io, c);
        if (r < 0)
                return r;
        c->fd = launcher_fd;
        *ret_children = TAKE_PTR(c);
        return 0;
}

Children *children_free(Children *c) {
        if (!c)
                return NULL;
        for (size_t i = 0; i < WORKERS_MAX; i++)
                worker_free(c->workers[i]);
        sd_event_source_disable_unref(c->io);
        (void) close_safe(c->fd);
        sd_event_unref(c->event);
        free(c);
        return NULL;
}

int children_spawn(Children *c, Role role, uint64_t key, const WorkerOps *ops, void *userdata, Worker **ret_worker) {
        LaunchMessage m = {.verb = LAUNCH_SPAWN, .role = role, .key = key, .serial = ++c->serial};
        size_t i = 0;
        int r;

        while (i < WORKERS_MAX && c->workers[i])
                i++;
        if (i == WORKERS_MAX)
                return -EAGAIN;
        Worker *w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        *w = (Worker){.children = c, .role = role, .key = key, .serial = m.serial, .fd = -EBADF, .ops = ops,
                      .userdata = userdata};
        r = launch_send(c->fd, &m, NULL, 0);
        if (r < 0) {
                free(w);
                return r;
        }
        c->workers[i] = w;
        *ret_worker = w;
        return 0;
}
