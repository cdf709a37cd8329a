/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "filler_record.h"
#include "log_lines.h"

/* Enough that a system call a piece does not matter. */
#define READ_BYTES (256 * 1024)

/* Of what is packed, a fraction of that. */
#define PACKED_BYTES (64 * 1024)

/* The end of a line holds its time, to the nanosecond: it does not stand at a wrong place by chance. */
#define TAIL_BYTES 64

struct LogLines {
        int fd;
        gzFile gzip;
        ZSTD_DCtx *zstd;
        ZSTD_inBuffer packed; /* zstd: what was read and not unpacked */
        bool in_frame;
        uint64_t read_offset; /* in the file: plain: where the buffer ends; zstd: where what is packed ends */
        uint64_t unpacked;    /* packed: where the buffer ends in what it is unpacked */
        uint64_t pass_offset; /* packed: what lies in front of that is not handed out */
        size_t from, to;      /* of the buffer: what was read and not handed out */
        size_t searched;      /* so much of that has no newline */
        char tail[TAIL_BYTES]; /* plain: what stands in front of read_offset */
        size_t tail_bytes;
        bool skipping;        /* up to the next newline: the rest of a line that is no use */
        char buffer[LOG_LINE_MAX + READ_BYTES];
        char packed_bytes[PACKED_BYTES];
};

static int begin_gzip(LogLines *l) {
        int copy = dup(l->fd); /* gzclose() closes its own; the offset is of both */

        (void) lseek(l->fd, 0, SEEK_SET);
        l->gzip = copy < 0 ? NULL : gzdopen(copy, "rb");
        if (!l->gzip) {
                if (copy >= 0)
                        (void) close(copy);
                return copy < 0 ? -errno : -ENOMEM;
        }
        (void) gzbuffer(l->gzip, READ_BYTES / 2);
        return 0;
}

static int is_filler(uint64_t offset, void *userdata) {
        const int fd = *(const int *) userdata;
        const off_t rear = (off_t) (offset + FILLER_BYTES - FILLER_EDGE_BYTES);
        char edge[FILLER_EDGE_BYTES];

        return pread(fd, edge, sizeof(edge), (off_t) offset) == (ssize_t) sizeof(edge) && filler_is_front(edge) &&
                pread(fd, edge, sizeof(edge), rear) == (ssize_t) sizeof(edge) && filler_is_rear(edge);
}

/* There may be thousands of blocks of it, each to be read from the disk: only their end is looked for. */
static uint64_t behind_filler(int fd, uint64_t offset) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return offset;
        return MAX(offset, filler_find_end((uint64_t) st.st_size, is_filler, &fd));
}

int log_lines_new(int fd, LogPacking packing, uint64_t offset, LogLines **ret_lines) {
        _cleanup_(log_lines_freep) LogLines *l = malloc(sizeof(*l));
        int r = 0;

        if (!l)
                return -ENOMEM;
        l->fd = fd;
        l->gzip = NULL;
        l->zstd = NULL;
        l->packed = (ZSTD_inBuffer){};
        l->read_offset = packing == LOG_PLAIN ? behind_filler(fd, offset) : 0;
        l->unpacked = 0;
        l->pass_offset = packing == LOG_PLAIN ? 0 : offset;
        l->from = l->to = l->searched = l->tail_bytes = 0;
        l->skipping = l->in_frame = false;
        if (packing == LOG_GZIP)
                r = begin_gzip(l);
        else if (packing == LOG_ZSTD) {
                l->zstd = ZSTD_createDCtx();
                r = l->zstd ? 0 : -ENOMEM;
        }
        if (r < 0)
                return r;
        *ret_lines = TAKE_PTR(l);
        return 0;
}

int log_lines_new_at_frame(int fd, uint64_t offset, LogLines **ret_lines) {
        int r = log_lines_new(fd, LOG_ZSTD, 0, ret_lines);

        if (r == 0)
                (*ret_lines)->read_offset = offset;
        return r;
}

LogLines *log_lines_free(LogLines *l) {
        if (l && l->gzip)
                (void) gzclose(l->gzip);
        if (l)
                (void) ZSTD_freeDCtx(l->zstd);
        free(l);
        return NULL;
}

void log_lines_set_fd(LogLines *l, int fd) { l->fd = fd; }

uint64_t log_lines_offset(const LogLines *l) {
        return (l->gzip || l->zstd ? l->unpacked : l->read_offset) - (l->to - l->from);
}

