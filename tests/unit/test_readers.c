/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Log shippers, as the engine sees them: what they have not read stays as long as there is another way. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine.h"

#define TOTAL GIB(10)
#define FLOOD_BPS MIB(100)
#define STEP_USEC (50 * USEC_PER_MSEC)

static Engine *e;
static Config config;
static Plan plan;
static uint64_t now, wake, avail, log_bytes;
static const LogReader fluent_bit = {.pid = 4711, .fd = 9, .command = "fluent-bit"};
static LogSample shape; /* what is added to the sample of slot 1 */
static LogReaders readers; /* of slot 1, seen with every look; slot 0: nobody looks */

static void observe(Observation o) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static void see_log(uint32_t slot, uint64_t bytes) {
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                        .log_sample = {.slot = slot, .allocated_bytes = bytes, .size_bytes = bytes}});
}

static void introduce(uint32_t slot, const char *name) {
        LogInfo i = {.slot = slot, .inode = 100 + slot, .writer = {.pid = 9, .fd = 3, .append = YES}};

        (void) snprintf(i.container.id, sizeof(i.container.id), "%064x", 0xabc000 + slot);
        (void) snprintf(i.container.name, sizeof(i.container.name), "%s", name);
        i.container.driver = LOG_DRIVER_JSON_FILE;
        i.container.running = true;
        i.container.label_policy = _POLICY_INVALID;
        i.container.label_keep_bytes = CONFIG_KEEP_UNSET;
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = i});
}

static void see_readers(const LogReaders *r) {
        observe((Observation){.type = OBSERVATION_LOG_READERS, .log_readers = *r});
}

static void look_and_decide(void) {
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = {.slot = 1, .n_segments = shape.n_segments,
                        .allocated_bytes = log_bytes, .size_bytes = log_bytes + shape.hole_bytes,
                        .hole_bytes = shape.hole_bytes, .segments_bytes = shape.segments_bytes}});
        if (readers.slot != 0)
                see_readers(&readers);
        observe((Observation){.type = OBSERVATION_PARTITION, .partition = {TOTAL, avail, avail, 1000000, 900000, false}});
        engine_decide(e, now, &plan, &wake);
}

static void set_docker(uint32_t major) {
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, major}});
}

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        config.ballast_bytes = 0;
        now = USEC_PER_SEC;
        avail = TOTAL / 2;
        log_bytes = MIB(10);
        readers = (LogReaders){};
        shape = (LogSample){};
        if (engine_new(&config, "/srv", &e) != 0)
                return -1;
        observe((Observation){.type = OBSERVATION_FILESYSTEM, .filesystem = {true, true, false, 0, true}});
        set_docker(26);
        introduce(1, "web");
        introduce(2, "quiet");
        see_log(2, MIB(500));
        look_and_decide();
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        e = engine_free(e);
        return 0;
}

static void flood_on(void) {
        now += STEP_USEC;
        avail -= FLOOD_BPS / 20;
        log_bytes += FLOOD_BPS / 20;
        look_and_decide();
}

/* Until there is an act, or avail is down to that. */
static void flood_down_to(uint64_t avail_bytes) {
        do
                flood_on();
        while (plan.n_acts == 0 && avail > avail_bytes + FLOOD_BPS / 20);
}

static LogReaders read_by(const LogReader *reader, uint64_t offset_bytes) {
        LogReaders r = {.slot = 1, .n = 1, .inode = 101, .slowest = *reader};

        r.slowest.offset_bytes = offset_bytes;
        return r;
}

static const Event *find(EventType type) {
        for (uint32_t i = 0; i < plan.n_events; i++)
                if (plan.events[i].type == type)
                        return &plan.events[i];
        return NULL;
}

static void settle(const Act *act, uint64_t cut_from, uint64_t cut_to, uint64_t reader_offset_bytes, uint64_t held_bytes) {
        Outcome o = {.act = act->id, .method = act->method, .slot = act->slot, .result = ACT_DONE,
                     .freed_bytes = act->want_bytes, .cut_bytes = cut_to - cut_from, .cut_to_bytes = cut_to,
                     .reader_offset_bytes = reader_offset_bytes, .held_bytes = held_bytes,
                     .allocated_bytes = log_bytes - act->want_bytes, .size_bytes = log_bytes, .writer = act->writer,
                     .end_usec = now};

        engine_settle(e, &o);
        engine_decide(e, now, &plan, &wake);
}

