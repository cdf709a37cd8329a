/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The engine as its shells see it: observations in, plans out, outcomes back in. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine.h"

#define TOTAL GIB(10)
#define FLOOD_BPS MIB(100)

static Engine *e;
static Config config;
static Plan plan;
static uint64_t now, wake, avail, log_bytes;

static void observe(Observation o) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static void see_space(void) {
        observe((Observation){.type = OBSERVATION_PARTITION,
                        .partition = {TOTAL, avail, avail, 1000000, 900000, false}});
}

static LogInfo info(uint32_t slot, const char *name) {
        LogInfo i = {.slot = slot, .inode = 100 + slot, .writer = {.pid = 9, .fd = 3, .append = YES}};
        snprintf(i.container.id, sizeof(i.container.id), "%064x", 0xabc000 + slot);
        snprintf(i.container.name, sizeof(i.container.name), "%s", name);
        snprintf(i.container.image, sizeof(i.container.image), "image");
        i.container.driver = LOG_DRIVER_JSON_FILE;
        i.container.running = true;
        i.container.label_policy = _POLICY_INVALID;
        i.container.label_keep_bytes = i.container.label_max_bytes = CONFIG_KEEP_UNSET;
        return i;
}

static void see_log(uint32_t slot, uint64_t bytes) {
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                        .log_sample = {.slot = slot, .allocated_bytes = bytes, .size_bytes = bytes}});
}

static void decide(void) {
        engine_decide(e, now, &plan, &wake);
        assert_true(wake > now);
}

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        config.ballast_bytes = 0;
        now = USEC_PER_SEC;
        avail = TOTAL / 2;
        log_bytes = MIB(10);
        if (engine_new(&config, "/srv", &e) != 0)
                return -1;
        observe((Observation){.type = OBSERVATION_FILESYSTEM,
                        .filesystem = {.can_collapse = true, .can_punch = true, .may_have_ballast = true}});
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 26}});
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(1, "web (compose shop/web)")});
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(2, "quiet")});
        see_log(2, MIB(500));
        see_log(1, log_bytes);
        see_space();
        decide();
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        e = engine_free(e);
        return 0;
}

/* The log of slot 1 floods until avail is down to that, or until there is an act. */
static void flood_down_to(uint64_t avail_bytes) {
        uint64_t step = FLOOD_BPS / 20;

        while (avail >= avail_bytes + step) {
                now += 50 * USEC_PER_MSEC;
                avail -= step;
                log_bytes += step;
                see_log(1, log_bytes);
                see_space();
                decide();
                if (plan.n_acts > 0)
                        return;
        }
}

static const Event *find(EventType type) {
        for (uint32_t i = 0; i < plan.n_events; i++)
                if (plan.events[i].type == type)
                        return &plan.events[i];
        return NULL;
}

/* Fails the test where there is none. */
static const Event *get(EventType type) {
        static const Event none;
        const Event *event = find(type);

        if (!event)
                fail_msg("no event of type %d", type);
        return event ? event : &none;
}

static Outcome outcome_of(const Act *act, ActResult result, uint64_t freed_bytes) {
        now += 50 * USEC_PER_MSEC;
        return (Outcome){
                .act = act->id,
                .method = act->method,
                .slot = act->slot,
                .result = result,
                .freed_bytes = freed_bytes,
                .cut_bytes = freed_bytes,
                .allocated_bytes = log_bytes - freed_bytes,
                .size_bytes = log_bytes,
                .writer = act->writer,
                .begin_usec = now - 40 * USEC_PER_MSEC,
                .end_usec = now,
        };
}

static EngineStatus status(void) {
        EngineStatus s;
        engine_get_status(e, &s);
        return s;
}

static void a_flood_is_told_and_then_braked_and_the_outcome_is_told(void **state) {
        (void) state;
        flood_down_to(0);
        assert_int_equal(plan.n_acts, 1);
        Act act = plan.acts[0];
        assert_int_equal(act.slot, 1);
        assert_int_equal(act.method, METHOD_PUNCH);
        assert_true(act.id > 0);
        assert_int_equal(act.inode, 101);
        assert_true(act.keep_bytes == config.keep_bytes);
        assert_true(avail < TOTAL / 10 && avail > TOTAL / 12);
        assert_true(status().level >= LEVEL_CRITICAL);
        assert_true(status().alert_id > 0);
        assert_int_equal(status().n_acts_under_way, 1);

        Outcome o = outcome_of(&act, ACT_DONE, act.want_bytes);
        engine_settle(e, &o);
        decide();
        const Event *event = get(EVENT_ACT_DONE);
        assert_string_equal(event->container_name, "web (compose shop/web)");
        assert_true(event->freed_bytes == act.want_bytes);
        assert_int_equal(plan.n_acts, 0);
        assert_true(status().freed_total_bytes == act.want_bytes);
}

