/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Growth that no log explains: when the engine wants a survey, and what it tells of what one has found. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "engine.h"

#define MINUTES(n) ((n) * USEC_PER_MINUTE)
#define SEC(n) ((n) * USEC_PER_SEC)

#define TOTAL GIB(10)
/* Slow enough for each level to come by itself. */
#define PACE_BPS MIB(2)
#define STEP_USEC USEC_PER_SEC

static Engine *e;
static Config config;
static Plan plan;
static uint64_t now, wake, avail, log_bytes, log_bps;
static Event raised, told, nothing_left; /* the last ones; type 0: none */
static unsigned n_raised, n_raised_alone /* without causes */, n_told;

static void observe(Observation o) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static LogInfo info(uint32_t slot, const char *name) {
        LogInfo i = {.slot = slot, .inode = 100 + slot, .writer = {.pid = 9, .fd = 3, .append = YES}};

        snprintf(i.container.id, sizeof(i.container.id), "%064x", 0xabc000 + slot);
        snprintf(i.container.name, sizeof(i.container.name), "%s", name);
        i.container.driver = LOG_DRIVER_JSON_FILE;
        i.container.running = true;
        i.container.label_policy = _POLICY_INVALID;
        i.container.label_keep_bytes = i.container.label_max_bytes = CONFIG_KEEP_UNSET;
        return i;
}

static void see_log(uint32_t slot, const char *name) {
        observe((Observation){.type = OBSERVATION_LOG_INFO, .log_info = info(slot, name)});
        observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                        .log_sample = {.slot = slot, .allocated_bytes = MIB(10), .size_bytes = MIB(10)}});
}

static void decide(void) {
        engine_decide(e, now, &plan, &wake);
        for (uint32_t i = 0; i < plan.n_events; i++) {
                const Event *event = plan.events + i;

                if (event->type == EVENT_LEVEL_RAISED) {
                        raised = *event;
                        n_raised++;
                        n_raised_alone += event->n_causes == 0;
                } else if (event->type == EVENT_CAUSE_FOUND) {
                        told = *event;
                        n_told++;
                } else if (event->type == EVENT_NOTHING_LEFT)
                        nothing_left = *event;
        }
}

static Level level(void) {
        EngineStatus status;

        engine_get_status(e, &status);
        return status.level;
}

static EngineSurvey last_survey(void) {
        EngineSurvey survey;

        engine_get_survey(e, now, &survey);
        return survey;
}

/* A moment in which the partition takes that many bytes a second, log_bps of them the log of slot 1. */
static void step(int64_t bps) {
        now += STEP_USEC;
        avail = (uint64_t) CLAMP((int64_t) avail - bps * (int64_t) STEP_USEC / (int64_t) USEC_PER_SEC, (int64_t) 0, (int64_t) TOTAL);
        if (log_bps > 0) {
                log_bytes += log_bps * STEP_USEC / USEC_PER_SEC;
                observe((Observation){.type = OBSERVATION_LOG_SAMPLE,
                                .log_sample = {.slot = 1, .allocated_bytes = log_bytes, .size_bytes = log_bytes}});
        }
        observe((Observation){.type = OBSERVATION_PARTITION, .partition = {TOTAL, avail, avail, 1000000, 900000, false}});
        decide();
}

static bool is_wanted(void) {
        uint64_t window_usec = 0;
        bool wanted = engine_wants_survey(e, now, &window_usec);

        if (wanted)
                assert_in_range(window_usec, USEC_PER_SEC / 2, SEC(15));
        return wanted;
}

/* How often one was asked for, where none is made. */
static unsigned n_wanted_within(uint64_t usec, int64_t bps) {
        unsigned n = 0;

        for (uint64_t until = now + usec; now < until;) {
                step(bps);
                n += is_wanted();
        }
        return n;
}

/* False: it was full before. */
static bool fill_until_wanted(void) {
        while (avail > 0) {
                step(PACE_BPS);
                if (is_wanted())
                        return true;
        }
        return false;
}

static void fill_down_to(Level wanted) {
        while (avail > 0 && level() < wanted)
                step(PACE_BPS);
        assert_int_equal(level(), wanted);
}

