/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The trimmer of one partition: does what fixed-size messages tell it, parses nothing, decides nothing but whether the
 * facts that an act was chosen by still hold. It may hang in any call on the disk: the stage page says in which. All its
 * memory is static; between two acts it holds no descriptor of a log. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ballast.h"
#include "beneath.h"
#include "clock.h"
#include "cut.h"
#include "filesystem.h"
#include "fill.h"
#include "heal.h"
#include "log_readers.h"
#include "message.h"
#include "repair.h"
#include "role.h"
#include "segments.h"
#include "text.h"
#include "writer.h"

typedef struct Trimmer {
        StagePage *stage;
        int channel_fd, proc_fd, look_fd;
        PartitionTarget target;
        int containers_fd[PARTITION_ROOTS_MAX]; /* negative errno: could not be opened, or are not open now */
        bool is_open, hold; /* hold: keep them open between acts */
        LogFile log;
        Message message;
} Trimmer;

/* One act on one log, while it lasts. */
typedef struct Job {
        Trimmer *t;
        const Act *act;
        Outcome *o;
} Job;

static int open_staged(Trimmer *t, const char *path) {
        struct stat st;
        int fd;

        stage_enter(t->stage, "openat2", path);
        fd = beneath_open_absolute(path, O_PATH | O_DIRECTORY);
        /* Unmounted since: what is there now is no part of this partition. */
        if (fd >= 0 && (fstat(fd, &st) < 0 || st.st_dev != t->target.device)) {
                (void) close(fd);
                fd = -ENODEV;
        }
        stage_leave(t->stage);
        return fd;
}

static void close_target(Trimmer *t) {
        stage_enter(t->stage, "close", "the partition");
        for (uint32_t i = 0; i < PARTITION_ROOTS_MAX; i++)
                t->containers_fd[i] = close_safe(t->containers_fd[i]);
        t->look_fd = close_safe(t->look_fd);
        stage_leave(t->stage);
        t->is_open = false;
}

static void open_target(Trimmer *t) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];

        if (t->is_open)
                return;
        t->target.n_roots = MIN(t->target.n_roots, (uint32_t) PARTITION_ROOTS_MAX);
        t->look_fd = open_staged(t, t->target.look_path);
        for (uint32_t i = 0; i < t->target.n_roots; i++) {
                (void) snprintf(path, sizeof(path), "%s/containers", t->target.roots[i].path);
                t->containers_fd[i] = open_staged(t, path);
        }
        t->is_open = true;
}

/* Descriptors keep a partition from being unmounted: they are held only while acting is near. */
static void release_target(Trimmer *t) {
        if (t->is_open && !t->hold)
                close_target(t);
}

/* Whether a directory may be written to in this mount namespace (ProtectSystem=strict makes it read-only there), by
 * asking: nothing is written. */
static int may_write(Trimmer *t, int dir_fd, const char *path) {
        int r;

        /* Not there: the watcher tells of that. */
        if (dir_fd == -ENOENT || dir_fd == -ENODEV)
                return 0;
        if (dir_fd < 0)
                return dir_fd;
        stage_enter(t->stage, "faccessat", path);
        r = faccessat(dir_fd, "", W_OK, AT_EMPTY_PATH | AT_EACCESS) < 0 ? -errno : 0;
        stage_leave(t->stage);
        return r;
}

/* Fills the answer to "are you there?": the first root that cannot be written to, if any. */
static void make_alive(Trimmer *t, Message *m) {
        const char *path = t->target.look_path;
        int r = 0;

        for (uint32_t i = 0; i < t->target.n_roots && r == 0; i++) {
                path = t->target.roots[i].path;
                r = may_write(t, t->containers_fd[i], path);
        }
        if (r == 0 && t->target.ballast_bytes > 0) {
                path = t->target.look_path;
                r = may_write(t, t->look_fd, path);
        }
        *m = (Message){.type = MESSAGE_ALIVE};
        m->alive.writable = r == 0;
        m->alive.error = r;
        if (r != 0)
                (void) snprintf(m->alive.path, sizeof(m->alive.path), "%s", path);
}

