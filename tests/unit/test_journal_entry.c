/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An event as an entry of the journal. The bytes are read back by a reader of the protocol that knows
 * nothing of the writer. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "event_text.h"
#include "journal_entry.h"
#include "macros.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WALL_USEC UINT64_C(1763720000000000)

typedef struct Field {
        char name[64];
        char value[2048];
        size_t n_value;
} Field;

/* Both forms of a field, as systemd.io/JOURNAL_NATIVE_PROTOCOL has them. */
static size_t datagram_read(const char *data, size_t n, Field *fields, size_t n_max) {
        size_t n_fields = 0;

        for (size_t i = 0; i < n; n_fields++) {
                const char *newline = memchr(data + i, '\n', n - i), *equals;
                Field *f = &fields[n_fields];

                assert_true(n_fields < n_max);
                assert_non_null(newline);
                equals = memchr(data + i, '=', (size_t) (newline - data) - i);
                *f = (Field){};
                if (equals) {
                        memcpy(f->name, data + i, (size_t) (equals - data) - i);
                        f->n_value = (size_t) (newline - equals) - 1;
                        memcpy(f->value, equals + 1, f->n_value);
                        i = (size_t) (newline - data) + 1;
                } else {
                        memcpy(f->name, data + i, (size_t) (newline - data) - i);
                        for (size_t j = 8; j-- > 0;)
                                f->n_value = f->n_value << 8 | (unsigned char) newline[1 + j];
                        memcpy(f->value, newline + 9, f->n_value);
                        assert_int_equal(newline[9 + f->n_value], '\n');
                        i = (size_t) (newline - data) + 10 + f->n_value;
                }
        }
        return n_fields;
}

static const char *field_get(const Field *fields, size_t n, const char *name) {
        const char *found = NULL;

        for (size_t i = 0; i < n; i++)
                if (streq(fields[i].name, name)) {
                        assert_null(found); /* none comes twice */
                        found = fields[i].value;
                }
        return found;
}

static Field fields[64];

static size_t encode(const Event *e) {
        char buf[JOURNAL_ENTRY_MAX];
        int n = journal_entry_encode(e, WALL_USEC, buf, sizeof(buf));

        assert_true(n > 0);
        return datagram_read(buf, (size_t) n, fields, ELEMENTS(fields));
}

static Event example(void) {
        return (Event){
                .type = EVENT_ACT_FAILED,
                .id = 17,
                .alert_id = 3,
                .level = LEVEL_CRITICAL,
                .from = LEVEL_WARNING,
                .reason = REASON_FORECAST,
                .observing = true,
                .mount = "/var/lib/docker",
                .space = { GIB(100), GIB(9), GIB(8), 1000, 40, false },
                .fill_bps = -5,
                .fill_inodes_ps = 6,
                .full = { true, 240 * USEC_PER_SEC, 360 * USEC_PER_SEC },
                .container_id = ID,
                .container_name = "web (compose shop/web)",
                .image = "nginx:1.25",
                .share_permyriad = 9100,
                .growth_bps = 7,
                .line_bytes = 7270,
                .method = METHOD_COLLAPSE,
                .freed_bytes = 1,
                .wanted_bytes = 2,
                .cut_bytes = 3,
                .error = -ENOSPC,
                .detail = "fallocate",
                .asker = { 1000, 4711, "diskbrake" },
                .reader = { .pid = 99, .fd = 3, .command = "fluent-bit", .offset_bytes = 5 },
                .lost_bytes = 12,
                .held_bytes = 13,
        };
}

