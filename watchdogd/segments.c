/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "beneath.h"
#include "clock.h"
#include "filler.h"
#include "logfile.h"
#include "segments.h"
#include "text.h"

#define ENTRIES_BYTES 4096
#define NUMBER_MAX 999999u /* of a segment; nobody has set max-file higher and lived */
#define NAME_MAX_BYTES 112
/* Longer than it takes from a rotation to the beginning of what follows it. */
#define COMPRESSED_SOON_USEC (3 * USEC_PER_SEC)
/* So long after the last byte nobody compresses any more. */
#define COMPRESSED_STALE_USEC (10 * USEC_PER_MINUTE)

/* A segment is named by its number, and by whether it is compressed: while Docker compresses one, both are there. */
typedef struct Segment {
        uint32_t number; /* 0: none */
        bool compressed;
} Segment;

typedef struct Folder {
        StagePage *stage;
        const char *container;
        char subject[48];
        int fd;
        const char *call;
} Folder;

static void enter(Folder *d, const char *call) {
        d->call = call;
        stage_enter(d->stage, call, d->subject);
}

static int leave(Folder *d, long result) {
        int r = result < 0 ? -errno : 0;

        stage_leave(d->stage);
        return r;
}

static void folder_close(Folder *d) {
        if (d->fd < 0)
                return;
        stage_enter(d->stage, "close", d->subject);
        d->fd = close_safe(d->fd);
        stage_leave(d->stage);
}
#define _cleanup_folder_ _cleanup_(folder_close)

static int folder_open(Folder *d, StagePage *stage, int containers_fd, const char *container) {
        *d = (Folder){.stage = stage, .container = container, .fd = -EBADF, .call = ""};
        if (!text_is_container_id(container))
                return -EINVAL;
        (void) snprintf(d->subject, sizeof(d->subject), "the folder of %.12s", container);
        enter(d, "openat2");
        d->fd = beneath_open(containers_fd, container, O_RDONLY | O_DIRECTORY);
        stage_leave(stage);
        return d->fd < 0 ? d->fd : 0;
}

static void segment_name(const Folder *d, Segment s, char ret_name[static NAME_MAX_BYTES]) {
        (void) snprintf(ret_name, NAME_MAX_BYTES, "%.64s-json.log.%u%s", d->container, s.number,
                        s.compressed ? ".gz" : "");
}

static Segment segment_parse(const Folder *d, const char *name) {
        char prefix[NAME_MAX_BYTES];
        Segment s = {};
        int n;

        n = snprintf(prefix, sizeof(prefix), "%.64s-json.log.", d->container);
        if (strncmp(name, prefix, (size_t) n) != 0)
                return (Segment){};
        name += n;
        if (*name == '0')
                return (Segment){};
        for (; *name >= '0' && *name <= '9' && s.number <= NUMBER_MAX; name++)
                s.number = s.number * 10 + (uint32_t) (*name - '0');
        s.compressed = streq(name, ".gz");
        return s.number <= NUMBER_MAX && (*name == 0 || s.compressed) ? s : (Segment){};
}

/* Older first; of the two with one number the compressed one is not older, but comes second. */
static bool is_older(Segment a, Segment b) {
        return a.number != b.number ? a.number > b.number : !a.compressed && b.compressed;
}

static int segment_stat(Folder *d, Segment s, struct stat *ret_st) {
        char name[NAME_MAX_BYTES];

        segment_name(d, s, name);
        enter(d, "fstatat");
        return leave(d, fstatat(d->fd, name, ret_st, AT_SYMLINK_NOFOLLOW));
}

/* One pass: counts, and finds the oldest segment that is younger than the one given (number 0: the oldest of all). */
static int look(Folder *d, Segment than, Segments *ret_all, Segment *ret_oldest) {
        _Alignas(struct dirent64) char buf[ENTRIES_BYTES];
        Segments all = {};
        Segment oldest = {};
        struct stat st;
        ssize_t n;
        int r;

        if (lseek(d->fd, 0, SEEK_SET) < 0)
                return -errno;
        for (;;) {
                const struct dirent64 *e;

                enter(d, "getdents64");
                n = getdents64(d->fd, buf, sizeof(buf));
                stage_leave(d->stage);
                if (n <= 0)
                        break;
                for (ssize_t at = 0; at < n; at += e->d_reclen) {
                        Segment s;

                        e = (const struct dirent64 *) (buf + at);
                        s = segment_parse(d, e->d_name);
                        if (s.number == 0)
                                continue;
                        r = segment_stat(d, s, &st);
                        if (r < 0 && r != -ENOENT)
                                return r;
                        if (r < 0 || !S_ISREG(st.st_mode))
                                continue;
                        all.n++;
                        all.allocated_bytes += (uint64_t) st.st_blocks * 512;
                        if ((than.number == 0 || is_older(than, s)) && (oldest.number == 0 || is_older(s, oldest)))
                                oldest = s;
                }
        }
        if (n < 0)
                return -errno;
        *ret_all = all;
        *ret_oldest = oldest;
        return 0;
}

