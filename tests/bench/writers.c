/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Floods logs as dockerd writes them, and looks at what becomes of the partition meanwhile:
 *
 *   writers [-c CHUNK] [-r RATE] [-s SECONDS] [-t TOTAL] [-n FIRST] [-e] [-b BELOW] LOG...
 *
 * A thread for each LOG appends CHUNK bytes (4096) at a time, whole lines with numbers from FIRST on; all of them together RATE bytes a
 * second (0: as fast as it goes), until SECONDS are over (0: until standard input ends), or each has written TOTAL bytes, with -e until
 * the first write fails for lack of room. A line that finds no room is given up, as dockerd does. Another thread looks at the free space
 * each millisecond.
 *
 * With -b, of one LOG: what is available is looked at after each write, and every SAMPLE_USEC how many blocks the log has. Told are the
 * crossings of BELOW bytes downwards, each with when the write began that crossed and when the log's blocks were first seen to be fewer;
 * and the times at which they became fewer before it came to that.
 *
 * Prints an object of JSON; all times are CLOCK_MONOTONIC. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOGS_MAX 16
#define LINE_BYTES 1024
#define CHUNK_MAX (1 << 20)
#define LOOK_USEC 1000
#define SAMPLE_USEC 50
#define CROSSINGS_MAX 100000
/* Who was held up makes up for no more than that: else a pause would be followed by a rate that nobody asked for. */
#define DEBT_USEC 20000
/* The extents' own blocks come and go. */
#define SHRUNK_BLOCKS (256 * 1024 / 512)
/* Fewer blocks within that are the same act's. */
#define SAME_ACT_USEC 20000

typedef struct Writer {
        const char *path;
        pthread_t thread;
        int fd;
        uint64_t bytes, lines, failed, torn, others, failing_usec, longest_usec;
        uint64_t first_failed_usec; /* 0: none */
} Writer;

typedef struct Crossing {
        uint64_t crossed_usec, shrunk_usec, avail_bytes;
} Crossing;

static size_t arg_chunk = 4096;
static uint64_t arg_rate, arg_seconds = 10, arg_total = UINT64_MAX, arg_first, arg_below;
static bool arg_end_at_failure;

static Writer writers[LOGS_MAX];
static int n_writers;
static atomic_bool over;
static atomic_int n_writing;
static pthread_barrier_t begin;

/* Written by the writer, read by who looks: when the write began that crossed, and what it left; 0: not crossed. */
static _Atomic uint64_t crossed_usec, crossed_avail;

static Crossing crossings[CROSSINGS_MAX];
static uint64_t early[CROSSINGS_MAX];
static size_t n_crossings, n_early;
static uint64_t least_avail = UINT64_MAX, n_looks, longest_gap_usec;