/* Whether a pending intent is out of the way. 0; LOGFILE_E_BUSY, negative errno: it is not, and stays. */
static int finish_intent(Trimmer *t) {
        Intent *intent = &t->stage->intent;
        int r, worst = 0;

        if (atomic_load_explicit(&intent->pending, memory_order_acquire) == CUT_PHASE_NONE)
                return 0;
        intent->container[CONTAINER_ID_MAX - 1] = 0;
        for (uint32_t i = 0; i < t->target.n_roots; i++) {
                if (t->containers_fd[i] < 0) {
                        worst = t->containers_fd[i];
                        continue;
                }
                r = logfile_open(&t->log, t->stage, t->containers_fd[i], intent->container, intent->device,
                                 intent->inode, t->target.roots[i].owner_uid);
                if (r == LOGFILE_E_CHANGED || r == LOGFILE_E_ODD || r == LOGFILE_E_FIXED)
                        continue;
                if (r == 0) {
                        r = intent->method == METHOD_FILL  ? fill_finish(&t->log, intent, t->look_fd) :
                            intent->method == METHOD_BLANK ? repair_finish(&t->log, intent) :
                                                             cut_finish(&t->log, intent);
                        logfile_close(&t->log);
                }
                return r;
        }
        /* Nowhere any more: removed or rotated. A root that could not be opened may still have it. */
        if (worst == 0)
                cut_forget(intent);
        return worst;
}

/* ---- acts on one log ---------------------------------------------------------------------------------------- */

static ActResult failed(Outcome *o, int error) {
        o->error = error;
        return error == -EOPNOTSUPP || error == -ENOSYS ? ACT_UNSUPPORTED : ACT_FAILED;
}

static ActResult result_of_open(Outcome *o, int r) {
        switch (r) {
        case LOGFILE_E_CHANGED:
                return ACT_CHANGED;
        case LOGFILE_E_ODD:
                return ACT_REFUSED;
        case LOGFILE_E_FIXED:
                o->error = -EPERM;
                return ACT_REFUSED;
        case LOGFILE_E_BUSY:
                return ACT_BUSY;
        default:
                return failed(o, r);
        }
}

/* Dockerd's descriptor on the log as it is now: the one we were told of, else looked for. */
static void find_writer(Trimmer *t, const Act *act, LogWriter *ret_writer) {
        const int32_t pid = t->target.roots[act->root].dockerd_pid;
        int r;

        *ret_writer = (LogWriter){.fd = -1, .append = UNKNOWN};
        stage_enter(t->stage, "fstatat", "dockerd's descriptors");
        r = writer_check(t->proc_fd, &act->writer, act->device, act->inode, ret_writer);
        if (r == WRITER_E_GONE)
                r = writer_find(t->proc_fd, act->writer.pid, act->device, act->inode, ret_writer);
        if (r == WRITER_E_GONE && pid != act->writer.pid)
                r = writer_find(t->proc_fd, pid, act->device, act->inode, ret_writer);
        stage_leave(t->stage);
        if (r < 0) /* may not look: there may be one */
                *ret_writer = (LogWriter){.pid = act->writer.pid, .fd = -1, .append = UNKNOWN};
}

/* Right before a log's first byte is changed. */
static ActResult check_again(void *userdata) {
        Job *job = userdata;
        LogFile *f = &job->t->log;
        const uint64_t size_bytes = logfile_size_bytes(f);
        int r;

        if (job->act->method == METHOD_COLLAPSE) {
                const LogWriter *found = &job->o->writer;

                find_writer(job->t, job->act, &job->o->writer);
                if (found->pid <= 0 || found->append != YES || found->pid != job->act->writer.pid)
                        return ACT_CHANGED;
        }
        /* How far the slowest reader is now: what he loses is told to the byte. */
        stage_enter(job->t->stage, "statx", "a reader's descriptor");
        job->o->reader_offset_bytes =
                log_readers_find_offset(job->t->proc_fd, &job->act->reader, job->act->device, job->act->inode);
        stage_leave(job->t->stage);
        r = logfile_stat(f);
        if (r != 0)
                return result_of_open(job->o, r);
        return logfile_size_bytes(f) < size_bytes ? ACT_CHANGED : ACT_DONE;
}

static ActResult act_truncate(Job *job) {
        LogFile *f = &job->t->log;
        Intent *intent = &job->t->stage->intent;
        uint64_t shared_bytes = 0;
        ActResult result;
        int r;

        result = check_again(job);
        if (result != ACT_DONE)
                return result;
        if (logfile_size_bytes(f) == 0)
                return ACT_NOTHING_TO_DO;
        (void) logfile_shared_bytes(f, 0, logfile_size_bytes(f), &shared_bytes);
        r = logfile_truncate(f, 0);
        if (r < 0)
                return failed(job->o, r);
        job->o->cut_bytes = job->o->cut_to_bytes = logfile_size_bytes(f); /* as they were right before */
        job->o->freed_bytes = logfile_allocated_bytes(f) - MIN(logfile_allocated_bytes(f), shared_bytes);
        if (intent->device == job->act->device && intent->inode == job->act->inode)
                cut_forget(intent); /* what was begun on it is gone with the rest */
        return ACT_DONE;
}