static void begin_survey(uint64_t until_usec) {
        observe((Observation){.type = OBSERVATION_SURVEY, .survey = {.until_usec = until_usec}});
}

static void end_survey(bool failed, uint64_t logs_bytes) {
        SurveyFacts facts = {.window_usec = STEP_USEC, .grown_bytes = PACE_BPS * STEP_USEC / USEC_PER_SEC, .logs_bytes = logs_bytes,
                             .cpu_usec = 10000, .complete = true};

        observe((Observation){.type = OBSERVATION_SURVEY, .survey = {.ended = true, .failed = failed, .facts = facts}});
}

static Cause cause_of(CauseKind kind, const char *name, uint64_t grown_bytes) {
        Cause c = {.kind = kind, .grown_bytes = grown_bytes, .pid = 7};

        snprintf(c.name, sizeof(c.name), "%s", name);
        snprintf(c.command, sizeof(c.command), "postgres");
        return c;
}

/* One that finds all of the growth in that volume of the container of slot 3. */
static Cause volume(const char *name) {
        Cause cause = cause_of(CAUSE_VOLUME, name, PACE_BPS * STEP_USEC / USEC_PER_SEC);

        snprintf(cause.container, sizeof(cause.container), "%064x", 0xabc003);
        return cause;
}

static void learn(const Cause *causes, size_t n) {
        for (size_t i = 0; i < n; i++)
                observe((Observation){.type = OBSERVATION_CAUSE, .cause = causes[i]});
        end_survey(false, 0);
}

static void survey(const Cause *causes, size_t n) {
        begin_survey(now + SEC(5));
        step(PACE_BPS);
        learn(causes, n);
        decide();
}

/* With one every minute. */
static void fill_surveyed_down_to(Level wanted, const Cause *causes, size_t n) {
        for (unsigned i = 0; avail > 0 && level() < wanted; i++) {
                step(PACE_BPS);
                if (i % 60 == 0 && level() < wanted)
                        survey(causes, n);
        }
        assert_int_equal(level(), wanted);
}

static int set_up(void **state) {
        (void) state;
        config_set_defaults(&config);
        config.ballast_bytes = 0;
        now = SEC(1);
        avail = TOTAL / 2;
        log_bytes = MIB(10);
        log_bps = 0;
        raised = told = nothing_left = (Event){};
        n_raised = n_raised_alone = n_told = 0;
        if (engine_new(&config, "/srv", &e) != 0)
                return -1;
        engine_promise_surveys(e);
        observe((Observation){.type = OBSERVATION_FILESYSTEM, .filesystem = {.can_collapse = true, .can_punch = true}});
        see_log(1, "web");
        see_log(3, "db (compose shop/db)");
        for (unsigned i = 0; i < 10; i++)
                step(0);
        return 0;
}

static int tear_down(void **state) {
        (void) state;
        e = engine_free(e);
        return 0;
}

static void one_is_wanted_when_it_fills_and_no_log_grows(void **state) {
        uint64_t window_usec;

        (void) state;
        assert_true(fill_until_wanted());
        assert_true(avail > TOTAL / 3); /* long before it is full */
        now += STEP_USEC;
        assert_true(engine_wants_survey(e, now, &window_usec));
        assert_in_range(window_usec, SEC(7), SEC(10)); /* 16 MiB at 2 MiB/s */
}

static void none_is_wanted_while_it_is_calm(void **state) {
        (void) state;
        assert_int_equal(n_wanted_within(MINUTES(5), 0), 0);
        assert_int_equal(n_wanted_within(MINUTES(2), -(int64_t) MIB(5)), 0); /* somebody cleans up */
        for (unsigned i = 0; i < 300; i++) { /* files come and go */
                assert_int_equal(n_wanted_within(STEP_USEC, MIB(1)), 0);
                assert_int_equal(n_wanted_within(STEP_USEC, -(int64_t) MIB(1)), 0);
        }
}

