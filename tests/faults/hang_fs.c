/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A filesystem that stops answering when it is told to: a FUSE passthrough of a folder for the fault tests.
 *
 *   hang_fs FOLDER MOUNTPOINT
 *        mounts, prints "ready", and takes commands from standard input, one a line, each answered with a line:
 *   hang OPERATION      from now on such requests are read and never answered: statfs getattr open read readdir write
 *                       fallocate
 *   count               how many requests are being swallowed now
 *   release             answers all of them, and every later one
 *
 * getattr is also what the kernel's look-ups become; readdir is where a directory is opened, too. With the end of
 * standard input it unmounts and ends. Nothing is cached: each call of a process becomes a request. */

#define FUSE_USE_VERSION 312

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OP_STATFS, OP_GETATTR, OP_OPEN, OP_READ, OP_READDIR, OP_WRITE, OP_FALLOCATE, OP_MAX };

static const char *const op_names[OP_MAX] = {"statfs", "getattr", "open", "read", "readdir", "write", "fallocate"};

static struct {
        pthread_mutex_t mutex;
        pthread_cond_t released;
        bool hangs[OP_MAX];
        unsigned n_swallowed;
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER};

static int base_fd = -1;

/* Does not come back while that operation hangs. */
static void pass(int op) {
        (void) pthread_mutex_lock(&state.mutex);
        state.n_swallowed++;
        while (state.hangs[op])
                (void) pthread_cond_wait(&state.released, &state.mutex);
        state.n_swallowed--;
        (void) pthread_mutex_unlock(&state.mutex);
}

static const char *below(const char *path) { return path[1] ? path + 1 : "."; }

static int answer(int r) { return r < 0 ? -errno : 0; }

/* ---- what may hang ------------------------------------------------------------------------------------------- */

static int fs_statfs(const char *path, struct statvfs *ret) {
        (void) path;
        pass(OP_STATFS);
        return answer(fstatvfs(base_fd, ret));
}

static int fs_getattr(const char *path, struct stat *ret, struct fuse_file_info *fi) {
        pass(OP_GETATTR);
        return answer(fi ? fstat((int) fi->fh, ret) : fstatat(base_fd, below(path), ret, AT_SYMLINK_NOFOLLOW));
}

static int open_below(const char *path, int flags, mode_t mode, struct fuse_file_info *fi) {
        /* The kernel has done what appending needs: it says where to write. */
        int fd = openat(base_fd, below(path), (flags & ~O_APPEND) | O_CLOEXEC | O_NOFOLLOW, mode);

        if (fd < 0)
                return -errno;
        fi->fh = (uint64_t) fd;
        return 0;
}

static int fs_open(const char *path, struct fuse_file_info *fi) {
        pass(OP_OPEN);
        return open_below(path, fi->flags & ~(O_CREAT | O_EXCL | O_NOCTTY), 0, fi);
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi) {
        pass(OP_OPEN);
        return open_below(path, fi->flags, mode, fi);
}

static int fs_read(const char *path, char *buf, size_t n, off_t offset, struct fuse_file_info *fi) {
        ssize_t k;

        (void) path;
        pass(OP_READ);
        k = pread((int) fi->fh, buf, n, offset);
        return k < 0 ? -errno : (int) k;
}

static int fs_write(const char *path, const char *buf, size_t n, off_t offset, struct fuse_file_info *fi) {
        ssize_t k;

        (void) path;
        pass(OP_WRITE);
        k = pwrite((int) fi->fh, buf, n, offset);
        return k < 0 ? -errno : (int) k;
}

static int fs_fallocate(const char *path, int mode, off_t offset, off_t n, struct fuse_file_info *fi) {
        (void) path;
        pass(OP_FALLOCATE);
        return answer(fallocate((int) fi->fh, mode, offset, n));
}

static int fs_opendir(const char *path, struct fuse_file_info *fi) {
        pass(OP_READDIR);
        return open_below(path, O_RDONLY | O_DIRECTORY, 0, fi);
}

/* All at once: libfuse keeps them. */
static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *fi,
                      enum fuse_readdir_flags flags) {
        int fd = openat((int) fi->fh, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        struct dirent *entry;
        DIR *dir;

        (void) path, (void) offset, (void) flags;
        pass(OP_READDIR);
        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                const struct stat st = {.st_ino = entry->d_ino, .st_mode = (mode_t) entry->d_type << 12};

                if (fill(buf, entry->d_name, &st, 0, 0) != 0)
                        break;
        }
        (void) closedir(dir);
        return 0;
}

/* ---- what never does ----------------------------------------------------------------------------------------- */

static int fs_release(const char *path, struct fuse_file_info *fi) {
        (void) path;
        (void) close((int) fi->fh);
        return 0;
}

static int fs_mkdir(const char *path, mode_t mode) { return answer(mkdirat(base_fd, below(path), mode)); }
static int fs_unlink(const char *path) { return answer(unlinkat(base_fd, below(path), 0)); }
static int fs_rmdir(const char *path) { return answer(unlinkat(base_fd, below(path), AT_REMOVEDIR)); }

