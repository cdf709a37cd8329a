/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_archives.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <zstd.h>

#include "archive_name.h"

/* Of a compressed segment, that much of its end. */
#define END_BYTES (64 * 1024)

/* What the guard writes at the front of a log that it has punched: watchdogd/marker.h. */
#define MARKER_BYTES 4096
#define MARKER_BEGIN "{\"log\":\"diskbrake freed "

/* ---- which of it is still in the log ------------------------------------------------------------------------- */

static bool is_blank(const char *bytes, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (bytes[i] != ' ' && bytes[i] != 0)
                        return false;
        return true;
}

/* n bytes of the file up to that offset; free() them. NULL: it is shorter. */
static char *read_up_to(int fd, size_t n, uint64_t to) {
        char *there = n <= to ? malloc(n) : NULL;

        if (there && pread(fd, there, n, (off_t) (to - n)) == (ssize_t) n)
                return there;
        free(there);
        return NULL;
}

/* Whether one of the lines that are whole in these bytes, which end at that offset of the file, is there. */
static bool any_line_is_there(int fd, const char *bytes, size_t n, uint64_t to) {
        const char *end = bytes + n, *line = memchr(bytes, '\n', n), *newline;
        char *there = read_up_to(fd, n, to);
        bool is_there = false;

        for (; there && line && !is_there && (newline = memchr(line + 1, '\n', (size_t) (end - line - 1))); line = newline) {
                size_t k = (size_t) (newline - line);

                is_there = !is_blank(line + 1, k - 1) && memcmp(there + (line - bytes), line, k + 1) == 0;
        }
        free(there);
        return is_there;
}

static bool all_is_there(int fd, const char *bytes, size_t n, uint64_t to) {
        char *there = read_up_to(fd, n, to);
        bool is_there = there && memcmp(there, bytes, n) == 0;

        free(there);
        return is_there;
}

/* The same of one frame: a line does not stand at the same place by chance, its time is in it. *ret_n: how many bytes it stands for. */
static bool frame_is_there(int fd, const char *packed, size_t n_packed, uint64_t to, size_t *ret_n) {
        unsigned long long n = ZSTD_getFrameContentSize(packed, n_packed);
        bool is_there = false;
        char *raw;

        *ret_n = 0;
        if (n == 0 || n > LOG_LINE_MAX) /* an error is larger than that, too */
                return false;
        raw = malloc((size_t) n);
        if (raw && ZSTD_decompress(raw, (size_t) n, packed, n_packed) == n) {
                is_there = any_line_is_there(fd, raw, (size_t) n, to);
                *ret_n = (size_t) n;
        }
        free(raw);
        return is_there;
}

/* The last line of it is blanked first, and may go through two frames: so the last three count. */
static bool last_frames_are_there(int fd, const char *packed, size_t n, uint64_t to) {
        size_t begins[3] = {}, ends[3] = {}, n_frames = 0, k, n_raw;

        for (size_t at = 0; at < n; at += k, n_frames++) {
                k = ZSTD_findFrameCompressedSize(packed + at, n - at);
                if (ZSTD_isError(k))
                        return false; /* damaged: as if there were none */
                begins[n_frames % 3] = at;
                ends[n_frames % 3] = at + k;
        }
        for (size_t i = 0; i < MIN(n_frames, (size_t) 3); i++) {
                size_t f = (n_frames - 1 - i) % 3;

                if (frame_is_there(fd, packed + begins[f], ends[f] - begins[f], to, &n_raw))
                        return true;
                to -= MIN((uint64_t) n_raw, to);
        }
        return false;
}

/* Freeing begins at the front: as long as the end is there, it has not been freed, or not all of it. */
static bool is_still_in(LogPiece *archive, const LogPiece *file) {
        struct stat st;
        bool is_in = false;
        char *packed;
        size_t n;

        if (log_piece_open(archive) < 0 || fstat(archive->fd, &st) < 0 || st.st_size <= 0)
                return false;
        n = (size_t) st.st_size;
        packed = mmap(NULL, n, PROT_READ, MAP_PRIVATE, archive->fd, 0);
        if (packed == MAP_FAILED)
                return false;
        if (archive->packing == LOG_GZIP) {
                size_t end = MIN(n, (size_t) END_BYTES);

                is_in = file->size_bytes == n && all_is_there(file->fd, packed + n - end, end, n);
        } else
                is_in = last_frames_are_there(file->fd, packed, n, archive->archive_to);
        (void) munmap(packed, (size_t) st.st_size);
        log_piece_close(archive);
        return is_in;
}

static LogPiece *find_newest_of(LogPieces *archives, const LogPiece *file) {
        for (size_t i = archives->n; i-- > 0;)
                if (archives->pieces[i].inode == file->inode)
                        return archives->pieces + i;
        return NULL;
}

static void drop(LogPieces *p, LogPiece *piece) {
        free(piece->path);
        p->n--;
        memmove(piece, piece + 1, (size_t) ((char *) (p->pieces + p->n) - (char *) piece));
}

/* The marker of a punch says how much is missing where it stands: nothing is, if the archive goes on up to the data behind
 * the hole. The marker is a line of MARKER_BYTES at the front. */
