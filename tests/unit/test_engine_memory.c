/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An engine that goes on with what another one knew: no alert is told twice, no pause forgotten, no cooldown lost, and
 * the gap is neither calm nor a clean-up. And what happens to the partition itself. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine_memory.h"

#define TOTAL GIB(10)
#define FLOOD_BPS MIB(100)

static Engine *e;
static EngineMemory memory;
static Config config;
static Plan plan;
static PartitionSample space;
static uint64_t now, wake, log_bytes;
static uint32_t n_raised, n_cleared;

static void observe(Observation o) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static void introduce(uint32_t slot) {
        Observation o = {.type = OBSERVATION_LOG_INFO,
                .log_info = {.slot = slot, .inode = 100 + slot, .writer = {.pid = 9, .fd = 3, .append = YES}}};

        snprintf(o.log_info.container.id, sizeof(o.log_info.container.id), "%064x", 0xabc000 + slot);
        snprintf(o.log_info.container.name, sizeof(o.log_info.container.name), "web%u", slot);
        o.log_info.container.driver = LOG_DRIVER_JSON_FILE;
        o.log_info.container.running = true;
        o.log_info.container.label_policy = _POLICY_INVALID;
        o.log_info.container.label_keep_bytes = o.log_info.container.label_max_bytes = CONFIG_KEEP_UNSET;
        observe(o);
}

static void look(void) {
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                .log_sample = {.slot = 1, .allocated_bytes = log_bytes, .size_bytes = log_bytes}});
        observe((Observation){.type = OBSERVATION_PARTITION, .partition = space});
        engine_decide(e, now, &plan, &wake);
        for (uint32_t i = 0; i < plan.n_events; i++) {
                n_raised += plan.events[i].type == EVENT_LEVEL_RAISED;
                n_cleared += plan.events[i].type == EVENT_LEVEL_CLEARED;
        }
}

static void grow(uint64_t bytes) {
        space.avail_bytes = space.free_bytes -= bytes;
        log_bytes += bytes;
}

static void flood_for(uint64_t usec) {
        for (uint64_t end = now + usec; now < end;) {
                now += 50 * USEC_PER_MSEC;
                grow(FLOOD_BPS / 20);
                look();
        }
}

static const Event *find(EventType type) {
        for (uint32_t i = 0; i < plan.n_events; i++)
                if (plan.events[i].type == type)
                        return &plan.events[i];
        return NULL;
}

static EngineStatus status(void) {
        EngineStatus s;

        engine_get_status(e, &s);
        return s;
}

static bool is_acknowledged(void) {
        EngineStatus s = status();

        return acknowledgement_holds(&s.acknowledgement, s.level, now);
}

static int begin(void) {
        if (engine_new(&config, "/srv", &e) != 0)
                return -1;
        engine_seed(e, now, now, 1);
        return 0;
}

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        config.ballast_bytes = 0;
        now = USEC_PER_SEC;
        space = (PartitionSample){TOTAL, TOTAL / 2, TOTAL / 2, 1000000, 900000, false};
        log_bytes = MIB(10);
        if (begin() != 0)
                return -1;
        observe((Observation){.type = OBSERVATION_FILESYSTEM, .filesystem = {.can_collapse = true, .can_punch = true}});
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 26}});
        introduce(1);
        look();
        n_raised = n_cleared = 0;
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        e = engine_free(e);
        return 0;
}

/* A supervisor dies, and the next one is there after a while; the writer goes on meanwhile. */
static void die_and_come_back_after(uint64_t usec) {
        engine_remember(e, now, &memory);
        e = engine_free(e);
        now += usec;
        grow(FLOOD_BPS / 1000 * (usec / USEC_PER_MSEC));
        assert_int_equal(begin(), 0);
        engine_recall(e, &memory, now);
        n_raised = n_cleared = 0;
        introduce(1);
        look();
}