static void none_is_wanted_any_more_once_it_is_over(void **state) {
        (void) state;
        fill_down_to(LEVEL_WARNING);
        assert_true(n_wanted_within(MINUTES(1), PACE_BPS) > 0);
        for (unsigned i = 0; level() > LEVEL_OK; i++) {
                assert_in_range(i, 0, 60);
                (void) n_wanted_within(MINUTES(1), 0);
        }
        assert_int_equal(n_wanted_within(MINUTES(30), 0), 0);
}

static void none_is_wanted_while_logs_explain_it(void **state) {
        static const struct {
                double part; /* of the growth is that log's */
                bool wanted;
        } cases[] = {{1, false}, {0.75, false}, {0.4, true}, {0.1, true}};

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(tear_down(state), 0);
                assert_int_equal(set_up(state), 0);
                log_bps = (uint64_t) (cases[i].part * (double) PACE_BPS);
                if ((n_wanted_within(MINUTES(30), PACE_BPS) > 0) != cases[i].wanted)
                        fail_msg("%zu", i);
                assert_true(level() >= LEVEL_WARNING);
        }
}

static void none_is_wanted_where_the_configuration_has_none(void **state) {
        (void) state;
        config.attribution_cpu_permyriad = 0;
        engine_configure(e, &config);
        assert_int_equal(n_wanted_within(MINUTES(30), PACE_BPS), 0);
        assert_true(level() >= LEVEL_WARNING);
        config.attribution_cpu_permyriad = 1;
        engine_configure(e, &config);
        assert_true(fill_until_wanted());
}

static void none_is_wanted_where_nobody_makes_them(void **state) {
        Engine *other;
        uint64_t window_usec;

        (void) state;
        assert_int_equal(engine_new(&config, "/srv", &other), 0);
        for (unsigned i = 0; i < 1800; i++) {
                Observation o = {.type = OBSERVATION_PARTITION, .time_usec = now, .partition = {TOTAL, avail, avail, 0, 0, false}};

                assert_int_equal(engine_observe(other, &o), 0);
                engine_decide(other, now, &plan, &wake);
                assert_false(engine_wants_survey(other, now, &window_usec));
                now += STEP_USEC;
                avail -= PACE_BPS * STEP_USEC / USEC_PER_SEC;
        }
        engine_free(other);
}

static void none_is_wanted_while_one_is_under_way(void **state) {
        (void) state;
        assert_true(fill_until_wanted());
        begin_survey(now + SEC(20));
        assert_int_equal(n_wanted_within(SEC(20) - STEP_USEC, PACE_BPS), 0);
        assert_true(n_wanted_within(SEC(1), PACE_BPS) > 0); /* it was lost */
}

static void none_is_wanted_while_nobody_sees_how_full_it_is(void **state) {
        (void) state;
        assert_true(fill_until_wanted());
        observe((Observation){.type = OBSERVATION_LOST, .lost = {-ETIMEDOUT}});
        for (unsigned i = 0; i < 50; i++) {
                now += STEP_USEC;
                assert_false(is_wanted());
        }
        assert_true(n_wanted_within(SEC(10), PACE_BPS) > 0);
}

static void it_is_not_asked_more_often_than_the_answer_can_change(void **state) {
        unsigned n = 0;

        (void) state;
        assert_true(fill_until_wanted());
        for (unsigned i = 0; i < 1000; i++) {
                now += USEC_PER_MSEC;
                n += is_wanted();
        }
        assert_in_range(n, 3, 4);
}

static void the_next_is_wanted_after_a_minute_or_sooner_where_an_alert_has_no_cause(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        assert_true(fill_until_wanted());
        assert_int_equal(level(), LEVEL_OK);
        survey(NULL, 0);
        uint64_t ended = now;
        assert_true(fill_until_wanted());
        assert_in_range(now - ended, SEC(60), SEC(61));

        fill_down_to(LEVEL_WARNING);
        survey(NULL, 0);
        ended = now;
        assert_true(fill_until_wanted());
        assert_in_range(now - ended, SEC(10), SEC(11));
        survey(&one, 1);
        assert_int_equal(n_told, 1);
        survey(&one, 1);
        ended = now;
        assert_true(fill_until_wanted());
        assert_in_range(now - ended, SEC(60), SEC(61));
}

