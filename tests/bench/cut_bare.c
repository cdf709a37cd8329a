/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The yardstick of a trim, and the clock beside both:
 *
 *   cut_bare punch|collapse FILE FROM LENGTH     the system call alone
 *   cut_bare run COMMAND...                      from the fork until it has ended; its exit status is handed on
 *
 * Prints how many microseconds it took, behind what the command printed. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static int cut(char **argv) {
        const int mode = strcmp(argv[0], "punch") == 0 ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : FALLOC_FL_COLLAPSE_RANGE;
        const int fd = open(argv[1], O_RDWR | O_CLOEXEC);
        const uint64_t begin_usec = now_usec();

        if (fd < 0 || fallocate(fd, mode, strtoll(argv[2], NULL, 10), strtoll(argv[3], NULL, 10)) < 0) {
                perror(argv[1]);
                return 1;
        }
        printf("%" PRIu64 "\n", now_usec() - begin_usec);
        return 0;
}

static int run(char **argv) {
        const uint64_t begin_usec = now_usec();
        const pid_t pid = fork();
        int status;

        if (pid == 0) {
                execv(argv[0], argv);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return 1;
        printf("\n%" PRIu64 "\n", now_usec() - begin_usec);
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv) {
        if (argc == 5 && (strcmp(argv[1], "punch") == 0 || strcmp(argv[1], "collapse") == 0))
                return cut(argv + 1);
        if (argc >= 3 && strcmp(argv[1], "run") == 0)
                return run(argv + 2);
        fprintf(stderr, "See the top of cut_bare.c\n");
        return 2;
}