static void no_alert_is_told_twice(void **state) {
        uint64_t alert;

        (void) state;
        flood_for(10 * USEC_PER_SEC);
        assert_true(n_raised >= 2);
        alert = status().alert_id;
        assert_true(alert > 0 && status().level >= LEVEL_CRITICAL);
        Level level = status().level;
        die_and_come_back_after(300 * USEC_PER_MSEC);
        assert_int_equal(status().level, level);
        assert_int_equal(status().alert_id, alert);
        assert_int_equal(n_raised, 0);
        /* And again, at once. */
        die_and_come_back_after(20 * USEC_PER_MSEC);
        flood_for(USEC_PER_SEC);
        assert_int_equal(n_cleared, 0);
        assert_int_equal(status().alert_id, alert);
}

static void what_was_learnt_is_known_at_once(void **state) {
        EngineStatus before;
        EngineLog log;

        (void) state;
        flood_for(10 * USEC_PER_SEC);
        before = status();
        die_and_come_back_after(300 * USEC_PER_MSEC);
        assert_true(status().full.known);
        assert_in_range(status().fill_bps, before.fill_bps * 8 / 10, before.fill_bps * 12 / 10);
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_in_range(log.growth_bps, FLOOD_BPS * 7 / 10, FLOOD_BPS * 13 / 10);
        assert_true(log.share_permyriad > 9000);
        assert_true(status().falling);
        assert_int_equal(status().level_since_usec, before.level_since_usec);
}

static void a_pause_and_an_acknowledgement_outlive_it(void **state) {
        const Asker asker = {1000, 4711, "diskbrake"};
        uint64_t until, alert;

        (void) state;
        flood_for(10 * USEC_PER_SEC);
        until = now + USEC_PER_HOUR;
        alert = status().alert_id;
        engine_pause(e, until);
        assert_int_equal(engine_acknowledge(e, alert + 1, &asker, now, USEC_INFINITY), ENGINE_E_NO_ALERT);
        assert_int_equal(engine_acknowledge(e, alert, &asker, now, USEC_INFINITY), 0);
        assert_int_equal(engine_acknowledge(e, alert, &(Asker){0, 1, ""}, now, USEC_INFINITY), ENGINE_E_ACKNOWLEDGED);
        die_and_come_back_after(100 * USEC_PER_MSEC);
        assert_int_equal(status().paused_until_usec, until);
        assert_int_equal(status().acknowledgement.asker.uid, 1000);
        assert_true(is_acknowledged());
        for (int i = 0; i < 40; i++) {
                flood_for(200 * USEC_PER_MSEC);
                assert_int_equal(plan.n_acts, 0);
        }
        /* It has got worse since: that nobody has taken on. */
        assert_true(status().level > memory.acknowledgement.level || memory.acknowledgement.level == LEVEL_EMERGENCY);
        assert_int_equal(is_acknowledged(),
                status().level <= memory.acknowledgement.level);
}

static void an_acknowledgement_ends_by_itself(void **state) {
        const Acknowledgement a = {true, {0, 1, ""}, LEVEL_WARNING, 1000};

        (void) state;
        assert_true(acknowledgement_holds(&a, LEVEL_WARNING, 999));
        assert_false(acknowledgement_holds(&a, LEVEL_WARNING, 1000));
        assert_false(acknowledgement_holds(&a, LEVEL_CRITICAL, 1));
        assert_false(acknowledgement_holds(&(Acknowledgement){}, LEVEL_OK, 1));
}

/* What got worse and is back was not taken on; and what has ended is over. */
static void an_acknowledgement_is_of_one_alert_as_it_was(void **state) {
        const Asker asker = {1000, 4711, "diskbrake"};

        (void) state;
        while (status().level < LEVEL_WARNING)
                flood_for(100 * USEC_PER_MSEC);
        assert_int_equal(engine_acknowledge(e, status().alert_id, &asker, now, USEC_INFINITY), 0);
        assert_true(is_acknowledged());
        Level level = status().level;
        while (status().level == level)
                flood_for(100 * USEC_PER_MSEC);
        assert_false(is_acknowledged());
        space.avail_bytes = space.free_bytes = TOTAL;
        for (int i = 0; i < 100 && status().alert_id != 0; i++) {
                now += 5 * USEC_PER_SEC;
                look();
                assert_false(is_acknowledged());
        }
        assert_int_equal(status().alert_id, 0);
}