static void an_alert_that_is_raised_after_a_survey_carries_its_causes(void **state) {
        Cause causes[] = {volume("pgdata"), cause_of(CAUSE_FILES, "cron.service", MIB(1)), cause_of(CAUSE_JOURNAL, "", KIB(1))};
        Cause *first = causes;

        (void) state;
        first->grown_bytes = MIB(3);
        assert_true(fill_until_wanted());
        survey(causes, ELEMENTS(causes));
        assert_int_equal(n_raised, 0);
        assert_int_equal(last_survey().n, 3);
        assert_true(last_survey().ended_usec == now && last_survey().facts.complete);
        fill_surveyed_down_to(LEVEL_WARNING, causes, ELEMENTS(causes));
        assert_int_equal(raised.level, LEVEL_WARNING);
        assert_string_equal(raised.container_id, "");
        assert_int_equal(raised.n_causes, 2); /* a thousandth is not worth a word */
        assert_int_equal(raised.causes[0].cause.kind, CAUSE_VOLUME);
        assert_string_equal(raised.causes[0].cause.name, "pgdata");
        assert_string_equal(raised.causes[0].container_name, "db (compose shop/db)");
        assert_in_range(raised.causes[0].share_permyriad, 7400, 7600);
        assert_int_equal(raised.causes[0].growth_bps, MIB(3));
        assert_string_equal(raised.causes[1].cause.name, "cron.service");
        assert_string_equal(raised.causes[1].container_name, "");
        assert_in_range(raised.causes[1].share_permyriad, 2400, 2600);
        /* And nobody is told again, of the same. */
        for (unsigned i = 0; i < 5; i++) {
                survey(causes, ELEMENTS(causes));
                now += MINUTES(2);
                step(MIB(1));
        }
        assert_int_equal(n_told, 0);
}

static void an_alert_that_was_raised_before_is_told_of_the_cause_once(void **state) {
        Cause one = volume("pgdata"), other = volume("mail");

        (void) state;
        fill_down_to(LEVEL_WARNING);
        assert_int_equal(raised.n_causes, 0);
        survey(&one, 1);
        assert_int_equal(n_told, 1);
        assert_int_equal(told.n_causes, 1);
        assert_string_equal(told.causes[0].cause.name, "pgdata");
        assert_string_equal(told.causes[0].container_name, "db (compose shop/db)");
        assert_true(told.alert_id != 0 && told.alert_id == raised.alert_id);
        assert_int_equal(told.level, LEVEL_WARNING);
        assert_string_equal(told.mount, "/srv");
        survey(&one, 1);
        survey(&other, 1);
        assert_int_equal(n_told, 1);
        now += MINUTES(5);
        for (unsigned i = 0; i < 40; i++)
                step(PACE_BPS);
        assert_int_equal(n_told, 1);
        survey(&one, 1);
        assert_int_equal(n_told, 1);
        survey(&other, 1);
        assert_int_equal(n_told, 2);
        assert_string_equal(told.causes[0].cause.name, "mail");
}

static void each_step_of_an_alert_carries_them_and_so_does_that_nothing_is_left(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        assert_true(fill_until_wanted());
        for (; avail > 0 && (level() < LEVEL_EMERGENCY || nothing_left.type == 0); step(PACE_BPS))
                survey(&one, 1);
        assert_int_equal(raised.level, LEVEL_EMERGENCY);
        assert_in_range(n_raised, 3, 4);
        assert_int_equal(n_raised_alone, 0);
        assert_string_equal(nothing_left.detail, "what grows is not a container's log");
        assert_int_equal(nothing_left.n_causes, 1);
        assert_string_equal(nothing_left.causes[0].cause.name, "pgdata");
        assert_int_equal(n_told, 0);
}

/* No more than that are carried, however many were found. */
static void the_largest_three_are_told(void **state) {
        Cause causes[SURVEY_CAUSES_MAX + 2];

        (void) state;
        for (uint32_t i = 0; i < ELEMENTS(causes); i++) {
                causes[i] = cause_of(CAUSE_VOLUME, "v", MIB(1) + i);
                causes[i].name[0] = (char) ('a' + i);
        }
        fill_down_to(LEVEL_WARNING);
        survey(causes, ELEMENTS(causes));
        assert_int_equal(told.n_causes, EVENT_CAUSES_MAX);
        assert_string_equal(told.causes[0].cause.name, "f");
        assert_string_equal(told.causes[2].cause.name, "d");
        assert_int_equal(last_survey().n, SURVEY_CAUSES_MAX);
        assert_string_equal(last_survey().causes[3].cause.name, "c");
}