static void every_field_is_there_with_its_value(void **state) {
        static const char *const expected[][2] = {
                { "MESSAGE_ID", "2d5a826c95304c7ca2a71ac3d9d6cc8a" },
                { "PRIORITY", "3" },
                { "SYSLOG_IDENTIFIER", "diskbrake" },
                { "DISKBRAKE_EVENT_ID", "17" },
                { "DISKBRAKE_EVENT", "act-failed" },
                { "DISKBRAKE_TIME_USEC", "1763720000000000" },
                { "DISKBRAKE_MODE", "observe" },
                { "DISKBRAKE_ALERT_ID", "3" },
                { "DISKBRAKE_REASON", "forecast" },
                { "DISKBRAKE_MOUNT", "/var/lib/docker" },
                { "DISKBRAKE_LEVEL", "critical" },
                { "DISKBRAKE_TOTAL_BYTES", "107374182400" },
                { "DISKBRAKE_FREE_BYTES", "9663676416" },
                { "DISKBRAKE_AVAIL_BYTES", "8589934592" },
                { "DISKBRAKE_TOTAL_INODES", "1000" },
                { "DISKBRAKE_AVAIL_INODES", "40" },
                { "DISKBRAKE_FILL_BPS", "-5" },
                { "DISKBRAKE_FILL_INODES_PS", "6" },
                { "DISKBRAKE_TIME_TO_FULL_LOW_SEC", "240" },
                { "DISKBRAKE_TIME_TO_FULL_HIGH_SEC", "360" },
                { "CONTAINER_ID", "0123456789ab" },
                { "CONTAINER_ID_FULL", ID },
                { "CONTAINER_NAME", "web" },
                { "DISKBRAKE_CONTAINER", "web (compose shop/web)" },
                { "IMAGE_NAME", "nginx:1.25" },
                { "DISKBRAKE_SHARE_PERMYRIAD", "9100" },
                { "DISKBRAKE_GROWTH_BPS", "7" },
                { "DISKBRAKE_LINE_BYTES", "7270" },
                { "DISKBRAKE_PROTECTED", "no" },
                { "DISKBRAKE_METHOD", "collapse" },
                { "DISKBRAKE_WANTED_BYTES", "2" },
                { "DISKBRAKE_READER_EFFECT", "a running `docker logs -f` may repeat or skip" },
                { "DISKBRAKE_FREED_BYTES", "1" },
                { "DISKBRAKE_CUT_BYTES", "3" },
                { "DISKBRAKE_HELD_BYTES", "13" },
                { "DISKBRAKE_READER_PID", "99" },
                { "DISKBRAKE_READER_COMMAND", "fluent-bit" },
                { "DISKBRAKE_READER_LOST_BYTES", "12" },
                { "DISKBRAKE_ERRNO", "ENOSPC" },
                { "ERRNO", "28" },
                { "DISKBRAKE_DETAIL", "fallocate" },
                { "DISKBRAKE_ASKER_UID", "1000" },
                { "DISKBRAKE_ASKER_PID", "4711" },
                { "DISKBRAKE_ASKER_COMMAND", "diskbrake" },
        };
        char message[EVENT_MESSAGE_MAX];
        Event e = example();
        size_t n = encode(&e);

        (void) state;
        assert_int_equal(n, ELEMENTS(expected) + 1);
        assert_string_equal(fields[0].name, "MESSAGE");
        assert_string_equal(fields[0].value, event_message(&e, message, sizeof(message)));
        for (size_t i = 0; i < ELEMENTS(expected); i++) {
                const char *value = field_get(fields, n, expected[i][0]);

                assert_non_null(value);
                assert_string_equal(value, expected[i][1]);
        }
}

static void what_does_not_apply_is_absent(void **state) {
        Event e = { .type = EVENT_STARTED };
        size_t n = encode(&e);

        (void) state;
        assert_int_equal(n, 8); /* the head alone */
        assert_string_equal(field_get(fields, n, "DISKBRAKE_MODE"), "enforce");

        e = example();
        e.full.high_usec = USEC_INFINITY;
        n = encode(&e);
        assert_non_null(field_get(fields, n, "DISKBRAKE_TIME_TO_FULL_LOW_SEC"));
        assert_null(field_get(fields, n, "DISKBRAKE_TIME_TO_FULL_HIGH_SEC"));
        e.full.low_usec = USEC_INFINITY;
        n = encode(&e);
        assert_null(field_get(fields, n, "DISKBRAKE_TIME_TO_FULL_LOW_SEC"));
        e.full = (TimeToFull){};
        e.space.total_inodes = 0;
        e.asker.pid = 0;
        n = encode(&e);
        assert_null(field_get(fields, n, "DISKBRAKE_TIME_TO_FULL_LOW_SEC"));
        assert_null(field_get(fields, n, "DISKBRAKE_AVAIL_INODES"));
        assert_null(field_get(fields, n, "DISKBRAKE_ASKER_UID"));
        assert_null(field_get(fields, n, "DISKBRAKE_LEVEL_FROM"));
        e.type = EVENT_LEVEL_RAISED;
        n = encode(&e);
        assert_string_equal(field_get(fields, n, "DISKBRAKE_LEVEL_FROM"), "warning");
        assert_string_equal(field_get(fields, n, "PRIORITY"), "2");
        e = (Event){ .type = EVENT_DROPPED, .wanted_bytes = 5 };
        n = encode(&e);
        assert_string_equal(field_get(fields, n, "DISKBRAKE_DROPPED"), "5");
        assert_null(field_get(fields, n, "DISKBRAKE_WANTED_BYTES"));
}