int segments_count(StagePage *stage, int containers_fd, const char *container, Segments *ret) {
        _cleanup_folder_ Folder d;
        Segment oldest;
        int r;

        r = folder_open(&d, stage, containers_fd, container);
        if (r == -ENOENT) {
                *ret = (Segments){};
                return 0;
        }
        return r < 0 ? r : look(&d, (Segment){}, ret, &oldest);
}

/* Of the live log, as far as it matters for what is to be kept. */
static uint64_t live_bytes(Folder *d) {
        char name[LOGFILE_NAME_MAX];
        struct stat st;

        (void) snprintf(name, sizeof(name), "%.64s-json.log", d->container);
        enter(d, "fstatat");
        return leave(d, fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW)) < 0 ? 0 : (uint64_t) st.st_blocks * 512;
}

/* What removing it gives: not the filler of a log that was filled before dockerd rotated it. */
static uint64_t own_bytes(Folder *d, Segment s, const struct stat *st) {
        const uint64_t allocated = (uint64_t) st->st_blocks * 512;
        char name[NAME_MAX_BYTES];
        uint64_t filler = 0;
        int fd;

        if (s.compressed || (uint64_t) st->st_size <= FILLER_BYTES)
                return allocated;
        segment_name(d, s, name);
        enter(d, "openat2");
        fd = beneath_open(d->fd, name, O_RDONLY);
        if (fd >= 0) {
                filler = filler_measure(fd, (uint64_t) st->st_size);
                (void) close(fd);
        }
        stage_leave(d->stage);
        return allocated - MIN(filler, allocated);
}

static int segment_remove(Folder *d, Segment s) {
        char name[NAME_MAX_BYTES];

        segment_name(d, s, name);
        enter(d, "unlinkat");
        return leave(d, unlinkat(d->fd, name, 0));
}

static bool is_ours(const struct stat *st, uint32_t owner_uid) {
        return S_ISREG(st->st_mode) && (st->st_uid == owner_uid || st->st_uid == 0) && st->st_nlink == 1;
}

static int open_segment(Folder *d, Segment s, uint32_t owner_uid, int *ret_fd, struct stat *ret_st) {
        _cleanup_close_ int fd = -EBADF;
        char name[NAME_MAX_BYTES];
        int r;

        segment_name(d, s, name);
        enter(d, "openat2");
        fd = beneath_open(d->fd, name, O_RDONLY);
        stage_leave(d->stage);
        if (fd < 0)
                return fd;
        enter(d, "fstat");
        r = leave(d, fstat(fd, ret_st));
        if (r == 0 && !is_ours(ret_st, owner_uid))
                r = -ELOOP;
        if (r == 0)
                *ret_fd = TAKE_FD(fd);
        return r;
}

/* A compressed one that nobody writes to any more; also one from the future, which says that the clock has jumped. */
static bool is_stale(const struct stat *st) {
        int64_t age_sec = (int64_t) (clock_wall_usec() / USEC_PER_SEC) - st->st_mtim.tv_sec;

        return (uint64_t) llabs(age_sec) * USEC_PER_SEC > COMPRESSED_STALE_USEC;
}

/* Docker begins to compress the newest one right after it was rotated, and then removes it: the same lines would turn up
 * again in the compressed one. A dockerd that was killed meanwhile leaves both. It does not finish that later: the plain
 * one is the whole one, which its readers take as well, and the other at most a copy of it, which it moves on as it is. */
static bool is_being_compressed(Folder *d, Segment s, const struct stat *st) {
        struct stat twin;

        if (segment_stat(d, (Segment){s.number, !s.compressed}, &twin) == 0)
                return !is_stale(s.compressed ? st : &twin);
        return !s.compressed && s.number == 1 &&
                clock_wall_usec() < (uint64_t) st->st_ctim.tv_sec * USEC_PER_SEC + COMPRESSED_SOON_USEC;
}

int segments_open_oldest(StagePage *stage, int containers_fd, const char *container, uint32_t owner_uid, int *ret_fd,
                         struct stat *ret_st, bool *ret_compressed) {
        _cleanup_folder_ Folder d;
        Segment at = {};
        Segments all;
        int r;

        r = folder_open(&d, stage, containers_fd, container);
        while (r == 0) {
                r = look(&d, at, &all, &at);
                if (r < 0 || at.number == 0)
                        return r < 0 ? r : -ENOENT;
                *ret_compressed = at.compressed;
                r = open_segment(&d, at, owner_uid, ret_fd, ret_st);
                if (r == 0 && is_being_compressed(&d, at, ret_st)) {
                        *ret_fd = close_safe(*ret_fd);
                        return -EAGAIN;
                }
                if (r == 0)
                        return 0;
                r = r == -ENOENT || r == -ELOOP || r == -EXDEV ? 0 : r; /* the next younger one */
        }
        return r;
}