/* ---- how far -------------------------------------------------------------------------------------------------- */

static void the_head_is_cut_up_to_what_the_slowest_has_read(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, MIB(300) + 12345);
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].slot, 1);
        assert_int_equal(plan.acts[0].max_offset_bytes, MIB(300) + 12345);
        assert_int_equal(plan.acts[0].want_bytes, MIB(299)); /* the line at the cut may be long */
        assert_int_equal(plan.acts[0].reader.pid, 4711);
}

static void who_has_read_all_of_it_is_in_nobodys_way(void **state) {
        (void) state;
        do {
                readers = read_by(&fluent_bit, log_bytes);
                flood_on();
        } while (plan.n_acts == 0);
        /* As without him: what is needed, and the newest stay. */
        assert_true(plan.acts[0].want_bytes > MIB(500));
        assert_int_equal(plan.acts[0].max_offset_bytes, log_bytes - FLOOD_BPS / 20);
}

static void what_has_a_hole_at_its_front_counts_from_behind_it(void **state) {
        (void) state;
        shape.hole_bytes = MIB(1900);
        readers = read_by(&fluent_bit, MIB(2000));
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.acts[0].want_bytes, MIB(99));
        assert_int_equal(plan.acts[0].max_offset_bytes, MIB(2000));
}

static void what_is_not_known_any_more_holds_nothing_back(void **state) {
        LogReaders once = read_by(&fluent_bit, 0);

        (void) state;
        see_readers(&once);
        flood_down_to(TOTAL / 12); /* 40 s later */
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].max_offset_bytes, 0);
        assert_int_equal(plan.acts[0].reader.pid, 0);
}

static void what_dockerd_reads_holds_nothing_back(void **state) {
        (void) state;
        readers = (LogReaders){.slot = 1, .n_docker = 3, .inode = 101};
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].max_offset_bytes, 0);
}

static void the_readers_of_another_file_are_not_those_of_this_one(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, 0);
        readers.inode = 999;
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].max_offset_bytes, 0);
}

static void a_method_that_keeps_offsets_is_taken_for_who_reads_by_them(void **state) {
        (void) state;
        set_docker(20); /* else it would be collapsed */
        readers = read_by(&fluent_bit, MIB(500));
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.acts[0].method, METHOD_PUNCH);
        tear_down(state);
        set_up(state);
        set_docker(20);
        flood_down_to(TOTAL / 12);
        assert_int_equal(plan.acts[0].method, METHOD_COLLAPSE);
}

/* ---- who loses ------------------------------------------------------------------------------------------------ */

static void before_emergency_nothing_is_taken_from_who_has_read_nothing(void **state) {
        const Event *event = NULL;
        uint64_t offset_bytes = 0;

        (void) state;
        while (avail > TOTAL / 100 * 6) {
                readers = read_by(&fluent_bit, offset_bytes += 512); /* slow, but it goes on */
                flood_on();
                assert_int_equal(plan.n_acts, 0);
                if (find(EVENT_NOTHING_LEFT))
                        event = find(EVENT_NOTHING_LEFT);
                if (event)
                        break;
        }
        assert_non_null(event);
        assert_string_equal(event->reader.command, "fluent-bit");
        assert_int_equal(event->reader.pid, 4711);
        assert_string_equal(event->container_name, "web");
}

static void at_emergency_the_others_give_first_and_then_it_loses(void **state) {
        bool others_gave = false;
        uint64_t offset_bytes = 0;

        (void) state;
        for (;;) {
                assert_true(avail > FLOOD_BPS / 20);
                readers = read_by(&fluent_bit, offset_bytes += 512);
                flood_on();
                for (uint32_t i = 0; i < plan.n_acts; i++) {
                        others_gave = others_gave || plan.acts[i].slot == 2;
                        if (plan.acts[i].slot != 1)
                                continue;
                        assert_true(others_gave);
                        assert_true(avail < TOTAL / 20);
                        assert_int_equal(plan.acts[i].max_offset_bytes, 0);
                        assert_int_equal(plan.acts[i].reader.pid, 4711);
                        assert_true(plan.acts[i].want_bytes > 0);
                        assert_int_equal(plan.acts[i].method, METHOD_PUNCH);
                        return;
                }
        }
}

