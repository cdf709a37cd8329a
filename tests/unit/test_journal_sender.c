/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sender against a socket that plays every part a journald can play: reads, hangs, is not there, is made anew, dies
 * with what it has not read, dies with what it has read. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clock.h"
#include "journal_sender.h"

static char folder[] = "/tmp/diskbrake-journal-XXXXXX";
static sd_event *event_loop;
static State *kept;
static int kept_fd, native_fd = -1, stream_fd = -1, bell_fd = -1;
static JournalSender *sender;
static uint64_t next_id;

static int bind_one(const char *name, int type) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        (void) snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
        (void) unlink(address.sun_path);
        assert_int_equal(bind(fd, (struct sockaddr *) &address, sizeof(address)), 0);
        if (type == SOCK_STREAM)
                assert_int_equal(listen(fd, 8), 0);
        return fd;
}

static void journald_starts(void) {
        native_fd = bind_one("socket", SOCK_DGRAM);
        stream_fd = bind_one("stdout", SOCK_STREAM);
}

static void journald_and_its_sockets_go(void) {
        native_fd = close_safe(native_fd);
        stream_fd = close_safe(stream_fd);
        bell_fd = close_safe(bell_fd);
}

/* Lets the sender do what it has to do for that long. */
static void run_for(uint64_t usec) {
        uint64_t end = clock_monotonic_usec() + usec, now;

        while ((now = clock_monotonic_usec()) < end)
                assert_true(sd_event_run(event_loop, end - now) >= 0);
}

/* One entry's DISKBRAKE_EVENT_ID; 0: nothing to read. Empty datagrams are skipped, as journald does. */
static uint64_t read_one(void) {
        char text[8192];
        ssize_t n;

        while ((n = recv(native_fd, text, sizeof(text) - 1, 0)) >= 0) {
                const char *field;

                text[n] = 0;
                field = strstr(text, "DISKBRAKE_EVENT_ID=");
                if (field) {
                        assert_non_null(strstr(text, "DISKBRAKE_TIME_USEC=4711\n"));
                        return strtoull(field + 19, NULL, 10);
                }
        }
        return 0;
}

static void accept_bell(void) {
        if (bell_fd < 0)
                bell_fd = accept4(stream_fd, NULL, NULL, SOCK_CLOEXEC);
}

/* Reads entries until none comes any more; those expected, in order. */
static void expect_entries(uint64_t from, uint64_t to) {
        for (uint64_t id = from, deadline = clock_monotonic_usec() + 6 * USEC_PER_SEC; id <= to;) {
                uint64_t got = read_one();

                accept_bell();
                if (got == 0) {
                        assert_true(clock_monotonic_usec() < deadline);
                        run_for(10 * USEC_PER_MSEC);
                        continue;
                }
                assert_int_equal(got, id);
                id++;
        }
        assert_int_equal(read_one(), 0);
}

static void tell(EventType type) {
        Event e = {.type = type, .id = ++next_id};

        journal_sender_send(sender, &e, 4711);
}

static int set_up(void **state) {
        (void) state;
        next_id = 0;
        if (sd_event_new(&event_loop) < 0 || state_make(&records_layout, &kept_fd) < 0 ||
            state_open(kept_fd, &records_layout, &kept) < 0)
                return -1;
        return journal_sender_new(event_loop, &(JournalSenderConfig){folder, NULL, kept}, &sender);
}

static int tear_down(void **state) {
        (void) state;
        sender = journal_sender_free(sender);
        kept = state_free(kept);
        (void) close(kept_fd);
        journald_and_its_sockets_go();
        event_loop = sd_event_unref(event_loop);
        return 0;
}

static void a_healthy_one_gets_each_entry_once(void **state) {
        (void) state;
        journald_starts();
        for (int i = 0; i < 20; i++)
                tell(EVENT_ACT_DONE);
        expect_entries(1, 20);
        run_for(100 * USEC_PER_MSEC);
        assert_int_equal(journal_sender_n_queued(sender), 0);
        run_for(3 * USEC_PER_SEC);
        assert_int_equal(read_one(), 0);
}

static void one_that_is_not_there_gets_them_in_order_when_it_comes(void **state) {
        (void) state;
        for (int i = 0; i < 20; i++)
                tell(EVENT_ACT_DONE);
        run_for(300 * USEC_PER_MSEC);
        assert_int_equal(journal_sender_n_queued(sender), 20);
        assert_true(journal_sender_since_usec(sender) > 0);
        journald_starts();
        expect_entries(1, 20);
}