static void a_raise_carries_the_cause(void **state) {
        (void) state;
        while (!find(EVENT_LEVEL_RAISED))
                flood_down_to(avail - FLOOD_BPS / 20);
        const Event *event = get(EVENT_LEVEL_RAISED);
        assert_int_equal(event->level, LEVEL_WARNING);
        assert_int_equal(event->from, LEVEL_OK);
        assert_int_equal(event->reason, REASON_FORECAST);
        assert_string_equal(event->mount, "/srv");
        assert_string_equal(event->container_name, "web (compose shop/web)");
        assert_in_range(event->share_permyriad, 9500, 10000);
        assert_in_range(event->growth_bps, MIB(80), MIB(120));
        assert_true(event->full.known);
        assert_true(event->space.avail_bytes == avail);
}

static void an_ineffective_method_is_left_and_the_next_is_taken(void **state) {
        LogInfo i = info(1, "web");

        (void) state;
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 20}});
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = i});
        flood_down_to(0);
        assert_int_equal(plan.acts[0].method, METHOD_COLLAPSE);
        Outcome o = outcome_of(&plan.acts[0], ACT_DONE, 0);
        engine_settle(e, &o);
        decide();
        assert_non_null(find(EVENT_ACT_INEFFECTIVE));
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_PUNCH);
}

static void changed_facts_are_believed_and_the_method_is_chosen_again(void **state) {
        (void) state;
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 20}});
        flood_down_to(0);
        assert_int_equal(plan.acts[0].method, METHOD_COLLAPSE);
        Outcome o = outcome_of(&plan.acts[0], ACT_CHANGED, 0);
        o.writer = (LogWriter){.pid = 9, .fd = 3, .append = NO};
        engine_settle(e, &o);
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_PUNCH);
        assert_int_equal(plan.acts[0].writer.append, NO);
}

static void what_the_filesystem_cannot_do_is_not_asked_again(void **state) {
        (void) state;
        observe((Observation){.type = OBSERVATION_DOCKER, .docker = {0, 20}});
        flood_down_to(0);
        Outcome o = outcome_of(&plan.acts[0], ACT_UNSUPPORTED, 0);
        engine_settle(e, &o);
        decide();
        assert_non_null(find(EVENT_ACT_FAILED));
        assert_int_equal(plan.acts[0].method, METHOD_PUNCH);
        o = outcome_of(&plan.acts[0], ACT_DONE, plan.acts[0].want_bytes);
        engine_settle(e, &o);
        log_bytes -= o.freed_bytes;
        avail += o.freed_bytes;
        decide();
        flood_down_to(0);
        assert_int_equal(plan.acts[0].method, METHOD_PUNCH);
}

static void a_refused_file_is_left_alone(void **state) {
        (void) state;
        flood_down_to(0);
        Outcome o = outcome_of(&plan.acts[0], ACT_REFUSED, 0);
        engine_settle(e, &o);
        decide();
        assert_non_null(find(EVENT_ACT_FAILED));
        for (uint64_t until = now + 50 * USEC_PER_SEC; now < until; now += USEC_PER_SEC) {
                decide();
                for (uint32_t i = 0; i < plan.n_acts; i++)
                        assert_int_not_equal(plan.acts[i].slot, 1);
        }
}

static void an_act_whose_trimmer_is_gone_is_tried_again(void **state) {
        (void) state;
        flood_down_to(0);
        Outcome o = outcome_of(&plan.acts[0], ACT_CANCELLED, 0);
        engine_settle(e, &o);
        assert_int_equal(status().n_acts_under_way, 0);
        now += 2 * USEC_PER_SEC;
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].slot, 1);
}

