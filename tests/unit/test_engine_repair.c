/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Damaged logs in the engine: who is repaired and when, and who is only named. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine.h"

#define TOTAL GIB(10)

static Engine *e;
static Config config;
static Plan plan;
static uint64_t now, avail;

static void observe(Observation o) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static void see_space(void) {
        observe((Observation){.type = OBSERVATION_PARTITION, .partition = {TOTAL, avail, avail, 1000, 900, false}});
}

static void see_info(uint32_t slot, const char *name, bool running) {
        LogInfo i = {.slot = slot, .inode = 100 + slot, .writer = {.pid = running ? 9 : 0, .fd = 3, .append = NO}};

        (void) snprintf(i.container.id, sizeof(i.container.id), "%064x", slot);
        (void) snprintf(i.container.name, sizeof(i.container.name), "%s", name);
        i.container.driver = LOG_DRIVER_JSON_FILE;
        i.container.running = running;
        i.container.label_policy = _POLICY_INVALID;
        i.container.label_keep_bytes = CONFIG_KEEP_UNSET;
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = i});
}

static void see_sample(uint32_t slot, uint64_t nul_bytes) {
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                              .log_sample = {.slot = slot, .allocated_bytes = MIB(10), .size_bytes = MIB(10) + nul_bytes,
                                             .nul_bytes = nul_bytes}});
}

static void see_torn(uint32_t slot, uint32_t n) {
        LogDamage d = {.slot = slot, .n = n, .inode = 100 + slot};

        for (uint32_t i = 0; i < n; i++)
                d.ranges[i] = (LogRange){1000 * i, 1000 * i + 7, 42 + i};
        observe((Observation){.type = OBSERVATION_LOG_DAMAGE, .log_damage = d});
}

static void decide(void) {
        uint64_t wake;

        engine_decide(e, now, &plan, &wake);
        assert_true(wake > now);
}

static const Event *find(EventType type) {
        for (uint32_t i = 0; i < plan.n_events; i++)
                if (plan.events[i].type == type)
                        return &plan.events[i];
        return NULL;
}

static void settle(ActResult result, uint64_t hole_bytes) {
        const Act *act = &plan.acts[0];
        Outcome o = {.act = act->id, .method = act->method, .slot = act->slot, .result = result, .cut_bytes = 77,
                     .allocated_bytes = MIB(10), .size_bytes = MIB(10), .hole_bytes = hole_bytes, .writer = act->writer,
                     .error = result == ACT_FAILED ? -EIO : 0};

        now += USEC_PER_MSEC;
        o.begin_usec = o.end_usec = now;
        engine_settle(e, &o);
}

static EngineLog log_of(uint32_t slot) {
        EngineLog log;

        assert_int_equal(engine_get_log(e, slot, &log), 0);
        return log;
}

static void renew(void) {
        e = engine_free(e);
        assert_int_equal(engine_new(&config, "/srv", &e), 0);
        observe((Observation){.type = OBSERVATION_FILESYSTEM, .filesystem = {true, true, false, 0, true}});
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 26}});
        see_info(1, "web", true);
        see_info(2, "db", true);
        see_sample(1, 0);
        see_sample(2, 0);
        see_space();
        decide();
}

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        config.ballast_bytes = 0;
        now = USEC_PER_SEC;
        avail = TOTAL / 2;
        renew();
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        e = engine_free(e);
        return 0;
}

static void torn_lines_are_blanked_and_that_is_told(void **state) {
        (void) state;
        see_torn(1, 3);
        assert_int_equal(log_of(1).damage, DAMAGE_TORN);
        assert_string_equal(log_of(1).damage_detail, "");
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_BLANK);
        assert_int_equal(plan.acts[0].slot, 1);
        assert_int_equal(plan.acts[0].inode, 101);
        assert_int_equal(plan.acts[0].n_ranges, 3);
        assert_int_equal(plan.acts[0].ranges[2].to, 2007);
        assert_int_equal(plan.acts[0].ranges[2].hash, 44);
        assert_null(find(EVENT_DAMAGED));
        settle(ACT_DONE, 0);
        decide();
        assert_non_null(find(EVENT_REPAIRED));
        Event repaired = *find(EVENT_REPAIRED);
        assert_int_equal(repaired.cut_bytes, 77);
        assert_string_equal(find(EVENT_REPAIRED)->container_name, "web");
        assert_int_equal(plan.n_acts, 0);
        assert_int_equal(log_of(1).damage, DAMAGE_NONE);
        /* It has freed nothing: no reason to wait when something must be. */
        assert_int_equal(log_of(1).last_act_usec, 0);
        assert_false(repaired.should_archive);
}