static void what_has_a_small_part_in_it_does_not_break_the_silence(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        one.grown_bytes /= 6;
        fill_down_to(LEVEL_WARNING);
        survey(&one, 1);
        assert_int_equal(n_told, 0);
        assert_int_equal(last_survey().n, 1);
        fill_surveyed_down_to(LEVEL_CRITICAL, &one, 1); /* what is said anyway may name it */
        assert_int_equal(raised.n_causes, 1);
        assert_in_range(raised.causes[0].share_permyriad, 1600, 1700);
}

static void a_survey_that_failed_tells_nothing(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        fill_down_to(LEVEL_WARNING);
        begin_survey(now + SEC(5));
        observe((Observation){.type = OBSERVATION_CAUSE, .cause = one});
        end_survey(true, 0);
        decide();
        assert_int_equal(n_told, 0);
        assert_int_equal(last_survey().n, 0);
        assert_true(last_survey().ended_usec == 0);
}

static void what_is_too_old_is_not_told(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        assert_true(fill_until_wanted());
        survey(&one, 1);
        assert_int_equal(level(), LEVEL_OK);
        now += MINUTES(3) - 1;
        assert_int_equal(last_survey().n, 1);
        now += 1;
        assert_int_equal(last_survey().n, 0);
        fill_down_to(LEVEL_WARNING);
        assert_int_equal(raised.n_causes, 0);
}

static void what_is_over_is_forgotten(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        fill_down_to(LEVEL_WARNING);
        survey(&one, 1);
        assert_int_equal(last_survey().n, 1);
        avail = TOTAL / 2;
        while (level() >= LEVEL_WARNING) {
                begin_survey(now); /* it is not its age that ends it */
                learn(&one, 1);
                assert_int_equal(last_survey().n, 1);
                step(0);
        }
        assert_int_equal(last_survey().n, 0);
        fill_down_to(LEVEL_WARNING);
        assert_int_equal(raised.level, LEVEL_WARNING);
        assert_int_equal(raised.n_causes, 0);
        survey(&one, 1); /* of another alert: news again */
        assert_int_equal(told.alert_id, raised.alert_id);
}

/* A log is the cause of most of it: what else grows beside it can wait. */
static void a_log_that_explains_it_is_told_alone(void **state) {
        static const struct {
                double part;
                bool with_causes;
        } cases[] = {{0.9, false}, {0.4, true}};
        Cause one = volume("pgdata");

        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                assert_int_equal(tear_down(state), 0);
                assert_int_equal(set_up(state), 0);
                log_bps = (uint64_t) (cases[i].part * (double) PACE_BPS);
                while (n_raised == 0) {
                        survey(&one, 1);
                        step(PACE_BPS);
                }
                assert_string_equal(raised.container_name, "web");
                assert_int_equal(raised.n_causes > 0, cases[i].with_causes);
        }
}

/* What was seen at another pace is somebody else: better no name than the wrong one, and soon the right one. */
static void what_was_seen_at_another_pace_is_not_told(void **state) {
        Cause one = volume("pgdata"), flood = volume("flood");

        (void) state;
        fill_down_to(LEVEL_WARNING);
        survey(&one, 1);
        assert_int_equal(n_told, 1);
        assert_false(is_wanted());
        while (level() < LEVEL_CRITICAL)
                step(10 * PACE_BPS);
        assert_int_equal(raised.n_causes, 0);
        assert_true(is_wanted());
        flood.grown_bytes *= 10;
        begin_survey(now + SEC(5));
        step(10 * PACE_BPS);
        learn(&flood, 1);
        decide();
        assert_int_equal(n_told, 2);
        assert_string_equal(told.causes[0].cause.name, "flood");
}