/* Somebody has it open: its space is not freed before he closes it. Asked with a lease, which is granted only where
 * nobody else has. ret_fd: open for writing where it is to be emptied, else for reading. */
static bool segment_is_held(Folder *d, Segment s, bool for_writing, int *ret_fd) {
        char name[NAME_MAX_BYTES];
        bool held;

        segment_name(d, s, name);
        enter(d, "openat2");
        *ret_fd = beneath_open(d->fd, name, for_writing ? O_RDWR : O_RDONLY);
        enter(d, "fcntl");
        held = *ret_fd >= 0 && fcntl(*ret_fd, F_SETLEASE, F_WRLCK) < 0 && errno == EAGAIN;
        if (*ret_fd >= 0 && !held)
                (void) fcntl(*ret_fd, F_SETLEASE, F_UNLCK);
        stage_leave(d->stage);
        return held;
}

/* Before it is removed, so that its space is there at once, whoever has it open. Nobody writes a segment. */
static bool segment_empty(Folder *d, int fd, const struct stat *expected) {
        struct stat st;
        bool emptied;

        enter(d, "ftruncate");
        emptied = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == expected->st_ino && st.st_nlink == 1 &&
                ftruncate(fd, 0) == 0;
        stage_leave(d->stage);
        return emptied;
}

/* What becomes of one: with a reader on it, it stays, since removing it would free nothing; but a person gets what he
 * asked for, and an emergency empties it. 0; SEGMENT_E_HELD: it was left alone. */
#define SEGMENT_E_HELD 1
static int take_segment(Folder *d, Segment s, const struct stat *st, const Act *act, Outcome *o) {
        const uint64_t bytes = own_bytes(d, s, st);
        _cleanup_close_ int fd = -EBADF;
        bool held, emptied = false;
        int r;

        held = segment_is_held(d, s, act->emergency, &fd);
        if (held && !act->emergency && !act->by_hand) {
                o->held_bytes += bytes;
                return SEGMENT_E_HELD;
        }
        if (held && act->emergency)
                emptied = segment_empty(d, fd, st);
        r = segment_remove(d, s);
        if (r < 0)
                return r;
        if (held)
                o->held_bytes += bytes;
        if (!held || emptied)
                o->freed_bytes += bytes;
        o->cut_bytes += (uint64_t) st->st_size;
        return 0;
}

/* What a dockerd that was killed left half compressed goes with the segment: else the lines that were archived, or freed,
 * would turn up again in it. Should that dockerd live after all and be stuck, it goes on writing to what has no name any
 * more, and nothing is lost by that either. Returns the bytes that it gives. */
static uint64_t remove_stale_twin(Folder *d, Segment s, uint32_t owner_uid) {
        const Segment twin = {s.number, true};
        struct stat st;

        if (s.compressed || segment_stat(d, twin, &st) < 0 || !is_ours(&st, owner_uid) || !is_stale(&st) ||
            segment_remove(d, twin) < 0)
                return 0;
        return (uint64_t) st.st_blocks * 512;
}

static int remove_oldest(Folder *d, const Act *act, uint32_t owner_uid, Outcome *o, uint32_t *ret_n_removed) {
        Segment at = {};
        Segments all;
        struct stat st;
        int r;

        while (o->freed_bytes < act->want_bytes) {
                r = look(d, at, &all, &at);
                if (r < 0)
                        return r;
                if (at.number == 0)
                        break;
                r = segment_stat(d, at, &st);
                if (r < 0 && r != -ENOENT)
                        return r;
                if (r < 0 || !is_ours(&st, owner_uid) || (act->segment_inode != 0 && st.st_ino != act->segment_inode))
                        continue; /* gone, or not Docker's own, or not the one that was archived: the next younger one */
                if (live_bytes(d) + all.allocated_bytes < act->keep_bytes + (uint64_t) st.st_blocks * 512)
                        break;
                r = take_segment(d, at, &st, act, o);
                if (r == -ENOENT || r == SEGMENT_E_HELD)
                        continue;
                if (r < 0)
                        return r;
                (*ret_n_removed)++;
                o->freed_bytes += remove_stale_twin(d, at, owner_uid);
        }
        return 0;
}

ActResult segments_delete(StagePage *stage, int containers_fd, const Act *act, uint32_t owner_uid, Outcome *o) {
        _cleanup_folder_ Folder d;
        uint32_t n_removed = 0;
        int r;

        r = folder_open(&d, stage, containers_fd, act->container);
        if (r == -ENOENT)
                return ACT_CHANGED;
        if (r == -EINVAL || r == -ELOOP || r == -EXDEV || r == -ENOTDIR)
                return ACT_REFUSED;
        if (r == 0)
                r = remove_oldest(&d, act, owner_uid, o, &n_removed);
        if (r < 0) {
                o->error = r;
                (void) snprintf(o->stage, sizeof(o->stage), "%s", d.call);
                return n_removed > 0 ? ACT_DONE : ACT_FAILED;
        }
        return n_removed > 0 ? ACT_DONE : ACT_NOTHING_TO_DO;
}
