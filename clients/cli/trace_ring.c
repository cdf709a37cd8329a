/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "trace_ring.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define PREFIX "trace-"
#define SUFFIX ".jsonl"
/* So many files share the budget: what is lost of it when the oldest goes. */
#define FILES 8
/* And no more than that, however small: each time that the guard is found again begins one. */
#define FILES_MOST 256
/* With thousands of logs the beginning alone is more than a part of a small budget. */
#define LEAST_SEC 60

int trace_ring_open(const char *path, uint64_t budget_bytes, TraceRing *ret_ring) {
        if (mkdir(path, 0750) < 0 && errno != EEXIST)
                return -errno;
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        *ret_ring = (TraceRing){.dir_fd = fd, .budget_bytes = budget_bytes, .fd = -EBADF};
        return 0;
}

void trace_ring_done(TraceRing *ring) {
        ring->fd = close_safe(ring->fd);
        ring->dir_fd = close_safe(ring->dir_fd);
}

static int compare(const void *a, const void *b) { return strcmp(*(char *const *) a, *(char *const *) b); }

static bool is_ours(const char *name) {
        size_t n = strlen(name);

        return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && n > strlen(SUFFIX) && streq(name + n - strlen(SUFFIX), SUFFIX);
}

int trace_ring_list(int dir_fd, char *ret_names[static TRACE_RING_NAMES_MAX], size_t *ret_n) {
        int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const struct dirent *entry;
        size_t n = 0;
        DIR *dir;

        if (fd < 0)
                return -errno;
        dir = fdopendir(fd);
        if (!dir) {
                (void) close_safe(fd);
                return -ENOMEM;
        }
        while (n < TRACE_RING_NAMES_MAX && (entry = readdir(dir)))
                if (is_ours(entry->d_name) && (ret_names[n] = strdup(entry->d_name)))
                        n++;
        (void) closedir(dir);
        qsort(ret_names, n, sizeof(*ret_names), compare);
        *ret_n = n;
        return 0;
}

static uint64_t bytes_of(const TraceRing *ring, const char *name) {
        struct stat st;

        if (fstatat(ring->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        return MAX((uint64_t) st.st_size, (uint64_t) st.st_blocks * 512);
}

/* What is there already may take so much, that a whole new file fits the budget, and be so many. Where there are more than can
 * be listed at once, the oldest of those that were go, and it is looked again. */
static void make_room(const TraceRing *ring) {
        char *names[TRACE_RING_NAMES_MAX];
        size_t n;

        do {
                uint64_t left = ring->budget_bytes - ring->budget_bytes / FILES;

                if (trace_ring_list(ring->dir_fd, names, &n) < 0)
                        return;
                for (size_t i = n; i-- > 0;) {
                        uint64_t bytes = bytes_of(ring, names[i]);

                        if (bytes > left || n - i > FILES_MOST)
                                left = 0; /* it and all that are older */
                        if (left == 0)
                                (void) unlinkat(ring->dir_fd, names[i], 0);
                        else
                                left -= bytes;
                        free(names[i]);
                }
        } while (n == TRACE_RING_NAMES_MAX);
}

static bool remove_oldest(const TraceRing *ring) {
        char *names[TRACE_RING_NAMES_MAX];
        size_t n = 0;
        bool removed;

        if (trace_ring_list(ring->dir_fd, names, &n) < 0)
                return false;
        removed = n > 0 && unlinkat(ring->dir_fd, names[0], 0) == 0;
        while (n > 0)
                free(names[--n]);
        return removed;
}

static int64_t now_sec(void) {
        struct timespec now;

        (void) clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec;
}

static int create(TraceRing *ring) {
        char when[32];
        time_t now = time(NULL);
        struct tm tm;

        if (!gmtime_r(&now, &tm) || strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
                return -EINVAL;
        for (unsigned i = 0; i < 1000; i++) {
                (void) snprintf(ring->name, sizeof(ring->name), PREFIX "%s-%03u" SUFFIX, when, i);
                ring->fd = openat(ring->dir_fd, ring->name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0640);
                if (ring->fd >= 0)
                        return 0;
                if (errno != EEXIST)
                        return -errno;
        }
        return -EEXIST;
}

int trace_ring_next(TraceRing *ring) {
        int r;

        if (ring->fd >= 0 && trace_ring_is_empty(ring))
                (void) unlinkat(ring->dir_fd, ring->name, 0);
        ring->fd = close_safe(ring->fd);
        ring->file_bytes = 0;
        ring->begun_sec = now_sec();
        make_room(ring);
        r = create(ring);
        /* No inode is left: what is oldest here gives its own. */
        if (r == -ENOSPC && remove_oldest(ring))
                r = create(ring);
        return r;
}

static int write_whole(TraceRing *ring, const char *line) {
        size_t n_bytes = strlen(line);
        char *whole = malloc(n_bytes + 2);

        if (!whole)
                return -ENOMEM;
        memcpy(whole, line, n_bytes);
        memcpy(whole + n_bytes, "\n", 2);
        ssize_t n = write(ring->fd, whole, n_bytes + 1);
        int r = n < 0 ? -errno : (size_t) n == n_bytes + 1 ? 0 : -ENOSPC;
        free(whole);
        if (r < 0 && n > 0)
                (void) !ftruncate(ring->fd, (off_t) ring->file_bytes); /* a part of a line is none */
        if (r == 0)
                ring->file_bytes += n_bytes + 1;
        return r;
}

int trace_ring_write(TraceRing *ring, const char *line) {
        char lost[64];
        int r = 0;

        if (ring->fd < 0)
                return -EBADF;
        if (ring->n_lost > 0) {
                (void) snprintf(lost, sizeof(lost), "{\"kind\":\"left-out\",\"lines\":%llu}", (unsigned long long) ring->n_lost);
                r = write_whole(ring, lost);
        }
        if (r == 0)
                ring->n_lost = 0;
        uint64_t part = ring->budget_bytes / FILES, n_parts = ring->file_bytes / part;
        if (r == 0)
                r = write_whole(ring, line);
        if (r < 0)
                ring->n_lost++;
        /* It takes more than its part: the oldest go for that, too. */
        if (ring->file_bytes / part > n_parts && !trace_ring_is_full(ring))
                make_room(ring);
        return r;
}

bool trace_ring_is_full(const TraceRing *ring) {
        if (ring->file_bytes < ring->budget_bytes / FILES)
                return false;
        return now_sec() >= ring->begun_sec + LEAST_SEC || ring->file_bytes >= ring->budget_bytes / 2;
}

bool trace_ring_is_empty(const TraceRing *ring) { return ring->file_bytes == 0; }
