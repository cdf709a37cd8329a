/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A disk that remembers the order of what was written to it: a FUSE filesystem of one file, "disk", for a loop device to
 * stand on. What the filesystem on that device sends down is kept in order, with the flushes of the disk's cache between.
 *
 *   record_fs IMAGE RECORDS MOUNTPOINT
 *        mounts, prints "ready", and takes commands from standard input, one a line, each answered with a line:
 *   mark TEXT           puts the text among the records
 *   count               how many records there are
 *
 * IMAGE is what the disk holds; it is written to. RECORDS gets the records, each a header and, where it is a write or a
 * mark, as many bytes as that says. A record is there before the write is answered, so that whoever waits for one write
 * before he sends the next has them in his order. One thread alone: they cannot overtake each other in here.
 *
 * With the end of standard input it unmounts and ends. Nothing is cached. */

#define FUSE_USE_VERSION 312

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* power.py reads them. */
enum { RECORD_WRITE = 1, RECORD_FLUSH, RECORD_ZERO, RECORD_MARK };

typedef struct Header {
        uint32_t kind, n_bytes; /* n_bytes: that follow */
        uint64_t offset, length;
} Header;

static int image_fd = -1, records_fd = -1;
static unsigned long n_records;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int answer(ssize_t r) { return r < 0 ? -errno : (int) r; }

/* A disk that forgets would be worse than none. */
static void keep(uint32_t kind, uint64_t offset, uint64_t length, const void *data, size_t n) {
        const Header header = {.kind = kind, .n_bytes = (uint32_t) n, .offset = offset, .length = length};
        const struct iovec parts[] = {{(void *) &header, sizeof(header)}, {(void *) data, n}};

        (void) pthread_mutex_lock(&mutex);
        if (writev(records_fd, parts, 2) != (ssize_t) (sizeof(header) + n))
                abort();
        n_records++;
        (void) pthread_mutex_unlock(&mutex);
}

static int fs_getattr(const char *path, struct stat *ret, struct fuse_file_info *fi) {
        (void) fi;
        if (strcmp(path, "/") == 0) {
                *ret = (struct stat){.st_mode = S_IFDIR | 0700, .st_nlink = 2};
                return 0;
        }
        return strcmp(path, "/disk") == 0 ? answer(fstat(image_fd, ret)) : -ENOENT;
}

static int fs_open(const char *path, struct fuse_file_info *fi) {
        (void) path;
        fi->direct_io = 1; /* no page cache in between, which would write when and in what order it likes */
        return 0;
}

static int fs_read(const char *path, char *buf, size_t n, off_t offset, struct fuse_file_info *fi) {
        (void) path, (void) fi;
        return answer(pread(image_fd, buf, n, offset));
}

static int fs_write(const char *path, const char *buf, size_t n, off_t offset, struct fuse_file_info *fi) {
        (void) path, (void) fi;
        keep(RECORD_WRITE, (uint64_t) offset, n, buf, n);
        return answer(pwrite(image_fd, buf, n, offset));
}

/* What a loop device makes of a flush, and of the flushes before and after a write that must not wait in the cache. */
static int fs_fsync(const char *path, int only_data, struct fuse_file_info *fi) {
        (void) path, (void) only_data, (void) fi;
        keep(RECORD_FLUSH, 0, 0, NULL, 0);
        return 0;
}

/* And of a discard, and of writing zeroes. */
static int fs_fallocate(const char *path, int mode, off_t offset, off_t n, struct fuse_file_info *fi) {
        (void) path, (void) fi;
        if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
                return -EOPNOTSUPP;
        keep(RECORD_ZERO, (uint64_t) offset, (uint64_t) n, NULL, 0);
        return answer(fallocate(image_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, n));
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
        connection->max_write = 1 << 20;
        config->direct_io = 1;
        config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
        (void) puts("ready");
        (void) fflush(stdout);
        return NULL;
}

static const struct fuse_operations operations = {
        .init = fs_init, .getattr = fs_getattr, .open = fs_open, .read = fs_read,
        .write = fs_write, .fsync = fs_fsync, .fallocate = fs_fallocate,
};

static void *listen_to_commands(void *mountpoint) {
        char line[128];

        while (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = 0;
                if (strncmp(line, "mark ", 5) == 0)
                        keep(RECORD_MARK, 0, 0, line + 5, strlen(line + 5));
                (void) pthread_mutex_lock(&mutex);
                printf("%lu\n", n_records);
                (void) pthread_mutex_unlock(&mutex);
                (void) fflush(stdout);
        }
        (void) umount2(mountpoint, MNT_DETACH);
        _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv) {
        struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
        struct fuse *fuse;
        pthread_t listener;

        if (argc != 4) {
                fprintf(stderr, "See the top of record_fs.c\n");
                return 2;
        }
        image_fd = open(argv[1], O_RDWR | O_CLOEXEC);
        records_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
        if (image_fd < 0 || records_fd < 0 || fuse_opt_add_arg(&args, "record_fs") < 0 ||
            fuse_opt_add_arg(&args, "-ofsname=record_fs,subtype=record") < 0)
                return EXIT_FAILURE;
        fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
        if (!fuse || fuse_mount(fuse, argv[3]) < 0)
                return EXIT_FAILURE;
        if (pthread_create(&listener, NULL, listen_to_commands, argv[3]) != 0)
                return EXIT_FAILURE;
        return fuse_loop(fuse) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
