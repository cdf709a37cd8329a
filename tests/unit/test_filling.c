/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Fills by their shape, and the alarm that they raise. */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "alarm.h"
#include "macros.h"

#define GB 1e9
#define HOUR_SEC 3600.0

typedef struct Disk {
        Trend trend;
        Alarm alarm;
        double total, used, seconds;
        unsigned n_raised;
} Disk;

static Disk disk(double total, double used) {
        return (Disk){.total = total, .used = used, .seconds = 1000};
}

/* One more sample; true: the alarm stands. */
static bool step(Disk *d, double after_sec, double used) {
        bool before = d->alarm.raised;
        double avail = d->total - used;
        uint64_t now_usec;

        d->seconds += after_sec;
        d->used = used;
        now_usec = (uint64_t) (d->seconds * 1e6);
        trend_push(&d->trend, now_usec, used);
        Filling filling = filling_look(&d->trend, avail);
        alarm_update(&d->alarm, &filling, used, avail, now_usec);
        d->n_raised += !before && d->alarm.raised;
        return d->alarm.raised;
}

static void calm(Disk *d, double for_sec, double step_sec) {
        for (double t = 0; t < for_sec; t += step_sec)
                assert_false(step(d, step_sec, d->used));
}

/* When the alarm came, as a part of the time from the onset to full. */
static double raised_at(double lasts_sec, double step_sec, double calm_sec, double power) {
        Disk d = disk(100 * GB, 40 * GB);

        calm(&d, calm_sec, step_sec);
        for (double t = step_sec; t <= lasts_sec; t += step_sec)
                if (step(&d, step_sec, (40 + 60 * pow(t / lasts_sec, power)) * GB))
                        return t / lasts_sec;
        return 2;
}

static void a_straight_ramp_of_any_length_is_announced_at_half_of_it(void **state) {
        static const double lengths_sec[] = {10, 60, 600, 2 * HOUR_SEC, 12 * HOUR_SEC, 60 * HOUR_SEC};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(lengths_sec); i++) {
                double step_sec = lengths_sec[i] / 300, part = raised_at(lengths_sec[i], step_sec, 500 * step_sec, 1);
                assert_true(part > 0.3 && part < 0.5);
        }
}

/* Leaks of weeks are longer than the longest window: there what is left counts. */
static void a_leak_of_weeks_is_announced_hours_before_it_is_full(void **state) {
        (void) state;
        double part = raised_at(20 * 24 * HOUR_SEC, 600, 24 * HOUR_SEC, 1);
        assert_true(part > 0.5 && (1 - part) * 20 * 24 > 12);
}

static void acceleration_is_announced_before_half_of_the_time_is_gone(void **state) {
        (void) state;
        assert_true(raised_at(2 * HOUR_SEC, 20, HOUR_SEC, 2) < 0.5);
        assert_true(raised_at(2 * HOUR_SEC, 20, HOUR_SEC, 3) < 0.5);
        assert_true(raised_at(24 * HOUR_SEC, 120, 10 * HOUR_SEC, 2) < 0.5);
}

static void few_samples_are_enough(void **state) {
        (void) state;
        assert_true(raised_at(60, 12, 600, 1) <= 0.61);
        assert_true(raised_at(300, 60, 6000, 1) <= 0.61);
}

static void a_step_is_no_fill(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        calm(&d, HOUR_SEC, 10);
        assert_false(step(&d, 10, 50 * GB));
        calm(&d, 20 * HOUR_SEC, 10);
}

static void what_ends_before_half_of_it_is_no_fill(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        calm(&d, HOUR_SEC, 10);
        for (double t = 0; t < 300; t += 10)
                assert_false(step(&d, 10, (20 + 30 * t / 300) * GB));
        calm(&d, 10 * HOUR_SEC, 10);
}

/* The first night cannot be told from a flood; the ones after it were survived. */
static void a_job_every_night_is_an_alarm_once(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        for (unsigned night = 0; night < 6; night++) {
                for (double t = 0; t < 20 * HOUR_SEC; t += 60)
                        (void) step(&d, 60, 20 * GB);
                for (double t = 0; t < HOUR_SEC; t += 60)
                        (void) step(&d, 60, (20 + 50 * t / HOUR_SEC) * GB);
                for (double t = 0; t < 3 * HOUR_SEC; t += 60)
                        (void) step(&d, 60, 70 * GB);
        }
        assert_int_equal(d.n_raised, 1);
}

