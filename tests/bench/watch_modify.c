/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What one would write first: an inotify watch for changes on each log, and an fstat for each event.
 *
 *   watch_modify ROOT
 *
 * Prints "ready", and at the end of its standard input how many events there were, and how often events were lost. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOGS_MAX 200000

static int fds[LOGS_MAX + 1]; /* by watch descriptor: they count from 1 */
static uint64_t n_events, n_lost, sizes;

static int watch_all(int inotify_fd, const char *root) {
        struct rlimit limit = {LOGS_MAX + 1024, LOGS_MAX + 1024};
        char path[4096];
        DIR *dir;

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        (void) snprintf(path, sizeof(path), "%s/containers", root);
        dir = opendir(path);
        if (!dir)
                return -1;
        for (struct dirent *entry; (entry = readdir(dir));) {
                int wd;

                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/containers/%s/%s-json.log", root, entry->d_name, entry->d_name);
                wd = inotify_add_watch(inotify_fd, path, IN_MODIFY);
                if (wd <= 0 || wd > LOGS_MAX)
                        return -1;
                fds[wd] = open(path, O_RDONLY | O_CLOEXEC);
                if (fds[wd] < 0)
                        return -1;
        }
        (void) closedir(dir);
        return 0;
}

static void take_events(int inotify_fd) {
        alignas(struct inotify_event) static char buffer[65536];
        ssize_t n = read(inotify_fd, buffer, sizeof(buffer));

        for (ssize_t at = 0; at < n;) {
                const struct inotify_event *event = (const struct inotify_event *) (buffer + at);
                struct stat st;

                at += (ssize_t) sizeof(*event) + event->len;
                if (event->wd < 0)
                        n_lost++;
                else if (fstat(fds[event->wd], &st) == 0) {
                        n_events++;
                        sizes += (uint64_t) st.st_size;
                }
        }
}

int main(int argc, char **argv) {
        int inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
        struct pollfd p[] = {{.fd = inotify_fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};

        if (argc != 2 || inotify_fd < 0 || watch_all(inotify_fd, argv[1]) < 0) {
                perror("watch_modify");
                return 1;
        }
        printf("ready\n");
        (void) fflush(stdout);
        while (poll(p, 2, -1) > 0 && !p[1].revents)
                take_events(inotify_fd);
        printf("%" PRIu64 " %" PRIu64 "\n", n_events, n_lost);
        return sizes == 1; /* so that it is used */
}
