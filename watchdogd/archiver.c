/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The archiver: keeps the head of a log, or its oldest segment, before the trimmer frees it. It reads logs and writes
 * nothing but archives. It may be killed at any moment: then there is no archive, and the log is as it was. */

#include <linux/ioprio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "archive_copy.h"
#include "archive_store.h"
#include "beneath.h"
#include "clock.h"
#include "cut.h"
#include "message.h"
#include "role.h"
#include "segments.h"
#include "text.h"

/* Behind everybody who works, but not so far that a busy host never archives anything: a tenth of a core that all want. */
#define NICE 10
/* Of the log's beginning, to see afterwards whether it is still the file that it was. */
#define PROBE_BYTES 64

typedef struct Archiver {
        int channel_fd;
        const char *state_dir;
        Config config;
        ArchiveStore store;
        StagePage stage; /* nobody else reads it */
        LogFile log;
        Message message;
} Archiver;

/* One order, while it lasts. */
typedef struct Job {
        Archiver *a;
        const ArchiveOrder *order;
        const Act *act;
        Outcome *o;
        char folder[ARCHIVE_FOLDER_MAX];
        int containers_fd;
        struct stat segment;
        bool (*is_same)(struct Job *job); /* what is archived has still the name that it is to be freed by */
} Job;

/* The words stand where else the call stands that failed. */
static ActResult refused(Outcome *o, const char *why) {
        (void) snprintf(o->stage, sizeof(o->stage), "%s", why);
        return ACT_REFUSED;
}

static ActResult failed(Outcome *o, const char *call, int error) {
        o->error = error;
        (void) snprintf(o->stage, sizeof(o->stage), "%s", call);
        return ACT_FAILED;
}

static int check(void *userdata) {
        Job *job = userdata;
        struct pollfd channel = {.fd = job->a->channel_fd};

        /* Nobody is there any more who would free it. */
        if (poll(&channel, 1, 0) > 0)
                return -EPIPE;
        /* Packed, a piece may be as large as it was. */
        return archive_store_check_room(&job->a->store, 2 * ARCHIVE_FRAME_BYTES, job->act->device);
}

/* What of these bytes is in the archive already, since a guard before this one was killed right after that: returns 1 and
 * up to where. */
static int find_archived(Job *job, int log_fd, uint64_t inode, uint64_t from, bool segment, uint64_t *ret_to) {
        _cleanup_close_ int fd = -EBADF;
        ArchiveName name;
        int r;

        if (job->act->is_archived == NO)
                return 0;
        r = archive_store_find(&job->a->store, job->folder, inode, &name, &fd);
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        if (name.to <= from || name.from > from || (name.gzip && !segment))
                return 0;
        r = archive_is_in(fd, !name.gzip, name.from, name.to, log_fd, from);
        if (r > 0)
                *ret_to = name.to;
        return r;
}

/* Copies [from, to) of that file, and gives it its name. */
static ActResult write_archive(Job *job, int log_fd, ArchiveName *name, ArchiveFile *file) {
        Archiver *a = job->a;
        char before[PROBE_BYTES], after[PROBE_BYTES];
        const size_t n_probe = (size_t) MIN(name->to - name->from, (uint64_t) PROBE_BYTES);
        const char *call = "";
        int r;

        if (pread(log_fd, before, n_probe, (off_t) name->from) != (ssize_t) n_probe)
                return ACT_CHANGED;
        r = archive_copy(&(ArchiveCopy){.from_fd = log_fd, .to_fd = file->fd, .from = name->from, .to = name->to,
                                        .compress = !name->gzip, .rate_bps = a->config.archive_rate_bps,
                                        .check = check, .userdata = job},
                &call);
        if (r == -ENODATA)
                return ACT_CHANGED;
        if (r < 0)
                return failed(job->o, call, r);
        r = archive_file_flush(&a->store, file);
        if (r < 0)
                return failed(job->o, a->store.call, r);
        /* Emptied meanwhile (dockerd's own rotation with one file), and perhaps as large again; or rotated. */
        if (pread(log_fd, after, n_probe, (off_t) name->from) != (ssize_t) n_probe || memcmp(before, after, n_probe) != 0 ||
            !job->is_same(job))
                return ACT_CHANGED;
        r = archive_file_finish(&a->store, file, name, &job->o->archived.file_bytes);
        return r < 0 ? failed(job->o, a->store.call, r) : ACT_DONE;
}