static uint64_t now_usec(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static void sleep_until(uint64_t usec) {
        const struct timespec t = {(time_t) (usec / 1000000), (long) (usec % 1000000 * 1000)};

        (void) clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

static uint64_t avail_bytes(int fd) {
        struct statvfs vfs;

        return fstatvfs(fd, &vfs) < 0 ? 0 : vfs.f_bavail * vfs.f_frsize;
}

/* ---- writing ---- */

static size_t lines_in(size_t chunk) {
        return chunk <= LINE_BYTES ? 1 : chunk / LINE_BYTES;
}

/* {"log":"line 000000000000 xxx...\n","stream":"stdout","time":"..."} */
static void make_lines(char *chunk) {
        static const char head[] = "{\"log\":\"line 000000000000 ";
        static const char tail[] = "\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}\n";
        const size_t n = lines_in(arg_chunk), line_bytes = arg_chunk / n;

        memset(chunk, 'x', arg_chunk);
        for (size_t i = 0; i < n; i++) {
                char *line = chunk + i * line_bytes;
                const size_t bytes = i + 1 < n ? line_bytes : arg_chunk - i * line_bytes;

                memcpy(line, head, sizeof(head) - 1);
                memcpy(line + bytes - sizeof(tail) + 1, tail, sizeof(tail) - 1);
        }
}

static void number_lines(char *chunk, uint64_t first) {
        const size_t n = lines_in(arg_chunk), line_bytes = arg_chunk / n;

        for (size_t i = 0; i < n; i++) {
                char *digit = chunk + i * line_bytes + strlen("{\"log\":\"line 000000000000");

                for (uint64_t rest = first + i; rest > 0; rest /= 10)
                        *--digit = (char) ('0' + rest % 10);
        }
}

static void keep_account(Writer *w, ssize_t n, uint64_t from_usec, uint64_t to_usec, uint64_t *failing_since) {
        if (to_usec - from_usec > w->longest_usec)
                w->longest_usec = to_usec - from_usec;
        if (n > 0)
                w->bytes += (uint64_t) n;
        if (n == (ssize_t) arg_chunk) {
                w->lines += lines_in(arg_chunk);
                if (*failing_since != 0)
                        w->failing_usec += to_usec - *failing_since;
                *failing_since = 0;
                return;
        }
        if (n < 0 && errno != ENOSPC) {
                w->others++;
                return;
        }
        w->failed++;
        w->torn += n > 0;
        if (w->first_failed_usec == 0)
                w->first_failed_usec = to_usec;
        if (*failing_since == 0)
                *failing_since = to_usec;
        if (arg_end_at_failure)
                over = true;
}

/* Right after a write; armed: it was above before. */
static void look_for_crossing(int fd, uint64_t began_usec, bool *armed) {
        const uint64_t avail = avail_bytes(fd);

        if (avail >= arg_below) {
                *armed = true;
                return;
        }
        if (!*armed)
                return;
        *armed = false;
        crossed_avail = avail;
        crossed_usec = began_usec;
}

static void *write_log(void *userdata) {
        Writer *w = userdata;
        char *chunk = aligned_alloc(4096, CHUNK_MAX);
        uint64_t due_usec, failing_since = 0, number = arg_first;
        const double pause_usec = arg_rate > 0 ? (double) arg_chunk * n_writers / (double) arg_rate * 1e6 : 0;
        double due;
        bool armed = false;

        (void) prctl(PR_SET_TIMERSLACK, 1);
        make_lines(chunk);
        (void) pthread_barrier_wait(&begin);
        due = (double) now_usec();
        while (!over && w->bytes < arg_total) {
                uint64_t from_usec = now_usec(), to_usec;
                ssize_t n;

                if (arg_rate > 0) {
                        due_usec = (uint64_t) due;
                        if (due_usec > from_usec) {
                                sleep_until(due_usec);
                                from_usec = now_usec();
                        } else if (from_usec - due_usec > DEBT_USEC)
                                due = (double) (from_usec - DEBT_USEC);
                        due += pause_usec;
                }
                number_lines(chunk, number);
                n = write(w->fd, chunk, arg_chunk);
                to_usec = now_usec();
                keep_account(w, n, from_usec, to_usec, &failing_since);
                if (n == (ssize_t) arg_chunk)
                        number += lines_in(arg_chunk);
                if (arg_below > 0)
                        look_for_crossing(w->fd, from_usec, &armed);
        }
        if (failing_since != 0)
                w->failing_usec += now_usec() - failing_since;
        free(chunk);
        if (--n_writing == 0)
                over = true;
        return NULL;
}

/* ---- looking ---- */

static uint64_t blocks_of(int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 ? 0 : (uint64_t) st.st_blocks;
}

/* What is on its way from reserved to allocated is counted nowhere for a moment: who is fewer stays so. */
static bool has_shrunk(int fd, uint64_t blocks, uint64_t before) {
        for (int i = 0; blocks + SHRUNK_BLOCKS < before; i++) {
                if (i == 3)
                        return true;
                blocks = blocks_of(fd);
        }
        return false;
}

/* One look at the log's blocks. */
static void look_at_log(int fd, uint64_t *peak, uint64_t *shrinking_usec) {
        const uint64_t blocks = blocks_of(fd), now = now_usec(), crossed = crossed_usec;
        bool begins;

        if (!has_shrunk(fd, blocks, *peak)) {
                if (blocks > *peak)
                        *peak = blocks;
                return;
        }
        begins = now > *shrinking_usec + SAME_ACT_USEC;
        *shrinking_usec = now;
        *peak = blocks_of(fd);
        if (crossed != 0 && n_crossings < CROSSINGS_MAX) {
                crossings[n_crossings++] = (Crossing){crossed, now, crossed_avail};
                crossed_usec = 0;
        } else if (begins && n_early < CROSSINGS_MAX)
                early[n_early++] = now;
}

static void *look(void *userdata) {
        const int fd = writers[0].fd;
        const struct sched_param param = {.sched_priority = 1};
        const uint64_t interval_usec = arg_below > 0 ? SAMPLE_USEC : LOOK_USEC;
        uint64_t last_usec = 0, space_usec = 0, peak = 0, shrinking_usec = 0;

        (void) userdata;
        (void) prctl(PR_SET_TIMERSLACK, 1);
        (void) pthread_setschedparam(pthread_self(), SCHED_FIFO, &param); /* else the writers are in its way */
        (void) pthread_barrier_wait(&begin);
        while (!over) {
                const uint64_t now = now_usec();

                if (arg_below > 0)
                        look_at_log(fd, &peak, &shrinking_usec);
                if (now >= space_usec + LOOK_USEC) {
                        const uint64_t avail = avail_bytes(fd);

                        least_avail = avail < least_avail ? avail : least_avail;
                        space_usec = now;
                }
                if (n_looks++ > 0 && now - last_usec > longest_gap_usec)
                        longest_gap_usec = now - last_usec;
                last_usec = now;
                sleep_until(now + interval_usec);
        }
        return NULL;
}

/* ---- the whole ---- */

static void wait_for_end(uint64_t begin_usec) {
        struct pollfd input = {.fd = 0, .events = POLLIN};

        while (!over) {
                if (arg_seconds == 0) {
                        over = poll(&input, 1, 10) > 0;
                        continue;
                }
                sleep_until(now_usec() + 2000);
                if (now_usec() >= begin_usec + arg_seconds * 1000000)
                        over = true;
        }
}

static void print(uint64_t begin_usec, uint64_t end_usec) {
        uint64_t bytes = 0, failed = 0, torn = 0, others = 0, failing = 0, longest = 0, first = 0;

        for (int i = 0; i < n_writers; i++) {
                const Writer *w = writers + i;

                bytes += w->bytes;
                failed += w->failed;
                torn += w->torn;
                others += w->others;
                failing = w->failing_usec > failing ? w->failing_usec : failing;
                longest = w->longest_usec > longest ? w->longest_usec : longest;
                if (w->first_failed_usec != 0 && (first == 0 || w->first_failed_usec < first))
                        first = w->first_failed_usec;
        }
        printf("{\"seconds\": %.6f, \"bytes\": %" PRIu64 ", \"failed\": %" PRIu64 ", \"torn\": %" PRIu64 ", \"others\": %" PRIu64
               ", \"failing_sec\": %.6f, \"first_failed_sec\": %.6f, \"longest_write_usec\": %" PRIu64 ", \"least_avail\": %" PRIu64
               ", \"looks\": %" PRIu64 ", \"longest_gap_usec\": %" PRIu64 ",\n \"begin_usec\": %" PRIu64 ", \"lines\": [",
               (double) (end_usec - begin_usec) / 1e6, bytes, failed, torn, others, (double) failing / 1e6,
               first ? (double) (first - begin_usec) / 1e6 : -1, longest, least_avail, n_looks, longest_gap_usec, begin_usec);
        for (int i = 0; i < n_writers; i++)
                printf("%s%" PRIu64, i ? ", " : "", writers[i].lines);
        printf("],\n \"crossings\": [");
        for (size_t i = 0; i < n_crossings; i++)
                printf("%s[%" PRIu64 ", %" PRIu64 ", %" PRIu64 "]", i ? ", " : "", crossings[i].crossed_usec, crossings[i].shrunk_usec,
                       crossings[i].avail_bytes);
        printf("],\n \"early\": [");
        for (size_t i = 0; i < n_early; i++)
                printf("%s%" PRIu64, i ? ", " : "", early[i]);
        printf("]}\n");
}

static bool parse(int argc, char **argv) {
        int c;

        while ((c = getopt(argc, argv, "c:r:s:t:n:b:e")) >= 0)
                switch (c) {
                case 'c':
                        arg_chunk = strtoull(optarg, NULL, 10);
                        break;
                case 'r':
                        arg_rate = strtoull(optarg, NULL, 10);
                        break;
                case 's':
                        arg_seconds = strtoull(optarg, NULL, 10);
                        break;
                case 't':
                        arg_total = strtoull(optarg, NULL, 10);
                        break;
                case 'n':
                        arg_first = strtoull(optarg, NULL, 10);
                        break;
                case 'b':
                        arg_below = strtoull(optarg, NULL, 10);
                        break;
                case 'e':
                        arg_end_at_failure = true;
                        break;
                default:
                        return false;
                }
        n_writers = argc - optind;
        for (int i = 0; i < n_writers && i < LOGS_MAX; i++)
                writers[i].path = argv[optind + i];
        return n_writers > 0 && n_writers <= LOGS_MAX && arg_chunk >= 128 && arg_chunk <= CHUNK_MAX && (arg_below == 0 || n_writers == 1);
}

int main(int argc, char **argv) {
        uint64_t begin_usec;
        pthread_t looker;

        if (!parse(argc, argv)) {
                fprintf(stderr, "See the top of writers.c\n");
                return 2;
        }
        n_writing = n_writers;
        (void) pthread_barrier_init(&begin, NULL, (unsigned) n_writers + 2);
        for (int i = 0; i < n_writers; i++) {
                writers[i].fd = open(writers[i].path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
                if (writers[i].fd < 0 || pthread_create(&writers[i].thread, NULL, write_log, writers + i) != 0) {
                        perror(writers[i].path);
                        return 1;
                }
        }
        if (pthread_create(&looker, NULL, look, NULL) != 0)
                return 1;
        (void) pthread_barrier_wait(&begin);
        begin_usec = now_usec();
        wait_for_end(begin_usec);
        const uint64_t end_usec = now_usec();
        for (int i = 0; i < n_writers; i++)
                (void) pthread_join(writers[i].thread, NULL);
        (void) pthread_join(looker, NULL);
        print(begin_usec, end_usec);
        return 0;
}
