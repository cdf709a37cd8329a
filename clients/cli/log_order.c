/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log_ends.h"

/* How many of the n pieces, in that order or as they stand, begin at that time or before; one in which nothing can be read
 * goes with what is in front of it. */
static size_t find(LogPiece *const *order, LogPiece *pieces, size_t n, int64_t nsec) {
        size_t low = 0, high = n;

        while (low < high) {
                size_t middle = low + (high - low) / 2, i = middle;
                LogPiece *piece = order ? order[i] : pieces + i;

                while (!log_ends_find_first(piece) && i > low) {
                        i--;
                        piece = order ? order[i] : pieces + i;
                }
                if (!piece->has_first || piece->first_nsec <= nsec)
                        low = middle + 1;
                else
                        high = i;
        }
        return low;
}

size_t log_order_find(const LogPieces *pieces, int64_t nsec) { return find(NULL, pieces->pieces, pieces->n, nsec); }

static void insert(LogPiece **order, size_t *n, size_t at, LogPiece *piece) {
        memmove(order + at + 1, order + at, (*n - at) * sizeof(*order));
        order[at] = piece;
        (*n)++;
}

/* Into that order, and the old one is let go. */
static int take_order(LogPieces *pieces, LogPiece *const *order, size_t n) {
        LogPieces sorted = {};

        for (size_t i = 0; i < n; i++) {
                LogPiece *piece = log_pieces_add(&sorted);

                if (!piece) {
                        free(sorted.pieces); /* what they hold is still the others' */
                        return -ENOMEM;
                }
                *piece = *order[i];
        }
        free(pieces->pieces);
        *pieces = sorted;
        return 0;
}

static int compare(const void *a, const void *b) {
        const LogPiece *x = a, *y = b;

        if (x->archive_folder != y->archive_folder)
                return x->archive_folder > y->archive_folder ? 1 : -1;
        return x->archive_number != y->archive_number ? (x->archive_number > y->archive_number ? 1 : -1) : 0;
}

/* Of one file, or two segments that Docker has compressed: these go one after the other, the oldest first. */
static bool is_next_of(const LogPiece *piece, const LogPiece *before) {
        return piece->archive_folder == before->archive_folder &&
                (piece->inode == before->inode || (piece->packing == LOG_GZIP && before->packing == LOG_GZIP));
}

int log_order_archives(LogPieces *archives) {
        LogPiece **order = calloc(archives->n + 1, sizeof(LogPiece *));
        size_t n = 0;
        int r = 0;

        if (!order)
                return -ENOMEM;
        if (archives->n > 0)
                qsort(archives->pieces, archives->n, sizeof(archives->pieces[0]), compare);
        for (size_t i = 0; i < archives->n; i++) {
                LogPiece *piece = archives->pieces + i, *end = n > 0 ? order[n - 1] : NULL;
                size_t at = n;

                /* Most are newer than all before them. */
                if (end && !is_next_of(piece, end) && log_ends_find_first(piece) &&
                    (!log_ends_find_first(end) || end->first_nsec > piece->first_nsec))
                        at = find(order, NULL, n, piece->first_nsec);
                insert(order, &n, at, piece);
        }
        if (n > 0)
                r = take_order(archives, order, n);
        free(order);
        return r;
}

int log_order_join(LogPieces *archives, LogPieces *files) {
        LogPiece **order = calloc(archives->n + files->n + 1, sizeof(LogPiece *));
        size_t n = 0, at = 0;
        int r = 0;

        if (!order)
                return -ENOMEM;
        for (; n < archives->n; n++)
                order[n] = archives->pieces + n;
        for (size_t i = 0; i < files->n; i++) {
                LogPiece *file = files->pieces + i;

                if (log_piece_is_live(file))
                        at = n;
                else if (at < n && log_ends_find_first(file))
                        at = MAX(at, find(order, NULL, n, file->first_nsec));
                insert(order, &n, at++, file);
        }
        if (files->n > 0)
                r = take_order(archives, order, n);
        if (r == 0 && files->n > 0) {
                free(files->pieces);
                *files = (LogPieces){};
        }
        free(order);
        return r;
}