static void observe_mode_says_the_same_and_does_nothing(void **state) {
        (void) state;
        config.mode = MODE_OBSERVE;
        engine_configure(e, &config);
        uint32_t n_planned = 0;
        for (int i = 0; i < 95; i++) {
                flood_down_to(avail - FLOOD_BPS / 20);
                assert_int_equal(plan.n_acts, 0);
                const Event *event = find(EVENT_ACT_PLANNED);
                if (event) {
                        n_planned++;
                        assert_true(event->observing);
                        assert_int_equal(event->method, METHOD_PUNCH);
                        assert_true(event->wanted_bytes > 0);
                }
        }
        flood_down_to(TOTAL / 20);
        decide();
        assert_true(status().level == LEVEL_EMERGENCY);
        assert_int_equal(status().n_acts_under_way, 0);
        assert_true(n_planned <= 1);
}

static void blind_never_looks_calm_and_does_not_act_on_what_is_stale(void **state) {
        (void) state;
        flood_down_to(0);
        Level level = status().level;
        observe((Observation){.type = OBSERVATION_LOST, .lost = {-ETIMEDOUT}});
        assert_true(status().blind);
        Outcome o = outcome_of(&plan.acts[0], ACT_CANCELLED, 0);
        engine_settle(e, &o);
        for (uint64_t until = now + USEC_PER_HOUR; now < until; now += 10 * USEC_PER_SEC) {
                now += 5 * USEC_PER_SEC;
                decide();
                assert_int_equal(plan.n_acts, 0);
                assert_int_equal(status().level, level);
        }
        see_space();
        assert_false(status().blind);
}

static void a_pause_stops_acts_and_ends_by_itself(void **state) {
        (void) state;
        Act act;
        engine_pause(e, now + USEC_PER_MINUTE);
        flood_down_to(TOTAL / 15);
        assert_int_equal(plan.n_acts, 0);
        assert_true(status().level >= LEVEL_CRITICAL);
        assert_int_equal(engine_trim(e, now, 1, CONFIG_KEEP_UNSET, METHOD_NONE, false, &act),
                        ENGINE_E_PAUSED);
        while (now < 61 * USEC_PER_SEC + USEC_PER_SEC && plan.n_acts == 0) {
                now += 100 * USEC_PER_MSEC;
                avail -= MIB(1);
                log_bytes += MIB(1);
                see_log(1, log_bytes);
                see_space();
                decide();
        }
        assert_true(now >= 61 * USEC_PER_SEC);
        assert_int_equal(plan.n_acts, 1);
}

static void a_protected_log_is_named_and_never_touched(void **state) {
        (void) state;
        snprintf(config.rules[0].pattern, sizeof(config.rules[0].pattern), "web");
        config.rules[0].policy = POLICY_ALERT;
        config.rules[0].keep_bytes = CONFIG_KEEP_UNSET;
        config.n_rules = 1;
        engine_configure(e, &config);
        bool said = false;
        while (avail > TOTAL / 100 * 6) {
                flood_down_to(avail - FLOOD_BPS / 20);
                assert_int_equal(plan.n_acts, 0);
                const Event *event = find(EVENT_NOTHING_LEFT);
                if (event) {
                        assert_false(said);
                        said = true;
                        assert_true(event->is_protected);
                        assert_string_equal(event->detail, "the log that grows is protected");
                }
        }
        assert_true(said);
}

static void a_known_log_whose_catalog_breaks_keeps_its_name_and_its_protection(void **state) {
        LogInfo good = info(7, "db"), bad = info(7, "");
        EngineLog log;

        (void) state;
        config.n_rules = 1;
        config.rules[0] = (ConfigRule){.policy = POLICY_ALERT, .keep_bytes = CONFIG_KEEP_UNSET, .pattern = "db"};
        engine_configure(e, &config);
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = good});
        bad.container.driver = LOG_DRIVER_UNKNOWN;
        bad.container.image[0] = 0;
        memcpy(bad.container.name, bad.container.id, 12);
        bad.writer.fd = 99;
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = bad});
        assert_int_equal(engine_get_log(e, 7, &log), 0);
        assert_true(log.is_protected);
        assert_string_equal(log.info->container.name, "db");
        assert_int_equal(log.info->writer.fd, 99);
}