static void who_hangs_loses_at_emergency_before_the_neighbours_give(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, MIB(1));
        flood_down_to(TOTAL / 100);
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].slot, 1);
        assert_int_equal(plan.acts[0].max_offset_bytes, 0);
        assert_true(avail < TOTAL / 20 && avail > TOTAL / 23);
}

/* Found by a real one: each act found nothing to do, barred the method, and the disk filled. */
static void an_act_that_goes_no_further_than_a_reader_bars_nothing(void **state) {
        (void) state;
        for (ActResult result = ACT_DONE; result <= ACT_NOTHING_TO_DO; result++) {
                bool beyond = false;

                tear_down(state);
                set_up(state);
                readers = read_by(&fluent_bit, MIB(3));
                while (!beyond) {
                        assert_true(avail > TOTAL / 40);
                        flood_on();
                        for (uint32_t i = 0; i < plan.n_acts; i++) {
                                Act act = plan.acts[i];
                                Outcome o = {.act = act.id, .method = act.method, .slot = act.slot, .result = result,
                                             .allocated_bytes = log_bytes, .size_bytes = log_bytes, .writer = act.writer,
                                             .end_usec = now};

                                if (act.slot == 1 && act.max_offset_bytes == 0)
                                        beyond = true;
                                else
                                        engine_settle(e, &o);
                        }
                }
        }
}

static void whom_it_hurt_is_told_and_by_how_much(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, MIB(1));
        flood_down_to(TOTAL / 100);
        Act act = plan.acts[0];

        /* It has read on meanwhile, which the trimmer saw. */
        settle(&act, 0, MIB(600), MIB(20), 0);
        const Event *event = find(EVENT_ACT_DONE);
        assert_non_null(event);
        assert_int_equal(event->lost_bytes, MIB(580));
        assert_string_equal(event->reader.command, "fluent-bit");
        assert_int_equal(event->reader.offset_bytes, MIB(20));
}

static void who_lost_nothing_is_not_named(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, MIB(300));
        flood_down_to(TOTAL / 12);
        Act act = plan.acts[0];

        settle(&act, 0, MIB(300), 0, 0);
        const Event *event = find(EVENT_ACT_DONE);
        assert_non_null(event);
        assert_int_equal(event->lost_bytes, 0);
        assert_int_equal(event->reader.pid, 0);
}

static void what_was_gone_before_was_not_lost_by_this_act(void **state) {
        (void) state;
        readers = read_by(&fluent_bit, MIB(1));
        flood_down_to(TOTAL / 100);
        Act act = plan.acts[0];

        settle(&act, MIB(400), MIB(600), 0, 0);
        assert_int_equal(find(EVENT_ACT_DONE)->lost_bytes, MIB(200));
}

static void segments_that_a_reader_has_open_are_told(void **state) {
        (void) state;
        readers = (LogReaders){.slot = 1, .inode = 101, .n_segments = 1, .segments_unread_bytes = MIB(30),
                               .segment_reader = fluent_bit};
        shape.n_segments = 3;
        shape.segments_bytes = GIB(2);
        flood_down_to(TOTAL / 12);
        Act act = plan.acts[0];
        assert_int_equal(act.method, METHOD_DELETE);

        settle(&act, 0, 0, 0, MIB(40));
        const Event *event = find(EVENT_ACT_DONE);
        assert_non_null(event);
        assert_int_equal(event->held_bytes, act.emergency ? 0 : MIB(40));
        assert_int_equal(event->lost_bytes, act.emergency ? MIB(30) : 0);
        assert_int_equal(event->reader.pid, act.emergency ? 4711 : 0);
}

/* ---- when it is looked ----------------------------------------------------------------------------------------- */

static void a_calm_host_is_never_looked_through(void **state) {
        (void) state;
        for (int i = 0; i < 1000; i++) {
                now += 5 * USEC_PER_SEC;
                look_and_decide();
                assert_false(engine_wants_readers(e, now));
        }
        avail = TOTAL / 50; /* full, and calm */
        for (int i = 0; i < 1000; i++) {
                now += 5 * USEC_PER_SEC;
                look_and_decide();
        }
        assert_false(engine_wants_readers(e, now));
}