static ssize_t read_gzip(LogLines *l) {
        int error, n = gzread(l->gzip, l->buffer + l->to, READ_BYTES);

        if (n >= 0) {
                (void) gzerror(l->gzip, &error);
                return n == 0 && error == Z_BUF_ERROR ? -EBADMSG : n; /* it ends in the middle */
        }
        (void) gzerror(l->gzip, &error);
        return error == Z_ERRNO ? -errno : error == Z_MEM_ERROR ? -ENOMEM : -EBADMSG;
}

static ssize_t read_zstd(LogLines *l) {
        for (;;) {
                ZSTD_outBuffer out = {l->buffer + l->to, READ_BYTES, 0};
                size_t r;

                if (l->packed.pos == l->packed.size) {
                        ssize_t n = pread(l->fd, l->packed_bytes, sizeof(l->packed_bytes), (off_t) l->read_offset);

                        if (n <= 0)
                                return n < 0 ? -errno : l->in_frame ? -EBADMSG : 0; /* it ends in the middle */
                        l->read_offset += (uint64_t) n;
                        l->packed = (ZSTD_inBuffer){l->packed_bytes, (size_t) n, 0};
                }
                r = ZSTD_decompressStream(l->zstd, &out, &l->packed);
                if (ZSTD_isError(r))
                        return -EBADMSG;
                l->in_frame = r != 0;
                if (out.pos > 0)
                        return (ssize_t) out.pos;
        }
}

/* To be asked after what follows it was read: a cut moves or takes both, once and for all. */
static bool tail_is_there(const LogLines *l, uint64_t end_offset) {
        char now[TAIL_BYTES];

        return pread(l->fd, now, l->tail_bytes, (off_t) (end_offset - l->tail_bytes)) == (ssize_t) l->tail_bytes &&
                memcmp(now, l->tail, l->tail_bytes) == 0;
}

static ssize_t read_plain(LogLines *l) {
        off_t data = lseek(l->fd, (off_t) l->read_offset, SEEK_DATA);
        uint64_t tail_offset = l->read_offset;
        ssize_t n = 0;

        /* A filesystem without holes says EINVAL; ENXIO: nothing but a hole, or the end. */
        if (data > (off_t) l->read_offset) {
                l->read_offset = (uint64_t) data;
                l->from = l->to = l->searched = 0; /* a fragment in front of a hole */
                l->skipping = false;
        }
        if (data >= 0 || errno != ENXIO)
                n = pread(l->fd, l->buffer + l->to, READ_BYTES, (off_t) l->read_offset);
        if (n < 0)
                return -errno;
        if (!tail_is_there(l, tail_offset))
                return -ESTALE;
        l->read_offset += (uint64_t) n;
        if (n > 0) {
                l->tail_bytes = MIN(l->to + (size_t) n, sizeof(l->tail));
                memcpy(l->tail, l->buffer + l->to + (size_t) n - l->tail_bytes, l->tail_bytes);
        }
        return n;
}

/* Returns how many bytes came. */
static ssize_t fill(LogLines *l) {
        char *nul = memrchr(l->buffer + l->from, 0, l->to - l->from);
        ssize_t n;

        /* Nothing in front of it counts, however much that is; what follows may be a whole line. */
        if (nul) {
                l->from = (size_t) (nul + 1 - l->buffer);
                l->searched = l->to - l->from;
                l->skipping = false;
        }
        if (l->from > 0) {
                memmove(l->buffer, l->buffer + l->from, l->to - l->from);
                l->to -= l->from;
                l->from = 0;
        }
        if (l->to >= LOG_LINE_MAX) {
                l->to = l->searched = 0;
                l->skipping = true;
        }
        n = l->gzip ? read_gzip(l) : l->zstd ? read_zstd(l) : read_plain(l);
        if (n > 0) {
                l->to += (size_t) n;
                l->unpacked += (uint64_t) n;
        }
        return n;
}

int log_lines_next(LogLines *l, const char **ret_line, size_t *ret_bytes) {
        for (;;) {
                char *line = l->buffer + l->from, *newline, *nul;
                ssize_t n;

                newline = memchr(line + l->searched, '\n', l->to - l->from - l->searched);
                if (!newline) {
                        l->searched = l->to - l->from;
                        n = fill(l);
                        if (n <= 0)
                                return (int) n;
                        continue;
                }
                l->from += (size_t) (newline - line) + 1;
                l->searched = 0;
                if (l->skipping) {
                        l->skipping = false;
                        continue;
                }
                if (log_lines_offset(l) <= l->pass_offset || filler_is_line(line, (size_t) (newline - line)))
                        continue;
                /* What stands behind them may be whole. */
                nul = memrchr(line, 0, (size_t) (newline - line));
                *ret_line = nul ? nul + 1 : line;
                *ret_bytes = (size_t) (newline - *ret_line);
                return 1;
        }
}