static void what_a_late_filesystem_does_not_show_is_known_from_the_logs(void **state) {
        EngineStatus status;
        uint64_t shown = avail;

        (void) state;
        observe((Observation){.type = OBSERVATION_FILESYSTEM,
                        .filesystem = {.can_punch = true, .freed_is_late = true}});
        /* statvfs stands still for 20 s while the log takes 2 GiB. */
        for (unsigned i = 0; i < 20; i++) {
                now += USEC_PER_SEC;
                avail = shown;
                see_space();
                see_log(1, log_bytes += FLOOD_BPS);
                decide();
        }
        engine_get_status(e, &status);
        assert_in_range(status.space.avail_bytes, shown - 20 * FLOOD_BPS, shown - 18 * FLOOD_BPS);
        assert_true(status.level >= LEVEL_WARNING);
        /* Then it shows all of it at once: nothing is counted twice. */
        now += USEC_PER_SEC;
        avail = shown - 20 * FLOOD_BPS;
        see_space();
        engine_get_status(e, &status);
        assert_in_range(status.space.avail_bytes, avail - FLOOD_BPS, avail);
}

static void a_busy_log_is_left_alone_for_a_moment(void **state) {
        (void) state;
        flood_down_to(0);
        assert_int_equal(plan.n_acts, 1);
        Outcome o = {.act = plan.acts[0].id, .result = ACT_BUSY, .end_usec = now, .slot = plan.acts[0].slot};
        engine_settle(e, &o);
        decide();
        for (uint32_t i = 0; i < plan.n_acts; i++)
                assert_true(plan.acts[i].slot != o.slot || plan.acts[i].method != METHOD_PUNCH);
}

static void a_trimmer_that_is_away_is_no_reason_to_truncate(void **state) {
        (void) state;
        flood_down_to(0);
        for (unsigned round = 0; round < 3; round++) {
                assert_true(plan.n_acts > 0);
                for (uint32_t i = 0; i < plan.n_acts; i++) {
                        assert_int_not_equal(plan.acts[i].method, METHOD_TRUNCATE);
                        Outcome o = {.act = plan.acts[i].id, .result = ACT_CANCELLED, .end_usec = now,
                                     .slot = plan.acts[i].slot};
                        engine_settle(e, &o);
                }
                now += 20 * USEC_PER_MSEC;
                avail = MIB(4);
                see_space();
                decide();
                for (uint32_t i = 0; i < plan.n_acts; i++)
                        assert_int_not_equal(plan.acts[i].method, METHOD_TRUNCATE);
                now += 1100 * USEC_PER_MSEC;
                see_log(1, log_bytes += MIB(1));
                see_space();
                decide();
        }
}

static void a_new_watcher_starts_with_an_empty_table(void **state) {
        EngineLog log;

        (void) state;
        engine_forget_logs(e);
        assert_int_equal(engine_get_log(e, 1, &log), -ENOENT);
        assert_int_equal(engine_get_log(e, 2, &log), -ENOENT);
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(1, "quiet")});
        assert_int_equal(engine_find_log(e, "quiet", &log), 0);
}

static void a_punched_log_is_healed_once_it_is_at_rest(void **state) {
        LogInfo i = info(1, "web");

        (void) state;
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                        .log_sample = {.slot = 1, .allocated_bytes = log_bytes, .hole_bytes = MIB(50)}});
        decide();
        assert_int_equal(plan.n_acts, 0);
        i.container.running = false;
        i.writer = (LogWriter){.append = UNKNOWN};
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = i});
        for (uint64_t backoff_sec = 1; backoff_sec <= 4; backoff_sec *= 2) {
                decide();
                assert_int_equal(plan.n_acts, 1);
                assert_int_equal(plan.acts[0].method, METHOD_HEAL);
                Outcome o = outcome_of(&plan.acts[0], ACT_BUSY, 0);
                engine_settle(e, &o);
                now += backoff_sec * USEC_PER_SEC - 1;
                decide();
                assert_int_equal(plan.n_acts, 0);
                now += 1;
        }
        decide();
        Outcome o = outcome_of(&plan.acts[0], ACT_DONE, 0);
        engine_settle(e, &o);
        decide();
        assert_non_null(find(EVENT_HEALED));
        assert_int_equal(plan.n_acts, 0);
}

static LogSample web_sample(void) {
        EngineLog log;

        assert_int_equal(engine_find_log(e, "web", &log), 0);
        return log.sample;
}

