/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "beneath.h"
#include "logfile.h"
#include "text.h"

/* Who shares a piece is looked up in the filesystem's trees: not for all of a log of a million pieces. */
#define SHARED_CALLS_MAX 16

static void enter(LogFile *f, const char *call) {
        f->call = call;
        stage_enter(f->stage, call, f->subject);
}

/* The result of the call that enter() announced, as 0 or a negative errno. */
static int leave(LogFile *f, long result) {
        int r = result < 0 ? -errno : 0;

        stage_leave(f->stage);
        return r;
}

void logfile_name(const char *container, char ret_name[static LOGFILE_NAME_MAX]) {
        (void) snprintf(ret_name, LOGFILE_NAME_MAX, "%.64s/%.64s-json.log", container, container);
}

/* Set-id bits on a log would be somebody's trap; any other mode is the administrator's business. */
static bool is_odd(const struct stat *st, uint32_t owner_uid) {
        return !S_ISREG(st->st_mode) || st->st_nlink > 1 || (st->st_mode & (S_ISUID | S_ISGID | S_ISVTX)) ||
               (st->st_uid != owner_uid && st->st_uid != 0);
}

static int look(LogFile *f, uint64_t device, uint64_t inode, uint32_t owner_uid) {
        int r;

        enter(f, "fstat");
        r = leave(f, fstat(f->fd, &f->st));
        if (r < 0)
                return r;
        if (is_odd(&f->st, owner_uid))
                return LOGFILE_E_ODD;
        if (f->st.st_dev != device || f->st.st_ino != inode || f->st.st_nlink != 1)
                return LOGFILE_E_CHANGED;
        return 0;
}

static int lock(LogFile *f) {
        int r;

        enter(f, "flock");
        r = leave(f, flock(f->fd, LOCK_EX | LOCK_NB));
        return r == -EWOULDBLOCK ? LOGFILE_E_BUSY : r;
}

/* Why it must not be opened for writing: somebody has seen to it that it only grows, or never changes. */
static int find_fixed(LogFile *f, int containers_fd, const char *name) {
        struct statx stx = {};
        int fd, r = -EPERM;

        enter(f, "statx");
        fd = beneath_open(containers_fd, name, O_PATH);
        if (fd >= 0 && statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &stx) == 0 &&
            (stx.stx_attributes & (STATX_ATTR_APPEND | STATX_ATTR_IMMUTABLE)))
                r = LOGFILE_E_FIXED;
        (void) close_safe(fd);
        stage_leave(f->stage);
        f->call = r < 0 ? "openat2" : stx.stx_attributes & STATX_ATTR_APPEND ? "append-only file" : "immutable file";
        return r;
}

static int open_as(LogFile *f, StagePage *stage, int containers_fd, const char *container, uint64_t device,
                   uint64_t inode, uint32_t owner_uid, int flags) {
        char name[LOGFILE_NAME_MAX];
        int r;

        f->stage = stage;
        f->fd = -EBADF;
        f->call = "";
        if (!text_is_container_id(container))
                return LOGFILE_E_ODD;
        (void) snprintf(f->subject, sizeof(f->subject), "the log of %.12s", container);
        logfile_name(container, name);

        enter(f, "openat2");
        f->fd = beneath_open(containers_fd, name, flags);
        stage_leave(f->stage);
        if (f->fd == -ENOENT || f->fd == -ENOTDIR)
                return LOGFILE_E_CHANGED;
        if (f->fd == -ELOOP || f->fd == -EXDEV || f->fd == -EISDIR || f->fd == -ENXIO)
                return LOGFILE_E_ODD;
        if (f->fd == -EPERM)
                return find_fixed(f, containers_fd, name);
        if (f->fd < 0)
                return f->fd;

        r = look(f, device, inode, owner_uid);
        if (r == 0 && flags != O_RDONLY)
                r = lock(f);
        if (r != 0) {
                const char *call = f->call;

                logfile_close(f);
                f->call = call;
        }
        return r;
}

int logfile_open(LogFile *f, StagePage *stage, int containers_fd, const char *container, uint64_t device,
                 uint64_t inode, uint32_t owner_uid) {
        return open_as(f, stage, containers_fd, container, device, inode, owner_uid, O_RDWR);
}

int logfile_open_reading(LogFile *f, StagePage *stage, int containers_fd, const char *container, uint64_t device,
                         uint64_t inode, uint32_t owner_uid) {
        return open_as(f, stage, containers_fd, container, device, inode, owner_uid, O_RDONLY);
}

void logfile_close(LogFile *f) {
        if (f->fd < 0)
                return;
        enter(f, "close"); /* may be the one that frees the blocks of a removed file */
        f->fd = close_safe(f->fd);
        stage_leave(f->stage);
}

