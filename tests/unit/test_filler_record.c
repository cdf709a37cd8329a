/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The filler: what it is, what is none, and where it ends. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "filler_record.h"
#include "log_record.h"

static char block[FILLER_BYTES], other[FILLER_BYTES];

static void it_is_one_valid_record_at_the_end_of_a_block(void **state) {
        LogRecord record;
        size_t spaces;

        (void) state;
        filler_make(block);
        assert_ptr_equal(memchr(block, '\n', sizeof(block)), block + sizeof(block) - 1);
        spaces = strspn(block, " ");
        assert_in_range(spaces, FILLER_BYTES - 512, FILLER_BYTES - 1);
        assert_int_equal(log_record_parse(block + spaces, FILLER_BYTES - 1 - spaces, &record), 0);
        assert_int_equal(record.time_nsec, 0); /* older than all: --since passes over it, --until goes on */
        assert_true(filler_is_front(block));
        assert_true(filler_is_rear(block + FILLER_BYTES - FILLER_EDGE_BYTES));
        assert_true(filler_is_line(block, FILLER_BYTES - 1));
}

static void nothing_else_is_filler(void **state) {
        char *rear = other + FILLER_BYTES - FILLER_EDGE_BYTES;

        (void) state;
        filler_make(block);
        for (size_t i = 0; i < FILLER_EDGE_BYTES; i++) {
                memcpy(other, block, sizeof(other));
                other[i] ^= 1;
                assert_false(filler_is_front(other));
                assert_false(filler_is_line(other, FILLER_BYTES - 1));
                memcpy(other, block, sizeof(other));
                rear[i] ^= 1;
                assert_false(filler_is_rear(rear));
                if (i < FILLER_EDGE_BYTES - 1)
                        assert_false(filler_is_line(other, FILLER_BYTES - 1));
        }
        assert_false(filler_is_line(block, FILLER_BYTES - 2));
        assert_false(filler_is_line(block, 0));
}

/* A container that logs the very text: Docker writes no spaces before it, and its own time behind it. */
static void what_a_container_logs_is_no_filler(void **state) {
        static const char line[] = "{\"log\":\"diskbrake freed this part of the log to keep the disk from filling; newer "
                                   "lines follow\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-27T20:31:12Z\"}\n";

        (void) state;
        memset(other, ' ', sizeof(other));
        memcpy(other + sizeof(other) - (sizeof(line) - 1), line, sizeof(line) - 1);
        assert_true(filler_is_front(other));
        assert_false(filler_is_rear(other + FILLER_BYTES - FILLER_EDGE_BYTES));
        assert_false(filler_is_line(other, FILLER_BYTES - 1));
}

typedef struct Probe {
        uint64_t n_filler;
        unsigned n_asked;
} Probe;

static int ask(uint64_t offset, void *userdata) {
        Probe *probe = userdata;

        probe->n_asked++;
        assert_int_equal(offset % FILLER_BYTES, 0);
        return offset / FILLER_BYTES < probe->n_filler;
}

static void its_end_is_found_by_asking_little(void **state) {
        (void) state;
        for (uint64_t n_blocks = 0; n_blocks < 70; n_blocks++)
                for (uint64_t n_filler = 0; n_filler <= n_blocks; n_filler++)
                        for (uint64_t more = 0; more < 2; more++) {
                                Probe probe = {.n_filler = n_filler};

                                assert_true(filler_find_end(n_blocks * FILLER_BYTES + more * 4097, ask, &probe) ==
                                            n_filler * FILLER_BYTES);
                                assert_in_range(probe.n_asked, 0, 8);
                        }
        Probe probe = {.n_filler = 99999};
        assert_true(filler_find_end(GIB(100), ask, &probe) == 99999 * FILLER_BYTES);
        assert_in_range(probe.n_asked, 1, 20);
        probe = (Probe){};
        assert_true(filler_find_end(GIB(100), ask, &probe) == 0); /* nearly every log: one question */
        assert_int_equal(probe.n_asked, 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_is_one_valid_record_at_the_end_of_a_block),
                cmocka_unit_test(nothing_else_is_filler),
                cmocka_unit_test(what_a_container_logs_is_no_filler),
                cmocka_unit_test(its_end_is_found_by_asking_little),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
