/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steady state allocates nothing: a flood is seen, told, braked and settled without asking for memory,
 * which may not be there. The linker hands every call for memory to the counters here. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "engine.h"

static unsigned n_calls;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n) {
        n_calls++;
        return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size) {
        n_calls++;
        return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n) {
        n_calls++;
        return __real_realloc(p, n);
}

static Engine *e;
static Plan plan;

static void see(Observation o, uint64_t now) {
        o.time_usec = now;
        assert_int_equal(engine_observe(e, &o), 0);
}

static void introduce(uint32_t slot, uint64_t now) {
        Observation o = {.type = OBSERVATION_LOG_INFO};

        o.log_info.slot = slot;
        o.log_info.container.id[0] = (char) ('a' + slot);
        o.log_info.container.driver = LOG_DRIVER_JSON_FILE;
        o.log_info.container.running = true;
        o.log_info.container.label_policy = _POLICY_INVALID;
        o.log_info.container.label_keep_bytes = o.log_info.container.label_max_bytes = CONFIG_KEEP_UNSET;
        see(o, now);
}

static unsigned n_done, n_raised;

/* 1 GiB, 40 % used, 100 MB/s in looks of 20 ms; each act is done by the next look. */
static void flood(uint64_t until_usec) {
        uint64_t avail = GIB(1) / 10 * 6, log_bytes = 0, step = MIB(2), now, wake;

        for (now = USEC_PER_SEC; now < until_usec; now += 20 * USEC_PER_MSEC) {
                avail -= MIN(step, avail);
                log_bytes += step;
                see((Observation){.type = OBSERVATION_LOG_SAMPLE,
                                .log_sample = {.slot = 3, .allocated_bytes = log_bytes}}, now);
                see((Observation){.type = OBSERVATION_PARTITION,
                                    .partition = {GIB(1), avail, avail, 0, 0, false}},
                                now);
                engine_decide(e, now, &plan, &wake);
                for (uint32_t i = 0; i < plan.n_events; i++)
                        n_raised += plan.events[i].type == EVENT_LEVEL_RAISED;
                for (uint32_t i = 0; i < plan.n_acts; i++) {
                        uint64_t freed = plan.acts[i].want_bytes;
                        Outcome o = {.act = plan.acts[i].id,
                                        .slot = 3,
                                        .freed_bytes = freed,
                                        .end_usec = now + 1000};
                        log_bytes -= freed;
                        avail += freed;
                        o.allocated_bytes = log_bytes;
                        engine_settle(e, &o);
                        n_done++;
                }
        }
}

static void the_steady_state_allocates_nothing(void **state) {
        Config *config = calloc(1, sizeof(*config));

        (void) state;
        assert_non_null(config);
        assert_true(n_calls > 0); /* the counters count */
        config_set_defaults(config);
        assert_int_equal(engine_new(config, "/", &e), 0);
        free(config);
        for (uint32_t slot = 0; slot < 20; slot++)
                introduce(slot, 1);

        n_calls = 0;
        flood(120 * USEC_PER_SEC);
        assert_true(n_done > 10 && n_raised >= 3);
        for (uint32_t slot = 0; slot < 20; slot++) {
                see((Observation){.type = OBSERVATION_LOG_GONE, .log_gone = slot}, 121 * USEC_PER_SEC);
                introduce(slot, 121 * USEC_PER_SEC);
        }
        assert_int_equal(n_calls, 0);
        e = engine_free(e);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_steady_state_allocates_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
