/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/sysmacros.h>

#include "clock.h"
#include "fdinfo.h"
#include "process.h"
#include "survey_internal.h"

/* Of one look: some 200,000 descriptors in that time, and no more than that many. */
#define LOOK_USEC (500 * USEC_PER_MSEC)
#define DESCRIPTORS_MAX 200000u
/* Open for writing on that partition. Three quarters of the places are used at most. */
#define FILES_PLACES 65536u
#define FILES_MAX (FILES_PLACES / 4 * 3)
#define PROCESSES_MAX 65536u
/* What a child has written that ends within the survey matters from there on: it is a read more for each that has. */
#define PARENT_LEAST_BYTES MIB(1)
/* Files are stamped with the time of the last tick. */
#define TICK_USEC (10 * USEC_PER_MSEC)

int survey_look_init(Survey *s) {
        s->files = calloc(FILES_PLACES, sizeof(*s->files));
        s->processes = calloc(PROCESSES_MAX, sizeof(*s->processes));
        return s->files && s->processes ? 0 : -ENOMEM;
}

void survey_look_done(Survey *s) {
        free(s->files);
        free(s->processes);
}

/* ---- files ---------------------------------------------------------------------------------------------------- */

/* A new one has the inode 0. NULL: there are too many. */
static SurveyFile *file_find(Survey *s, uint64_t device, uint64_t inode) {
        uint64_t at = (inode * UINT64_C(0x9E3779B97F4A7C15) ^ device) % FILES_PLACES;

        for (; s->files[at].inode != 0; at = (at + 1) % FILES_PLACES)
                if (s->files[at].inode == inode && s->files[at].device == device)
                        return s->files + at;
        if (s->n_files < FILES_MAX)
                return s->files + at;
        s->files_full = true;
        return NULL;
}

static void file_set(Survey *s, SurveyFile *file, const struct statx *stx, uint64_t device) {
        if (file->inode == 0)
                s->n_files++;
        *file = (SurveyFile){.device = device, .inode = stx->stx_ino, .bytes = stx->stx_blocks * 512, .counted = true};
}

/* Made within the survey: all of it is growth. A filesystem that keeps no such time never says so. */
static bool is_fresh(const Survey *s, const struct statx *stx) {
        uint64_t born_usec = (uint64_t) stx->stx_btime.tv_sec * USEC_PER_SEC + stx->stx_btime.tv_nsec / 1000;

        return stx->stx_mask & STATX_BTIME && born_usec + TICK_USEC >= s->begun_wall_usec && born_usec <= clock_wall_usec() + TICK_USEC;
}

/* ---- one descriptor ------------------------------------------------------------------------------------------- */

/* The mount that an open file lies on, where that is on the partition. */
static const SurveyMount *mount_of(SurveySubject *p, const char *number) {
        FdInfo info;

        return fdinfo_read(p->process_fd, number, &info) ? survey_mounts_find(&p->s->mounts, p->process_fd, info.mount_id) : NULL;
}

static bool is_deleted(const char *link, ssize_t n) {
        static const char deleted[] = " (deleted)";
        const ssize_t n_deleted = (ssize_t) strlen(deleted);

        return n > n_deleted && streq(link + n - n_deleted, deleted);
}

/* A regular file on the partition that is open for writing, or held without a name. Where the process has others open for writing,
 * that is noted: what it writes may go there. */