static void an_alert_about_inodes_is_not_told_what_takes_bytes(void **state) {
        Cause one = volume("pgdata");

        (void) state;
        survey(&one, 1);
        now += STEP_USEC;
        observe((Observation){.type = OBSERVATION_PARTITION, .partition = {TOTAL, avail, avail, 1000000, 90000, false}});
        decide();
        assert_int_equal(raised.reason, REASON_INODES);
        assert_int_equal(raised.n_causes, 0);
        begin_survey(now + SEC(5));
        learn(&one, 1);
        decide();
        assert_int_equal(n_told, 0);
}

static void a_container_is_named_by_its_id_alone_and_as_it_was_called_then(void **state) {
        Cause causes[] = {volume("pgdata"), volume("mail"), volume("cache")};

        (void) state;
        for (size_t i = 0; i < ELEMENTS(causes); i++)
                causes[i].grown_bytes /= ELEMENTS(causes);
        snprintf(causes[1].container, sizeof(causes[1].container), "%064x", 0xdead);
        snprintf(causes[2].container, sizeof(causes[2].container), "web");
        see_log(4, causes[1].container); /* somebody has called his container like the id of another */
        fill_down_to(LEVEL_WARNING);
        survey(causes, ELEMENTS(causes));
        assert_int_equal(told.n_causes, 3);
        assert_string_equal(told.causes[0].container_name, "db (compose shop/db)");
        assert_string_equal(told.causes[1].container_name, "");
        assert_string_equal(told.causes[1].cause.container, causes[1].container);
        assert_string_equal(told.causes[2].container_name, "");
        observe((Observation){.type = OBSERVATION_LOG_GONE, .log_gone = 3}); /* it is gone when somebody asks */
        assert_string_equal(last_survey().causes[0].container_name, "db (compose shop/db)");
}

static void what_is_no_cause_is_refused(void **state) {
        static const int kinds[] = {_CAUSE_KIND_MAX, _CAUSE_KIND_MAX + 1, -1, INT32_MAX, INT32_MIN};

        (void) state;
        begin_survey(now + SEC(5));
        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                Observation o = {.type = OBSERVATION_CAUSE, .time_usec = now, .cause = volume("pgdata")};
                int kind = kinds[i];

                memcpy(&o.cause.kind, &kind, sizeof(kind));
                assert_int_equal(engine_observe(e, &o), -EINVAL);
        }
        end_survey(false, 0);
        assert_int_equal(last_survey().n, 0);
        assert_true(last_survey().ended_usec == now);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        const struct CMUnitTest tests[] = {
                TEST(one_is_wanted_when_it_fills_and_no_log_grows),
                TEST(none_is_wanted_while_it_is_calm),
                TEST(none_is_wanted_any_more_once_it_is_over),
                TEST(none_is_wanted_while_logs_explain_it),
                TEST(none_is_wanted_where_the_configuration_has_none),
                TEST(none_is_wanted_where_nobody_makes_them),
                TEST(none_is_wanted_while_one_is_under_way),
                TEST(none_is_wanted_while_nobody_sees_how_full_it_is),
                TEST(it_is_not_asked_more_often_than_the_answer_can_change),
                TEST(the_next_is_wanted_after_a_minute_or_sooner_where_an_alert_has_no_cause),
                TEST(an_alert_that_is_raised_after_a_survey_carries_its_causes),
                TEST(an_alert_that_was_raised_before_is_told_of_the_cause_once),
                TEST(each_step_of_an_alert_carries_them_and_so_does_that_nothing_is_left),
                TEST(the_largest_three_are_told),
                TEST(what_has_a_small_part_in_it_does_not_break_the_silence),
                TEST(a_survey_that_failed_tells_nothing),
                TEST(what_is_too_old_is_not_told),
                TEST(what_is_over_is_forgotten),
                TEST(a_log_that_explains_it_is_told_alone),
                TEST(what_was_seen_at_another_pace_is_not_told),
                TEST(an_alert_about_inodes_is_not_told_what_takes_bytes),
                TEST(a_container_is_named_by_its_id_alone_and_as_it_was_called_then),
                TEST(what_is_no_cause_is_refused),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
