/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state: what was put is got, what was half put is not, whoever was killed in the middle. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "records.h"
#include "state.h"

typedef struct Small {
        uint64_t n, twice_n;
} Small;

#define BIG_WORDS 4096
typedef struct Big {
        uint64_t words[BIG_WORDS]; /* all alike */
} Big;

static const size_t sizes[] = {sizeof(Small), sizeof(Big), 13};
static const StateLayout layout = {sizes, ELEMENTS(sizes)};

static State *open_new(int *ret_fd) {
        State *s = NULL;

        assert_int_equal(state_make(&layout, ret_fd), 0);
        assert_int_equal(state_open(*ret_fd, &layout, &s), 0);
        return s;
}

static void what_was_put_is_there_for_the_next_one(void **state) {
        Small small = {7, 14}, got = {};
        char odd[13] = "twelve chars", got_odd[13];
        State *s, *next;
        int fd;

        (void) state;
        s = open_new(&fd);
        assert_false(state_get(s, 0, &got));
        state_put(s, 0, &small);
        state_put(s, 2, odd);
        s = state_free(s);
        assert_int_equal(state_open(fd, &layout, &next), 0);
        assert_true(state_get(next, 0, &got));
        assert_memory_equal(&got, &small, sizeof(got));
        assert_true(state_get(next, 2, got_odd));
        assert_memory_equal(got_odd, odd, sizeof(odd));
        assert_false(state_get(next, 1, &(Big){}));
        for (small.n = 0; small.n < 5; small.n++) {
                state_put(next, 0, &small);
                assert_true(state_get(next, 0, &got));
                assert_int_equal(got.n, small.n);
        }
        state_put(next, 0, NULL);
        assert_false(state_get(next, 0, &got));
        state_free(next);
        (void) close(fd);
}

static void a_broken_record_gives_the_one_before(void **state) {
        Small first = {1, 2}, second = {3, 6}, got;
        State *s;
        char *map;
        int fd;

        (void) state;
        s = open_new(&fd);
        state_put(s, 0, &first);
        state_put(s, 0, &second);
        map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(map != MAP_FAILED);
        for (char *p = map; p < map + 4096 - sizeof(second); p++)
                if (memcmp(p, &second, sizeof(second)) == 0) {
                        *p ^= 1;
                        break;
                }
        assert_true(state_get(s, 0, &got));
        assert_memory_equal(&got, &first, sizeof(got));
        (void) munmap(map, 4096);
        state_free(s);
        (void) close(fd);
}

/* A writer is killed at any moment, again and again: what is read is always whole, and never older than what was last
 * put before. */
static void killed_while_writing_it_stays_whole(void **state) {
        static Big big;
        struct timespec pause = {};
        uint64_t last = 0;
        State *s;
        int fd;

        (void) state;
        s = open_new(&fd);
        for (int round = 0; round < 100; round++) {
                pid_t pid = fork();

                if (pid == 0)
                        for (uint64_t n = last + 1;; n++) {
                                for (size_t i = 0; i < BIG_WORDS; i++)
                                        big.words[i] = n;
                                state_put(s, 1, &big);
                        }
                pause.tv_nsec = 200000 + round * 13579;
                (void) nanosleep(&pause, NULL);
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                if (!state_get(s, 1, &big)) {
                        assert_int_equal(last, 0); /* the very first one was not done yet */
                        continue;
                }
                assert_true(big.words[0] >= last);
                last = big.words[0];
                for (size_t i = 0; i < BIG_WORDS; i++)
                        assert_int_equal(big.words[i], last);
        }
        assert_true(last > 0);
        state_free(s);
        (void) close(fd);
}

static void what_another_version_wrote_is_not_read(void **state) {
        static const size_t other_sizes[] = {sizeof(Big), sizeof(Small), 13};
        static const StateLayout other = {other_sizes, ELEMENTS(other_sizes)};
        Small small = {1, 2};
        State *s;
        int fd;

        (void) state;
        s = open_new(&fd);
        state_put(s, 0, &small);
        s = state_free(s);
        assert_int_equal(state_open(fd, &other, &s), 0); /* as large, and something else */
        assert_false(state_get(s, 1, &small));
        state_free(s);
        (void) close(fd);
}

static void what_is_no_state_is_refused(void **state) {
        State *s = NULL;
        int fd = memfd_create("stranger", MFD_CLOEXEC);

        (void) state;
        assert_int_equal(ftruncate(fd, 12345), 0);
        assert_int_equal(state_open(fd, &layout, &s), -EINVAL);
        (void) close(fd);
        assert_int_equal(state_make(&layout, &fd), 0);
        assert_int_equal(ftruncate(fd, 0), -1); /* sealed: nobody can take the memory away under who maps it */
        (void) close(fd);
        assert_int_equal(state_open(STDIN_FILENO, &layout, &s), -EINVAL);
}

static void the_real_records_fit_into_a_few_hundred_kilobytes(void **state) {
        State *s = NULL;
        int fd;

        (void) state;
        assert_int_equal(state_make(&records_layout, &fd), 0);
        assert_int_equal(state_open(fd, &records_layout, &s), 0);
        print_message("the state takes %lld bytes\n", (long long) lseek(fd, 0, SEEK_END));
        assert_true(lseek(fd, 0, SEEK_END) < (off_t) KIB(768)); /* locked, of the guard's 8 MB */
        state_free(s);
        (void) close(fd);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_put_is_there_for_the_next_one),
                cmocka_unit_test(a_broken_record_gives_the_one_before),
                cmocka_unit_test(killed_while_writing_it_stays_whole),
                cmocka_unit_test(what_another_version_wrote_is_not_read),
                cmocka_unit_test(what_is_no_state_is_refused),
                cmocka_unit_test(the_real_records_fit_into_a_few_hundred_kilobytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
