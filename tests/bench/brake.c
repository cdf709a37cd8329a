/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The yardstick of survival, a brake that does nothing but brake: it knows the logs, decides nothing, tells nothing, marks nothing.
 *
 *   brake [-s SECONDS] [-k KEEP] [-m LEAST] [-b BELOW] [-j] LOG...
 *
 * While less than BELOW bytes are available (left out: always), a hole is punched into the head of each LOG that has LEAST bytes more than
 * KEEP, one after the other, with -j by a thread for each. Prints the number of holes and how long one took at most, in microseconds. */

#define _GNU_SOURCE

#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOGS_MAX 16
#define BLOCK 4096
#define PAUSE_USEC 2000

typedef struct Log {
        int fd;
        uint64_t data_from;
} Log;

static uint64_t arg_seconds = 10, arg_keep = 16 << 20, arg_least = 4 << 20, arg_below = UINT64_MAX;
static bool arg_each;

static Log logs[LOGS_MAX];
static int n_logs;
static _Atomic uint64_t n_holes, longest_usec;
static uint64_t end_usec;

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static bool is_short(int fd) {
        struct statvfs vfs;

        return arg_below == UINT64_MAX || (fstatvfs(fd, &vfs) == 0 && vfs.f_bavail * vfs.f_frsize < arg_below);
}

static bool punch(Log *l) {
        struct stat st;
        uint64_t cut_to, begin_usec, usec;

        if (fstat(l->fd, &st) < 0 || (uint64_t) st.st_size < arg_keep)
                return false;
        cut_to = ((uint64_t) st.st_size - arg_keep) / BLOCK * BLOCK;
        if (cut_to < l->data_from + arg_least)
                return false;
        begin_usec = now_usec();
        if (fallocate(l->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t) l->data_from, (off_t) (cut_to - l->data_from)) < 0)
                return false;
        usec = now_usec() - begin_usec;
        if (usec > longest_usec)
                longest_usec = usec;
        n_holes++;
        l->data_from = cut_to;
        return true;
}

static void *brake(void *userdata) {
        const struct sched_param param = {.sched_priority = 1};
        Log *first = userdata;

        (void) pthread_setschedparam(pthread_self(), SCHED_FIFO, &param);
        while (now_usec() < end_usec) {
                bool any = false;

                for (Log *l = first; l < logs + n_logs && is_short(l->fd); l++) {
                        any = punch(l) || any;
                        if (arg_each)
                                break;
                }
                if (!any)
                        (void) usleep(PAUSE_USEC);
        }
        return NULL;
}

static bool parse(int argc, char **argv) {
        int c;

        while ((c = getopt(argc, argv, "s:k:m:b:j")) >= 0) {
                const uint64_t value = optarg ? strtoull(optarg, NULL, 10) : 0;

                switch (c) {
                case 's':
                        arg_seconds = value;
                        break;
                case 'k':
                        arg_keep = value;
                        break;
                case 'm':
                        arg_least = value;
                        break;
                case 'b':
                        arg_below = value;
                        break;
                case 'j':
                        arg_each = true;
                        break;
                default:
                        return false;
                }
        }
        n_logs = argc - optind;
        return n_logs > 0 && n_logs <= LOGS_MAX;
}

int main(int argc, char **argv) {
        pthread_t threads[LOGS_MAX];
        int n_threads;

        if (!parse(argc, argv)) {
                fprintf(stderr, "See the top of brake.c\n");
                return 2;
        }
        for (int i = 0; i < n_logs; i++) {
                logs[i] = (Log){open(argv[optind + i], O_RDWR | O_CLOEXEC), BLOCK};
                if (logs[i].fd < 0) {
                        perror(argv[optind + i]);
                        return 1;
                }
        }
        end_usec = now_usec() + arg_seconds * 1000000;
        n_threads = arg_each ? n_logs : 1;
        for (int i = 0; i < n_threads; i++)
                if (pthread_create(threads + i, NULL, brake, logs + i) != 0)
                        return 1;
        for (int i = 0; i < n_threads; i++)
                (void) pthread_join(threads[i], NULL);
        printf("{\"holes\": %" PRIu64 ", \"longest_usec\": %" PRIu64 "}\n", (uint64_t) n_holes, (uint64_t) longest_usec);
        return 0;
}
