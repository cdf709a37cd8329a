/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ballast.h"
#include "beneath.h"
#include "macros.h"

#define SUBJECT "the ballast"

typedef struct Ballast {
        StagePage *stage;
        int fd;
        const char *call;
        struct stat st;
} Ballast;

static void enter(Ballast *b, const char *call) {
        b->call = call;
        stage_enter(b->stage, call, SUBJECT);
}

static int leave(Ballast *b, long result) {
        int r = result < 0 ? -errno : 0;

        stage_leave(b->stage);
        return r;
}

static void ballast_close(Ballast *b) {
        if (b->fd < 0)
                return;
        stage_enter(b->stage, "close", SUBJECT);
        b->fd = close_safe(b->fd);
        stage_leave(b->stage);
}
#define _cleanup_ballast_ _cleanup_(ballast_close)

static bool is_ours(const struct stat *st) {
        return S_ISREG(st->st_mode) && st->st_uid == geteuid() && st->st_nlink == 1;
}

static uint64_t allocated(const Ballast *b) { return (uint64_t) b->st.st_blocks * 512; }

static int look(Ballast *b) {
        enter(b, "fstat");
        return leave(b, fstat(b->fd, &b->st));
}

/* -EEXIST: something else has its name. */
static int ballast_open(Ballast *b, StagePage *stage, int look_fd, int flags) {
        int r;

        *b = (Ballast){.stage = stage, .fd = -EBADF, .call = ""};
        enter(b, "openat2");
        b->fd = beneath_create(look_fd, BALLAST_NAME, O_RDWR | flags, flags & O_CREAT ? 0600 : 0);
        stage_leave(stage);
        if (b->fd < 0)
                return b->fd == -ELOOP || b->fd == -EISDIR || b->fd == -ENXIO ? -EEXIST : b->fd;
        r = look(b);
        if (r == 0 && !is_ours(&b->st))
                r = -EEXIST;
        if (r < 0)
                ballast_close(b);
        return r;
}

static ActResult failed(const Ballast *b, Outcome *o, int error) {
        o->error = error;
        (void) snprintf(o->stage, sizeof(o->stage), "%s", b->call);
        if (error == -EEXIST)
                return ACT_REFUSED;
        return error == -EOPNOTSUPP || error == -ENOSYS ? ACT_UNSUPPORTED : ACT_FAILED;
}

uint64_t ballast_bytes(StagePage *stage, int look_fd) {
        struct stat st;
        int r;

        stage_enter(stage, "fstatat", SUBJECT);
        r = fstatat(look_fd, BALLAST_NAME, &st, AT_SYMLINK_NOFOLLOW);
        stage_leave(stage);
        return r == 0 && is_ours(&st) ? (uint64_t) st.st_blocks * 512 : 0;
}

static int resize(Ballast *b, uint64_t bytes) {
        int r;

        if ((uint64_t) b->st.st_size > bytes) {
                enter(b, "ftruncate");
                r = leave(b, ftruncate(b->fd, (off_t) bytes));
                if (r < 0)
                        return r;
        }
        do {
                enter(b, "fallocate");
                r = leave(b, fallocate(b->fd, 0, 0, (off_t) bytes));
        } while (r == -EINTR);
        return r;
}

/* Without room for all of it there is none: a partition that is that full must not get fuller by us. */
static void remove_again(Ballast *b, int look_fd) {
        const char *call = b->call;

        enter(b, "ftruncate");
        (void) leave(b, ftruncate(b->fd, 0));
        enter(b, "unlinkat");
        (void) leave(b, unlinkat(look_fd, BALLAST_NAME, 0));
        b->call = call;
}

ActResult ballast_make(StagePage *stage, int look_fd, const Act *act, Outcome *o) {
        _cleanup_ballast_ Ballast b;
        int r;

        r = ballast_open(&b, stage, look_fd, 0);
        if (r == -ENOENT)
                r = ballast_open(&b, stage, look_fd, O_CREAT | O_EXCL);
        if (r < 0)
                return failed(&b, o, r);
        if (act->want_bytes == 0)
                return ACT_NOTHING_TO_DO;

        r = resize(&b, act->want_bytes);
        if (r < 0) {
                remove_again(&b, look_fd);
                return failed(&b, o, r);
        }
        r = look(&b);
        if (r < 0)
                return failed(&b, o, r);
        o->ballast_bytes = allocated(&b);
        return ACT_DONE;
}

ActResult ballast_release(StagePage *stage, int look_fd, Outcome *o) {
        _cleanup_ballast_ Ballast b;
        uint64_t before;
        int r;

        r = ballast_open(&b, stage, look_fd, 0);
        if (r == -ENOENT || (r == 0 && allocated(&b) == 0))
                return ACT_NOTHING_TO_DO;
        if (r < 0)
                return failed(&b, o, r);

        before = allocated(&b);
        enter(&b, "ftruncate");
        r = leave(&b, ftruncate(b.fd, 0));
        if (r == 0)
                r = look(&b);
        if (r < 0)
                return failed(&b, o, r);
        o->freed_bytes = before - MIN(before, allocated(&b));
        o->ballast_bytes = allocated(&b);
        return ACT_DONE;
}