int logfile_stat(LogFile *f) {
        int r;

        enter(f, "fstat");
        r = leave(f, fstat(f->fd, &f->st));
        if (r < 0)
                return r;
        return f->st.st_nlink == 1 ? 0 : f->st.st_nlink == 0 ? LOGFILE_E_CHANGED : LOGFILE_E_ODD;
}

int logfile_lease(LogFile *f) {
        int r;

        enter(f, "fcntl");
        r = leave(f, fcntl(f->fd, F_SETLEASE, F_WRLCK));
        return r == -EAGAIN || r == -EBUSY ? LOGFILE_E_BUSY : r;
}

int logfile_read(LogFile *f, uint64_t offset, void *buf, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k;

                enter(f, "pread");
                k = pread(f->fd, (char *) buf + done, n - done, (off_t) (offset + done));
                stage_leave(f->stage);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        return -ENODATA;
                done += (size_t) k;
        }
        return 0;
}

int logfile_write(LogFile *f, uint64_t offset, const void *buf, size_t n) {
        size_t done = 0;

        while (done < n) {
                ssize_t k;

                enter(f, "pwrite");
                k = pwrite(f->fd, (const char *) buf + done, n - done, (off_t) (offset + done));
                stage_leave(f->stage);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                done += (size_t) k;
        }
        return 0;
}

int logfile_blank(LogFile *f, uint64_t from, uint64_t to) {
        struct iovec spaces[LOGFILE_LINE_MAX / LOGFILE_CHUNK_BYTES];

        memset(f->chunk, ' ', sizeof(f->chunk));
        while (from < to) {
                uint64_t left = to - from;
                ssize_t k;
                int n = 0;

                for (; left > 0 && n < (int) ELEMENTS(spaces); n++) {
                        spaces[n] = (struct iovec){f->chunk, MIN(left, (uint64_t) sizeof(f->chunk))};
                        left -= spaces[n].iov_len;
                }
                enter(f, "pwritev");
                k = pwritev(f->fd, spaces, n, (off_t) from);
                stage_leave(f->stage);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                from += (uint64_t) k;
        }
        return 0;
}

int logfile_flush(LogFile *f, uint64_t from, uint64_t to) {
        if (from >= to)
                return 0;
        enter(f, "sync_file_range");
        return leave(f, sync_file_range(f->fd, (off_t) from, (off_t) (to - from),
                                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                                                SYNC_FILE_RANGE_WAIT_AFTER));
}

int logfile_flush_begin(LogFile *f, uint64_t from, uint64_t to) {
        if (from >= to)
                return 0;
        enter(f, "sync_file_range");
        return leave(f, sync_file_range(f->fd, (off_t) from, (off_t) (to - from), SYNC_FILE_RANGE_WRITE));
}

int logfile_fallocate(LogFile *f, int mode, uint64_t offset, uint64_t n) {
        int r;

        do {
                enter(f, "fallocate");
                r = leave(f, fallocate(f->fd, mode, (off_t) offset, (off_t) n));
        } while (r == -EINTR);
        return r;
}

int logfile_clone(LogFile *f, int source_fd, uint64_t offset, uint64_t n) {
        struct file_clone_range range = {.src_fd = source_fd, .src_length = n, .dest_offset = offset};
        int r;

        do {
                enter(f, "ficlonerange");
                r = leave(f, ioctl(f->fd, FICLONERANGE, &range));
        } while (r == -EINTR);
        return r;
}

int logfile_truncate(LogFile *f, uint64_t size_bytes) {
        enter(f, "ftruncate");
        return leave(f, ftruncate(f->fd, (off_t) size_bytes));
}

int logfile_sync_filesystem(LogFile *f) {
        enter(f, "syncfs");
        return leave(f, syncfs(f->fd));
}

static int seek(LogFile *f, uint64_t offset, int whence, uint64_t *ret_offset) {
        off_t at;
        int r;

        enter(f, "lseek");
        at = lseek(f->fd, (off_t) offset, whence);
        r = leave(f, at);
        if (r == -ENXIO) { /* behind the last one */
                r = logfile_stat(f);
                if (r < 0)
                        return r;
                at = f->st.st_size;
        } else if (r < 0)
                return r;
        *ret_offset = (uint64_t) at;
        return 0;
}

int logfile_seek_data(LogFile *f, uint64_t offset, uint64_t *ret_offset) {
        return seek(f, offset, SEEK_DATA, ret_offset);
}

int logfile_seek_hole(LogFile *f, uint64_t offset, uint64_t *ret_offset) {
        return seek(f, offset, SEEK_HOLE, ret_offset);
}