static void end_look(void) {
        observe((Observation){.type = OBSERVATION_READERS_LOOK, .readers_look = {.ended = true, .complete = true}});
}

static void from_warning_on_it_is_looked_every_few_seconds(void **state) {
        uint64_t last_usec = 0;
        unsigned n = 0;

        (void) state;
        readers = read_by(&fluent_bit, 0);
        while (avail > TOTAL / 100 * 11) {
                flood_on();
                if (!engine_wants_readers(e, now))
                        continue;
                assert_true(last_usec == 0 || now >= last_usec + 3 * USEC_PER_SEC);
                observe((Observation){.type = OBSERVATION_READERS_LOOK, .readers_look = {.until_usec = now + USEC_PER_SEC}});
                assert_false(engine_wants_readers(e, now));
                last_usec = now;
                end_look();
                n++;
        }
        assert_in_range(n, 5, 20);
}

/* From calm to critical within five looks; returns how long it took from there to the first act. */
static uint64_t time_to_act(bool promised, bool looks) {
        void *state = NULL;
        uint64_t since_usec;

        tear_down(&state);
        set_up(&state);
        if (promised)
                engine_promise_readers(e);
        for (int i = 0; i < 5; i++) {
                now += USEC_PER_SEC;
                avail -= MIB(780);
                log_bytes += MIB(780);
                look_and_decide();
        }
        for (since_usec = now; plan.n_acts == 0; flood_on()) {
                assert_true(now < since_usec + 10 * USEC_PER_SEC);
                assert_null(find(EVENT_NOTHING_LEFT));
                if (looks && engine_wants_readers(e, now)) {
                        observe((Observation){.type = OBSERVATION_READERS_LOOK,
                                        .readers_look = {.until_usec = now + USEC_PER_SEC}});
                        end_look();
                }
        }
        return now - since_usec;
}

static void the_first_act_waits_a_moment_for_who_is_looking_and_no_longer(void **state) {
        uint64_t at_once, with_look, in_vain;

        (void) state;
        at_once = time_to_act(false, false);
        with_look = time_to_act(true, true);
        in_vain = time_to_act(true, false);
        assert_in_range(with_look, at_once, at_once + STEP_USEC);
        assert_in_range(in_vain, at_once + 400 * USEC_PER_MSEC, at_once + 600 * USEC_PER_MSEC);
}

static void status_shows_who_reads(void **state) {
        EngineLog log;

        (void) state;
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_int_equal(log.readers.n, 0);
        readers = read_by(&fluent_bit, 4096);
        flood_on();
        assert_int_equal(engine_get_log(e, 1, &log), 0);
        assert_int_equal(log.readers.n, 1);
        assert_string_equal(log.readers.slowest.command, "fluent-bit");
        Observation o = {.type = OBSERVATION_LOG_READERS, .time_usec = now, .log_readers = {.slot = 55}};
        assert_int_equal(engine_observe(e, &o), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(the_head_is_cut_up_to_what_the_slowest_has_read),
                TEST(who_has_read_all_of_it_is_in_nobodys_way),
                TEST(what_has_a_hole_at_its_front_counts_from_behind_it),
                TEST(what_is_not_known_any_more_holds_nothing_back),
                TEST(what_dockerd_reads_holds_nothing_back),
                TEST(the_readers_of_another_file_are_not_those_of_this_one),
                TEST(a_method_that_keeps_offsets_is_taken_for_who_reads_by_them),
                TEST(before_emergency_nothing_is_taken_from_who_has_read_nothing),
                TEST(at_emergency_the_others_give_first_and_then_it_loses),
                TEST(who_hangs_loses_at_emergency_before_the_neighbours_give),
                TEST(an_act_that_goes_no_further_than_a_reader_bars_nothing),
                TEST(whom_it_hurt_is_told_and_by_how_much),
                TEST(who_lost_nothing_is_not_named),
                TEST(what_was_gone_before_was_not_lost_by_this_act),
                TEST(segments_that_a_reader_has_open_are_told),
                TEST(a_calm_host_is_never_looked_through),
                TEST(from_warning_on_it_is_looked_every_few_seconds),
                TEST(the_first_act_waits_a_moment_for_who_is_looking_and_no_longer),
                TEST(status_shows_who_reads),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