static EventCause example_cause(void) {
        return (EventCause){
                .cause = { .kind = CAUSE_VOLUME, .grown_bytes = 1, .container = ID, .name = "pgdata", .path = "base/1/2",
                           .command = "postgres", .pid = 4711 },
                .container_name = "db (compose shop/db)",
                .share_permyriad = 7100,
                .growth_bps = (int64_t) MIB(12),
        };
}

static void what_makes_it_grow_has_fields_of_its_own(void **state) {
        static const char *const expected[][2] = {
                { "DISKBRAKE_CAUSES", "71 % of the growth is the volume `pgdata` of `db` (base/1/2, by postgres (pid 4711), 12 MiB/s); "
                                      "9 % the systemd journal (1 MiB/s)" },
                { "DISKBRAKE_CAUSE", "volume" },
                { "DISKBRAKE_CAUSE_SHARE_PERMYRIAD", "7100" },
                { "DISKBRAKE_CAUSE_GROWTH_BPS", "12582912" },
                { "DISKBRAKE_CAUSE_NAME", "pgdata" },
                { "DISKBRAKE_CAUSE_PATH", "base/1/2" },
                { "DISKBRAKE_CAUSE_CONTAINER_ID", ID },
                { "DISKBRAKE_CAUSE_CONTAINER", "db (compose shop/db)" },
                { "DISKBRAKE_CAUSE_COMMAND", "postgres" },
                { "DISKBRAKE_CAUSE_PID", "4711" },
        };
        static const EventType types[] = { EVENT_LEVEL_RAISED, EVENT_CAUSE_FOUND, EVENT_NOTHING_LEFT };

        (void) state;
        for (size_t t = 0; t < ELEMENTS(types); t++) {
                Event e = { .type = types[t], .level = LEVEL_WARNING, .mount = "/srv", .reason = REASON_SPACE, .n_causes = 2 };
                size_t n;

                e.causes[0] = example_cause();
                e.causes[1] = (EventCause){ .cause = { .kind = CAUSE_JOURNAL }, .share_permyriad = 900, .growth_bps = (int64_t) MIB(1) };
                n = encode(&e);
                for (size_t i = 0; i < ELEMENTS(expected); i++) {
                        const char *value = field_get(fields, n, expected[i][0]);

                        assert_non_null(value);
                        assert_string_equal(value, expected[i][1]);
                }
                /* A filter by a log's container does not find it: it is not about that. */
                assert_null(field_get(fields, n, "CONTAINER_ID"));
                assert_null(field_get(fields, n, "DISKBRAKE_CONTAINER"));
        }
        assert_string_equal(field_get(fields, encode(&(Event){ .type = EVENT_CAUSE_FOUND }), "DISKBRAKE_EVENT"), "cause-found");
}

static void of_a_cause_what_is_not_known_is_absent(void **state) {
        Event e = { .type = EVENT_CAUSE_FOUND, .mount = "/srv", .n_causes = 1,
                    .causes = { { .cause = { .kind = CAUSE_IMAGES }, .share_permyriad = 5000 } } };
        size_t n, n_bare;

        (void) state;
        n = encode(&e);
        assert_string_equal(field_get(fields, n, "DISKBRAKE_CAUSE"), "images");
        assert_string_equal(field_get(fields, n, "DISKBRAKE_CAUSE_GROWTH_BPS"), "0");
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_NAME"));
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_PATH"));
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_CONTAINER_ID"));
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_CONTAINER"));
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_COMMAND"));
        assert_null(field_get(fields, n, "DISKBRAKE_CAUSE_PID"));
        e.n_causes = 0;
        n_bare = encode(&e);
        assert_int_equal(n, n_bare + 4); /* nothing at all */
        assert_null(field_get(fields, n_bare, "DISKBRAKE_CAUSES"));
}

