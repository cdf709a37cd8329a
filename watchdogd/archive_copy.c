/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive_copy.h"

#include <time.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "clock.h"

/* Of log text it makes a tenth, at several times the speed of the levels above it: the space must be free soon. */
#define COMPRESSION_LEVEL 1

typedef struct Copier {
        const ArchiveCopy *copy;
        ZSTD_CCtx *context;
        char *raw, *packed;
        size_t packed_max;
        uint64_t begin_usec;
        const char *call;
} Copier;

static int read_all(Copier *c, uint64_t offset, size_t n) {
        size_t done = 0;

        c->call = "pread";
        while (done < n) {
                ssize_t k = pread(c->copy->from_fd, c->raw + done, n - done, (off_t) (offset + done));

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -ENODATA;
                done += (size_t) k;
        }
        return 0;
}

static int write_all(Copier *c, const char *bytes, size_t n) {
        c->call = "write";
        while (n > 0) {
                ssize_t k = write(c->copy->to_fd, bytes, n);

                if (k < 0 && errno == EINTR)
                        continue;
                if (k <= 0)
                        return k < 0 ? -errno : -EIO;
                bytes += k;
                n -= (size_t) k;
        }
        return 0;
}

static int copy_piece(Copier *c, uint64_t offset, size_t n) {
        size_t n_packed;
        int r;

        r = read_all(c, offset, n);
        if (r < 0 || !c->copy->compress)
                return r < 0 ? r : write_all(c, c->raw, n);
        n_packed = ZSTD_compress2(c->context, c->packed, c->packed_max, c->raw, n);
        if (ZSTD_isError(n_packed)) {
                c->call = "ZSTD_compress2";
                return ZSTD_getErrorCode(n_packed) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
        }
        return write_all(c, c->packed, n_packed);
}

/* Not faster than it may be, on the average since it began. */
static void pace(const Copier *c, uint64_t done_bytes) {
        uint64_t due_usec, now_usec = clock_monotonic_usec();

        if (c->copy->rate_bps == 0)
                return;
        due_usec = c->begin_usec + (uint64_t) ((double) done_bytes / (double) c->copy->rate_bps * (double) USEC_PER_SEC);
        if (due_usec <= now_usec)
                return;
        due_usec -= now_usec;
        (void) nanosleep(&(struct timespec){.tv_sec = (time_t) (due_usec / USEC_PER_SEC),
                                            .tv_nsec = (long) (due_usec % USEC_PER_SEC * 1000)}, NULL);
}

static int copy_all(Copier *c) {
        int r = 0;

        for (uint64_t at = c->copy->from; at < c->copy->to && r == 0;) {
                size_t n = (size_t) MIN(c->copy->to - at, ARCHIVE_FRAME_BYTES);

                c->call = "fstatvfs";
                r = c->copy->check(c->copy->userdata);
                if (r == 0)
                        r = copy_piece(c, at, n);
                at += n;
                if (r == 0)
                        pace(c, at - c->copy->from);
        }
        return r;
}

int archive_copy(const ArchiveCopy *copy, const char **ret_call) {
        Copier c = {.copy = copy, .packed_max = ZSTD_compressBound(ARCHIVE_FRAME_BYTES), .call = "malloc",
                    .begin_usec = clock_monotonic_usec()};
        int r = -ENOMEM;

        c.context = ZSTD_createCCtx();
        c.raw = malloc(ARCHIVE_FRAME_BYTES);
        c.packed = malloc(c.packed_max);
        if (c.context && c.raw && c.packed) {
                (void) ZSTD_CCtx_setParameter(c.context, ZSTD_c_compressionLevel, COMPRESSION_LEVEL);
                (void) ZSTD_CCtx_setParameter(c.context, ZSTD_c_checksumFlag, 1);
                r = copy_all(&c);
        }
        free(c.raw);
        free(c.packed);
        (void) ZSTD_freeCCtx(c.context);
        *ret_call = c.call;
        return r;
}

/* ---- comparing ----------------------------------------------------------------------------------------------- */

#define COMPARE_BYTES (256 * 1024)

typedef struct Comparer {
        int log_fd;
        uint64_t at;    /* what comes next belongs there */
        uint64_t from;  /* what lies before is not compared */
        bool any_equal; /* not only blanks */
        char log[COMPARE_BYTES];
} Comparer;

/* 1: so far it is the same. */
static int compare(Comparer *c, const char *bytes, size_t n) {
        while (n > 0) {
                size_t k = MIN(n, sizeof(c->log));
                ssize_t got;

                if (c->at < c->from) {
                        k = (size_t) MIN((uint64_t) k, c->from - c->at);
                        c->at += k;
                        bytes += k;
                        n -= k;
                        continue;
                }
                got = pread(c->log_fd, c->log, k, (off_t) c->at);
                if (got <= 0)
                        return got < 0 ? -errno : 0;
                for (size_t i = 0; i < (size_t) got; i++) {
                        if (c->log[i] != bytes[i] && c->log[i] != ' ')
                                return 0;
                        c->any_equal = c->any_equal || (c->log[i] == bytes[i] && c->log[i] != ' ' && c->log[i] != '\n');
                }
                c->at += (uint64_t) got;
                bytes += got;
                n -= (size_t) got;
        }
        return 1;
}

/* *is_whole: a frame has ended, with its checksum. */
static int compare_unpacked(Comparer *c, ZSTD_DCtx *context, const char *packed, size_t n, char *raw, bool *is_whole) {
        ZSTD_inBuffer in = {packed, n, 0};
        ZSTD_outBuffer out;
        size_t k;
        int r;

        do {
                out = (ZSTD_outBuffer) {raw, COMPARE_BYTES, 0};
                k = ZSTD_decompressStream(context, &out, &in);
                if (ZSTD_isError(k))
                        return 0; /* damaged: as if there were none */
                *is_whole = k == 0;
                r = compare(c, raw, out.pos);
        } while (r > 0 && (in.pos < in.size || (k > 0 && out.pos == out.size)));
        return r;
}

int archive_is_in(int archive_fd, bool compressed, uint64_t from, uint64_t to, int log_fd, uint64_t at) {
        Comparer *c = malloc(sizeof(*c));
        char *packed = malloc(COMPARE_BYTES), *raw = malloc(COMPARE_BYTES);
        ZSTD_DCtx *context = ZSTD_createDCtx();
        uint64_t offset = 0;
        bool is_whole = true;
        int r = c && packed && raw && context ? 1 : -ENOMEM;

        if (c)
                *c = (Comparer){.log_fd = log_fd, .at = from, .from = at};
        while (r > 0) {
                ssize_t n = pread(archive_fd, packed, COMPARE_BYTES, (off_t) offset);

                if (n < 0)
                        r = -errno;
                if (n <= 0)
                        break;
                r = compressed ? compare_unpacked(c, context, packed, (size_t) n, raw, &is_whole) :
                                 compare(c, packed, (size_t) n);
                offset += (uint64_t) n;
        }
        if (r > 0 && (!c->any_equal || !is_whole || c->at != to)) /* half of one is none */
                r = 0;
        free(c);
        free(packed);
        free(raw);
        (void) ZSTD_freeDCtx(context);
        return r;
}
