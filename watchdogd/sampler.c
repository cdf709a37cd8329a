/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "beneath.h"
#include "filler.h"
#include "macros.h"
#include "marker.h"
#include "sampler.h"

/* Docker keeps max-file segments, a handful. Whoever can make more of them in a container's folder shall
 * not make us count for minutes. */
#define ENTRIES_MAX 16384

/* Enough for 64 of Docker's longest lines (16 KiB in JSON). */
#define TAIL_BYTES 65536

/* Opening a log to measure it: not for differences that are no page, nor all the time. A head that somebody's truncate
 * has left may be that small, and a little less shows of it: the last page is not full. */
#define HOLE_MIN_BYTES KIB(4)
#define HOLE_GAP_USEC USEC_PER_SEC
#define LINES_MIN_BYTES MIB(1)
#define LINES_GAP_USEC (10 * USEC_PER_SEC)
/* Our own fills are told by who does them: this finds what it was like before. */
#define FILLER_GAP_USEC (10 * USEC_PER_SEC)

LogKind sampler_find_kind(LogDriver driver) {
        switch (driver) {
        case LOG_DRIVER_LOCAL:
                return LOG_KIND_LOCAL;
        case LOG_DRIVER_OTHER:
                return LOG_KIND_CACHED;
        case LOG_DRIVER_UNKNOWN:
        case LOG_DRIVER_JSON_FILE:
                break;
        }
        return LOG_KIND_JSON;
}

const char *sampler_log_name(LogKind kind, const char *id, char buf[static SAMPLER_NAME_MAX]) {
        switch (kind) {
        case LOG_KIND_LOCAL:
                return "local-logs/container.log";
        case LOG_KIND_CACHED:
                return "container-cached.log";
        case LOG_KIND_NONE:
        case LOG_KIND_JSON:
                break;
        }
        (void) snprintf(buf, SAMPLER_NAME_MAX, "%.64s-json.log", id);
        return buf;
}

const char *sampler_find_oddity(const struct stat *st, uint64_t device, uint32_t owner_uid) {
        if (S_ISLNK(st->st_mode))
                return "a symbolic link";
        if (!S_ISREG(st->st_mode))
                return "not a regular file";
        if (st->st_dev != device)
                return "on another partition";
        if (st->st_nlink > 1)
                return "has a second name (a hard link)";
        if (st->st_uid != 0 && st->st_uid != owner_uid)
                return "belongs to somebody else";
        return NULL;
}

bool sampler_is_segment(const char *name, const char *log_name) {
        size_t n = strlen(log_name), digits;

        if (strncmp(name, log_name, n) != 0 || name[n] != '.')
                return false;
        name += n + 1;
        digits = strspn(name, "0123456789");
        return digits > 0 && digits < 10 && (name[digits] == 0 || streq(name + digits, ".gz"));
}

static void add_segment(int dir_fd, const char *name, SamplerSegments *segments) {
        struct stat st;

        if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                return;
        segments->n++;
        segments->bytes += sampler_allocated_bytes(&st);
}

int sampler_count_segments(int folder_fd, LogKind kind, const char *id, SamplerSegments *ret_segments) {
        char buf[SAMPLER_NAME_MAX];
        const char *log_name = sampler_log_name(kind, id, buf), *slash = strrchr(log_name, '/');
        SamplerSegments segments = {};
        struct dirent *entry;
        DIR *dir;
        int fd;

        fd = beneath_open(folder_fd, slash ? "local-logs" : ".", O_RDONLY | O_DIRECTORY);
        if (fd < 0)
                return fd;
        dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return -ENOMEM;
        }
        for (uint32_t i = 0; i < ENTRIES_MAX && (entry = readdir(dir)); i++)
                if (sampler_is_segment(entry->d_name, slash ? slash + 1 : log_name))
                        add_segment(fd, entry->d_name, &segments);
        (void) closedir(dir);
        *ret_segments = segments;
        return 0;
}

uint64_t sampler_measure_hole(int fd, uint64_t size_bytes) {
        char head[MARKER_BYTES];
        off_t hole, data;

        if (pread(fd, head, sizeof(head), 0) != (ssize_t) sizeof(head) || !marker_read(head, NULL))
                return 0;
        hole = lseek(fd, 0, SEEK_HOLE);
        if (hole < 0 || (uint64_t) hole >= size_bytes)
                return 0;
        data = lseek(fd, hole, SEEK_DATA);
        if (data < 0) /* ENXIO: nothing but hole up to the end */
                data = (off_t) size_bytes;
        return (uint64_t) (data - hole);
}

uint64_t sampler_measure_nuls(int fd, uint64_t size_bytes) {
        char first = 0;
        off_t data;

        if (pread(fd, &first, 1, 0) != 1 || first != 0)
                return 0;
        data = lseek(fd, 0, SEEK_DATA);
        if (data < 0 || (uint64_t) data >= size_bytes)
                return 0; /* nothing is hidden behind it */
        return MAX((uint64_t) data, UINT64_C(1));
}

