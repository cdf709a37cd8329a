/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "beneath.h"
#include "clock.h"
#include "process.h"
#include "log_readers.h"
#include "text.h"

/* Of getdents64(): a thousand processes or descriptors a call. */
#define ENTRIES_BYTES 32768
/* One process with very many descriptors is left in the middle, so that the answer comes in time. */
#define GRACE_USEC (500 * USEC_PER_MSEC)
#define SUFFIX "-json.log"
#define CONTAINER_DIGITS (CONTAINER_ID_MAX - 1)

typedef struct Scan {
        const ReadersOrder *order;
        const ReadersLimits *limits;
        ReadersFound *found;
        uint32_t by_inode[READERS_LOGS_MAX]; /* places in order->logs */
        int32_t pid;
        int process_fd; /* of the process that is looked at */
        bool is_docker, is_ours;
        char command[READER_COMMAND_MAX]; /* empty: not read yet */
        bool reads;      /* one of the logs */
        LogReader reading[READERS_LOGS_MAX]; /* how far it has read each; of another pid: it does not read that */
} Scan;

/* ---- one descriptor ------------------------------------------------------------------------------------------ */

bool log_readers_is_reading(const FdInfo *info) {
        return (info->flags & O_ACCMODE) == O_RDONLY && !(info->flags & O_PATH);
}

static bool read_fdinfo(int process_fd, const char *number, FdInfo *ret_info) {
        return fdinfo_read(process_fd, number, ret_info) && log_readers_is_reading(ret_info);
}

/* As the kernel has it: no server of a network filesystem is asked anew. */
static bool stat_descriptor(int process_fd, const char *number, struct statx *ret_stx) {
        char path[32];

        (void) snprintf(path, sizeof(path), "fd/%.12s", number);
        return statx(process_fd, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_SIZE, ret_stx) == 0 &&
                S_ISREG(ret_stx->stx_mode);
}

static uint64_t device_of(const struct statx *stx) { return makedev(stx->stx_dev_major, stx->stx_dev_minor); }

/* ---- which log ----------------------------------------------------------------------------------------------- */

static void sort_by_inode(Scan *s) {
        for (uint32_t i = 0; i < s->order->n_logs; i++) {
                uint32_t k = i;

                for (; k > 0 && s->order->logs[s->by_inode[k - 1]].inode > s->order->logs[i].inode; k--)
                        s->by_inode[k] = s->by_inode[k - 1];
                s->by_inode[k] = i;
        }
}

