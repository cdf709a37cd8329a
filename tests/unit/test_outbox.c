/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Entries on their way: order, what is given up when there is no room, what is sent again, what goes to the console. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "console_line.h"
#include "event_text.h"
#include "outbox.h"

static Outbox o;
static uint64_t now;

static Event event(EventType type, Level level) { return (Event){.type = type, .level = level, .id = now}; }
static Event info(void) { return event(EVENT_STARTED, LEVEL_OK); }
static Event crit(void) { return event(EVENT_LEVEL_RAISED, LEVEL_CRITICAL); }
static Event emerg(void) { return event(EVENT_LEVEL_RAISED, LEVEL_EMERGENCY); }

static void add(Event e) {
        now++;
        e.id = now;
        outbox_add(&o, &e, 1000 + now, now);
}

static int set_up(void **state) {
        (void) state;
        o = (Outbox){};
        now = 0;
        return 0;
}

/* Sends what waits, as long as a socket would take it. */
static size_t send_all(size_t n_max) {
        OutboxEntry *entry;
        size_t n = 0;

        while (n < n_max && (entry = outbox_next(&o))) {
                entry->sent_usec = now;
                n++;
        }
        return n;
}

static void they_go_out_in_order(void **state) {
        (void) state;
        for (int i = 0; i < 5; i++)
                add(i % 2 ? crit() : info());
        for (uint64_t id = 1; id <= 5; id++) {
                assert_int_equal(outbox_next(&o)->event.id, id);
                outbox_next(&o)->sent_usec = now;
        }
        assert_null(outbox_next(&o));
        assert_int_equal(outbox_n_waiting(&o), 5); /* nobody has read them yet */
        outbox_set_taken(&o, now);
        assert_int_equal(outbox_n_waiting(&o), 0);
        assert_true(outbox_settle(&o, now - 1));
        assert_false(outbox_settle(&o, now));
        assert_int_equal(o.n, 0);
}

static void what_its_reader_may_have_lost_is_sent_again(void **state) {
        (void) state;
        add(info());
        add(crit());
        send_all(2);
        outbox_set_taken(&o, now);
        add(info());
        send_all(1);
        outbox_rewind(&o);
        for (uint64_t id = 1; id <= 3; id++) {
                assert_int_equal(outbox_next(&o)->event.id, id);
                outbox_next(&o)->sent_usec = now;
        }
}

static void the_most_important_survive_and_the_rest_is_counted(void **state) {
        (void) state;
        for (uint32_t i = 0; i < OUTBOX_MAX; i++)
                add(i % 4 == 0 ? crit() : info());
        for (uint32_t i = 0; i < OUTBOX_MAX; i++)
                add(crit());
        assert_int_equal(o.n, OUTBOX_MAX);
        assert_int_equal(o.n_dropped, OUTBOX_MAX);
        for (uint32_t i = 0; i < o.n; i++) {
                assert_int_equal(event_priority(&o.entries[i].event), 2);
                assert_true(i == 0 || o.entries[i].event.id > o.entries[i - 1].event.id);
        }
        /* Less important than all that is there: it is the one to go. */
        uint64_t first = o.entries[0].event.id;
        add(info());
        assert_int_equal(o.entries[0].event.id, first);
        assert_int_equal(o.n_dropped, OUTBOX_MAX + 1);
        /* As important: the oldest goes. */
        add(crit());
        assert_true(o.entries[0].event.id > first);
}

static void what_was_sent_makes_room_first_and_is_not_lost(void **state) {
        (void) state;
        for (uint32_t i = 0; i < OUTBOX_MAX; i++)
                add(i == 0 ? crit() : info());
        send_all(10);
        add(info());
        assert_int_equal(o.n_dropped, 0);
        assert_int_equal(o.entries[0].event.id, 1); /* the critical one is kept even so */
        assert_int_equal(o.entries[1].event.id, 3);
}

