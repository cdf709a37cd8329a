/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The least that anybody has to do who wants to know all containers: opens and reads the two files that describe each of
 * them, and looks at its log.
 *
 *   bare_loop read ROOT     that and nothing else
 *   bare_loop watch ROOT    and what a guard cannot do without: an inotify watch on the folder and on the log, and a look
 *                           for rotated segments beside it
 *
 * Prints how long it took in microseconds, how many containers there were, and how many bytes it has read. */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_EVENTS (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_CLOSE_WRITE | IN_ONLYDIR)

static uint64_t read_bytes;

static uint64_t now_usec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static bool read_file(int at_fd, const char *id, const char *name) {
        static char buffer[1 << 20];
        char path[256];
        ssize_t n;
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", id, name);
        fd = openat(at_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return false;
        while ((n = read(fd, buffer, sizeof(buffer))) > 0)
                read_bytes += (uint64_t) n;
        (void) close(fd);
        return n == 0;
}

static void watch(int inotify_fd, int at_fd, const char *path, uint32_t mask) {
        int fd = openat(at_fd, path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
        char name[64];

        (void) snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
        (void) inotify_add_watch(inotify_fd, name, mask); /* there may be no more of them */
        (void) close(fd);
}

static void list(int at_fd, const char *id) {
        int fd = openat(at_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);

        while (dir && readdir(dir))
                ;
        if (dir)
                (void) closedir(dir);
}

int main(int argc, char **argv) {
        uint64_t begin = now_usec(), n_containers = 0;
        bool watches = argc == 3 && strcmp(argv[1], "watch") == 0;
        int inotify_fd = watches ? inotify_init1(IN_CLOEXEC) : -1;
        char path[4096];
        DIR *dir;

        if (argc != 3)
                return 2;
        (void) snprintf(path, sizeof(path), "%s/containers", argv[2]);
        dir = opendir(path);
        if (!dir) {
                perror(path);
                return 1;
        }
        for (struct dirent *entry; (entry = readdir(dir));) {
                struct stat st;

                if (entry->d_name[0] == '.')
                        continue;
                if (watches)
                        watch(inotify_fd, dirfd(dir), entry->d_name, FOLDER_EVENTS);
                (void) snprintf(path, sizeof(path), "%s/%s-json.log", entry->d_name, entry->d_name);
                if (!read_file(dirfd(dir), entry->d_name, "config.v2.json") ||
                    !read_file(dirfd(dir), entry->d_name, "hostconfig.json") ||
                    fstatat(dirfd(dir), path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
                        perror(path);
                        return 1;
                }
                if (watches) {
                        watch(inotify_fd, dirfd(dir), path, IN_MODIFY | IN_ONESHOT);
                        list(dirfd(dir), entry->d_name);
                }
                n_containers++;
        }
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", now_usec() - begin, n_containers, read_bytes);
        return 0;
}