static ActResult archive(Job *job, int log_fd, ArchiveName *name) {
        Archiver *a = job->a;
        ArchiveFile file;
        ActResult result;
        int r;

        r = check(job);
        if (r == 0 && name->gzip) /* it takes what it takes */
                r = archive_store_check_budgets(&a->store, name->to);
        if (r == 0)
                r = archive_file_begin(&a->store, job->folder, &file);
        if (r < 0)
                return failed(job->o, a->store.call, r);
        result = write_archive(job, log_fd, name, &file);
        archive_file_close(&file);
        return result;
}

static ActResult archive_head(Job *job) {
        LogFile *f = &job->a->log;
        ArchiveName name = {.inode = job->act->inode};
        uint64_t there_to;
        ActResult result;
        int r;

        result = cut_find_head(f, job->act, &name.from, &name.to, job->o);
        if (result == ACT_REFUSED)
                return refused(job->o, "no line ends there");
        if (result != ACT_DONE && job->o->error < 0)
                (void) failed(job->o, f->call, job->o->error);
        if (result != ACT_DONE)
                return result;
        r = find_archived(job, f->fd, name.inode, name.from, false, &there_to);
        if (r < 0)
                return failed(job->o, job->a->store.call, r);
        if (r > 0)
                name.to = there_to;
        else
                result = archive(job, f->fd, &name);
        job->o->archived.to_offset = name.to;
        job->o->archived.log_bytes = name.to - name.from;
        return result;
}

/* Not removed, not rotated. */
static bool live_is_same(Job *job) {
        _cleanup_close_ int fd = -EBADF;
        char name[LOGFILE_NAME_MAX];
        struct stat st;

        if (logfile_stat(&job->a->log) != 0)
                return false;
        logfile_name(job->act->container, name);
        fd = beneath_open(job->containers_fd, name, O_PATH);
        return fd >= 0 && fstat(fd, &st) == 0 && st.st_ino == job->act->inode && st.st_dev == job->act->device;
}

static ActResult archive_live(Job *job) {
        Archiver *a = job->a;
        ActResult result;
        int r;

        r = logfile_open_reading(&a->log, &a->stage, job->containers_fd, job->act->container, job->act->device,
                job->act->inode, job->order->owner_uid);
        if (r > 0)
                return r == LOGFILE_E_ODD ? refused(job->o, "not Docker's own file") : ACT_CHANGED;
        if (r < 0)
                return failed(job->o, a->log.call, r);
        job->is_same = live_is_same;
        result = archive_head(job);
        logfile_close(&a->log);
        return result;
}

static int open_oldest(Job *job, int *ret_fd, struct stat *ret_st, bool *ret_gzip) {
        return segments_open_oldest(&job->a->stage, job->containers_fd, job->act->container, job->order->owner_uid, ret_fd,
                ret_st, ret_gzip);
}

/* Docker may have begun to compress it: then its lines turn up again, and it is not to be deleted. */
static bool segment_is_same(Job *job) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        bool gzip;

        return open_oldest(job, &fd, &st, &gzip) == 0 && st.st_ino == job->segment.st_ino && st.st_size == job->segment.st_size;
}

/* What was freed of it while it was written lies at its front still. *ret_own_bytes: what it takes on the disk. */
static int find_segment_data(Job *job, int fd, uint64_t *ret_from, uint64_t *ret_own_bytes) {
        LogFile *f = &job->a->log;
        uint64_t filler;
        int r;

        f->stage = &job->a->stage;
        f->fd = fd;
        f->st = job->segment;
        (void) snprintf(f->subject, sizeof(f->subject), "a segment of %.12s", job->act->container);
        r = cut_find_data(f, ret_from);
        filler = MIN(cut_find_filler(f), logfile_allocated_bytes(f));
        *ret_own_bytes = MIN(logfile_allocated_bytes(f) - filler, logfile_size_bytes(f));
        f->fd = -EBADF;
        return r;
}

static ActResult archive_range(Job *job, int fd, ArchiveName *name) {
        uint64_t there_to;
        int r;

        r = find_archived(job, fd, name->inode, name->from, true, &there_to);
        if (r < 0)
                return failed(job->o, job->a->store.call, r);
        if (r > 0 && (!name->gzip || there_to == name->to)) /* of a compressed one a part is worth nothing */
                name->from = MIN(there_to, name->to);
        return name->from < name->to ? archive(job, fd, name) : ACT_DONE;
}

