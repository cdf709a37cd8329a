/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "macros.h"
#include "writer.h"

/* A link that ends otherwise is not a live log of Docker's: it is not worth a stat. A removed log's link ends in
 * " (deleted)", a segment's in a number. */
#define LOG_SUFFIX "-json.log"

/* Of getdents64(): some 170 descriptors a call. Small, because it lies on the stack of a process with locked memory. */
#define ENTRIES_BYTES 4096

int writer_open_proc(int *ret_fd) {
        int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        *ret_fd = fd;
        return 0;
}

/* That the process or descriptor is gone is an answer, not an error. */
static int gone_or_error(int error) {
        return error == ENOENT || error == ESRCH ? WRITER_E_GONE : -error;
}

/* Reads the octal "flags:" line of fdinfo. dir_fd: /proc/PID/fdinfo's parent, path relative to it. */
static int read_flags(int dir_fd, const char *path, unsigned *ret_flags) {
        _cleanup_close_ int fd = -EBADF;
        char buf[256]; /* "pos:\t...\nflags:\t0102001\n..." come first */
        const char *at;
        char *end;
        unsigned long flags;
        ssize_t n;

        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return gone_or_error(errno);
        n = read(fd, buf, sizeof(buf) - 1);
        if (n < 0)
                return gone_or_error(errno);
        buf[n] = 0;

        at = strstr(buf, "flags:");
        if (!at)
                return -EBADMSG;
        at += strlen("flags:");
        flags = strtoul(at, &end, 8);
        if (end == at || flags > UINT_MAX)
                return -EBADMSG;
        *ret_flags = (unsigned) flags;
        return 0;
}

/* One descriptor of the process whose directory process_fd is. 0: open for writing. */
static int look_at(int process_fd, int32_t number, struct stat *ret_st, Tristate *ret_append) {
        char path[32];
        unsigned flags = 0;
        int r;

        (void) snprintf(path, sizeof(path), "fd/%d", number);
        if (fstatat(process_fd, path, ret_st, 0) < 0)
                return gone_or_error(errno);
        (void) snprintf(path, sizeof(path), "fdinfo/%d", number);
        r = read_flags(process_fd, path, &flags);
        if (r != 0)
                return r;
        if ((flags & O_ACCMODE) != O_WRONLY && (flags & O_ACCMODE) != O_RDWR)
                return WRITER_E_GONE;
        *ret_append = flags & O_APPEND ? YES : NO;
        return 0;
}