/* The first place in by_inode with at least that inode. */
static uint32_t lower_bound(const Scan *s, uint64_t inode) {
        uint32_t low = 0, high = s->order->n_logs;

        while (low < high) {
                uint32_t middle = (low + high) / 2;

                if (s->order->logs[s->by_inode[middle]].inode < inode)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool is_wanted_inode(const Scan *s, uint64_t inode) {
        uint32_t at = lower_bound(s, inode);

        return at < s->order->n_logs && s->order->logs[s->by_inode[at]].inode == inode;
}

static LogReaders *find_log(const Scan *s, uint64_t device, uint64_t inode) {
        for (uint32_t at = lower_bound(s, inode); at < s->order->n_logs; at++) {
                uint32_t i = s->by_inode[at];

                if (s->order->logs[i].inode != inode)
                        break;
                if (s->order->logs[i].device == device)
                        return s->found->logs + i;
        }
        return NULL;
}

/* A rotated segment of one of the logs, by what the kernel calls it now: ".../<id>-json.log.1.gz". Whether it is that
 * very file in Docker's own folder is asked of the disk: anybody may give a file such a name. */
static LogReaders *find_segment(const Scan *s, const char *link, const struct statx *stx) {
        const char *name = strrchr(link, '/');
        char path[2 * CONFIG_PATH_MAX];

        name = name ? name + 1 : link;
        if (strlen(name) <= CONTAINER_DIGITS + strlen(SUFFIX) || strlen(name) > 128 ||
            strncmp(name + CONTAINER_DIGITS, SUFFIX ".", strlen(SUFFIX ".")) != 0)
                return NULL;
        for (uint32_t i = 0; i < s->order->n_logs; i++) {
                const char *container = s->order->logs[i].container;
                uint32_t root = s->order->logs[i].root;
                _cleanup_close_ int fd = -EBADF;
                struct stat st;

                if (strncmp(name, container, CONTAINER_DIGITS) != 0 || root >= PARTITION_ROOTS_MAX ||
                    !text_is_container_id(container))
                        continue;
                (void) snprintf(path, sizeof(path), "%s/containers/%s", s->order->roots[root], container);
                fd = beneath_open_absolute(path, O_PATH | O_DIRECTORY);
                if (fd < 0 || fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_ino != stx->stx_ino ||
                    st.st_dev != device_of(stx))
                        return NULL;
                return s->found->logs + i;
        }
        return NULL;
}

/* ---- one process --------------------------------------------------------------------------------------------- */

/* Read only of those that are found. */
static void learn_command(Scan *s) {
        if (s->command[0])
                return;
        process_read_command(s->process_fd, s->command, sizeof(s->command));
        /* Our own processes look at the logs for a moment, and `diskbrake logs` reads across whatever is cut. */
        s->is_ours = strncmp(s->command, "dbrk-", strlen("dbrk-")) == 0 || streq(s->command, "diskbrake");
}

static LogReader make_reader(const Scan *s, const char *number, uint64_t offset_bytes) {
        LogReader reader = {.pid = s->pid, .fd = (int32_t) strtol(number, NULL, 10), .offset_bytes = offset_bytes};

        memcpy(reader.command, s->command, sizeof(reader.command));
        return reader;
}

static void add_segment(const Scan *s, LogReaders *log, const char *number, const FdInfo *info, uint64_t size_bytes) {
        uint64_t unread = size_bytes - MIN(size_bytes, info->offset_bytes);
        LogReaders one = {.n_segments = 1, .segments_unread_bytes = unread};

        one.segment_reader = make_reader(s, number, info->offset_bytes);
        if (!s->is_docker && unread > 0)
                log_readers_merge(log, &one);
}

/* Of several descriptors the furthest counts: rsyslog's imfile has a second one on the same log, with which it has read the
 * first 512 bytes, and no more ever. */
static void add_reading(Scan *s, LogReader *reading, const char *number, uint64_t offset_bytes) {
        if (reading->pid != s->pid || offset_bytes > reading->offset_bytes)
                *reading = make_reader(s, number, offset_bytes);
        s->reads = true;
}

static void look_at_descriptor(Scan *s, int dir_fd, const char *number) {
        char link[PATH_MAX];
        struct statx stx;
        LogReaders *log;
        FdInfo info;
        ssize_t n;

        n = readlinkat(dir_fd, number, link, sizeof(link) - 1);
        if (n <= 0 || link[0] != '/') /* "socket:[4711]", "pipe:[4711]", "anon_inode:[eventpoll]" */
                return;
        link[n] = 0;
        if (streq(link, "/dev/null") || strncmp(link, "/dev/pts/", strlen("/dev/pts/")) == 0)
                return;
        bool may_be_segment = strstr(link, SUFFIX ".") != NULL;

        if (!read_fdinfo(s->process_fd, number, &info))
                return;
        if (info.inode != 0 && !may_be_segment && !is_wanted_inode(s, info.inode))
                return;
        if (!stat_descriptor(s->process_fd, number, &stx))
                return;
        log = find_log(s, device_of(&stx), stx.stx_ino);
        if (!log && !(may_be_segment && (log = find_segment(s, link, &stx))))
                return;
        learn_command(s);
        if (s->is_ours)
                return;
        if (log->inode != stx.stx_ino)
                add_segment(s, log, number, &info, stx.stx_size);
        else if (s->is_docker)
                log->n_docker++;
        else
                add_reading(s, s->reading + (log - s->found->logs), number, info.offset_bytes);
}

/* The process as a whole is one reader. */
static void merge_readings(Scan *s) {
        for (uint32_t i = 0; s->reads && i < s->order->n_logs; i++) {
                LogReaders one = {.n = 1, .slowest = s->reading[i]};

                if (s->reading[i].pid == s->pid)
                        log_readers_merge(s->found->logs + i, &one);
        }
}

void log_readers_merge(LogReaders *into, const LogReaders *one) {
        if (one->n > 0 && (into->n == 0 || one->slowest.offset_bytes < into->slowest.offset_bytes))
                into->slowest = one->slowest;
        /* Of several readers of one segment, the one that is furthest behind; several segments are not told apart. */
        if (one->n_segments > 0 && one->segments_unread_bytes >= into->segments_unread_bytes) {
                into->segment_reader = one->segment_reader;
                into->segments_unread_bytes = one->segments_unread_bytes;
        }
        into->n += one->n;
        into->n_docker += one->n_docker;
        into->n_segments += one->n_segments;
}

static bool is_number(const char *name) { return name[0] >= '1' && name[0] <= '9'; }

static void look_at_descriptors(Scan *s, int dir_fd) {
        _Alignas(struct dirent64) char buf[ENTRIES_BYTES];
        uint32_t n_seen = 0;
        ssize_t n;

        while (n_seen < READERS_DESCRIPTORS_MAX && clock_monotonic_usec() < s->limits->deadline_usec + GRACE_USEC &&
               (n = getdents64(dir_fd, buf, sizeof(buf))) > 0) {
                const struct dirent64 *d;

                for (ssize_t at = 0; at < n; at += d->d_reclen) {
                        d = (const struct dirent64 *) (buf + at);
                        if (!is_number(d->d_name) && !streq(d->d_name, "0"))
                                continue;
                        n_seen++;
                        look_at_descriptor(s, dir_fd, d->d_name);
                }
        }
        s->found->n_descriptors += n_seen;
}

static void look_at_process(Scan *s, int proc_fd, const char *number) {
        _cleanup_close_ int process_fd = -EBADF, dir_fd = -EBADF;
        char path[32], nothing[1];

        /* A thread of the kernel, and what has ended, has no program, and no descriptors either. */
        (void) snprintf(path, sizeof(path), "%.12s/exe", number);
        if (readlinkat(proc_fd, path, nothing, sizeof(nothing)) < 0 && errno == ENOENT)
                return;
        process_fd = openat(proc_fd, number, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process_fd < 0)
                return;
        dir_fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return;
        s->process_fd = process_fd;
        s->command[0] = 0;
        s->is_docker = s->is_ours = s->reads = false;
        for (size_t i = 0; i < PARTITION_ROOTS_MAX; i++)
                s->is_docker = s->is_docker || (s->pid > 0 && s->pid == s->order->dockerd_pid[i]);
        s->found->n_processes++;
        look_at_descriptors(s, dir_fd);
        merge_readings(s);
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static bool is_enough(const Scan *s) {
        return clock_monotonic_usec() >= s->limits->deadline_usec || s->found->n_descriptors >= s->limits->n_descriptors;
}

int log_readers_scan(int proc_fd, const ReadersOrder *order, const ReadersLimits *limits, ReadersFound *ret_found) {
        _Alignas(struct dirent64) char buf[ENTRIES_BYTES];
        _cleanup_close_ int dir_fd = -EBADF;
        Scan s = {.order = order, .limits = limits, .found = ret_found};
        ssize_t n;

        if (order->n_logs > READERS_LOGS_MAX)
                return -EINVAL;
        memset(ret_found, 0, sizeof(*ret_found));
        ret_found->n_logs = order->n_logs;
        for (uint32_t i = 0; i < order->n_logs; i++)
                ret_found->logs[i] = (LogReaders){.slot = order->logs[i].slot, .inode = order->logs[i].inode};
        sort_by_inode(&s);
        dir_fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return -errno;
        while ((n = getdents64(dir_fd, buf, sizeof(buf))) > 0) {
                const struct dirent64 *d;

                for (ssize_t at = 0; at < n; at += d->d_reclen) {
                        d = (const struct dirent64 *) (buf + at);
                        if (!is_number(d->d_name))
                                continue;
                        s.pid = (int32_t) strtol(d->d_name, NULL, 10);
                        if (s.pid < order->from_pid)
                                continue;
                        if (is_enough(&s)) {
                                ret_found->next_pid = s.pid;
                                return 0;
                        }
                        look_at_process(&s, proc_fd, d->d_name);
                }
        }
        return n < 0 ? -errno : 0;
}

uint64_t log_readers_find_offset(int proc_fd, const LogReader *reader, uint64_t device, uint64_t inode) {
        _cleanup_close_ int process_fd = -EBADF;
        char number[16];
        struct statx stx;
        FdInfo info;

        if (reader->pid <= 0 || reader->fd < 0)
                return 0;
        (void) snprintf(number, sizeof(number), "%d", reader->pid);
        process_fd = openat(proc_fd, number, O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(number, sizeof(number), "%d", reader->fd);
        if (process_fd < 0 || !read_fdinfo(process_fd, number, &info) ||
            (info.inode != 0 && info.inode != inode) || !stat_descriptor(process_fd, number, &stx))
                return 0;
        return stx.stx_ino == inode && device_of(&stx) == device ? info.offset_bytes : 0;
}
