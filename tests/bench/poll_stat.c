/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What one would write second: once a second a stat of each log, and a statvfs.
 *
 *   poll_stat ROOT
 *
 * Prints "ready", and at the end of its standard input how often it has looked. */

#include <dirent.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOGS_MAX 200000

static char *paths[LOGS_MAX];
static size_t n_logs;
static uint64_t sizes;

static int list_all(const char *root) {
        char path[4096];
        DIR *dir;

        (void) snprintf(path, sizeof(path), "%s/containers", root);
        dir = opendir(path);
        if (!dir)
                return -1;
        for (struct dirent *entry; n_logs < LOGS_MAX && (entry = readdir(dir));) {
                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/containers/%s/%s-json.log", root, entry->d_name, entry->d_name);
                paths[n_logs++] = strdup(path);
        }
        (void) closedir(dir);
        return 0;
}

static void look(const char *root) {
        struct statvfs vfs;
        struct stat st;

        if (statvfs(root, &vfs) == 0)
                sizes += vfs.f_bfree;
        for (size_t i = 0; i < n_logs; i++)
                if (stat(paths[i], &st) == 0)
                        sizes += (uint64_t) st.st_size;
}

int main(int argc, char **argv) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
        unsigned n_looks = 0;

        if (argc != 2 || list_all(argv[1]) < 0) {
                perror("poll_stat");
                return 1;
        }
        printf("ready\n");
        (void) fflush(stdout);
        for (; poll(&p, 1, 1000) == 0; n_looks++)
                look(argv[1]);
        printf("%u\n", n_looks);
        return sizes == 1; /* so that it is used */
}
