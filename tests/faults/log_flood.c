/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logs of gigabytes, as Docker's json-file driver writes them: numbered lines of an access log, which compress as such
 * lines do. Where lines.py is too slow.
 *
 *   log_flood write FILE FILL_BYTES BYTES_PER_SECOND
 *        appends to FILE until it has FILL_BYTES, and prints how many lines that took. With the first line of standard
 *        input it goes on at that rate, one write a line, until standard input ends; then prints how many lines there are
 *        in all, and how many writes failed. A line whose write failed is written again.
 *   log_flood check
 *        reads what `diskbrake logs` prints and prints: the first number, the last, how many, how many that do not follow
 *        the one before, and how many lines are none of these. */

#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048
#define BLOCK_BYTES (1 << 20)

static uint64_t random_state = UINT64_C(0x9e3779b97f4a7c15);

static uint64_t next_random(void) {
        random_state ^= random_state << 13;
        random_state ^= random_state >> 7;
        random_state ^= random_state << 17;
        return random_state;
}

static char *put(char *at, const char *text) {
        size_t n = strlen(text);

        memcpy(at, text, n);
        return at + n;
}

/* With zeros in front up to that many digits. */
static char *put_number(char *at, uint64_t number, int n_digits) {
        char digits[24];
        int n = 0;

        for (; number > 0 || n < n_digits; number /= 10)
                digits[n++] = (char) ('0' + number % 10);
        while (n > 0)
                *at++ = digits[--n];
        return at;
}

static char *put_hex(char *at, uint64_t number) {
        for (int shift = 60; shift >= 0; shift -= 4)
                *at++ = "0123456789abcdef"[number >> shift & 15];
        return at;
}

/* A thousand lines a second, for a day. */
static char *put_time(char *at, uint64_t number) {
        uint64_t second = number / 1000 % 86400;

        at = put_number(put(at, "2026-11-21T"), second / 3600, 2);
        at = put_number(put(at, ":"), second / 60 % 60, 2);
        at = put_number(put(at, ":"), second % 60, 2);
        at = put_number(put(at, "."), number % 1000 * 1000000 + number * 7919 % 1000000, 9);
        return put(at, "Z");
}

static size_t make_line(char *line, uint64_t number) {
        static const char *const agents[] = {
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)",
                "curl/8.10.1",
                "kube-probe/1.31",
        };
        static const char *const paths[] = {"orders", "users", "carts", "invoices/lines", "healthz", "search", "items", "sessions"};
        uint64_t a = next_random(), b = next_random();
        char *at = line;

        at = put_number(put(at, "{\"log\":\"line "), number, 1);
        at = put_time(put(at, " "), number);
        at = put_hex(put(at, a % 50 ? " INFO gateway.http request=" : " WARN gateway.http slow request="), b);
        at = put(put(put(at, " method=GET path=/api/v1/"), paths[a >> 8 & 7]), "/");
        at = put_number(at, a >> 16 & 0xfffff, 1);
        at = put(at, a % 37 ? " status=200" : " status=503");
        at = put_number(put(at, " duration_ms="), a >> 40 & 255, 1);
        at = put_number(put(at, " bytes="), b & 0x3fff, 1);
        at = put_number(put(at, " client=10.4."), b >> 20 & 7, 1);
        at = put_number(put(at, "."), b >> 24 & 255, 1);
        at = put(put(put(at, " agent=\\\""), agents[b >> 33 & 3]), "\\\" upstream=backend-");
        at = put_number(at, b >> 40 & 15, 2);
        at = put(at, ".default.svc.cluster.local:8080 attempt=1 cache=MISS region=eu-central-1 zone=eu-central-1b");
        at = put(at, a >> 50 & 7 ? "" : " cause=\\\"upstream answered late; the connection is kept and the next one is tried\\\"");
        at = put_time(put(at, "\\n\",\"stream\":\"stdout\",\"time\":\""), number);
        at = put(at, "\"}\n");
        return (size_t) (at - line);
}

static double now_sec(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* In blocks: nobody cuts it yet. Returns the number of the next line. */
static uint64_t fill(int fd, uint64_t fill_bytes) {
        static char block[BLOCK_BYTES + LINE_MAX_BYTES];
        uint64_t written = 0, number = 0;

        while (written < fill_bytes) {
                size_t n = 0;

                while (n < BLOCK_BYTES)
                        n += make_line(block + n, number++);
                if (write(fd, block, n) != (ssize_t) n) {
                        perror("log_flood: write");
                        exit(1);
                }
                written += n;
        }
        return number;
}

static bool has_ended(int timeout_msec) {
        struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};

        return poll(&p, 1, timeout_msec) != 0;
}

static void flood(int fd, double bytes_per_sec, uint64_t number) {
        uint64_t written = 0, failed = 0;
        double begin = now_sec();
        char line[LINE_MAX_BYTES];

        for (;;) {
                double ahead_sec = (double) written / bytes_per_sec - (now_sec() - begin);

                if (has_ended(ahead_sec > 0.001 ? (int) (ahead_sec * 1000) : 0))
                        break;
                for (double due = (now_sec() - begin) * bytes_per_sec; (double) written < due;) {
                        size_t n = make_line(line, number);

                        if (write(fd, line, n) != (ssize_t) n) {
                                failed++;
                                break;
                        }
                        number++;
                        written += n;
                }
        }
        printf("%" PRIu64 " %" PRIu64 "\n", number, failed);
}

static int run_write(const char *path, uint64_t fill_bytes, double bytes_per_sec) {
        int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
        uint64_t number;

        if (fd < 0) {
                perror(path);
                return 1;
        }
        number = fill(fd, fill_bytes);
        printf("%" PRIu64 "\n", number);
        (void) fflush(stdout);
        (void) has_ended(-1);
        if (getchar() != EOF)
                flood(fd, bytes_per_sec, number);
        return 0;
}

static int run_check(void) {
        uint64_t first = 0, last = 0, n_lines = 0, n_steps = 0, n_others = 0;
        size_t size = 0;
        char *line = NULL;

        while (getline(&line, &size, stdin) > 0) {
                uint64_t number;

                if (sscanf(line, "line %" SCNu64 " ", &number) != 1) {
                        n_others++;
                        continue;
                }
                if (n_lines++ == 0)
                        first = number;
                else if (number != last + 1)
                        n_steps++;
                last = number;
        }
        free(line);
        printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", first, last, n_lines, n_steps, n_others);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 5 && strcmp(argv[1], "write") == 0)
                return run_write(argv[2], strtoull(argv[3], NULL, 10), strtod(argv[4], NULL));
        if (argc == 2 && strcmp(argv[1], "check") == 0)
                return run_check();
        fprintf(stderr, "usage: log_flood write FILE FILL_BYTES BYTES_PER_SECOND | check\n");
        return 2;
}