/* What lies unread in a socket is given up like all else, by what it says; whether it is lost is known later. */
static void what_was_sent_and_not_read_is_counted_when_it_is_lost(void **state) {
        (void) state;
        for (uint32_t i = 0; i < OUTBOX_MAX; i++)
                add(i < 4 ? crit() : info());
        send_all(OUTBOX_MAX);
        for (int i = 0; i < 8; i++)
                add(info());
        for (uint64_t id = 1; id <= 4; id++)
                assert_int_equal(o.entries[id - 1].event.id, id);
        assert_int_equal(o.n_dropped, 0);
        outbox_set_taken(&o, now); /* it was read after all */
        outbox_rewind(&o);
        assert_int_equal(o.n_dropped, 0);
        send_all(OUTBOX_MAX);
        for (int i = 0; i < 8; i++)
                add(info());
        outbox_rewind(&o); /* the socket is gone, and what was in it */
        assert_int_equal(o.n_dropped, 8);
}

static void only_what_is_critical_and_unread_for_a_while_is_cried_out(void **state) {
        OutboxEntry *found[4];

        (void) state;
        assert_int_equal(outbox_first_unheard_usec(&o), USEC_INFINITY);
        add(info());
        add(crit());  /* 2 */
        add(emerg()); /* 3 */
        add(crit());  /* 4 */
        assert_int_equal(outbox_first_unheard_usec(&o), 2);
        assert_int_equal(outbox_find_unheard(&o, 1, found, 4), 0);
        assert_int_equal(outbox_find_unheard(&o, 3, found, 4), 2);
        assert_int_equal(found[0]->event.id, 3); /* the worst first */
        assert_int_equal(found[1]->event.id, 2);
        assert_int_equal(outbox_find_unheard(&o, 9, found, 1), 1);
        found[0]->on_console = true;
        /* In the socket of a journald that hangs: sent, and still not heard by anybody. */
        send_all(4);
        assert_int_equal(outbox_find_unheard(&o, 9, found, 4), 2);
        outbox_set_taken(&o, now);
        assert_int_equal(outbox_find_unheard(&o, 9, found, 4), 0);
        assert_int_equal(outbox_first_unheard_usec(&o), USEC_INFINITY);
}

static void a_line_of_the_console_fits_and_says_when(void **state) {
        char line[CONSOLE_LINE_MAX + 1];
        Event e = {.type = EVENT_BLIND, .mount = "/var/lib/docker"};
        size_t n;

        (void) state;
        n = console_line_format(&e, UINT64_C(1763720000) * USEC_PER_SEC, line);
        assert_int_equal(n, strlen(line));
        assert_string_equal(line, "<2>diskbrake: cannot see how full /var/lib/docker is: the watcher does not answer; no "
                                  "forecast and no new act there until it answers (10:13:20Z)\n");
        /* With every text at its longest it is cut within the message, at a character, and still says when. */
        for (size_t i = 0; i + 3 < sizeof(e.mount); i += 2)
                memcpy(e.mount + i, "\xc3\xa4", 3);
        for (size_t i = 0; i + 3 < sizeof(e.detail); i += 2)
                memcpy(e.detail + i, "\xc3\xa4", 3);
        for (size_t i = 0; i + 3 < sizeof(e.container_name); i += 2)
                memcpy(e.container_name + i, "\xc3\xa4", 3);
        snprintf(e.container_id, sizeof(e.container_id), "%064d", 1);
        for (EventType t = EVENT_LEVEL_RAISED; t < _EVENT_MAX; t++)
                for (Method m = METHOD_NONE; m < _METHOD_MAX; m++) {
                        e.type = t;
                        e.method = m;
                        n = console_line_format(&e, 0, line);
                        assert_true(n <= CONSOLE_LINE_MAX && n == strlen(line));
                        assert_string_equal(line + n - 13, " (00:00:00Z)\n");
                        assert_int_equal(strchr(line, '\n') - line, (ptrdiff_t) n - 1);
                }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(they_go_out_in_order, set_up),
                cmocka_unit_test_setup(what_its_reader_may_have_lost_is_sent_again, set_up),
                cmocka_unit_test_setup(the_most_important_survive_and_the_rest_is_counted, set_up),
                cmocka_unit_test_setup(what_was_sent_makes_room_first_and_is_not_lost, set_up),
                cmocka_unit_test_setup(what_was_sent_and_not_read_is_counted_when_it_is_lost, set_up),
                cmocka_unit_test_setup(only_what_is_critical_and_unread_for_a_while_is_cried_out, set_up),
                cmocka_unit_test_setup(a_line_of_the_console_fits_and_says_when, set_up),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