/* Nothing may be freed, which was said: not again because somebody else is there to say it. */
static void that_nothing_is_left_is_not_said_again(void **state) {
        const Event *event = NULL;

        (void) state;
        snprintf(config.rules[0].pattern, sizeof(config.rules[0].pattern), "web1");
        config.rules[0].policy = POLICY_ALERT;
        config.rules[0].keep_bytes = CONFIG_KEEP_UNSET;
        config.n_rules = 1;
        engine_configure(e, &config);
        for (int i = 0; i < 2000 && !event; i++) {
                flood_for(50 * USEC_PER_MSEC);
                event = find(EVENT_NOTHING_LEFT);
        }
        assert_non_null(event);
        assert_string_equal(event->detail, "the log that grows is protected");
        die_and_come_back_after(100 * USEC_PER_MSEC);
        for (int i = 0; i < 10; i++) {
                assert_null(find(EVENT_NOTHING_LEFT));
                flood_for(50 * USEC_PER_MSEC);
        }
}

/* The act was done, but the one who would have said so is gone: the gain is not somebody's clean-up. */
static void the_gain_of_an_act_that_nobody_heard_of_is_no_calm(void **state) {
        (void) state;
        for (int i = 0; i < 2000 && plan.n_acts == 0; i++)
                flood_for(50 * USEC_PER_MSEC);
        assert_true(plan.n_acts > 0);
        uint64_t want = plan.acts[0].want_bytes;
        uint64_t last_act_usec = now;
        EngineLog log;

        engine_remember(e, now, &memory);
        assert_true(memory.expected_bytes >= want);
        e = engine_free(e);
        now += 200 * USEC_PER_MSEC;
        space.avail_bytes = space.free_bytes += want;
        log_bytes -= want;
        grow(FLOOD_BPS / 5);
        assert_int_equal(begin(), 0);
        engine_recall(e, &memory, now);
        n_raised = n_cleared = 0;
        introduce(1);
        look();
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_int_equal(log.last_act_usec, last_act_usec); /* the cooldown goes on, too */
        flood_for(300 * USEC_PER_MSEC);
        assert_true(status().falling);
        assert_true(status().fill_bps > (int64_t) (FLOOD_BPS / 2));
        assert_int_equal(n_cleared, 0);
}

/* A leak that no log explains is known by its shape alone, and that by what was seen before the supervisor died. */
static void the_shape_of_a_fill_is_not_forgotten(void **state) {
        int seconds = 0;

        (void) state;
        for (; seconds < 30; seconds++) {
                now += USEC_PER_SEC;
                space.avail_bytes = space.free_bytes -= TOTAL / 200;
                look();
        }
        assert_true(status().level < LEVEL_WARNING);
        die_and_come_back_after(300 * USEC_PER_MSEC);
        for (; seconds < 60 && !status().bytes_filling.alarmed; seconds++) {
                now += USEC_PER_SEC;
                space.avail_bytes = space.free_bytes -= TOTAL / 200;
                look();
        }
        EngineFilling f = status().bytes_filling;
        assert_true(f.alarmed && f.filling.since_sec > 35);
}

/* A watcher that is replaced gives out new slots: cooldowns and rates of the logs are kept all the same. */
static void a_new_watcher_costs_nothing_either(void **state) {
        EngineLog log;

        (void) state;
        flood_for(5 * USEC_PER_SEC);
        engine_forget_logs(e);
        assert_int_equal(engine_get_log(e, 1, &log), -ENOENT);
        engine_forget_logs(e); /* it died before it had said anything */
        now += 100 * USEC_PER_MSEC;
        grow(FLOOD_BPS / 10);
        introduce(1);
        look();
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_in_range(log.growth_bps, FLOOD_BPS * 7 / 10, FLOOD_BPS * 13 / 10);
        /* Another container at the same place has no part in it. */
        engine_forget_logs(e);
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = {.slot = 1, .inode = 999,
                .container = {.id = "x", .driver = LOG_DRIVER_JSON_FILE}}});
        look();
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_int_equal(log.growth_bps, 0);
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