/* What is found again is done again, and what is not is over. */
static void what_is_told_last_counts(void **state) {
        (void) state;
        see_torn(1, 3);
        see_torn(1, 1);
        decide();
        assert_int_equal(plan.acts[0].n_ranges, 1);
        settle(ACT_CHANGED, 0);
        assert_int_equal(log_of(1).damage, DAMAGE_TORN);
        see_torn(1, 2);
        decide();
        assert_int_equal(plan.n_acts, 0); /* not at once */
        now += USEC_PER_SEC;
        decide();
        assert_int_equal(plan.acts[0].n_ranges, 2);
        settle(ACT_CHANGED, 0);
        see_torn(1, 0);
        assert_int_equal(log_of(1).damage, DAMAGE_NONE);
        now += USEC_PER_MINUTE;
        decide();
        assert_int_equal(plan.n_acts, 0);
}

static void another_file_in_its_place_is_not_damaged(void **state) {
        LogDamage d = {.slot = 1, .n = 1, .inode = 999, .ranges = {{1, 2, 3}}};

        (void) state;
        observe((Observation){.type = OBSERVATION_LOG_DAMAGE, .log_damage = d});
        assert_int_equal(log_of(1).damage, DAMAGE_NONE);
        see_torn(1, 1);
        observe((Observation){.type = OBSERVATION_LOG_GONE, .log_gone = 1});
        see_info(1, "other", true);
        see_sample(1, 0);
        decide();
        assert_int_equal(plan.n_acts, 0);
        assert_int_equal(log_of(1).damage, DAMAGE_NONE);
}

static void a_head_of_nuls_is_framed_and_healed_once_the_container_stops(void **state) {
        (void) state;
        see_sample(2, MIB(50));
        assert_int_equal(log_of(2).damage, DAMAGE_NUL_HEAD);
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_MARK);
        settle(ACT_DONE, MIB(49));
        assert_int_equal(log_of(2).damage, DAMAGE_NONE);
        decide();
        assert_int_equal(find(EVENT_REPAIRED)->wanted_bytes, MIB(49));
        assert_int_equal(plan.n_acts, 0);
        see_info(2, "db", false);
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_HEAL);
}

static void it_does_not_take_the_last_room(void **state) {
        (void) state;
        avail = MIB(63);
        see_space();
        see_sample(2, MIB(50));
        see_torn(1, 1);
        decide();
        for (uint32_t i = 0; i < plan.n_acts; i++)
                assert_int_not_equal(plan.acts[i].method, METHOD_MARK);
        assert_string_equal(log_of(2).damage_detail, "there is no room for it now");
        avail = TOTAL / 2;
        now += USEC_PER_MINUTE;
        for (int i = 0; i < 200 && log_of(2).damage_detail[0]; i++) {
                now += 10 * USEC_PER_SEC;
                see_space();
                decide();
        }
        assert_string_equal(log_of(2).damage_detail, "");
}

static void a_protected_log_is_named_once_and_not_touched(void **state) {
        (void) state;
        config.rules[0] = (ConfigRule){.policy = POLICY_ALERT, .keep_bytes = CONFIG_KEEP_UNSET};
        (void) snprintf(config.rules[0].pattern, sizeof(config.rules[0].pattern), "db");
        config.n_rules = 1;
        engine_configure(e, &config);
        see_torn(2, 1);
        decide();
        assert_int_equal(plan.n_acts, 0);
        assert_string_equal(find(EVENT_DAMAGED)->container_name, "db");
        assert_string_equal(find(EVENT_DAMAGED)->detail, "it is protected");
        assert_int_equal(find(EVENT_DAMAGED)->method, METHOD_BLANK);
        assert_string_equal(log_of(2).damage_detail, "it is protected");
        see_torn(2, 1);
        see_sample(2, 0);
        now += USEC_PER_MINUTE;
        decide();
        assert_null(find(EVENT_DAMAGED));
        assert_int_equal(log_of(2).damage, DAMAGE_TORN);
}