static const SurveyMount *look_at_file(SurveySubject *p, int dir_fd, const char *number, char link[static PATH_MAX],
                struct statx *ret_stx) {
        const SurveyMount *mount;
        struct stat st;
        char path[32];
        ssize_t n;

        n = readlinkat(dir_fd, number, link, PATH_MAX - 1);
        if (n <= 0 || link[0] != '/') /* "socket:[4711]", "pipe:[4711]" */
                return NULL;
        link[n] = 0;
        if (streq(link, "/dev/null") || strncmp(link, "/dev/pts/", strlen("/dev/pts/")) == 0 ||
            strncmp(link, "/memfd:", strlen("/memfd:")) == 0)
                return NULL;
        /* The mode of the link tells how the file was opened: proc(5). */
        bool is_writable = fstatat(dir_fd, number, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mode & S_IWUSR;
        if (!is_writable && !is_deleted(link, n))
                return NULL;
        mount = mount_of(p, number);
        if (!mount) {
                /* A device is no place where that may have gone. */
                bool is_disk = strncmp(link, "/dev/", strlen("/dev/")) != 0;
                p->process->is_ambiguous = p->process->is_ambiguous || (is_writable && is_disk);
                return NULL;
        }
        (void) snprintf(path, sizeof(path), "fd/%.12s", number);
        if (statx(p->process_fd, path, AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO | STATX_BLOCKS | STATX_NLINK | STATX_BTIME,
                  ret_stx) < 0)
                return NULL;
        return S_ISREG(ret_stx->stx_mode) && ret_stx->stx_ino != 0 ? mount : NULL;
}

static void look_at_descriptor(SurveySubject *p, int dir_fd, const char *number) {
        const SurveyMount *mount;
        Survey *s = p->s;
        char link[PATH_MAX];
        struct statx stx;
        SurveyFile *file;

        mount = look_at_file(p, dir_fd, number, link, &stx);
        if (!mount)
                return;
        uint64_t device = makedev(stx.stx_dev_major, stx.stx_dev_minor), bytes = stx.stx_blocks * 512, grown = 0;
        file = file_find(s, device, stx.stx_ino);
        if (!file)
                return;
        if (file->counted) {
                survey_causes_rename_writer(p, file);
                return;
        }
        bool was_known = file->inode != 0;
        if (was_known)
                grown = bytes - MIN(file->bytes, bytes);
        else if (s->look == 2 && is_fresh(s, &stx))
                grown = bytes;
        file_set(s, file, &stx, device);
        if (s->look != 2)
                return;
        p->process->explained += grown;
        p->process->is_ambiguous = p->process->is_ambiguous || (was_known && grown == 0);
        if (grown > 0 || (stx.stx_nlink == 0 && bytes > 0))
                survey_causes_add_file(p, mount, link, &stx, grown, file);
}

/* ---- one process ---------------------------------------------------------------------------------------------- */

static bool is_number(const char *name) { return name[0] >= '0' && name[0] <= '9'; }

static bool is_time(const Survey *s) {
        return clock_monotonic_usec() >= s->deadline_usec || s->n_descriptors >= DESCRIPTORS_MAX;
}

static void look_at_descriptors(SurveySubject *p) {
        _Alignas(struct dirent64) char buf[16384];
        _cleanup_close_ int dir_fd = openat(p->process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ssize_t n;

        while (dir_fd >= 0 && !is_time(p->s) && (n = getdents64(dir_fd, buf, sizeof(buf))) > 0) {
                const struct dirent64 *d;

                for (ssize_t at = 0; at < n; at += d->d_reclen) {
                        d = (const struct dirent64 *) (buf + at);
                        if (!is_number(d->d_name))
                                continue;
                        p->s->n_descriptors++;
                        look_at_descriptor(p, dir_fd, d->d_name);
                }
        }
}

static uint64_t field_of(const char *text, const char *name) {
        const char *at = strstr(text, name);

        return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* What it has dirtied, with its children that have ended and were waited for, but for what was thrown away unwritten. */
static uint64_t read_written(int process_fd) {
        char text[512];
        uint64_t written, cancelled;

        if (process_read(process_fd, "io", text, sizeof(text)) <= 0)
                return 0;
        written = field_of(text, "\nwrite_bytes: ");
        cancelled = field_of(text, "\ncancelled_write_bytes: ");
        return written - MIN(written, cancelled);
}

/* Field 4 of stat, behind the command, which may hold blanks and brackets. */
static int32_t read_parent(int process_fd) {
        char text[512];
        const char *at;
        int32_t parent;

        if (process_read(process_fd, "stat", text, sizeof(text)) <= 0)
                return 0;
        at = strrchr(text, ')');
        return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : 0;
}

static SurveyProcess *process_find(Survey *s, int32_t pid) {
        size_t low = 0, high = s->n_processes;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (s->processes[middle].pid < pid)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < s->n_processes && s->processes[low].pid == pid ? s->processes + low : NULL;
}

/* In the first look all are new; in the second one those that were begun meanwhile are looked at, and not kept. */
static SurveyProcess *process_take(Survey *s, int32_t pid, int process_fd, SurveyProcess *fresh) {
        uint64_t written = read_written(process_fd);
        SurveyProcess *p;

        if (s->look == 1) {
                if (s->n_processes == PROCESSES_MAX)
                        return NULL;
                p = s->processes + s->n_processes++;
                *p = (SurveyProcess){.pid = pid, .written = written};
                if (written >= PARENT_LEAST_BYTES)
                        p->parent = read_parent(process_fd);
                return p;
        }
        p = process_find(s, pid);
        if (p && !p->seen && written >= p->written) {
                p->seen = true;
                p->is_ambiguous = false;
                p->written = written - p->written;
                return p;
        }
        *fresh = (SurveyProcess){.pid = pid, .written = written};
        return fresh;
}

/* Of a process whose first thread has ended: another one of its threads, through which the same is seen. A thread of the kernel
 * has no other. */
static int open_other_thread(int proc_fd, int32_t pid) {
        _Alignas(struct dirent64) char buf[1024];
        _cleanup_close_ int dir_fd = -EBADF;
        char path[32];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "%d/task", pid);
        dir_fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        n = dir_fd < 0 ? -1 : getdents64(dir_fd, buf, sizeof(buf));
        for (ssize_t at = 0; at < n; at += ((const struct dirent64 *) (buf + at))->d_reclen) {
                const char *name = ((const struct dirent64 *) (buf + at))->d_name;

                if (is_number(name) && strtol(name, NULL, 10) != pid)
                        return openat(dir_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        }
        return -ENOENT;
}

int survey_look_open(int proc_fd, int32_t pid) {
        char number[16], path[32], nothing[1];

        (void) snprintf(number, sizeof(number), "%d", pid);
        /* A thread of the kernel, and what has ended, has no program, and no descriptors either. */
        (void) snprintf(path, sizeof(path), "%s/exe", number);
        if (readlinkat(proc_fd, path, nothing, sizeof(nothing)) < 0 && errno == ENOENT)
                return open_other_thread(proc_fd, pid);
        return openat(proc_fd, number, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void writers_consider(SurveyWriters *w, const SurveyProcess *p) {
        uint64_t bytes = survey_process_unexplained(p);
        size_t i = w->n;

        if (bytes == 0 || (i == SURVEY_WRITERS_MAX && bytes <= survey_process_unexplained(w->items + i - 1)))
                return;
        if (i == SURVEY_WRITERS_MAX)
                i--;
        else
                w->n++;
        for (; i > 0 && survey_process_unexplained(w->items + i - 1) < bytes; i--)
                w->items[i] = w->items[i - 1];
        w->items[i] = *p;
}

/* ---- a look at all -------------------------------------------------------------------------------------------- */

static bool may_go_on(const Survey *s) {
        struct rusage usage;

        if (is_time(s))
                return false;
        return getrusage(RUSAGE_SELF, &usage) < 0 || (uint64_t) usage.ru_inblock * 512 <= s->order->read_bytes;
}

static void look_at_process(Survey *s, int32_t pid) {
        _cleanup_close_ int process_fd = survey_look_open(s->proc_fd, pid);
        SurveyProcess fresh;
        SurveySubject subject = {.s = s, .process_fd = process_fd};

        if (process_fd < 0)
                return;
        subject.process = process_take(s, pid, process_fd, &fresh);
        if (!subject.process)
                return;
        look_at_descriptors(&subject);
        if (s->look == 2 && subject.process == &fresh)
                writers_consider(&s->writers, subject.process);
}

void survey_look_settle(Survey *s) {
        for (size_t i = 0; i < s->n_processes; i++) {
                const SurveyProcess *p = s->processes + i;
                SurveyProcess *parent = !p->seen && p->parent > 0 ? process_find(s, p->parent) : NULL;

                if (parent && parent->seen)
                        parent->written -= MIN(parent->written, p->written);
        }
        for (size_t i = 0; i < s->n_processes; i++)
                if (s->processes[i].seen)
                        writers_consider(&s->writers, s->processes + i);
}

int survey_look_at_all(Survey *s, unsigned number) {
        _Alignas(struct dirent64) char buf[32768];
        _cleanup_close_ int dir_fd = openat(s->proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ssize_t n;

        if (dir_fd < 0)
                return -errno;
        s->look = number;
        s->n_descriptors = 0;
        s->deadline_usec = clock_monotonic_usec() + LOOK_USEC;
        survey_mounts_begin_look(&s->mounts, s->deadline_usec);
        for (uint32_t i = 0; number == 2 && i < FILES_PLACES; i++)
                s->files[i].counted = false;
        while ((n = getdents64(dir_fd, buf, sizeof(buf))) > 0) {
                const struct dirent64 *d;

                for (ssize_t at = 0; at < n; at += d->d_reclen) {
                        d = (const struct dirent64 *) (buf + at);
                        int32_t pid = is_number(d->d_name) ? (int32_t) strtol(d->d_name, NULL, 10) : 0;
                        if (pid <= 0 || pid < s->order->from_pid || (number == 2 && s->next_pid > 0 && pid >= s->next_pid))
                                continue;
                        if (!may_go_on(s)) {
                                s->next_pid = pid;
                                return 0;
                        }
                        look_at_process(s, pid);
                }
        }
        return n < 0 ? -errno : 0;
}

bool survey_look_peek(SurveySubject *p, SurveyPlace *ret_place) {
        _Alignas(struct dirent64) char buf[16384];
        _cleanup_close_ int dir_fd = openat(p->process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ssize_t n = dir_fd < 0 ? -1 : getdents64(dir_fd, buf, sizeof(buf));
        const struct dirent64 *d;

        for (ssize_t at = 0; at < n; at += d->d_reclen) {
                const SurveyMount *mount;
                char link[PATH_MAX];
                struct statx stx;

                d = (const struct dirent64 *) (buf + at);
                mount = is_number(d->d_name) ? look_at_file(p, dir_fd, d->d_name, link, &stx) : NULL;
                if (!mount || !is_fresh(p->s, &stx) || stx.stx_blocks == 0)
                        continue;
                *ret_place = survey_causes_place(p, mount, link, &stx);
                if (!ret_place->is_log)
                        return true;
        }
        return false;
}

