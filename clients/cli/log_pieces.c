/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log_pieces.h"

#define ATTEMPTS_MAX 20

void log_pieces_close(LogPieces *p) {
        for (size_t i = 0; i < p->n; i++)
                (void) close(p->pieces[i].fd);
        free(p->pieces);
        *p = (LogPieces){};
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
        ret_piece->gzip = strcmp(end, ".gz") == 0;
        return number <= INT_MAX && (*end == 0 || ret_piece->gzip);
}

static int open_piece(int folder, const char *entry, LogPiece *piece) {
        struct stat st;

        piece->fd = openat(folder, entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (piece->fd < 0)
                return -errno;
        if (fstat(piece->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                (void) close(piece->fd);
                return -ELOOP; /* a link or a pipe: not Docker's */
        }
        piece->size_bytes = (uint64_t) st.st_size;
        piece->device = st.st_dev;
        piece->inode = st.st_ino;
        return 0;
}

/* The oldest first; of a segment that is just being compressed, the plain one first. */
static int compare(const void *a, const void *b) {
        const LogPiece *x = a, *y = b;

        return x->number != y->number ? (x->number < y->number ? 1 : -1) : (int) x->gzip - (int) y->gzip;
}

/* The compressed one of a segment of which the plain one is still there is not finished. */
static void drop_unfinished(LogPieces *p) {
        size_t n = 0;

        for (size_t i = 0; i < p->n; i++)
                if (n > 0 && p->pieces[i].number == p->pieces[n - 1].number)
                        (void) close(p->pieces[i].fd);
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
                if (!is_piece(entry->d_name, name, &piece) || ret->n == LOG_PIECES_MAX)
                        continue;
                r = open_piece(dirfd(folder), entry->d_name, &piece);
                if (r == -ELOOP)
                        r = 0;
                else if (r >= 0)
                        ret->pieces[ret->n++] = piece;
        }
        if (r < 0)
                return r == -ENOENT ? -EAGAIN : r;
        if (errno != 0)
                return -errno;
        qsort(ret->pieces, ret->n, sizeof(piece), compare);
        drop_unfinished(ret);
        return 0;
}

static bool is_same(const LogPieces *a, const LogPieces *b) {
        for (size_t i = 0; i < a->n && i < b->n; i++)
                if (a->pieces[i].number != b->pieces[i].number || a->pieces[i].gzip != b->pieces[i].gzip ||
                    a->pieces[i].inode != b->pieces[i].inode)
                        return false;
        return a->n == b->n;
}

static int open_once(DIR *folder, const char *name, LogPieces *ret) {
        *ret = (LogPieces){.pieces = calloc(LOG_PIECES_MAX, sizeof(LogPiece))};
        if (!ret->pieces)
                return -ENOMEM;
        return open_all(folder, name, ret);
}

int log_pieces_open(const char *path, LogPieces *ret_pieces) {
        const char *name = strrchr(path, '/') + 1;
        char folder_path[PATH_MAX];
        LogPieces pieces = {}, again = {};
        DIR *folder;
        int r = -EAGAIN;

        if ((size_t) (name - path) >= sizeof(folder_path))
                return -ENAMETOOLONG;
        (void) snprintf(folder_path, sizeof(folder_path), "%.*s", (int) (name - path), path);
        folder = opendir(folder_path);
        if (!folder)
                return -errno;
        /* Twice the same: then it was so in between. */
        for (int i = 0; i < ATTEMPTS_MAX && r == -EAGAIN; i++) {
                r = open_once(folder, name, &pieces);
                if (r == 0)
                        r = open_once(folder, name, &again);
                if (r == 0 && !is_same(&pieces, &again))
                        r = -EAGAIN;
                log_pieces_close(&again);
                if (r < 0)
                        log_pieces_close(&pieces);
        }
        (void) closedir(folder);
        if (r == 0 && pieces.n == 0) {
                log_pieces_close(&pieces);
                return -ENOENT;
        }
        if (r == 0)
                *ret_pieces = pieces;
        return r;
}