static bool needs_collapse(Method method) {
        return method == METHOD_COLLAPSE || method == METHOD_COLLAPSE_LEASED || method == METHOD_HEAL;
}

static ActResult act_on_open_log(Job *job) {
        LogFile *f = &job->t->log;
        Intent *intent = &job->t->stage->intent;
        const Act *act = job->act;
        int r;

        if (needs_collapse(act->method) && !filesystem_kernel_may_collapse())
                return failed(job->o, -EOPNOTSUPP);
        if (act->method == METHOD_COLLAPSE_LEASED || act->method == METHOD_HEAL) {
                r = logfile_lease(f);
                if (r != 0)
                        return result_of_open(job->o, r);
        }

        switch (act->method) {
        case METHOD_COLLAPSE:
                if (act->writer.pid <= 0)
                        return ACT_CHANGED; /* nobody known to append: that is what a lease is for */
                return cut_collapse(f, intent, act, check_again, job, job->o);
        case METHOD_COLLAPSE_LEASED:
                return cut_collapse(f, intent, act, check_again, job, job->o);
        case METHOD_PUNCH:
                return cut_punch(f, intent, act, check_again, job, job->o);
        case METHOD_FILL:
                return fill_log(f, intent, act, job->t->look_fd, check_again, job, job->o);
        case METHOD_HEAL:
                return heal_log(f, job->o);
        case METHOD_BLANK:
                return repair_lines(f, intent, act, check_again, job, job->o);
        case METHOD_MARK:
                return repair_head(f, check_again, job, job->o);
        case METHOD_TRUNCATE:
                return act_truncate(job);
        default:
                return ACT_REFUSED;
        }
}

/* What the log is like afterwards. */
static void describe(Trimmer *t, Outcome *o) {
        LogFile *f = &t->log;
        const char *call = f->call;
        uint64_t from, to;

        (void) logfile_stat(f);
        o->filler_bytes = MIN(cut_find_filler(f), logfile_allocated_bytes(f));
        o->allocated_bytes = logfile_allocated_bytes(f) - o->filler_bytes;
        o->size_bytes = logfile_size_bytes(f);
        if (cut_find_hole(f, &from, &to) == 0)
                o->hole_bytes = to - from;
        f->call = call;
}

static ActResult act_on_log(Trimmer *t, const Act *act, Outcome *o) {
        Job job = {.t = t, .act = act, .o = o};
        ActResult result;
        int r;

        r = logfile_open(&t->log, t->stage, t->containers_fd[act->root], act->container, act->device, act->inode,
                         t->target.roots[act->root].owner_uid);
        if (r == 0) {
                if (act->writer.pid > 0)
                        find_writer(t, act, &o->writer);
                result = act_on_open_log(&job);
        } else
                result = result_of_open(o, r);
        if (o->error != 0)
                (void) snprintf(o->stage, sizeof(o->stage), "%s", t->log.call);
        if (r == 0) {
                describe(t, o);
                logfile_close(&t->log);
        }
        return result;
}

/* A cut needs the one intent that there is, and a file on which nothing is half done. In an emergency a half-blanked
 * line of another log, which cannot be finished for lack of room, waits no longer than space does. */
static ActResult make_room_for_intent(Trimmer *t, const Act *act, Outcome *o) {
        int r;

        r = finish_intent(t);
        if (r == 0 || (r == -ENOSPC && act->emergency))
                return ACT_DONE;
        (void) snprintf(o->stage, sizeof(o->stage), "%s", t->log.call);
        return result_of_open(o, r);
}