/* What is said to be shared takes no space: not to be had, not growth, and not news that our own act has overtaken. */
static void filler_does_not_count_and_older_news_of_it_do_not_bring_it_back(void **state) {
        LogSample sample = {.slot = 1, .allocated_bytes = MIB(100), .size_bytes = MIB(100), .filler_usec = now};
        Act act;

        (void) state;
        observe((Observation){.type = OBSERVATION_FILESYSTEM,
                        .filesystem = {.can_collapse = true, .can_punch = true, .can_reflink = true}});
        now += USEC_PER_SEC;
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = sample});
        assert_int_equal(engine_trim(e, now, 1, MIB(16), METHOD_NONE, false, &act), 0);
        assert_int_equal(act.method, METHOD_FILL);
        assert_true(act.want_bytes == MIB(84));

        now += USEC_PER_SEC;
        Outcome o = outcome_of(&act, ACT_DONE, MIB(84));
        o.size_bytes = MIB(100);
        o.allocated_bytes = MIB(16);
        o.filler_bytes = MIB(84);
        o.writer = act.writer;
        engine_settle(e, &o);
        assert_true(web_sample().allocated_bytes == MIB(16));

        /* A look from before the act knows of no filler; the file's blocks are as many as before, and 1 MiB more. */
        now += USEC_PER_SEC;
        sample.allocated_bytes = sample.size_bytes = MIB(101);
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = sample});
        assert_true(web_sample().allocated_bytes == MIB(17));
        assert_true(web_sample().filler_bytes == MIB(84));
        assert_int_equal(engine_trim(e, now, 1, MIB(16), METHOD_NONE, true, &act), 0);
        assert_true(act.want_bytes == MIB(1));

        /* A later look counts, whatever it says. */
        now += USEC_PER_SEC;
        sample.filler_usec = now;
        sample.filler_bytes = MIB(80);
        sample.allocated_bytes = MIB(21);
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = sample});
        assert_true(web_sample().allocated_bytes == MIB(21));
        assert_true(web_sample().filler_bytes == MIB(80));

        /* Somebody emptied it: nothing that was known of it holds. */
        now += USEC_PER_SEC;
        o.end_usec = now;
        sample = (LogSample){.slot = 1, .allocated_bytes = MIB(5), .size_bytes = MIB(5)};
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = sample});
        assert_true(web_sample().allocated_bytes == MIB(5));
        assert_true(web_sample().filler_bytes == 0);
}

static void where_blocks_cannot_be_shared_only_filling_is_given_up(void **state) {
        Act act;

        (void) state;
        observe((Observation){.type = OBSERVATION_FILESYSTEM,
                        .filesystem = {.can_collapse = true, .can_punch = true, .can_reflink = true}});
        assert_int_equal(engine_trim(e, now, 1, MIB(1), METHOD_NONE, false, &act), 0);
        assert_int_equal(act.method, METHOD_FILL);
        now += USEC_PER_SEC;
        Outcome o = outcome_of(&act, ACT_UNSUPPORTED, 0);
        engine_settle(e, &o);
        assert_int_equal(engine_trim(e, now, 1, MIB(1), METHOD_NONE, true, &act), 0);
        assert_int_equal(act.method, METHOD_PUNCH);
        LogInfo at_rest = info(1, "web (compose shop/web)");
        at_rest.container.running = false;
        at_rest.writer = (LogWriter){.append = UNKNOWN};
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = at_rest});
        assert_int_equal(engine_trim(e, now, 1, MIB(1), METHOD_NONE, true, &act), 0);
        assert_int_equal(act.method, METHOD_COLLAPSE_LEASED);
}

static void a_filled_log_is_healed_once_it_is_at_rest(void **state) {
        (void) state;
        LogInfo at_rest = info(1, "web (compose shop/web)");
        at_rest.container.running = false;
        at_rest.writer = (LogWriter){.append = UNKNOWN};
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = at_rest});
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE, .log_sample = {.slot = 1, .allocated_bytes = MIB(1),
                        .size_bytes = MIB(51), .filler_bytes = MIB(50), .filler_usec = now}});
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_HEAL);
}

static void the_ballast_is_made_with_ample_room_and_its_making_is_no_alarm(void **state) {
        (void) state;
        config.ballast_bytes = MIB(64);
        config.ballast_permyriad = 10000;
        engine_configure(e, &config);
        for (int i = 0; i < 5; i++) {
                now += 100 * USEC_PER_MSEC;
                see_space();
        }
        decide();
        assert_int_equal(plan.n_acts, 1);
        assert_int_equal(plan.acts[0].method, METHOD_BALLAST_MAKE);
        assert_true(plan.acts[0].want_bytes == MIB(64));
        avail -= MIB(64);
        now += 50 * USEC_PER_MSEC;
        see_space();
        Outcome o = outcome_of(&plan.acts[0], ACT_DONE, 0);
        o.ballast_bytes = MIB(64);
        engine_settle(e, &o);
        decide();
        assert_int_equal(plan.n_acts, 0);
        assert_int_equal(status().level, LEVEL_OK);
        assert_true(status().full.low_usec == USEC_INFINITY);
        assert_true(status().ballast_bytes == MIB(64));
}