/* 513 fit into the queue of a stopped journald; nothing blocks, and what it has not read is not given up. */
static void one_that_hangs_blocks_nothing(void **state) {
        uint64_t begin, n_sent = 0, n_critical = 0, id;

        (void) state;
        journald_starts();
        begin = clock_monotonic_usec();
        for (int i = 0; i < 1000; i++)
                tell(i % 10 == 0 ? EVENT_BLIND : EVENT_ACT_DONE);
        assert_true(clock_monotonic_usec() - begin < 2 * USEC_PER_SEC);
        assert_true(journal_sender_n_queued(sender) > 0);
        assert_int_equal(journal_sender_take_dropped(sender), 0); /* said only when it is over */
        /* It goes on: in order, with gaps where there was no room, and the important ones are all there. */
        for (uint64_t last = 0, deadline = begin + 20 * USEC_PER_SEC;;) {
                id = read_one();
                if (id == 0 && n_critical == 100 && journal_sender_n_queued(sender) == 0)
                        break;
                if (id == 0) {
                        assert_true(clock_monotonic_usec() < deadline);
                        run_for(10 * USEC_PER_MSEC);
                        continue;
                }
                assert_true(id > last);
                last = id;
                n_sent++;
                n_critical += id % 10 == 1;
        }
        assert_int_equal(n_sent + journal_sender_take_dropped(sender), 1000);
}

static void what_a_socket_took_with_it_is_sent_again(void **state) {
        (void) state;
        journald_starts();
        tell(EVENT_BLIND);
        tell(EVENT_SIGHT);
        run_for(50 * USEC_PER_MSEC);
        journald_and_its_sockets_go(); /* unread */
        run_for(100 * USEC_PER_MSEC);
        tell(EVENT_ACT_DONE);
        journald_starts();
        expect_entries(1, 3);
}

static void what_was_read_just_before_it_died_is_sent_again(void **state) {
        (void) state;
        journald_starts();
        for (uint64_t life = 0; life < 3; life++) { /* it dies more than once */
                tell(EVENT_BLIND);
                tell(EVENT_SIGHT);
                run_for(20 * USEC_PER_MSEC);
                accept_bell();
                assert_true(bell_fd >= 0);
                assert_int_equal(read_one(), 2 * life + 1);
                assert_int_equal(read_one(), 2 * life + 2);
                run_for(100 * USEC_PER_MSEC); /* known to be read */
                assert_int_equal(journal_sender_n_queued(sender), 0);
                /* Killed: systemd keeps the sockets, but not the stream that journald held. */
                bell_fd = close_safe(bell_fd);
                expect_entries(2 * life + 1, 2 * life + 2);
                run_for(3 * USEC_PER_SEC);
        }
        /* Long after it was read, it was certainly written down. */
        run_for(3 * USEC_PER_SEC);
        bell_fd = close_safe(bell_fd);
        run_for(200 * USEC_PER_MSEC);
        assert_int_equal(read_one(), 0);
}

/* What was handed over at an orderly end is not said again by the next one. */
static void an_orderly_end_leaves_nothing_behind_that_was_sent(void **state) {
        (void) state;
        journald_starts();
        tell(EVENT_STOPPING);
        journal_sender_end(sender);
        sender = journal_sender_free(sender);
        assert_int_equal(journal_sender_new(event_loop, &(JournalSenderConfig){folder, NULL, kept}, &sender), 0);
        run_for(50 * USEC_PER_MSEC);
        assert_int_equal(read_one(), 1);
        assert_int_equal(read_one(), 0);
}

static void the_next_supervisor_goes_on_with_what_was_not_read(void **state) {
        (void) state;
        for (int i = 0; i < 60; i++)
                tell(i < 20 ? EVENT_BLIND : EVENT_ACT_DONE);
        sender = journal_sender_free(sender); /* as good as killed */
        journald_starts();
        assert_int_equal(journal_sender_new(event_loop, &(JournalSenderConfig){folder, NULL, kept}, &sender), 0);
        for (uint64_t n = 0, last = 0, deadline = clock_monotonic_usec() + 10 * USEC_PER_SEC;;) {
                uint64_t id = read_one();

                if (id == 0 && journal_sender_n_queued(sender) == 0)
                        break;
                if (id == 0) {
                        assert_true(clock_monotonic_usec() < deadline);
                        run_for(10 * USEC_PER_MSEC);
                        continue;
                }
                n++;
                assert_true(id > last);
                assert_true(n > 20 || id == n); /* the important ones are all there */
                last = id;
        }
        sender = journal_sender_free(sender);
        assert_int_equal(journal_sender_new(event_loop, &(JournalSenderConfig){folder, NULL, kept}, &sender), 0);
        run_for(50 * USEC_PER_MSEC);
        assert_int_equal(read_one(), 0); /* and it is delivered once */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(a_healthy_one_gets_each_entry_once, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_is_not_there_gets_them_in_order_when_it_comes, set_up, tear_down),
                cmocka_unit_test_setup_teardown(one_that_hangs_blocks_nothing, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_a_socket_took_with_it_is_sent_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_was_read_just_before_it_died_is_sent_again, set_up, tear_down),
                cmocka_unit_test_setup_teardown(an_orderly_end_leaves_nothing_behind_that_was_sent, set_up, tear_down),
                cmocka_unit_test_setup_teardown(the_next_supervisor_goes_on_with_what_was_not_read, set_up, tear_down),
        };
        char command[64];
        int r;

        if (!mkdtemp(folder))
                return 77;
        r = cmocka_run_group_tests(tests, NULL, NULL);
        (void) snprintf(command, sizeof(command), "rm -r %s", folder);
        return system(command) == 0 ? r : 1;
}
