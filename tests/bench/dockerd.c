/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Stands for dockerd: has the logs of all containers open, answers who asks for its version, and writes lines as its json-file
 * driver does, one write(2) a line, to all logs in turns.
 *
 *   dockerd --data-root ROOT --host unix://SOCKET LOG_BYTES
 *
 * A log that has LOG_BYTES is emptied by its writer, so that a partition on which many lines are written stays as full as it
 * is; 0: never. It prints "ready" when all are open; then each line on its standard input is a command:
 *
 *   rate N   N lines a second to each log from now on, by two threads; -1: as many as go
 *   count    prints lines, failed writes, and microseconds of processor time that the writers have taken so far
 *   spread   fills the logs to between nothing and LOG_BYTES, so that from then on they are emptied in turns
 *   empty    empties all logs */

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LOGS_MAX 200000
#define THREADS 2
#define NSEC_PER_SEC INT64_C(1000000000)
/* Of a writer that could not keep up: more is not made up for. */
#define LAG_MAX_NSEC (NSEC_PER_SEC / 50)

static const char line[] =
        "{\"log\":\"2026-11-21T10:00:00.000Z INFO request=4f1c method=GET path=/api/v1/orders status=200 duration_ms=12\\n\","
        "\"stream\":\"stdout\",\"time\":\"2026-11-21T10:00:00.000000000Z\"}\n";

static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: 46\r\n\r\n"
        "{\"Version\":\"26.1.5\",\"ApiVersion\":\"1.45\",\"a\":1}";

static struct {
        int fd;
        uint64_t bytes;
} logs[LOGS_MAX];
static size_t n_logs;
static uint64_t log_bytes;

static atomic_long rate; /* lines a second and log */
static struct {
        atomic_ulong n_lines, n_failed, cpu_nsec;
} counts[THREADS];

static int64_t clock_nsec(clockid_t clock) {
        struct timespec t;

        (void) clock_gettime(clock, &t);
        return (int64_t) t.tv_sec * NSEC_PER_SEC + t.tv_nsec;
}

static void sleep_until(int64_t nsec) {
        struct timespec t = {.tv_sec = (time_t) (nsec / NSEC_PER_SEC), .tv_nsec = (long) (nsec % NSEC_PER_SEC)};

        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static bool write_line(size_t i) {
        if (log_bytes > 0 && logs[i].bytes >= log_bytes) {
                logs[i].bytes = 0;
                if (ftruncate(logs[i].fd, 0) < 0)
                        return false;
        }
        if (write(logs[i].fd, line, sizeof(line) - 1) != (ssize_t) sizeof(line) - 1)
                return false;
        logs[i].bytes += sizeof(line) - 1;
        return true;
}

/* A line to each of its logs. */
static void write_round(size_t thread) {
        unsigned long n = 0, failed = 0;

        for (size_t i = thread; i < n_logs; i += THREADS)
                if (write_line(i))
                        n++;
                else
                        failed++;
        counts[thread].n_lines += n;
        counts[thread].n_failed += failed;
        counts[thread].cpu_nsec = (unsigned long) clock_nsec(CLOCK_THREAD_CPUTIME_ID);
}

static void *writer(void *argument) {
        size_t thread = (size_t) argument;
        int64_t due = clock_nsec(CLOCK_MONOTONIC);

        for (;;) {
                long per_sec = rate;
                int64_t now = clock_nsec(CLOCK_MONOTONIC);

                if (per_sec == 0) {
                        due = now + NSEC_PER_SEC / 10;
                        sleep_until(due);
                        continue;
                }
                write_round(thread);
                if (per_sec < 0)
                        continue;
                due += NSEC_PER_SEC / per_sec;
                if (due < now - LAG_MAX_NSEC)
                        due = now - LAG_MAX_NSEC;
                sleep_until(due);
        }
        return NULL;
}

static void *server(void *argument) {
        int listen_fd = *(int *) argument, fd;
        char request[4096];

        while ((fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
                if (read(fd, request, sizeof(request)) > 0)
                        (void) !write(fd, answer, sizeof(answer) - 1);
                (void) close(fd);
        }
        return NULL;
}

static int listen_at(const char *host) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s", host + strlen("unix://"));
        (void) unlink(address.sun_path);
        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 || listen(fd, 16) < 0)
                return -1;
        return fd;
}

static bool open_logs(const char *root) {
        struct rlimit limit = {LOGS_MAX + 1024, LOGS_MAX + 1024};
        char path[4096];
        DIR *dir;

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        (void) snprintf(path, sizeof(path), "%s/containers", root);
        dir = opendir(path);
        if (!dir)
                return false;
        for (struct dirent *entry; n_logs < LOGS_MAX && (entry = readdir(dir));) {
                struct stat st;

                if (entry->d_name[0] == '.')
                        continue;
                (void) snprintf(path, sizeof(path), "%s/%s-json.log", entry->d_name, entry->d_name);
                logs[n_logs].fd = openat(dirfd(dir), path, O_WRONLY | O_APPEND | O_CLOEXEC);
                if (logs[n_logs].fd < 0 || fstat(logs[n_logs].fd, &st) < 0)
                        return false;
                logs[n_logs++].bytes = (uint64_t) st.st_size;
        }
        (void) closedir(dir);
        return true;
}

/* Only while nobody writes. */
static void empty(void) {
        for (size_t i = 0; i < n_logs; i++) {
                (void) !ftruncate(logs[i].fd, 0);
                logs[i].bytes = 0;
        }
}

static void spread(void) {
        static char block[500 * (sizeof(line) - 1)];

        for (size_t n = 0; n < sizeof(block); n += sizeof(line) - 1)
                memcpy(block + n, line, sizeof(line) - 1);
        empty();
        for (size_t i = 0; i < n_logs; i++)
                while (logs[i].bytes + sizeof(block) <= log_bytes * i / n_logs && write(logs[i].fd, block, sizeof(block)) > 0)
                        logs[i].bytes += sizeof(block);
}

static void tell_counts(void) {
        unsigned long n = 0, failed = 0, nsec = 0;

        for (size_t i = 0; i < THREADS; i++) {
                n += counts[i].n_lines;
                failed += counts[i].n_failed;
                nsec += counts[i].cpu_nsec;
        }
        printf("%lu %lu %lu\n", n, failed, nsec / 1000);
}

int main(int argc, char **argv) {
        pthread_t threads[THREADS + 1];
        char command[64];
        int listen_fd;

        if (argc != 6 || strcmp(argv[1], "--data-root") != 0 || strcmp(argv[3], "--host") != 0)
                return 2;
        log_bytes = strtoull(argv[5], NULL, 10);
        listen_fd = listen_at(argv[4]);
        if (listen_fd < 0 || !open_logs(argv[2])) {
                perror("dockerd");
                return 1;
        }
        (void) pthread_create(threads, NULL, server, &listen_fd);
        for (size_t i = 0; i < THREADS; i++)
                (void) pthread_create(threads + 1 + i, NULL, writer, (void *) i);
        printf("ready\n");
        for (;;) {
                (void) fflush(stdout);
                if (!fgets(command, sizeof(command), stdin))
                        return 0;
                if (strncmp(command, "rate ", 5) == 0)
                        rate = strtol(command + 5, NULL, 10);
                else if (strcmp(command, "count\n") == 0)
                        tell_counts();
                else if (strcmp(command, "spread\n") == 0) {
                        spread();
                        printf("done\n");
                } else if (strcmp(command, "empty\n") == 0) {
                        empty();
                        printf("done\n");
                }
        }
}