static ActResult act_about_log(Trimmer *t, const Act *act, Outcome *o) {
        ActResult result = ACT_DONE;
        Segments segments;

        if (act->root >= t->target.n_roots || !text_is_container_id(act->container))
                return ACT_REFUSED;
        if (t->containers_fd[act->root] < 0) {
                (void) snprintf(o->stage, sizeof(o->stage), "openat2");
                return failed(o, t->containers_fd[act->root]);
        }
        if (act->method == METHOD_DELETE)
                result = segments_delete(t->stage, t->containers_fd[act->root], act,
                                         t->target.roots[act->root].owner_uid, o);
        else {
                if (act->method != METHOD_TRUNCATE)
                        result = make_room_for_intent(t, act, o);
                if (result == ACT_DONE)
                        result = act_on_log(t, act, o);
        }
        if (segments_count(t->stage, t->containers_fd[act->root], act->container, &segments) == 0) {
                o->n_segments = segments.n;
                o->segments_bytes = segments.allocated_bytes;
        }
        return result;
}

static ActResult act_do(Trimmer *t, const Act *act, Outcome *o) {
        switch (act->method) {
        case METHOD_DELETE:
        case METHOD_COLLAPSE:
        case METHOD_COLLAPSE_LEASED:
        case METHOD_PUNCH:
        case METHOD_FILL:
        case METHOD_TRUNCATE:
        case METHOD_HEAL:
        case METHOD_BLANK:
        case METHOD_MARK:
                return act_about_log(t, act, o);
        case METHOD_BALLAST_MAKE:
        case METHOD_BALLAST_RELEASE:
                if (t->look_fd < 0) {
                        (void) snprintf(o->stage, sizeof(o->stage), "openat2");
                        return failed(o, t->look_fd);
                }
                return act->method == METHOD_BALLAST_MAKE ? ballast_make(t->stage, t->look_fd, act, o) :
                                                            ballast_release(t->stage, t->look_fd, o);
        default:
                return ACT_REFUSED;
        }
}

/* ---- messages ----------------------------------------------------------------------------------------------- */

static int on_act(Trimmer *t) {
        Act act = t->message.act;
        Outcome o = {.act = act.id, .method = act.method, .slot = act.slot, .writer = act.writer};

        act.container[CONTAINER_ID_MAX - 1] = 0;
        t->stage->act = act.id;
        o.begin_usec = clock_monotonic_usec();
        open_target(t);
        o.result = act_do(t, &act, &o);
        release_target(t);
        o.end_usec = clock_monotonic_usec();
        t->stage->act = 0;

        t->message = (Message){.type = MESSAGE_OUTCOME, .outcome = o};
        return message_send(t->channel_fd, &t->message, false);
}

static int on_alive(Trimmer *t) {
        open_target(t);
        (void) finish_intent(t); /* one that could not be finished before */
        make_alive(t, &t->message);
        release_target(t);
        return message_send(t->channel_fd, &t->message, false);
}

static int on_target(Trimmer *t) {
        bool writable;
        int r;

        close_target(t);
        t->target = t->message.target;
        r = on_alive(t);
        if (r < 0)
                return r;
        open_target(t);

        /* Without a ballast the partition is only observed: then nothing at all is written there. */
        writable = t->look_fd >= 0 && t->message.alive.writable && t->target.ballast_bytes > 0;
        t->message = (Message){.type = MESSAGE_OBSERVATION};
        filesystem_probe(t->stage, t->look_fd, writable, &t->message.observation);
        t->message.observation.filesystem.may_have_ballast = t->target.ballast_bytes > 0;
        release_target(t);
        return message_send(t->channel_fd, &t->message, false);
}

static int run(Trimmer *t) {
        int r;

        for (;;) {
                r = message_receive(t->channel_fd, &t->message, false);
                if (r < 0)
                        return r;
                if (t->message.type == MESSAGE_TARGET)
                        r = on_target(t);
                else if (t->message.type == MESSAGE_ACT)
                        r = on_act(t);
                else if (t->message.type == MESSAGE_ALIVE) {
                        t->hold = t->message.alive.hold;
                        r = on_alive(t);
                }
                if (r < 0)
                        return r;
        }
}

int trimmer_run(const RoleContext *context) {
        static Trimmer t; /* large, and nothing is allocated after start */
        int r;

        t.stage = context->stage;
        t.channel_fd = context->channel_fd;
        t.look_fd = t.proc_fd = t.log.fd = -EBADF;
        for (uint32_t i = 0; i < PARTITION_ROOTS_MAX; i++)
                t.containers_fd[i] = -EBADF;

        /* Somebody wants a log that we hold a lease on: he waits until we are done, which is soon. */
        (void) signal(SIGIO, SIG_IGN);
        r = writer_open_proc(&t.proc_fd);
        if (r == 0)
                r = run(&t);
        close_target(&t);
        t.proc_fd = close_safe(t.proc_fd);
        return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