static int open_process(int proc_fd, int32_t pid, int *ret_fd) {
        char path[16];
        int fd;

        if (pid <= 0)
                return WRITER_E_GONE;
        (void) snprintf(path, sizeof(path), "%d", pid);
        fd = openat(proc_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return gone_or_error(errno);
        *ret_fd = fd;
        return 0;
}

int writer_check(int proc_fd, const LogWriter *expected, uint64_t device, uint64_t inode, LogWriter *ret_found) {
        _cleanup_close_ int process_fd = -EBADF;
        Tristate append;
        struct stat st;
        int r;

        if (expected->fd < 0)
                return WRITER_E_GONE;
        r = open_process(proc_fd, expected->pid, &process_fd);
        if (r != 0)
                return r;
        r = look_at(process_fd, expected->fd, &st, &append);
        if (r != 0)
                return r;
        if (st.st_dev != device || st.st_ino != inode)
                return WRITER_E_GONE;
        *ret_found = (LogWriter){.pid = expected->pid, .fd = expected->fd, .append = append};
        return 0;
}

static bool link_is_log(int process_fd, const char *number) {
        char path[32], target[PATH_MAX];
        const size_t n_suffix = strlen(LOG_SUFFIX);
        ssize_t n;

        (void) snprintf(path, sizeof(path), "fd/%.12s", number);
        n = readlinkat(process_fd, path, target, sizeof(target));
        return n >= (ssize_t) n_suffix && memcmp(target + n - n_suffix, LOG_SUFFIX, n_suffix) == 0;
}

/* Calls back for each log that is open for writing, until the callback returns false. */
typedef bool (*WriterSeen)(void *userdata, const WriterEntry *entry);

static int for_each_log(int proc_fd, int32_t pid, WriterSeen seen, void *userdata) {
        _cleanup_close_ int process_fd = -EBADF, dir_fd = -EBADF;
        _Alignas(struct dirent64) char buf[ENTRIES_BYTES];
        ssize_t n;
        int r;

        r = open_process(proc_fd, pid, &process_fd);
        if (r != 0)
                return r;
        dir_fd = openat(process_fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return gone_or_error(errno);

        while ((n = getdents64(dir_fd, buf, sizeof(buf))) > 0) {
                const struct dirent64 *d;

                for (ssize_t at = 0; at < n; at += d->d_reclen) {
                        WriterEntry entry = {};
                        struct stat st;

                        d = (const struct dirent64 *) (buf + at);
                        if (d->d_name[0] < '0' || d->d_name[0] > '9' || !link_is_log(process_fd, d->d_name))
                                continue;
                        entry.fd = (int32_t) strtol(d->d_name, NULL, 10);
                        r = look_at(process_fd, entry.fd, &st, &entry.append);
                        if (r < 0)
                                return r;
                        if (r > 0)
                                continue; /* closed meanwhile, or a reader */
                        entry.device = st.st_dev;
                        entry.inode = st.st_ino;
                        if (!seen(userdata, &entry))
                                return 0;
                }
        }
        return n < 0 ? gone_or_error(errno) : 0;
}

typedef struct Search {
        uint64_t device, inode;
        bool found;
        WriterEntry entry;
} Search;

static bool search_seen(void *userdata, const WriterEntry *entry) {
        Search *search = userdata;

        if (entry->device != search->device || entry->inode != search->inode)
                return true;
        /* Should there be two writers, the one that does not append is the one that matters. */
        if (!search->found || entry->append != YES)
                search->entry = *entry;
        search->found = true;
        return true;
}

int writer_find(int proc_fd, int32_t pid, uint64_t device, uint64_t inode, LogWriter *ret_found) {
        Search search = {.device = device, .inode = inode};
        int r;

        r = for_each_log(proc_fd, pid, search_seen, &search);
        if (r != 0)
                return r;
        if (!search.found)
                return WRITER_E_GONE;
        *ret_found = (LogWriter){.pid = pid, .fd = search.entry.fd, .append = search.entry.append};
        return 0;
}

typedef struct Collection {
        WriterEntry *entries;
        size_t n, n_max, total;
} Collection;

static bool collect_seen(void *userdata, const WriterEntry *entry) {
        Collection *c = userdata;

        c->total++;
        if (c->n < c->n_max)
                c->entries[c->n++] = *entry;
        return true;
}

static int compare_entries(const void *a, const void *b) {
        const WriterEntry *x = a, *y = b;

        if (x->device != y->device)
                return x->device < y->device ? -1 : 1;
        if (x->inode != y->inode)
                return x->inode < y->inode ? -1 : 1;
        return 0;
}

int writer_scan(int proc_fd, int32_t pid, WriterEntry *entries, size_t n_max, size_t *ret_n, size_t *ret_total) {
        Collection c = {.entries = entries, .n_max = n_max};
        int r;

        r = for_each_log(proc_fd, pid, collect_seen, &c);
        if (r != 0)
                return r;
        if (c.n > 0)
                qsort(entries, c.n, sizeof(*entries), compare_entries);
        *ret_n = c.n;
        *ret_total = c.total;
        return 0;
}

const WriterEntry *writer_lookup(const WriterEntry *entries, size_t n, uint64_t device, uint64_t inode) {
        const WriterEntry key = {.device = device, .inode = inode};

        return n == 0 ? NULL : bsearch(&key, entries, n, sizeof(*entries), compare_entries);
}