int logfile_data_bytes(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_bytes) {
        uint64_t bytes = 0, hole;
        int r;

        for (int i = 0; i < LOGFILE_PIECES_MAX && from < to; i++) {
                r = logfile_seek_data(f, from, &from);
                if (r < 0)
                        return r;
                if (from >= to)
                        break;
                r = logfile_seek_hole(f, from, &hole);
                if (r < 0)
                        return r;
                hole = MIN(MAX(hole, from + 1), to);
                bytes += hole - from;
                from = hole;
        }
        *ret_bytes = bytes + (from < to ? to - from : 0);
        return 0;
}

int logfile_shared_bytes(LogFile *f, uint64_t from, uint64_t to, uint64_t *ret_bytes) {
        union {
                struct fiemap map; /* ends in its extents */
                char room[sizeof(struct fiemap) + LOGFILE_PIECES_MAX * sizeof(struct fiemap_extent)];
        } m;
        uint64_t bytes = 0;
        int r;

        for (int i = 0; i < SHARED_CALLS_MAX && from < to; i++) {
                m.map = (struct fiemap){.fm_start = from, .fm_length = to - from, .fm_extent_count = LOGFILE_PIECES_MAX};
                enter(f, "ioctl");
                r = leave(f, ioctl(f->fd, FS_IOC_FIEMAP, &m));
                if (r < 0)
                        return r;
                for (uint32_t k = 0; k < MIN(m.map.fm_mapped_extents, (uint32_t) LOGFILE_PIECES_MAX); k++) {
                        const struct fiemap_extent *e = &m.map.fm_extents[k];
                        const uint64_t end = e->fe_logical + e->fe_length;

                        if ((e->fe_flags & FIEMAP_EXTENT_SHARED) && end > from)
                                bytes += MIN(end, to) - MIN(MAX(e->fe_logical, from), to);
                        from = MAX(from, end);
                }
                if (m.map.fm_mapped_extents < LOGFILE_PIECES_MAX)
                        break;
        }
        *ret_bytes = bytes;
        return 0;
}

/* The end of the last line before offset, looking back no further than LOGFILE_LINE_MAX. */
static int find_start(LogFile *f, uint64_t offset, uint64_t *ret_start) {
        const uint64_t floor = offset > LOGFILE_LINE_MAX ? offset - LOGFILE_LINE_MAX : 0;
        int r;

        for (uint64_t to = offset; to > floor;) {
                const uint64_t from = to - floor > sizeof(f->chunk) ? to - sizeof(f->chunk) : floor;

                r = logfile_read(f, from, f->chunk, (size_t) (to - from));
                if (r < 0)
                        return r;
                for (uint64_t at = to; at > from; at--)
                        if (f->chunk[at - 1 - from] == '\n' || f->chunk[at - 1 - from] == 0) {
                                *ret_start = at;
                                return 0;
                        }
                to = from;
        }
        if (floor > 0)
                return LOGFILE_E_NO_LINE;
        *ret_start = 0;
        return 0;
}

/* The offset of the first newline at or after offset and before limit. */
static int find_newline(LogFile *f, uint64_t offset, uint64_t limit, uint64_t *ret_at) {
        uint64_t next;
        int r;

        for (uint64_t from = offset; from < limit; from = next) {
                const char *newline;

                next = MIN(from + sizeof(f->chunk), limit);
                r = logfile_read(f, from, f->chunk, (size_t) (next - from));
                if (r < 0)
                        return r;
                newline = memchr(f->chunk, '\n', (size_t) (next - from));
                if (newline) {
                        *ret_at = from + (uint64_t) (newline - f->chunk);
                        return 0;
                }
        }
        return LOGFILE_E_NO_LINE;
}

int logfile_find_line(LogFile *f, uint64_t offset, uint64_t *ret_start, uint64_t *ret_end) {
        uint64_t start, newline;
        char at;
        int r;

        r = find_start(f, offset, &start);
        if (r != 0)
                return r;
        r = logfile_read(f, offset, &at, 1);
        if (r < 0)
                return r == -ENODATA ? LOGFILE_E_NO_LINE : r;
        if (at == 0)
                return LOGFILE_E_NO_LINE;
        if (start < offset) {
                r = find_newline(f, offset, MIN(start + LOGFILE_LINE_MAX, logfile_size_bytes(f)), &newline);
                if (r != 0)
                        return r == -ENODATA ? LOGFILE_E_NO_LINE : r;
                offset = newline + 1;
        }
        *ret_start = start;
        *ret_end = offset;
        return 0;
}

int logfile_check_line(LogFile *f, uint64_t from, uint64_t to) {
        uint64_t newline;
        int r;

        if (to < from || to - from > LOGFILE_LINE_MAX || to >= logfile_size_bytes(f))
                return LOGFILE_E_NO_LINE;
        r = find_newline(f, from, to + 1, &newline);
        if (r != 0)
                return r == -ENODATA ? LOGFILE_E_NO_LINE : r;
        return newline == to ? 0 : LOGFILE_E_NO_LINE;
}