/* Suspended, stopped, or on a host that stood still: no false alert, no negative rate, no division by zero. */
static void a_gap_of_any_length_is_no_alarm(void **state) {
        static const uint64_t gaps[] = {0, 1, USEC_PER_SEC, USEC_PER_HOUR, USEC_PER_DAY, 400 * USEC_PER_DAY};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(gaps); i++) {
                for (int k = 0; k < 100; k++) {
                        now += 5 * USEC_PER_SEC;
                        look();
                }
                now += gaps[i];
                grow(KIB(64));
                look();
                now += gaps[i] == 0 ? 0 : 1;
                look();
                assert_int_equal(status().level, LEVEL_OK);
                assert_true(status().fill_bps >= 0 && status().fill_bps < (int64_t) MIB(1));
                assert_true(wake > now);
        }
        assert_int_equal(n_raised, 0);
}

/* An observation that comes late is of no use, and does no harm. */
static void time_never_runs_backwards(void **state) {
        (void) state;
        flood_for(3 * USEC_PER_SEC);
        EngineStatus before = status();

        now -= 2 * USEC_PER_SEC;
        look();
        assert_int_equal(status().sampled_usec, before.sampled_usec);
        assert_int_equal(status().level, before.level);
        now += 2 * USEC_PER_SEC;
        flood_for(USEC_PER_SEC);
        assert_in_range(status().fill_bps, FLOOD_BPS * 7 / 10, FLOOD_BPS * 13 / 10);
}

/* ---- the partition itself -------------------------------------------------------------------------------------- */

static void becoming_read_only_is_said_once_and_taken_back(void **state) {
        (void) state;
        space.read_only = true;
        for (int i = 0; i < 3; i++) {
                now += USEC_PER_SEC;
                look();
                assert_int_equal(find(EVENT_READ_ONLY) != NULL, i == 0);
        }
        die_and_come_back_after(USEC_PER_SEC);
        assert_null(find(EVENT_READ_ONLY));
        space.read_only = false;
        now += USEC_PER_SEC;
        look();
        assert_non_null(find(EVENT_WRITABLE));
        assert_null(find(EVENT_READ_ONLY));
}

static void another_size_is_said_and_the_levels_follow(void **state) {
        (void) state;
        flood_for(USEC_PER_SEC);
        uint64_t limit = status().act_below_bytes;

        now += USEC_PER_SEC;
        space.total_bytes += TOTAL;
        space.free_bytes += TOTAL;
        space.avail_bytes += TOTAL;
        look();
        assert_non_null(find(EVENT_RESIZED));
        assert_int_equal(find(EVENT_RESIZED)->wanted_bytes, TOTAL);
        assert_int_equal(find(EVENT_RESIZED)->space.total_bytes, 2 * TOTAL);
        assert_true(status().act_below_bytes > limit);
        /* What was freed by it is nobody's clean-up, and nothing was consumed. */
        assert_true(status().fill_bps >= 0);
        now += USEC_PER_SEC;
        look();
        assert_null(find(EVENT_RESIZED));
        /* A pool whose size moves with its neighbours is not worth a word each time. */
        for (int i = 0; i < 100; i++) {
                now += USEC_PER_SEC;
                space.total_bytes -= KIB(100);
                look();
                assert_null(find(EVENT_RESIZED));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
                TEST(no_alert_is_told_twice),
                TEST(what_was_learnt_is_known_at_once),
                TEST(a_pause_and_an_acknowledgement_outlive_it),
                TEST(an_acknowledgement_ends_by_itself),
                TEST(an_acknowledgement_is_of_one_alert_as_it_was),
                TEST(that_nothing_is_left_is_not_said_again),
                TEST(the_gain_of_an_act_that_nobody_heard_of_is_no_calm),
                TEST(the_shape_of_a_fill_is_not_forgotten),
                TEST(a_new_watcher_costs_nothing_either),
                TEST(a_gap_of_any_length_is_no_alarm),
                TEST(time_never_runs_backwards),
                TEST(becoming_read_only_is_said_once_and_taken_back),
                TEST(another_size_is_said_and_the_levels_follow),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
