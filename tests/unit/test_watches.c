/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who owns a watch, and the table of logs behind it: against a plain model, with random sequences. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "macros.h"
#include "watched.h"
#include "watches.h"

static unsigned seed;

static uint32_t random_below(uint32_t n) { return (uint32_t) rand_r(&seed) % n; }

static int setup(void **state) {
        (void) state;
        seed = getenv("SEED") ? (unsigned) strtoul(getenv("SEED"), NULL, 10) : (unsigned) time(NULL);
        print_message("SEED=%u\n", seed);
        return 0;
}

/* ---- watches
 * ------------------------------------------------------------------------------------------------- */

static void the_owner_is_found_after_any_order_of_adding_and_removing(void **state) {
        enum { FILES = 300, STEPS = 20000 };
        static int fds[FILES], wds[FILES];
        char folder[] = "/tmp/watches-XXXXXX", path[64];
        Watches watches;

        (void) state;
        assert_non_null(mkdtemp(folder));
        assert_int_equal(watches_init(&watches), 0);
        for (int i = 0; i < FILES; i++) {
                (void) snprintf(path, sizeof(path), "%s/%d", folder, i);
                fds[i] = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
                assert_true(fds[i] >= 0);
                (void) unlink(path);
        }
        for (int step = 0; step < STEPS; step++) {
                uint32_t i = random_below(FILES), j = random_below(FILES);
                WatchOwner owner;

                if (wds[i] == 0) {
                        wds[i] = watches_add(&watches, fds[i], IN_MODIFY, WATCH_LOG, i);
                        assert_true(wds[i] > 0);
                } else {
                        int wd = wds[i];
                        watches_remove(&watches, wd);
                        wds[i] = 0;
                        assert_false(watches_find(&watches, wd, &owner));
                }
                assert_int_equal(watches_find(&watches, wds[j], &owner), wds[j] != 0);
                if (wds[j] != 0) {
                        assert_int_equal(owner.kind, WATCH_LOG);
                        assert_int_equal(owner.number, j);
                }
        }
        assert_in_range(watches.capacity, 64, 1024); /* although thousands of descriptors were given out */
        for (int i = 0; i < FILES; i++)
                (void) close(fds[i]);
        watches_done(&watches);
        (void) rmdir(folder);
}

static void count_event(const struct inotify_event *event, const WatchOwner *owner, void *userdata) {
        unsigned *n = userdata;

        assert_non_null(owner);
        assert_int_equal(owner->number, 7);
        *n += event->mask & IN_MODIFY ? 1 : 0;
}

static void events_of_a_watch_that_has_ended_find_nobody(void **state) {
        char path[] = "/tmp/watches-XXXXXX";
        unsigned n = 0;
        Watches watches;
        int fd, wd;

        (void) state;
        fd = mkstemp(path);
        (void) unlink(path);
        assert_int_equal(watches_init(&watches), 0);
        wd = watches_add(&watches, fd, IN_MODIFY, WATCH_LOG, 7);
        assert_int_equal(write(fd, "x", 1), 1);
        assert_int_equal(watches_dispatch(&watches, count_event, &n), 1);
        assert_int_equal(n, 1);
        assert_int_equal(watches_dispatch(&watches, count_event, &n), 0);
        assert_int_equal(write(fd, "x", 1), 1);
        watches_remove(&watches, wd);
        (void) watches_dispatch(&watches, count_event, &n);
        assert_int_equal(n, 1);
        (void) close(fd);
        watches_done(&watches);
}

/* ---- the table of logs
 * --------------------------------------------------------------------------------------- */

static void make_id(uint32_t n, uint8_t id[static 32]) {
        char text[CONTAINER_ID_MAX], back[CONTAINER_ID_MAX];

        for (int i = 0; i < 64; i += 8)
                (void) snprintf(text + i, 9, "%08x", n);
        watched_id_from_text(text, id);
        assert_string_equal(watched_id_to_text(id, back), text);
}

static void the_table_agrees_with_a_plain_model(void **state) {
        enum { IDS = 500, STEPS = 50000 };
        static uint32_t slots[IDS]; /* slot + 1; 0: not in it */
        static bool listed[IDS];
        WatchedTable table = {};
        uint32_t n = 0, n_listed = 0;

        (void) state;
        for (int step = 0; step < STEPS; step++) {
                uint32_t i = random_below(IDS), j = random_below(IDS), slot = 0;
                uint8_t id[32];

                make_id(i, id);
                if (slots[i] == 0) {
                        uint32_t free = 0;
                        assert_int_equal(watched_find(&table, 1, id), WATCHED_NONE);
                        while (watched_get(&table, free))
                                free++;
                        assert_int_equal(watched_add(&table, 1, id, &slot), 0);
                        assert_int_equal(slot, free); /* the lowest one */
                        slots[i] = slot + 1;
                        n++;
                } else if (random_below(2)) {
                        watched_remove(&table, slots[i] - 1);
                        n_listed -= listed[i];
                        slots[i] = 0;
                        listed[i] = false;
                        n--;
                } else if (listed[i]) {
                        watched_list_remove(&table, WATCHED_HOT, slots[i] - 1);
                        listed[i] = false;
                        n_listed--;
                } else {
                        watched_list_add(&table, WATCHED_HOT, slots[i] - 1);
                        watched_list_add(&table, WATCHED_HOT, slots[i] - 1);
                        listed[i] = true;
                        n_listed++;
                }
                make_id(j, id);
                assert_int_equal(watched_find(&table, 1, id), slots[j] - 1);
                assert_int_equal(watched_find(&table, 2, id), WATCHED_NONE); /* of another root */
                assert_int_equal(table.n, n);
                assert_int_equal(table.n_listed[WATCHED_HOT], n_listed);
                if (slots[j] != 0)
                        assert_int_equal(watched_is_listed(watched_get(&table, slots[j] - 1), WATCHED_HOT),
                                         listed[j]);
        }
        n_listed = 0;
        for (uint32_t slot = watched_next(&table, 0); slot != WATCHED_NONE;
             slot = watched_next(&table, slot + 1))
                n_listed++;
        assert_int_equal(n_listed, n);
        watched_done(&table);
}

static void a_record_is_small(void **state) {
        (void) state;
        assert_in_range(sizeof(Watched), 1, 208);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(the_owner_is_found_after_any_order_of_adding_and_removing),
                cmocka_unit_test(events_of_a_watch_that_has_ended_find_nobody),
                cmocka_unit_test(the_table_agrees_with_a_plain_model),
                cmocka_unit_test(a_record_is_small),
        };
        return cmocka_run_group_tests(tests, setup, NULL);
}
