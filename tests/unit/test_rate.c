/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Decaying rates: right for a steady writer at any sampling, at every scale, from the first moment on. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "rate.h"

#define START (100 * USEC_PER_SEC)

static void assert_near(double value, double expected, double tolerance) {
        if (fabs(value - expected) > tolerance * fabs(expected) + 1e-9)
                fail_msg("%g is not near %g", value, expected);
}

static void a_steady_writer_has_its_rate_at_every_scale_however_it_is_sampled(void **state) {
        uint64_t seed = 4711;

        (void) state;
        print_message("seed %llu\n", (unsigned long long) seed);
        for (int round = 0; round < 20; round++) {
                uint64_t now = START;
                Rate rate;

                rate_init(&rate, now);
                for (int i = 0; i < 200; i++) {
                        seed = seed * 6364136223846793005u + 1442695040888963407u;
                        uint64_t step = 1 + (seed >> 33) % 2000000;
                        now += step;
                        rate_push(&rate, now, 1e6 * (double) step / 1e6);
                }
                for (unsigned s = 0; s < RATE_SCALES; s++)
                        assert_near(rate_read(&rate, s, START, now), 1e6, 1e-6);
        }
}

static void a_burst_fades_fast_at_the_fast_scale_and_slowly_at_the_slow_one(void **state) {
        Rate rate;

        (void) state;
        rate_init(&rate, 0);
        rate_push(&rate, 1000 * USEC_PER_SEC, 0);
        rate_push(&rate, 1001 * USEC_PER_SEC, 1e9);
        rate_push(&rate, 1011 * USEC_PER_SEC, 0);
        assert_true(rate_read(&rate, 0, 0, 1011 * USEC_PER_SEC) < 1);
        assert_near(rate_read(&rate, 1, 0, 1011 * USEC_PER_SEC), 1e9 * (1 - exp(-0.2)) * exp(-2), 0.01);
        assert_near(rate_read(&rate, 3, 0, 1011 * USEC_PER_SEC), 1e9 / 900 / (1 - exp(-1011.0 / 900)), 0.02);
}

static void silence_is_counted_without_a_sample(void **state) {
        Rate rate;

        (void) state;
        rate_init(&rate, 0);
        for (uint64_t t = 1; t <= 100; t++)
                rate_push(&rate, t * USEC_PER_SEC, 1e6);
        assert_near(rate_read(&rate, 1, 0, 105 * USEC_PER_SEC), 1e6 * exp(-1), 0.01);
}

static void what_comes_at_one_and_the_same_time_is_not_lost(void **state) {
        Rate a, b;

        (void) state;
        rate_init(&a, 0);
        rate_init(&b, 0);
        for (int i = 0; i < 10; i++)
                rate_push(&a, 1000, 1e6);
        rate_push(&b, 1000, 1e7);
        for (unsigned s = 1; s < RATE_SCALES; s++)
                assert_near(rate_read(&a, s, 0, USEC_PER_SEC), rate_read(&b, s, 0, USEC_PER_SEC), 0.01);
}

static void a_clock_that_steps_back_does_no_harm(void **state) {
        Rate rate;

        (void) state;
        rate_init(&rate, START);
        rate_push(&rate, START + USEC_PER_SEC, 1e6);
        rate_push(&rate, START, 1e6);
        for (unsigned s = 0; s < RATE_SCALES; s++) {
                assert_true(isfinite(rate_read(&rate, s, START, START)));
                assert_true(rate_read(&rate, s, START, START + USEC_PER_SEC) > 0);
        }
        assert_true(rate_read(&rate, 0, START, START) == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_steady_writer_has_its_rate_at_every_scale_however_it_is_sampled),
                cmocka_unit_test(a_burst_fades_fast_at_the_fast_scale_and_slowly_at_the_slow_one),
                cmocka_unit_test(silence_is_counted_without_a_sample),
                cmocka_unit_test(what_comes_at_one_and_the_same_time_is_not_lost),
                cmocka_unit_test(a_clock_that_steps_back_does_no_harm),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
