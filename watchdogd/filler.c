/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "beneath.h"
#include "filler.h"
#include "macros.h"

#define SUBJECT "the filler"

/* ---- in a log ------------------------------------------------------------------------------------------------- */

static bool is_shared(int fd, uint64_t offset) {
        union {
                struct fiemap map;
                char room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
        } u = {.map = {.fm_start = offset, .fm_length = FILLER_EDGE_BYTES, .fm_extent_count = 1}};

        return ioctl(fd, FS_IOC_FIEMAP, &u.map) == 0 && u.map.fm_mapped_extents == 1 &&
               (u.map.fm_extents[0].fe_flags & FIEMAP_EXTENT_SHARED);
}

static bool has_filler(int fd, uint64_t offset) {
        char edge[FILLER_EDGE_BYTES];
        const off_t rear = (off_t) (offset + FILLER_BYTES - sizeof(edge));

        return pread(fd, edge, sizeof(edge), (off_t) offset) == (ssize_t) sizeof(edge) && filler_is_front(edge) &&
               pread(fd, edge, sizeof(edge), rear) == (ssize_t) sizeof(edge) && filler_is_rear(edge);
}

static int is_free_filler(uint64_t offset, void *userdata) {
        const int fd = *(const int *) userdata;

        return has_filler(fd, offset) && is_shared(fd, offset);
}

uint64_t filler_measure(int fd, uint64_t size_bytes) { return filler_find_end(size_bytes, is_free_filler, &fd); }

/* ---- the file that it is cloned from ----------------------------------------------------------------------------- */

typedef struct Source {
        StagePage *stage;
        const char *call;
        int fd;
} Source;

static void enter(Source *s, const char *call) {
        s->call = call;
        stage_enter(s->stage, call, SUBJECT);
}

static int leave(Source *s, long result) {
        int r = result < 0 ? -errno : 0;

        stage_leave(s->stage);
        return r;
}

static bool is_ours(const struct stat *st) {
        return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

/* One call made it as large as it is: where its last block is there, so is all before it. */
static bool is_whole(Source *s, const struct stat *st) {
        bool whole;

        if ((uint64_t) st->st_size != FILLER_SOURCE_BYTES)
                return false;
        enter(s, "pread");
        whole = has_filler(s->fd, 0) && has_filler(s->fd, FILLER_SOURCE_BYTES - FILLER_BYTES);
        stage_leave(s->stage);
        return whole;
}

static int write_block(Source *s) {
        _cleanup_free_ char *block = malloc(FILLER_BYTES); /* once in the life of a partition: not static */
        ssize_t k;
        int r;

        if (!block)
                return -ENOMEM;
        filler_make(block);
        enter(s, "pwrite");
        k = pwrite(s->fd, block, FILLER_BYTES, 0);
        r = leave(s, k);
        return r == 0 && k != (ssize_t) FILLER_BYTES ? -ENOSPC : r;
}

static int make(Source *s) {
        int r;

        enter(s, "ftruncate");
        r = leave(s, ftruncate(s->fd, 0));
        if (r == 0)
                r = write_block(s);
        for (uint64_t done = FILLER_BYTES; r == 0 && done < FILLER_SOURCE_BYTES; done *= 2) {
                struct file_clone_range range = {.src_fd = s->fd, .src_length = done, .dest_offset = done};

                /* The first one waits until the block is written. */
                enter(s, "ficlonerange");
                r = leave(s, ioctl(s->fd, FICLONERANGE, &range));
        }
        if (r == -EINVAL || r == -ENOTTY || r == -ENOSYS)
                r = -EOPNOTSUPP;
        return r;
}

/* Half of it is of no use. */
static void remove_again(Source *s, int look_fd) {
        const char *call = s->call;

        enter(s, "ftruncate");
        (void) leave(s, ftruncate(s->fd, 0));
        enter(s, "unlinkat");
        (void) leave(s, unlinkat(look_fd, FILLER_NAME, 0));
        s->call = call;
}

static int make_whole(Source *s, int look_fd) {
        struct stat st;
        int r;

        enter(s, "fstat");
        r = leave(s, fstat(s->fd, &st));
        if (r < 0)
                return r;
        if (!is_ours(&st))
                return -EEXIST;
        if (is_whole(s, &st))
                return 0;
        enter(s, "flock");
        r = leave(s, flock(s->fd, LOCK_EX | LOCK_NB));
        if (r < 0)
                return r == -EWOULDBLOCK ? -EBUSY : r;
        r = make(s);
        if (r < 0)
                remove_again(s, look_fd);
        return r;
}

int filler_open(StagePage *stage, int look_fd, const char **ret_call) {
        Source s = {.stage = stage, .call = "openat2", .fd = -EBADF};
        int r;

        enter(&s, "openat2");
        s.fd = beneath_open(look_fd, FILLER_NAME, O_RDWR);
        if (s.fd == -ENOENT)
                s.fd = beneath_create(look_fd, FILLER_NAME, O_RDWR | O_CREAT | O_EXCL, 0600);
        stage_leave(stage);
        if (s.fd < 0)
                r = s.fd == -ELOOP || s.fd == -EISDIR || s.fd == -ENXIO ? -EEXIST : s.fd;
        else {
                r = make_whole(&s, look_fd);
                /* Closing gives the lock back. */
                if (r < 0) {
                        stage_enter(stage, "close", SUBJECT);
                        s.fd = close_safe(s.fd);
                        stage_leave(stage);
                }
        }
        *ret_call = s.call;
        return r < 0 ? r : s.fd;
}