static void a_quiet_host_is_looked_at_every_five_seconds(void **state) {
        (void) state;
        for (int i = 0; i < 40; i++) {
                now = wake;
                see_space();
                decide();
        }
        assert_true(wake == now + 5 * USEC_PER_SEC);
}

static void by_hand_asks_for_one_log_whatever_the_level_and_never_below_what_is_to_stay(void **state) {
        Act act;

        (void) state;
        assert_int_equal(engine_trim(e, now, 77, CONFIG_KEEP_UNSET, METHOD_NONE, true, &act),
                        ENGINE_E_NO_LOG);
        assert_int_equal(engine_trim(e, now, 2, MIB(100), METHOD_COLLAPSE, true, &act), ENGINE_E_UNSAFE);
        assert_int_equal(engine_trim(e, now, 2, MIB(100), METHOD_NONE, true, &act), 0);
        assert_int_equal(act.id, 0);
        assert_int_equal(act.method, METHOD_PUNCH);
        assert_true(act.want_bytes == MIB(400) && act.keep_bytes == MIB(100) && act.by_hand);
        assert_int_equal(status().n_acts_under_way, 0);
        assert_int_equal(engine_trim(e, now, 2, CONFIG_KEEP_UNSET, METHOD_NONE, false, &act), 0);
        assert_true(act.want_bytes == MIB(484));
        assert_int_equal(engine_trim(e, now, 2, CONFIG_KEEP_UNSET, METHOD_NONE, false, &act), ENGINE_E_BUSY);
        log_bytes = MIB(500);
        Outcome o = outcome_of(&act, ACT_DONE, act.want_bytes);
        engine_settle(e, &o);
        decide();
        assert_int_equal(get(EVENT_ACT_DONE)->reason, REASON_REQUEST);
}

static void a_log_is_found_by_its_names_its_id_and_a_prefix_that_is_unique(void **state) {
        EngineLog log;
        char id[CONTAINER_ID_MAX];

        (void) state;
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(3, "quiet")});
        assert_int_equal(engine_find_log(e, "web", &log), 0);
        assert_int_equal(log.info->slot, 1);
        assert_int_equal(engine_find_log(e, "web (compose shop/web)", &log), 0);
        assert_int_equal(engine_find_log(e, "quiet", &log), -ENOTUNIQ);
        snprintf(id, sizeof(id), "%064x", 0xabc002);
        assert_int_equal(engine_find_log(e, id, &log), 0);
        assert_int_equal(log.info->slot, 2);
        assert_int_equal(engine_find_log(e, "0000", &log), -ENOTUNIQ);
        assert_int_equal(engine_find_log(e, "000", &log), -ENOENT);
        assert_int_equal(engine_find_log(e, "", &log), -ENOENT);
        assert_int_equal(engine_find_log(e, "nobody", &log), -ENOENT);
}

static void logs_are_listed_offenders_first_then_by_size(void **state) {
        EngineLog logs[3];

        (void) state;
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(3, "small")});
        see_log(3, MIB(2));
        flood_down_to(avail - GIB(1));
        assert_int_equal(engine_get_logs(e, logs, 3), 3);
        assert_int_equal(logs[0].info->slot, 1);
        assert_int_equal(logs[1].info->slot, 2);
        assert_int_equal(logs[2].info->slot, 3);
        assert_true(logs[0].growth_bps > 0 && logs[0].share_permyriad > 9000);
        assert_int_equal(engine_get_logs(e, logs, 1), 1);
        assert_int_equal(logs[0].info->slot, 1);
        assert_int_equal(engine_get_logs(e, logs, 0), 0);
}

static void a_slot_that_is_used_again_does_not_get_the_outcome_of_the_one_before(void **state) {
        EngineLog log;

        (void) state;
        flood_down_to(0);
        Act act = plan.acts[0];
        observe((Observation){.type = OBSERVATION_LOG_GONE, .log_gone = 1});
        LogInfo i = info(1, "next");
        i.container.id[0] = 'f';
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = i});
        see_log(1, MIB(7));
        Outcome o = outcome_of(&act, ACT_DONE, act.want_bytes);
        engine_settle(e, &o);
        assert_int_equal(engine_find_log(e, "next", &log), 0);
        assert_true(log.sample.allocated_bytes == MIB(7));
        engine_settle(e, &o); /* told twice: nothing happens */
        assert_int_equal(status().n_acts_total, 1);
}