static void observe_mode_names_and_touches_nothing(void **state) {
        (void) state;
        config.mode = MODE_OBSERVE;
        engine_configure(e, &config);
        see_sample(1, MIB(2));
        see_torn(2, 1);
        decide();
        assert_int_equal(plan.n_acts, 0);
        assert_int_equal(find(EVENT_DAMAGED)->method, METHOD_MARK);
        assert_int_equal(plan.n_events, 2);
        assert_true(find(EVENT_DAMAGED)->observing);
        decide();
        assert_null(find(EVENT_DAMAGED));
}

static void a_pause_puts_it_off(void **state) {
        (void) state;
        engine_pause(e, now + USEC_PER_MINUTE);
        see_torn(1, 1);
        decide();
        assert_int_equal(plan.n_acts, 0);
        assert_string_equal(log_of(1).damage_detail, "acts are paused");
        now += USEC_PER_MINUTE;
        see_space();
        decide();
        assert_int_equal(plan.n_acts, 1);
}

static void what_fails_is_told_and_tried_again_much_later(void **state) {
        (void) state;
        see_torn(1, 1);
        decide();
        settle(ACT_FAILED, 0);
        see_torn(1, 1);
        decide();
        assert_int_equal(find(EVENT_ACT_FAILED)->error, -EIO);
        assert_int_equal(plan.n_acts, 0);
        assert_string_equal(log_of(1).damage_detail, "the last try failed, see the journal");
        now += 9 * USEC_PER_MINUTE;
        see_space();
        decide();
        assert_int_equal(plan.n_acts, 0);
        now += USEC_PER_MINUTE;
        see_space();
        decide();
        assert_int_equal(plan.n_acts, 1);
        /* The trimmer is gone: soon again. */
        settle(ACT_CANCELLED, 0);
        see_torn(1, 1);
        now += USEC_PER_SEC;
        see_space();
        decide();
        assert_int_equal(plan.n_acts, 1);
}

static void more_torn_logs_than_there_is_room_for_come_in_turns(void **state) {
        uint32_t n = 0;

        (void) state;
        for (uint32_t slot = 3; slot < 60; slot++) {
                char name[16];

                (void) snprintf(name, sizeof(name), "c%u", slot);
                see_info(slot, name, true);
                see_sample(slot, 0);
        }
        for (int round = 0; round < 100 && n < 57; round++) {
                for (uint32_t slot = 3; slot < 60; slot++)
                        if (round == 0 || log_of(slot).damage == DAMAGE_TORN)
                                see_torn(slot, 1);
                decide();
                while (plan.n_acts > 0) {
                        Plan acts = plan;

                        for (uint32_t i = 0; i < acts.n_acts; i++) {
                                plan.acts[0] = acts.acts[i];
                                settle(ACT_DONE, 0);
                                n++;
                        }
                        decide();
                }
        }
        assert_int_equal(n, 57);
}

static void only_by_the_guard_itself(void **state) {
        Act act;

        (void) state;
        see_torn(1, 1);
        assert_int_equal(engine_trim(e, now, 1, 0, METHOD_BLANK, false, &act), ENGINE_E_UNSAFE);
        assert_int_equal(engine_trim(e, now, 1, 0, METHOD_MARK, false, &act), ENGINE_E_UNSAFE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(torn_lines_are_blanked_and_that_is_told),
                TEST(what_is_told_last_counts),
                TEST(another_file_in_its_place_is_not_damaged),
                TEST(a_head_of_nuls_is_framed_and_healed_once_the_container_stops),
                TEST(it_does_not_take_the_last_room),
                TEST(a_protected_log_is_named_once_and_not_touched),
                TEST(observe_mode_names_and_touches_nothing),
                TEST(a_pause_puts_it_off),
                TEST(what_fails_is_told_and_tried_again_much_later),
                TEST(more_torn_logs_than_there_is_room_for_come_in_turns),
                TEST(only_by_the_guard_itself),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