static void no_text_can_forge_a_field(void **state) {
        Event e = example();
        size_t n;

        (void) state;
        strcpy(e.container_name, "x\nPRIORITY=7\nMESSAGE=all is well");
        strcpy(e.detail, "\n");
        e.causes[0] = example_cause();
        strcpy(e.causes[0].cause.path, "x\nPRIORITY=7");
        e.n_causes = 1;
        n = encode(&e);
        assert_string_equal(field_get(fields, n, "DISKBRAKE_CAUSE_PATH"), "x\nPRIORITY=7");
        assert_string_equal(field_get(fields, n, "PRIORITY"), "3");
        assert_string_equal(field_get(fields, n, "DISKBRAKE_CONTAINER"),
                        "x\nPRIORITY=7\nMESSAGE=all is well");
        assert_string_equal(field_get(fields, n, "DISKBRAKE_DETAIL"), "\n");
}

static void a_buffer_that_is_too_small_is_refused_and_not_overrun(void **state) {
        char whole[JOURNAL_ENTRY_MAX];
        Event e = example();
        int n;

        (void) state;
        strcpy(e.detail, "two\nlines");
        e.causes[0] = example_cause();
        e.n_causes = 1;
        n = journal_entry_encode(&e, WALL_USEC, whole, sizeof(whole));
        assert_true(n > 0);
        for (int room = 0; room < n; room++) {
                char *exact = malloc((size_t) room + 1);

                assert_non_null(exact);
                exact[room] = 'X';
                assert_int_equal(journal_entry_encode(&e, WALL_USEC, exact, (size_t) room), -ENOBUFS);
                assert_int_equal(exact[room], 'X');
                free(exact);
        }
        assert_int_equal(journal_entry_encode(&e, WALL_USEC, whole, (size_t) n), n);
}

static void the_longest_entry_fits(void **state) {
        char buf[JOURNAL_ENTRY_MAX];

        (void) state;
        for (EventType type = EVENT_LEVEL_RAISED; type < _EVENT_MAX; type++) {
                Event e = example();

                e.type = type;
                e.id = e.alert_id = e.freed_bytes = e.wanted_bytes = e.cut_bytes = e.allocated_bytes =
                                UINT64_MAX;
                e.fill_bps = e.growth_bps = INT64_MIN;
                e.space = (PartitionSample){
                                UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, true};
                e.since_usec = UINT64_MAX;
                e.method = METHOD_PUNCH;
                memset(e.mount, '\n', sizeof(e.mount) - 1);
                memset(e.container_name, '\n', sizeof(e.container_name) - 1);
                memset(e.image, '\n', sizeof(e.image) - 1);
                memset(e.detail, '\n', sizeof(e.detail) - 1);
                memset(e.asker.command, '\n', sizeof(e.asker.command) - 1);
                for (uint32_t i = 0; i < EVENT_CAUSES_MAX; i++) {
                        Cause *cause = &e.causes[i].cause;

                        e.causes[i] = example_cause();
                        e.causes[i].share_permyriad = UINT32_MAX;
                        e.causes[i].growth_bps = INT64_MIN;
                        cause->held_bytes = UINT64_MAX;
                        cause->pid = INT32_MAX;
                        memset(cause->name, '\n', sizeof(cause->name) - 1);
                        memset(cause->path, '\n', sizeof(cause->path) - 1);
                        memset(cause->command, '\n', sizeof(cause->command) - 1);
                        memset(e.causes[i].container_name, '\n', sizeof(e.causes[i].container_name) - 1);
                }
                e.n_causes = EVENT_CAUSES_MAX;
                assert_in_range(journal_entry_encode(&e, UINT64_MAX, buf, sizeof(buf)), 1, sizeof(buf) / 4 * 3);
        }
}

static int stop_at_third(const char *name, const char *value, void *userdata) {
        int *n = userdata;

        (void) name, (void) value;
        return ++*n == 3 ? -ECANCELED : 0;
}

static void a_visit_ends_when_it_is_told_to(void **state) {
        Event e = example();
        int n = 0;

        (void) state;
        assert_int_equal(journal_entry_fields(&e, WALL_USEC, stop_at_third, &n), -ECANCELED);
        assert_int_equal(n, 3);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_field_is_there_with_its_value),
                cmocka_unit_test(what_does_not_apply_is_absent),
                cmocka_unit_test(what_makes_it_grow_has_fields_of_its_own),
                cmocka_unit_test(of_a_cause_what_is_not_known_is_absent),
                cmocka_unit_test(no_text_can_forge_a_field),
                cmocka_unit_test(a_buffer_that_is_too_small_is_refused_and_not_overrun),
                cmocka_unit_test(the_longest_entry_fits),
                cmocka_unit_test(a_visit_ends_when_it_is_told_to),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