static int fs_rename(const char *from, const char *to, unsigned flags) {
        return answer(renameat2(base_fd, below(from), base_fd, below(to), flags));
}

static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi) {
        (void) fi;
        return answer(fchmodat(base_fd, below(path), mode, 0));
}

static int fs_chown(const char *path, uid_t uid, gid_t gid, struct fuse_file_info *fi) {
        (void) fi;
        return answer(fchownat(base_fd, below(path), uid, gid, AT_SYMLINK_NOFOLLOW));
}

static int fs_truncate(const char *path, off_t n, struct fuse_file_info *fi) {
        int fd, r;

        if (fi)
                return answer(ftruncate((int) fi->fh, n));
        fd = openat(base_fd, below(path), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        r = fd < 0 ? -errno : answer(ftruncate(fd, n));
        if (fd >= 0)
                (void) close(fd);
        return r;
}

static int fs_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *fi) {
        (void) fi;
        return answer(utimensat(base_fd, below(path), times, AT_SYMLINK_NOFOLLOW));
}

static int fs_fsync(const char *path, int only_data, struct fuse_file_info *fi) {
        (void) path;
        return answer(only_data ? fdatasync((int) fi->fh) : fsync((int) fi->fh));
}

static off_t fs_lseek(const char *path, off_t offset, int whence, struct fuse_file_info *fi) {
        off_t r = lseek((int) fi->fh, offset, whence);

        (void) path;
        return r < 0 ? -errno : r;
}

static void *fs_init(struct fuse_conn_info *connection, struct fuse_config *config) {
        (void) connection;
        config->use_ino = 1;
        config->hard_remove = 1;
        config->entry_timeout = config->attr_timeout = config->negative_timeout = 0;
        (void) puts("ready");
        (void) fflush(stdout);
        return NULL;
}

static const struct fuse_operations operations = {
        .init = fs_init,         .statfs = fs_statfs,   .getattr = fs_getattr,     .open = fs_open,
        .create = fs_create,     .read = fs_read,       .write = fs_write,         .fallocate = fs_fallocate,
        .opendir = fs_opendir,   .readdir = fs_readdir, .releasedir = fs_release,  .release = fs_release,
        .mkdir = fs_mkdir,       .unlink = fs_unlink,   .rmdir = fs_rmdir,         .rename = fs_rename,
        .chmod = fs_chmod,       .chown = fs_chown,     .truncate = fs_truncate,   .utimens = fs_utimens,
        .fsync = fs_fsync,       .lseek = fs_lseek,
};

/* ---- being told ---------------------------------------------------------------------------------------------- */

static void obey(const char *command) {
        unsigned n_swallowed;

        (void) pthread_mutex_lock(&state.mutex);
        if (strncmp(command, "hang ", 5) == 0) {
                for (int op = 0; op < OP_MAX; op++)
                        if (strcmp(command + 5, op_names[op]) == 0)
                                state.hangs[op] = true;
        } else if (strcmp(command, "release") == 0) {
                memset(state.hangs, 0, sizeof(state.hangs));
                (void) pthread_cond_broadcast(&state.released);
        }
        n_swallowed = state.n_swallowed;
        (void) pthread_mutex_unlock(&state.mutex);
        printf("%u\n", n_swallowed);
        (void) fflush(stdout);
}

static void *listen_to_commands(void *mountpoint) {
        char line[64];

        while (fgets(line, sizeof(line), stdin)) {
                line[strcspn(line, "\n")] = 0;
                obey(line);
        }
        (void) umount2(mountpoint, MNT_DETACH);
        _exit(EXIT_SUCCESS);
}

int main(int argc, char **argv) {
        struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
        struct fuse_loop_config *config;
        struct fuse *fuse;
        pthread_t listener;

        if (argc != 3) {
                fprintf(stderr, "See the top of hang_fs.c\n");
                return 2;
        }
        base_fd = open(argv[1], O_PATH | O_DIRECTORY | O_CLOEXEC);
        base_fd = base_fd < 0 ? -1 : openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (base_fd < 0 || fuse_opt_add_arg(&args, "hang_fs") < 0 ||
            fuse_opt_add_arg(&args, "-oallow_other,default_permissions,fsname=hang_fs,subtype=hang") < 0)
                return EXIT_FAILURE;
        (void) umask(0);
        fuse = fuse_new(&args, &operations, sizeof(operations), NULL);
        if (!fuse || fuse_mount(fuse, argv[2]) < 0)
                return EXIT_FAILURE;
        if (pthread_create(&listener, NULL, listen_to_commands, argv[2]) != 0)
                return EXIT_FAILURE;
        /* Each request that is swallowed costs a thread. */
        config = fuse_loop_cfg_create();
        fuse_loop_cfg_set_max_threads(config, 64);
        fuse_loop_cfg_set_idle_threads(config, 64);
        return fuse_loop_mt(fuse, config) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