uint32_t sampler_measure_lines(int fd, uint64_t size_bytes) {
        char tail[TAIL_BYTES];
        const char *first, *last;
        uint64_t from = size_bytes > sizeof(tail) ? size_bytes - sizeof(tail) : 0;
        uint32_t n_lines = 0;
        ssize_t n;

        n = pread(fd, tail, sizeof(tail), (off_t) from);
        if (n <= 0)
                return 0;
        first = memchr(tail, '\n', (size_t) n);
        last = memrchr(tail, '\n', (size_t) n);
        if (!first || first == last) /* one line or less */
                return (uint32_t) n;
        for (const char *at = first; at < last; n_lines++)
                at = memchr(at + 1, '\n', (size_t) (last - at));
        return (uint32_t) ((size_t) (last - first) / n_lines);
}

/* ---- a log that is watched ---------------------------------------------------------------------------- */

void sampler_name(const Watched *log, SamplerSubject *ret_subject) {
        char buf[SAMPLER_NAME_MAX];

        (void) watched_id_to_text(log->id, ret_subject->id);
        (void) snprintf(ret_subject->text, sizeof(ret_subject->text), "the log of %.12s", ret_subject->id);
        (void) snprintf(ret_subject->log_name, sizeof(ret_subject->log_name), "%s",
                        sampler_log_name((LogKind) log->kind, ret_subject->id, buf));
        (void) snprintf(ret_subject->path, sizeof(ret_subject->path), "%s/%s", ret_subject->id,
                        ret_subject->log_name);
}

bool sampler_take_size(Watched *log, const struct stat *st) {
        uint64_t allocated_bytes = sampler_allocated_bytes(st), size_bytes = (uint64_t) st->st_size;
        bool changed = allocated_bytes != log->allocated_bytes || size_bytes != log->size_bytes;

        if (size_bytes < log->size_bytes || allocated_bytes < log->allocated_bytes)
                log->filler_usec = 0; /* cut: the filler may have gone with it */
        log->allocated_bytes = allocated_bytes;
        log->size_bytes = size_bytes;
        if (log->line_size_bytes > size_bytes) /* cut since: measure from here on */
                log->line_size_bytes = size_bytes;
        return changed;
}

/* Whether the filler at the head is to be looked for. Where there is no room for any, it is known without opening. */
static bool filler_is_due(const Watcher *w, Watched *log, bool force, uint64_t now) {
        if (log->size_bytes <= FILLER_BYTES || log->allocated_bytes < FILLER_BYTES ||
            strncmp(w->target.fs_type, "ext", 3) == 0 || streq(w->target.fs_type, "tmpfs")) {
                log->filler_bytes = 0;
                log->filler_usec = now;
                return false;
        }
        return log->filler_usec == 0 || force || now - log->filler_usec >= FILLER_GAP_USEC;
}

void sampler_measure(Watcher *w, Watched *log, int dir_fd, const char *path, bool force) {
        uint64_t now = clock_monotonic_usec(), since = now - log->measured_usec;
        uint64_t gap = log->size_bytes > log->allocated_bytes ? log->size_bytes - log->allocated_bytes : 0;
        uint64_t moved = gap > log->gap_bytes ? gap - log->gap_bytes : log->gap_bytes - gap;
        SamplerSubject subject;
        bool filler, hole, lines, appeared = gap > 0 && log->gap_bytes == 0;
        int fd;

        if (log->kind != LOG_KIND_JSON || log->odd)
                return;
        filler = filler_is_due(w, log, force, now);
        if (gap == 0) {
                log->hole_bytes = log->gap_bytes = 0;
                log->has_nul_head = false;
        }
        hole = gap > 0 && (force || ((appeared || moved >= HOLE_MIN_BYTES) && since >= HOLE_GAP_USEC));
        lines = log->size_bytes - log->line_size_bytes > LINES_MIN_BYTES &&
                (hole || since >= LINES_GAP_USEC);
        if (!filler && !hole && !lines)
                return;
        sampler_name(log, &subject);
        watcher_enter(w, "openat2", subject.text);
        fd = beneath_open(dir_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return;
        watcher_enter(w, "pread", subject.text);
        if (filler) {
                log->filler_bytes = filler_measure(fd, log->size_bytes);
                log->filler_usec = now;
        }
        if (hole) {
                log->hole_bytes = sampler_measure_nuls(fd, log->size_bytes);
                log->has_nul_head = log->hole_bytes > 0;
                if (!log->has_nul_head)
                        log->hole_bytes = sampler_measure_hole(fd, log->size_bytes);
                log->gap_bytes = gap;
        }
        if (lines) {
                log->line_bytes = sampler_measure_lines(fd, log->size_bytes);
                log->line_size_bytes = log->size_bytes;
        }
        log->measured_usec = now;
        watcher_enter(w, "close", subject.text);
        (void) close(fd);
}