static void pass_marker(LogPiece *file, uint64_t archived_to) {
        char head[sizeof(MARKER_BEGIN) - 1], end = 0;
        off_t hole, data;

        if (pread(file->fd, head, sizeof(head), 0) != (ssize_t) sizeof(head) || memcmp(head, MARKER_BEGIN, sizeof(head)) != 0 ||
            pread(file->fd, &end, 1, MARKER_BYTES - 1) != 1 || end != '\n')
                return;
        hole = lseek(file->fd, MARKER_BYTES, SEEK_HOLE);
        data = hole < 0 ? -1 : lseek(file->fd, hole, SEEK_DATA);
        if (data >= 0 && (uint64_t) data <= archived_to)
                file->from_offset = MAX(file->from_offset, (uint64_t) MARKER_BYTES);
}

/* Lines that are in both are read from the archive; of a segment that Docker has compressed, from the segment. */
static void tell_apart(LogPieces *archives, LogPieces *files) {
        for (size_t i = 0; i < files->n; i++) {
                LogPiece *file = files->pieces + i, *archive = find_newest_of(archives, file);

                if (!archive || (archive->packing == LOG_GZIP) != (file->packing == LOG_GZIP))
                        continue;
                if (is_still_in(archive, file)) {
                        if (file->packing == LOG_GZIP)
                                drop(archives, archive);
                        else
                                file->from_offset = archive->archive_to;
                } else if (file->packing == LOG_PLAIN)
                        pass_marker(file, archive->archive_to);
        }
}

/* ---- finding them -------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
        const LogPiece *x = a, *y = b;

        return x->archive_number != y->archive_number ? (x->archive_number > y->archive_number ? 1 : -1) : 0;
}

static int add_folder(const char *archives, const char *folder, LogPieces *p) {
        char path[PATH_MAX];
        struct dirent *entry;
        ArchiveName name;
        DIR *dir;
        int r = 0;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", archives, folder) >= sizeof(path))
                return -ENAMETOOLONG;
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (entry = readdir(dir))) {
                LogPiece *piece;

                if (archive_name_parse(entry->d_name, &name) < 0)
                        continue;
                piece = log_pieces_add(p);
                if (!piece)
                        r = -E2BIG;
                else {
                        piece->is_archive = true;
                        piece->packing = name.gzip ? LOG_GZIP : LOG_ZSTD;
                        piece->inode = name.inode;
                        piece->archive_number = name.number;
                        piece->archive_to = name.to;
                        if (asprintf(&piece->path, "%s/%s", path, entry->d_name) < 0) {
                                piece->path = NULL;
                                r = -ENOMEM;
                        }
                }
        }
        (void) closedir(dir);
        return r;
}

int log_archives_open(const char *archives, const char *id12, LogPieces *files, LogPieces *ret_pieces) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        LogPieces p = {};
        size_t n_name;
        DIR *dir;
        int r = 0;

        dir = opendir(archives);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        /* One that was renamed has several. */
        while (r == 0 && (entry = readdir(dir)))
                if (archive_folder_parse(entry->d_name, id, &n_name) && streq(id, id12))
                        r = add_folder(archives, entry->d_name, &p);
        (void) closedir(dir);
        if (r < 0) {
                log_pieces_close(&p);
                return r;
        }
        if (p.n > 0) {
                qsort(p.pieces, p.n, sizeof(p.pieces[0]), compare);
                tell_apart(&p, files);
        }
        *ret_pieces = p;
        return 0;
}

static void list_append(char *list, size_t list_bytes, const char *archives, const char *folder, const char *id12) {
        char path[PATH_MAX], when[32] = "";
        size_t used = strlen(list);
        struct stat st;
        struct tm tm;

        (void) snprintf(path, sizeof(path), "%s/%s", archives, folder);
        if (stat(path, &st) == 0 && gmtime_r(&st.st_mtim.tv_sec, &tm))
                (void) strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%SZ", &tm);
        (void) snprintf(list + used, list_bytes - used, "\n    %s   last archived %s", id12, when);
}

int log_archives_find(const char *archives, const char *name, char ret_id12[static 13], char *ret_list, size_t list_bytes) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        size_t n_found = 0, n_name, n = strlen(name);
        DIR *dir;

        ret_list[0] = ret_id12[0] = 0;
        dir = opendir(archives);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                bool by_name, by_id;

                if (!archive_folder_parse(entry->d_name, id, &n_name))
                        continue;
                by_name = n_name == n && memcmp(entry->d_name, name, n) == 0;
                by_id = n >= ARCHIVE_SHORT_ID ? strncmp(id, name, ARCHIVE_SHORT_ID) == 0 : n > 0 && strncmp(id, name, n) == 0;
                if ((!by_name && !by_id) || streq(ret_id12, id))
                        continue;
                n_found++;
                memcpy(ret_id12, id, sizeof(id));
                list_append(ret_list, list_bytes, archives, entry->d_name, id);
        }
        (void) closedir(dir);
        return n_found == 0 ? -ENOENT : n_found > 1 ? -ENOTUNIQ : 0;
}
