/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The forecast: right for what lasts, silent on what is over, afresh after a clean-up. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>

#include "forecast.h"

/* Feeds a rate from one time to another, looking every step; returns the time after. */
static uint64_t feed(Forecast *f, uint64_t from, uint64_t to, uint64_t step, double bps) {
        for (uint64_t t = from + step; t <= to; t += step)
                forecast_push(f, t, bps * (double) step / (double) USEC_PER_SEC);
        return to;
}

static void assert_between_sec(uint64_t usec, double low, double high) {
        double sec = (double) usec / 1e6;
        if (sec < low || sec > high)
                fail_msg("%g s is not within %g .. %g", sec, low, high);
}

static void it_says_unknown_while_it_is_too_young(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        assert_false(forecast_look(&f, GIB(1)).known);
        forecast_push(&f, 1000, 0);
        forecast_push(&f, 2000, 1e6);
        assert_false(forecast_look(&f, GIB(1)).full.known);
}

static void a_flood_after_a_calm_is_seen_within_its_first_half_second(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        uint64_t t = feed(&f, 0, 1000 * USEC_PER_SEC, 5 * USEC_PER_SEC, 0);
        t = feed(&f, t, t + 500 * USEC_PER_MSEC, 10 * USEC_PER_MSEC, 100e6);
        ForecastView view = forecast_look(&f, 1000000000);
        assert_true(view.known);
        assert_int_equal(view.scale, 0);
        assert_between_sec(view.full.low_usec, 9.9, 13);
        assert_true(view.full.high_usec >= view.full.low_usec);
}

static void a_leak_is_seen_at_a_slow_scale_with_a_range_around_the_truth(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        uint64_t t = 0;
        for (int i = 0; i < 400; i++) { /* 1 MB/s, in bursts of 10 s */
                t = feed(&f, t, t + 2 * USEC_PER_SEC, USEC_PER_SEC, 5e6);
                t = feed(&f, t, t + 8 * USEC_PER_SEC, USEC_PER_SEC, 0);
        }
        ForecastView view = forecast_look(&f, 10000000000);
        assert_between_sec(view.full.low_usec, 1000, 11000);
        assert_between_sec(view.full.high_usec, 9000, 40000);
}

static void a_step_is_not_a_trend_once_it_is_over(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        uint64_t t = feed(&f, 0, 10 * USEC_PER_HOUR, 5 * USEC_PER_SEC, 0);
        t = feed(&f, t, t + 5 * USEC_PER_SEC, 50 * USEC_PER_MSEC, 200e6);
        assert_true(forecast_look(&f, GIB(5)).worst_ps > 100e6);
        t = feed(&f, t, t + 2 * USEC_PER_HOUR, USEC_PER_SEC, 0);
        assert_true(forecast_look(&f, GIB(5)).worst_ps < 1);
        assert_true(forecast_look(&f, GIB(5)).full.low_usec > 24 * USEC_PER_HOUR);
}

static void after_a_reclaim_the_slow_scales_begin_afresh_and_the_writer_is_still_known(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        uint64_t t = feed(&f, 0, 2 * USEC_PER_HOUR, USEC_PER_SEC, 10e6);
        forecast_reclaim(&f, t + USEC_PER_SEC);
        ForecastView view = forecast_look(&f, GIB(100));
        assert_true(fabs(view.worst_ps - 10e6) < 1e5);
        t = feed(&f, t + USEC_PER_SEC, t + 2 * USEC_PER_MINUTE, USEC_PER_SEC, 0);
        assert_true(forecast_look(&f, GIB(100)).worst_ps < 1e5);
}

static void what_shrinks_is_not_filling(void **state) {
        Forecast f;

        (void) state;
        forecast_init(&f);
        (void) feed(&f, 0, USEC_PER_HOUR, USEC_PER_SEC, -1e6);
        ForecastView view = forecast_look(&f, GIB(1));
        assert_true(view.known);
        assert_true(view.full.low_usec == USEC_INFINITY);
        assert_true(view.worst_ps == 0);
        assert_true(view.trend_ps < -9e5);
        assert_true(forecast_instant_ps(&f) == 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_says_unknown_while_it_is_too_young),
                cmocka_unit_test(a_flood_after_a_calm_is_seen_within_its_first_half_second),
                cmocka_unit_test(a_leak_is_seen_at_a_slow_scale_with_a_range_around_the_truth),
                cmocka_unit_test(a_step_is_not_a_trend_once_it_is_over),
                cmocka_unit_test(after_a_reclaim_the_slow_scales_begin_afresh_and_the_writer_is_still_known),
                cmocka_unit_test(what_shrinks_is_not_filling),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