static void what_is_not_known_is_refused(void **state) {
        Observation o = {.type = OBSERVATION_LOG_SAMPLE, .time_usec = now, .log_sample = {.slot = 55}};

        (void) state;
        assert_int_equal(engine_observe(e, &o), -EINVAL);
        o = (Observation){.type = OBSERVATION_LOG_GONE, .time_usec = now, .log_gone = 55};
        assert_int_equal(engine_observe(e, &o), -EINVAL);
        o = (Observation){.type = OBSERVATION_LOG_INFO,
                        .time_usec = now,
                        .log_info = info(ENGINE_LOGS_MAX, "x")};
        assert_int_equal(engine_observe(e, &o), -ENOSPC);
        o = (Observation){.type = 99, .time_usec = now};
        assert_int_equal(engine_observe(e, &o), -EINVAL);
        o = (Observation){.type = OBSERVATION_DOCKER, .time_usec = now, .docker = {CONFIG_ROOTS_MAX, 20}};
        assert_int_equal(engine_observe(e, &o), -EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

/* However many there are: the first ones of all, in order. */
static void the_first_logs_are_the_first_of_all(void **state) {
        static EngineLog all[302], some[302];

        (void) state;
        for (uint32_t slot = 3; slot < 303; slot++) {
                observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(slot, "many")});
                see_log(slot, MIB(1 + slot * 7919 % 300));
        }
        assert_int_equal(engine_get_logs(e, all, ELEMENTS(all)), 302);
        for (size_t i = 1; i < 302; i++)
                assert_true(all[i].sample.allocated_bytes <= all[i - 1].sample.allocated_bytes);
        for (size_t n = 0; n <= 302; n += n < 12 ? 1 : 29) {
                assert_int_equal(engine_get_logs(e, some, n), n);
                for (size_t i = 0; i < n; i++)
                        assert_int_equal(some[i].sample.allocated_bytes, all[i].sample.allocated_bytes);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_flood_is_told_and_then_braked_and_the_outcome_is_told),
                TEST(a_raise_carries_the_cause),
                TEST(the_first_logs_are_the_first_of_all),
                TEST(an_ineffective_method_is_left_and_the_next_is_taken),
                TEST(changed_facts_are_believed_and_the_method_is_chosen_again),
                TEST(what_the_filesystem_cannot_do_is_not_asked_again),
                TEST(a_refused_file_is_left_alone),
                TEST(an_act_whose_trimmer_is_gone_is_tried_again),
                TEST(observe_mode_says_the_same_and_does_nothing),
                TEST(blind_never_looks_calm_and_does_not_act_on_what_is_stale),
                TEST(a_pause_stops_acts_and_ends_by_itself),
                TEST(a_protected_log_is_named_and_never_touched),
                TEST(a_known_log_whose_catalog_breaks_keeps_its_name_and_its_protection),
                TEST(what_a_late_filesystem_does_not_show_is_known_from_the_logs),
                TEST(a_busy_log_is_left_alone_for_a_moment),
                TEST(a_trimmer_that_is_away_is_no_reason_to_truncate),
                TEST(a_new_watcher_starts_with_an_empty_table),
                TEST(a_punched_log_is_healed_once_it_is_at_rest),
                TEST(filler_does_not_count_and_older_news_of_it_do_not_bring_it_back),
                TEST(where_blocks_cannot_be_shared_only_filling_is_given_up),
                TEST(a_filled_log_is_healed_once_it_is_at_rest),
                TEST(the_ballast_is_made_with_ample_room_and_its_making_is_no_alarm),
                TEST(a_quiet_host_is_looked_at_every_five_seconds),
                TEST(by_hand_asks_for_one_log_whatever_the_level_and_never_below_what_is_to_stay),
                TEST(a_log_is_found_by_its_names_its_id_and_a_prefix_that_is_unique),
                TEST(logs_are_listed_offenders_first_then_by_size),
                TEST(a_slot_that_is_used_again_does_not_get_the_outcome_of_the_one_before),
                TEST(what_is_not_known_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