static ActResult archive_segment(Job *job) {
        _cleanup_close_ int fd = -EBADF;
        struct stat *st = &job->segment;
        ArchiveName name = {};
        uint64_t own_bytes;
        ActResult result;
        int r;

        r = open_oldest(job, &fd, st, &name.gzip);
        if (r == -ENOENT)
                return ACT_NOTHING_TO_DO;
        if (r == -EAGAIN)
                return ACT_BUSY;
        if (r < 0)
                return failed(job->o, "openat2", r);
        name.inode = st->st_ino;
        name.to = own_bytes = (uint64_t) st->st_size;
        if (!name.gzip)
                r = find_segment_data(job, fd, &name.from, &own_bytes);
        if (r < 0)
                return failed(job->o, job->a->log.call, r);
        job->is_same = segment_is_same;
        result = archive_range(job, fd, &name);
        job->o->archived.segment_inode = st->st_ino;
        job->o->archived.to_offset = (uint64_t) st->st_size;
        job->o->archived.log_bytes = MAX(own_bytes, (uint64_t) 1); /* nothing at all would not be freed */
        return result;
}

static int open_containers(Job *job) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];
        struct stat st;

        (void) snprintf(path, sizeof(path), "%s/containers", job->order->root_path);
        job->containers_fd = beneath_open_absolute(path, O_PATH | O_DIRECTORY);
        if (job->containers_fd < 0)
                return job->containers_fd;
        return fstat(job->containers_fd, &st) < 0 ? -errno : st.st_dev == job->act->device ? 0 : -ENODEV;
}

static ActResult carry_out(Job *job) {
        Archiver *a = job->a;
        ActResult result;
        int r;

        if (!text_is_container_id(job->act->container))
                return refused(job->o, "no container's id");
        r = open_containers(job);
        if (r == -ENOENT || r == -ENODEV)
                return ACT_CHANGED;
        if (r < 0)
                return failed(job->o, "openat2", r);
        r = archive_store_find_folder(&a->store, job->order->name, job->act->container, job->folder);
        if (r < 0)
                return failed(job->o, a->store.call, r);
        result = job->act->then == METHOD_DELETE ? archive_segment(job) : archive_live(job);
        job->o->archived.elsewhere = a->store.device != job->act->device;
        return result;
}

/* To keep house in nothing, nothing is made. */
static int open_store(Archiver *a, bool house) {
        int r = 0;

        if (a->store.fd < 0)
                r = archive_store_open(&a->store, &a->config, a->state_dir, !house);
        if (r == 0 && house)
                r = archive_store_keep_house(&a->store);
        return house && r == -ENOENT ? 0 : r;
}

/* An order about no container is to keep house only. */
static int on_order(Archiver *a) {
        ArchiveOrder order = a->message.archive;
        Outcome o = {.act = order.act.id, .method = METHOD_ARCHIVE, .slot = order.act.slot};
        Job job = {.a = a, .order = &order, .act = &order.act, .o = &o, .containers_fd = -EBADF};
        int r;

        order.act.container[CONTAINER_ID_MAX - 1] = order.name[CONTAINER_NAME_MAX - 1] = 0;
        order.root_path[CONFIG_PATH_MAX - 1] = 0;
        o.begin_usec = clock_monotonic_usec();
        r = open_store(a, order.act.id == 0);
        if (r < 0)
                o.result = failed(&o, a->store.call, r);
        else if (order.act.id != 0)
                o.result = carry_out(&job);
        if (o.result == ACT_FAILED)
                archive_store_close(&a->store); /* its folder may have been removed: the next order looks anew */
        job.containers_fd = close_safe(job.containers_fd);
        o.end_usec = clock_monotonic_usec();
        a->message = (Message){.type = MESSAGE_OUTCOME, .outcome = o};
        return message_send(a->channel_fd, &a->message, false);
}

static int run(Archiver *a) {
        int r;

        for (;;) {
                r = message_receive(a->channel_fd, &a->message, false);
                if (r < 0)
                        return r;
                if (a->message.type == MESSAGE_CONFIG) {
                        a->config = a->message.config.config;
                        archive_store_close(&a->store);
                } else if (a->message.type == MESSAGE_ARCHIVE)
                        r = on_order(a);
                if (r < 0)
                        return r;
        }
}

int archiver_run(const RoleContext *context) {
        Archiver *a = calloc(1, sizeof(*a));
        int r;

        if (!a)
                return EXIT_FAILURE;
        a->channel_fd = context->channel_fd;
        a->state_dir = context->options->state_dir;
        a->store.fd = a->log.fd = -EBADF;
        (void) setpriority(PRIO_PROCESS, 0, NICE);
        (void) syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0));
        r = run(a);
        archive_store_close(&a->store);
        free(a);
        return r == -EPIPE ? EXIT_SUCCESS : EXIT_FAILURE;
}
