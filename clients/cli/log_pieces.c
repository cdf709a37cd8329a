/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log_archives.h"
#include "log_order.h"
#include "log_overlap.h"

/* Docker's max-file is rarely above 100, and each is open. */
#define FILES_MAX 16384

/* The time of a line is in it, to the nanosecond. */
#define HEAD_BYTES 256

struct LogHead {
        uint64_t offset;
        size_t n_bytes;
        char bytes[HEAD_BYTES];
};

/* 2 s: longer than a rotation, or than the trimmer has a lease. */
#define ATTEMPTS_MAX 100
#define ATTEMPT_NSEC (20 * 1000000L)

void log_piece_close(LogPiece *piece) {
        if (piece->fd >= 0)
                (void) close(piece->fd);
        piece->fd = -EBADF;
}

static void done(LogPiece *piece) {
        log_piece_close(piece);
        free(piece->path);
        free(piece->head);
}

void log_pieces_drop(LogPieces *p, size_t i) {
        LogPiece *piece = p->pieces + i;

        done(piece);
        p->n--;
        memmove(piece, piece + 1, (p->n - i) * sizeof(*piece));
}

void log_pieces_close(LogPieces *p) {
        for (size_t i = 0; i < p->n; i++)
                done(p->pieces + i);
        free(p->pieces);
        *p = (LogPieces){};
}