/* ... but not a worse one. */
static void a_night_that_is_worse_is_an_alarm_again(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        for (unsigned night = 0; night < 4; night++) {
                double height = night == 3 ? 75 : 40;
                d.n_raised = 0;
                for (double t = 0; t < 21 * HOUR_SEC; t += 60)
                        (void) step(&d, 60, 20 * GB);
                for (double t = 0; t < 3 * HOUR_SEC; t += 60)
                        (void) step(&d, 60, (20 + height * t / 3 / HOUR_SEC) * GB);
        }
        assert_int_equal(d.n_raised, 1);
}

static void a_saw_without_a_trend_is_an_alarm_once_at_most(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        for (double t = 0; t < 100 * HOUR_SEC; t += 30)
                (void) step(&d, 30, (20 + 60 * fmod(t / (2 * HOUR_SEC), 1)) * GB);
        assert_true(d.n_raised <= 1);
}

static void a_saw_whose_troughs_rise_stands_until_it_is_full(void **state) {
        Disk d = disk(100 * GB, 20 * GB);
        double first = 0, lasts = 40 * HOUR_SEC;

        (void) state;
        for (double t = 0; t < lasts; t += 30)
                if (step(&d, 30, (20 + 10 * fmod(t / HOUR_SEC, 1) + 70 * t / lasts) * GB) && first == 0)
                        first = t / lasts;
        assert_true(first > 0.2 && first < 0.5);
        assert_int_equal(d.n_raised, 1);
        assert_true(d.alarm.raised);
}

static void a_reclaim_ends_it_and_so_does_a_long_stall(void **state) {
        (void) state;
        for (int reclaimed = 0; reclaimed < 2; reclaimed++) {
                Disk d = disk(100 * GB, 20 * GB);
                calm(&d, HOUR_SEC, 10);
                for (double t = 0; t < HOUR_SEC; t += 10)
                        (void) step(&d, 10, (20 + 60 * t / HOUR_SEC) * GB);
                assert_true(d.alarm.raised);
                if (reclaimed)
                        assert_false(step(&d, 10, 25 * GB));
                for (double t = 0; t < 0.5 * HOUR_SEC; t += 10)
                        assert_true(step(&d, 10, d.used) == !reclaimed);
                for (double t = 0; t < HOUR_SEC; t += 10)
                        (void) step(&d, 10, d.used);
                assert_false(d.alarm.raised);
                assert_int_equal(d.n_raised, 1);
        }
}

/* A full disk does not move any more: that is no stall. */
static void full_it_stays_an_alarm(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        calm(&d, HOUR_SEC, 10);
        for (double t = 10; t <= HOUR_SEC; t += 10)
                (void) step(&d, 10, (20 + 80 * t / HOUR_SEC) * GB);
        for (double t = 0; t < 48 * HOUR_SEC; t += 60)
                assert_true(step(&d, 60, 100 * GB));
}

static void a_gap_and_time_that_stands_still_do_no_harm(void **state) {
        Disk d = disk(100 * GB, 20 * GB);

        (void) state;
        calm(&d, HOUR_SEC, 10);
        for (unsigned i = 0; i < 100; i++)
                assert_false(step(&d, 0, 20 * GB + i));
        assert_false(step(&d, 400 * 24 * HOUR_SEC, 21 * GB));
        calm(&d, HOUR_SEC, 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_straight_ramp_of_any_length_is_announced_at_half_of_it),
                cmocka_unit_test(a_leak_of_weeks_is_announced_hours_before_it_is_full),
                cmocka_unit_test(acceleration_is_announced_before_half_of_the_time_is_gone),
                cmocka_unit_test(few_samples_are_enough),
                cmocka_unit_test(a_step_is_no_fill),
                cmocka_unit_test(what_ends_before_half_of_it_is_no_fill),
                cmocka_unit_test(a_job_every_night_is_an_alarm_once),
                cmocka_unit_test(a_night_that_is_worse_is_an_alarm_again),
                cmocka_unit_test(a_saw_without_a_trend_is_an_alarm_once_at_most),
                cmocka_unit_test(a_saw_whose_troughs_rise_stands_until_it_is_full),
                cmocka_unit_test(a_reclaim_ends_it_and_so_does_a_long_stall),
                cmocka_unit_test(full_it_stays_an_alarm),
                cmocka_unit_test(a_gap_and_time_that_stands_still_do_no_harm),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