int log_piece_open(LogPiece *piece) {
        if (piece->fd >= 0 || !piece->is_archive)
                return 0;
        piece->fd = open(piece->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return piece->fd < 0 ? -errno : 0;
}

LogPiece *log_pieces_add(LogPieces *p) {
        LogPiece *more;

        if ((p->n & (p->n - 1)) == 0) { /* doubled at each power of two */
                more = reallocarray(p->pieces, MAX(2 * p->n, (size_t) 16), sizeof(*more));
                if (!more)
                        return NULL;
                p->pieces = more;
        }
        p->pieces[p->n] = (LogPiece){.fd = -EBADF};
        return p->pieces + p->n++;
}

/* "NAME", "NAME.2" or "NAME.2.gz". */
static bool is_piece(const char *entry, const char *name, LogPiece *ret_piece) {
        size_t n = strlen(name);
        unsigned long number = 0;
        char *end = NULL;

        *ret_piece = (LogPiece){.fd = -EBADF};
        if (strncmp(entry, name, n) != 0)
                return false;
        if (entry[n] == 0)
                return true;
        if (entry[n] != '.' || entry[n + 1] < '1' || entry[n + 1] > '9')
                return false;
        number = strtoul(entry + n + 1, &end, 10);
        ret_piece->number = (unsigned) number;
        ret_piece->packing = strcmp(end, ".gz") == 0 ? LOG_GZIP : LOG_PLAIN;
        return number <= INT_MAX && (*end == 0 || ret_piece->packing == LOG_GZIP);
}

static int open_piece(int folder, const char *entry, LogPiece *piece) {
        struct stat st;

        piece->fd = openat(folder, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (piece->fd < 0)
                return -errno;
        if (fstat(piece->fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1) {
                log_piece_close(piece);
                return -ELOOP; /* a link, a pipe, or with a second name: not Docker's alone */
        }
        piece->size_bytes = (uint64_t) st.st_size;
        piece->device = st.st_dev;
        piece->inode = st.st_ino;
        return 0;
}

/* The oldest first; of a segment that is just being compressed, the plain one first. */
static int compare(const void *a, const void *b) {
        const LogPiece *x = a, *y = b;

        return x->number != y->number ? (x->number < y->number ? 1 : -1) : (int) x->packing - (int) y->packing;
}

/* The compressed one of a segment of which the plain one is still there is not finished. */
static void drop_unfinished(LogPieces *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n; i++)
                if (n > 0 && p->pieces[i].number == p->pieces[n - 1].number)
                        log_piece_close(p->pieces + i);
                else
                        p->pieces[n++] = p->pieces[i];
        p->n = n;
}

/* -EAGAIN: something was renamed or removed meanwhile. */
static int open_all(DIR *folder, const char *name, LogPieces *ret) {
        struct dirent *entry;
        LogPiece piece;
        int r = 0;

        rewinddir(folder);
        while (errno = 0, r >= 0 && (entry = readdir(folder))) {
                if (!is_piece(entry->d_name, name, &piece))
                        continue;
                r = open_piece(dirfd(folder), entry->d_name, &piece);
                if (r == -ELOOP) {
                        r = 0;
                        continue;
                }
                LogPiece *added = r >= 0 && ret->n < FILES_MAX ? log_pieces_add(ret) : NULL;
                if (added)
                        *added = piece;
                else if (r >= 0) {
                        log_piece_close(&piece);
                        r = ret->n < FILES_MAX ? -ENOMEM : -E2BIG;
                }
        }
        if (r < 0)
                return r == -ENOENT ? -EAGAIN : r;
        if (errno != 0)
                return -errno;
        if (ret->n > 0)
                qsort(ret->pieces, ret->n, sizeof(piece), compare);
        drop_unfinished(ret);
        return 0;
}

static const LogPiece *find_piece(const LogPieces *p, const LogPiece *like) {
        for (size_t i = 0; i < p->n; i++)
                if (p->pieces[i].number == like->number && p->pieces[i].packing == like->packing)
                        return p->pieces + i;
        return NULL;
}

/* Whether each name still stands for what was opened, and there is no other one. */
static bool is_still_so(DIR *folder, const char *name, const LogPieces *p) {
        const LogPiece *opened;
        struct dirent *entry;
        size_t n = 0;
        LogPiece piece;
        struct stat st;

        rewinddir(folder);
        while ((entry = readdir(folder))) {
                if (!is_piece(entry->d_name, name, &piece) ||
                    fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) || st.st_nlink > 1)
                        continue;
                opened = find_piece(p, &piece);
                if (opened && opened->inode == st.st_ino)
                        n++;
                else if (opened || piece.packing == LOG_PLAIN) /* a compressed one may have been left out */
                        return false;
        }
        return n == p->n;
}

static int open_once(DIR *folder, const char *name, LogPieces *ret) {
        *ret = (LogPieces){};
        return open_all(folder, name, ret);
}

static int open_files(const char *path, LogPieces *ret_pieces) {
        const char *name = strrchr(path, '/') + 1;
        char folder_path[PATH_MAX];
        const struct timespec pause = {.tv_nsec = ATTEMPT_NSEC};
        LogPieces pieces = {};
        DIR *folder;
        int r = -EAGAIN;

        if ((size_t) (name - path) >= sizeof(folder_path))
                return -ENAMETOOLONG;
        (void) snprintf(folder_path, sizeof(folder_path), "%.*s", (int) (name - path), path);
        folder = opendir(folder_path);
        if (!folder)
                return -errno;
        /* As it was, once all are open: then it was so in between. */
        for (int i = 0; i < ATTEMPTS_MAX && r == -EAGAIN; i++) {
                if (i > 0)
                        (void) nanosleep(&pause, NULL);
                r = open_once(folder, name, &pieces);
                if (r == 0 && !is_still_so(folder, name, &pieces))
                        r = -EAGAIN;
                if (r < 0)
                        log_pieces_close(&pieces);
        }
        (void) closedir(folder);
        if (r == 0)
                *ret_pieces = pieces;
        return r;
}

static uint64_t find_data(const LogPiece *piece) {
        off_t data = lseek(piece->fd, 0, SEEK_DATA);

        return data < 0 ? 0 : (uint64_t) data;
}

static void read_head(const LogPiece *piece, LogHead *ret) {
        uint64_t left;
        ssize_t n;

        ret->offset = find_data(piece);
        left = piece->size_bytes - MIN(ret->offset, piece->size_bytes);
        n = pread(piece->fd, ret->bytes, (size_t) MIN(left, (uint64_t) HEAD_BYTES), (off_t) ret->offset);
        ret->n_bytes = n < 0 ? 0 : (size_t) n;
}

static int remember_heads(LogPieces *files) {
        for (size_t i = 0; i < files->n; i++) {
                LogPiece *piece = files->pieces + i;

                if (piece->packing != LOG_PLAIN)
                        continue;
                piece->head = malloc(sizeof(*piece->head));
                if (!piece->head)
                        return -ENOMEM;
                read_head(piece, piece->head);
        }
        return 0;
}

bool log_piece_has_changed(const LogPiece *piece) {
        struct stat st;
        LogHead now;

        if (piece->is_archive || fstat(piece->fd, &st) < 0)
                return false;
        if ((uint64_t) st.st_size < piece->size_bytes)
                return true;
        if (piece->packing != LOG_PLAIN)
                return false;
        read_head(piece, &now);
        return now.offset != piece->head->offset || now.n_bytes != piece->head->n_bytes ||
                memcmp(now.bytes, piece->head->bytes, now.n_bytes) != 0;
}

int log_pieces_open(const char *path, const char *archives, const char *id12, LogPieces *ret_pieces) {
        LogPieces pieces = {}, files = {};
        int r = 0;

        /* The files first: what is freed meanwhile was archived before, and is found there. */
        if (path[0])
                r = open_files(path, &files);
        if (r == -ENOENT)
                r = 0;
        /* Before it is known what was archived: a cut from here on is seen. */
        if (r == 0)
                r = remember_heads(&files);
        if (r == 0 && archives[0])
                r = log_archives_open(archives, id12, &pieces);
        if (r == 0)
                r = log_order_archives(&pieces);
        if (r == 0)
                r = log_overlap_tell_apart(&pieces, &files);
        if (r == 0)
                r = log_order_join(&pieces, &files);
        log_pieces_close(&files);
        if (r < 0 || pieces.n == 0) {
                log_pieces_close(&pieces);
                return r < 0 ? r : -ENOENT;
        }
        *ret_pieces = pieces;
        return 0;
}
