/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sentences, and the names, ids and priorities of the events. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <syslog.h>

#include "event_text.h"
#include "macros.h"
#include "text.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* An hour of every night: a partition of 100 GiB, 91 % used, with one offender. */
static Event example(EventType type) {
        return (Event){
                .type = type,
                .level = LEVEL_CRITICAL,
                .from = LEVEL_WARNING,
                .mount = "/var/lib/docker",
                .space = { .total_bytes = GIB(100), .free_bytes = GIB(9), .avail_bytes = GIB(9),
                           .total_inodes = 1000, .avail_inodes = 40 },
                .fill_bps = (int64_t) MIB(230),
                .full = { true, 4 * USEC_PER_MINUTE, 4 * USEC_PER_MINUTE },
                .container_id = ID,
                .container_name = "web",
                .image = "nginx:1.25",
                .share_permyriad = 9100,
                .growth_bps = (int64_t) MIB(214),
                .line_bytes = 7270,
        };
}

static Event example_act(EventType type, Method method) {
        Event e = example(type);

        e.method = method;
        e.wanted_bytes = MIB(812);
        e.freed_bytes = MIB(812);
        e.allocated_bytes = MIB(16);
        return e;
}

static void assert_message(const Event *e, const char *expected) {
        char buf[EVENT_MESSAGE_MAX];

        assert_ptr_equal(event_message(e, buf, sizeof(buf)), buf);
        assert_string_equal(buf, expected);
}

static void a_raised_level_tells_when_and_why(void **state) {
        Event e = example(EVENT_LEVEL_RAISED);

        (void) state;
        e.reason = REASON_FORECAST;
        assert_message(&e, "/var/lib/docker is full in 4 min: 91 % of the growth is the log of `web` (7.1 "
                           "KiB lines, "
                           "214 MiB/s)");
        e.full.high_usec = 6 * USEC_PER_MINUTE;
        strcpy(e.container_name, "web (compose shop/web)");
        e.line_bytes = 0;
        e.is_protected = true;
        assert_message(&e, "/var/lib/docker is full in 4 to 6 min: 91 % of the growth is the log of `web` "
                           "(compose "
                           "shop/web) (214 MiB/s), which is protected");
        e.observing = true;
        e.share_permyriad = 1200;
        e.is_protected = false;
        assert_message(&e, "/var/lib/docker is full in 4 to 6 min (mode observe, nothing is touched): no log alone explains "
                           "the growth, the largest part (12 %) is the log of `web` (compose shop/web) (214 MiB/s)");
        e.container_id[0] = 0;
        e.level = LEVEL_WARNING;
        assert_message(&e, "/var/lib/docker is full in 4 to 6 min: no container's log explains the growth");
}

static void a_level_of_space_tells_how_much_is_left(void **state) {
        Event e = example(EVENT_LEVEL_RAISED);

        (void) state;
        e.reason = REASON_SPACE;
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left, full in 4 min; 91 % of the growth is "
                           "the log of "
                           "`web` (7.1 KiB lines, 214 MiB/s)");
        e.full.known = false;
        e.share_permyriad = 0;
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left");
        e.full = (TimeToFull){ true, USEC_INFINITY, USEC_INFINITY };
        e.reason = REASON_FORECAST; /* with a forecast that is none: still a sentence */
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left");
        e.space.avail_bytes = GIB(4); /* the rest is reserved for root */
        assert_message(&e, "/var/lib/docker is 96 % full: 4 GiB left");
        e.space = (PartitionSample){};
        assert_message(&e, "/var/lib/docker is 0 % full: 0 B left");
}

static void inodes_are_told_as_files(void **state) {
        Event e = example(EVENT_LEVEL_RAISED);

        (void) state;
        e.reason = REASON_INODES_FORECAST;
        assert_message(&e, "/var/lib/docker has used 96 % of its inodes: 40 files can still be made, none "
                           "in 4 min");
        e.reason = REASON_INODES;
        e.full.known = false;
        assert_message(&e, "/var/lib/docker has used 96 % of its inodes: 40 files can still be made");
}

static void a_range_of_time_is_short(void **state) {
        static const struct {
                uint64_t low_usec, high_usec;
                const char *text;
        } cases[] = {
                { 4 * USEC_PER_MINUTE, 4 * USEC_PER_MINUTE + 1, "is full in 4 min" },
                { 4 * USEC_PER_MINUTE, 6 * USEC_PER_MINUTE, "is full in 4 to 6 min" },
                { 50 * USEC_PER_SEC, 2 * USEC_PER_MINUTE, "is full in 50 s to 2 min" },
                { 72 * USEC_PER_MINUTE, 2 * USEC_PER_HOUR, "is full in 1 h 12 min to 2 h" },
                { 4 * USEC_PER_MINUTE, USEC_INFINITY, "is full in 4 min or more" },
                { 0, 500 * USEC_PER_MSEC, "is full in less than a second" },
                { 0, 3 * USEC_PER_SEC, "is full in 0 to 3 s" },
                { 6 * USEC_PER_MINUTE, 4 * USEC_PER_MINUTE, "is full in 6 min" }, /* the wrong way around */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Event e = { .type = EVENT_LEVEL_RAISED, .mount = "/x", .reason = REASON_FORECAST,
                            .full = { true, cases[i].low_usec, cases[i].high_usec } };
                char expected[64] = "/x ";

                assert_message(&e, strcat(expected, cases[i].text));
        }
}

static void who_lost_what_it_had_not_read_is_named(void **state) {
        Event e = example_act(EVENT_ACT_DONE, METHOD_PUNCH);
        char message[EVENT_MESSAGE_MAX];

        (void) state;
        e.allocated_bytes = 0;
        e.reader = (LogReader){ .pid = 4711, .command = "fluent-bit" };
        e.lost_bytes = MIB(12) + KIB(300);
        assert_message(&e, "freed 812 MiB from the log of `web` by punching a hole; `docker logs -f` and `--tail` go on, "
                           "reading from the start stops at the cut until the container stops; fluent-bit (pid 4711) had "
                           "not read 12 MiB of it");
        assert_int_equal(event_priority(&e), 4);
        e.lost_bytes = 0; /* it lost nothing: it is not spoken of */
        assert_null(strstr(event_message(&e, message, sizeof(message)), "fluent-bit"));
        assert_int_equal(event_priority(&e), 5);
        e.method = METHOD_DELETE;
        e.held_bytes = MIB(40);
        assert_message(&e, "freed 812 MiB from the log of `web` by deleting rotated segments; readers see no change but "
                           "fewer old lines; 40 MiB of segments are not free before those who have them open close them");

        e = (Event){ .type = EVENT_NOTHING_LEFT, .mount = "/d", .container_id = ID, .container_name = "web",
                     .detail = "a log shipper", .reader = { .pid = 4711, .command = "fluent-bit" } };
        assert_message(&e, "/d keeps filling, and nothing more may be freed: fluent-bit (pid 4711) has not read the rest "
                           "of the log of `web`, which is taken from it at emergency only");
}

static void a_cleared_level_tells_where_it_is_now(void **state) {
        Event e = example(EVENT_LEVEL_CLEARED);

        (void) state;
        e.from = LEVEL_CRITICAL;
        e.level = LEVEL_OK;
        assert_message(&e, "/var/lib/docker is back from critical to ok: 9 GiB left, 91 % full");
}

static void an_act_tells_what_readers_will_see(void **state) {
        Event e = example_act(EVENT_ACT_DONE, METHOD_COLLAPSE);

        (void) state;
        assert_message(&e,
                        "freed 812 MiB from the log of `web` by collapse; the newest 16 MiB stay; a running "
                        "`docker logs -f` may repeat or skip");
        e.asker = (Asker){ .uid = 1000, .pid = 4711, .command = "diskbrake" };
        e.method = METHOD_DELETE;
        e.container_name[0] = 0;
        assert_message(&e, "freed 812 MiB from the log of `0123456789ab` by deleting rotated segments; the "
                           "newest 16 MiB "
                           "stay; readers see no change but fewer old lines; asked for by `diskbrake` (uid "
                           "1000, pid "
                           "4711)");

        e = example_act(EVENT_ACT_PLANNED, METHOD_COLLAPSE);
        e.observing = true;
        assert_message(&e, "would free 812 MiB from the log of `web` by collapse; then a running `docker "
                           "logs -f` may "
                           "repeat or skip; mode observe, nothing is touched");

        e = example_act(EVENT_ACT_DONE, METHOD_BALLAST_RELEASE);
        e.container_id[0] = e.container_name[0] = 0;
        assert_message(&e, "freed 812 MiB on /var/lib/docker by giving up the ballast");
        e.method = METHOD_BALLAST_MAKE;
        assert_message(&e, "set aside 812 MiB as ballast on /var/lib/docker, to be given up in an "
                           "emergency");

        e = example_act(EVENT_HEALED, METHOD_HEAL);
        assert_message(&e,
                        "the log of `web` is healed: the hole or filler in it is taken out and all readers work again");
}

static void a_repair_tells_what_is_seen_again(void **state) {
        Event e = example_act(EVENT_REPAIRED, METHOD_BLANK);

        (void) state;
        e.cut_bytes = 2048;
        assert_message(&e, "the log of `web` is repaired: 2 KiB of torn lines are blank now, and readers get to what "
                           "stands behind the torn line");
        e.asker = (Asker){0, 7, "diskbrake"};
        assert_message(&e, "the log of `web` is repaired: 2 KiB of torn lines are blank now, and readers get to what "
                           "stands behind the torn line; asked for by `diskbrake` (uid 0, pid 7)");
        e = example_act(EVENT_REPAIRED, METHOD_MARK);
        assert_message(&e, "the log of `web` is repaired: of the NULs that somebody's truncate left at its head a hole is "
                           "left behind a record; `docker logs -f` and `--tail` work, so do all readers once the container "
                           "has stopped");
        e.wanted_bytes = 0;
        assert_message(&e, "the log of `web` is repaired: of the NULs that somebody's truncate left at its head none is "
                           "left; all readers work again");

        e = example_act(EVENT_DAMAGED, METHOD_BLANK);
        strcpy(e.detail, "it is protected");
        assert_message(&e, "the log of `web` is damaged: a line that a full disk cut off hides what follows it from "
                           "`docker logs`; it stays so: it is protected");
        e.method = METHOD_MARK;
        assert_message(&e, "the log of `web` is damaged: somebody emptied it while it was written to, and `docker logs` "
                           "stops at the NULs at its head; it stays so: it is protected");
        e = example_act(EVENT_ACT_FAILED, METHOD_BLANK);
        e.error = -EIO;
        strcpy(e.detail, "pwritev");
        assert_message(&e, "could not repair the log of `web`: pwritev: Input/output error");
}

static void a_failure_tells_the_call_and_the_error(void **state) {
        Event e = example_act(EVENT_ACT_FAILED, METHOD_PUNCH);

        (void) state;
        e.error = -ENOSPC;
        strcpy(e.detail, "fallocate");
        assert_message(&e, "could not free 812 MiB from the log of `web` by punching a hole: fallocate: No "
                           "space left on "
                           "device");
        e = example_act(EVENT_ACT_FAILED, METHOD_FILL);
        e.error = -EPERM;
        strcpy(e.detail, "append-only file");
        assert_message(&e, "could not free 812 MiB from the log of `web` by putting filler in its place: append-only "
                           "file: Operation not permitted");
        e = example_act(EVENT_ACT_FAILED, METHOD_PUNCH);
        e.error = -9999;
        assert_message(&e, "could not free 812 MiB from the log of `web` by punching a hole: error -9999");
        e.error = INT32_MIN;
        assert_message(&e, "could not free 812 MiB from the log of `web` by punching a hole: error "
                           "-2147483648");

        e = example_act(EVENT_ACT_INEFFECTIVE, METHOD_PUNCH);
        e.freed_bytes = MIB(3);
        assert_message(&e, "freed only 3 MiB of 812 MiB from the log of `web` by punching a hole; the next "
                           "means is "
                           "tried");
}

static void nothing_left_tells_why(void **state) {
        Event e = example(EVENT_NOTHING_LEFT);

        (void) state;
        e.is_protected = true;
        assert_message(&e, "/var/lib/docker keeps filling at 230 MiB/s and is full in 4 min, and nothing "
                           "more may be "
                           "freed: most of the growth is the log of `web`, which is protected");
        e.is_protected = false;
        e.fill_bps = 0;
        e.full.known = false;
        assert_message(&e, "/var/lib/docker keeps filling, and nothing more may be freed: most of the "
                           "growth is the log "
                           "of `web`, already down to what it must keep");
        e.container_id[0] = 0;
        assert_message(&e, "/var/lib/docker keeps filling, and nothing more may be freed: the growth is not "
                           "in container "
                           "logs, look for what else writes there");
        strcpy(e.detail, "acts are paused");
        assert_message(&e, "/var/lib/docker keeps filling, and nothing more may be freed: acts are paused");
}

static EventCause example_cause(CauseKind kind, const char *name, uint32_t share_permyriad) {
        EventCause c = {.cause = {.kind = kind, .container = ID, .path = "base/1/2", .command = "postgres", .pid = 4711},
                        .container_name = "db (compose shop/db)", .share_permyriad = share_permyriad, .growth_bps = (int64_t) MIB(12)};

        strcpy(c.cause.name, name);
        return c;
}

static void what_makes_it_grow_beside_logs_is_told_the_largest_first(void **state) {
        Event e = example(EVENT_LEVEL_RAISED);

        (void) state;
        e.reason = REASON_FORECAST;
        e.container_id[0] = e.container_name[0] = 0;
        e.share_permyriad = 0;
        e.causes[0] = example_cause(CAUSE_VOLUME, "pgdata", 7100);
        e.n_causes = 1;
        assert_message(&e, "/var/lib/docker is full in 4 min: 71 % of the growth is the volume `pgdata` of `db` (base/1/2, by postgres "
                           "(pid 4711), 12 MiB/s)");
        e.causes[1] = (EventCause){.cause = {.kind = CAUSE_IMAGES, .pid = 9}, .share_permyriad = 940, .growth_bps = 1024};
        e.n_causes = 2;
        e.reason = REASON_SPACE;
        e.observing = true;
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left, full in 4 min (mode observe, nothing is touched); 71 % of the growth is "
                           "the volume `pgdata` of `db` (base/1/2, by postgres (pid 4711), 12 MiB/s); 9.4 % images and build cache (by a "
                           "process (pid 9), 1 KiB/s)");
        /* Beside a log that has a part in it. */
        e.observing = false;
        e.n_causes = 1;
        strcpy(e.container_id, ID);
        strcpy(e.container_name, "web");
        e.share_permyriad = 1200;
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left, full in 4 min; no log alone explains the growth, the largest part "
                           "(12 %) is the log of `web` (7.1 KiB lines, 214 MiB/s); 71 % of the growth is the volume `pgdata` of `db` "
                           "(base/1/2, by postgres (pid 4711), 12 MiB/s)");
        /* ... or one that is too small for a number. */
        e.share_permyriad = 0;
        assert_message(&e, "/var/lib/docker is 91 % full: 9 GiB left, full in 4 min; 71 % of the growth is the volume `pgdata` of `db` "
                           "(base/1/2, by postgres (pid 4711), 12 MiB/s)");
        /* Inodes are taken by other things. */
        e.reason = REASON_INODES;
        e.full.known = false;
        assert_message(&e, "/var/lib/docker has used 96 % of its inodes: 40 files can still be made");
}

static void each_kind_of_cause_has_its_words(void **state) {
        static const struct {
                EventCause cause;
                const char *text;
        } cases[] = {
                {{.cause = {.kind = CAUSE_VOLUME, .name = "pgdata", .container = ID, .path = "f", .command = "cc", .pid = 5},
                  .container_name = "db (swarm shop_db)"}, "the volume `pgdata` of `db` (f, by cc (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_VOLUME, .name = "pgdata", .container = ID, .path = "f", .command = "cc", .pid = 5}},
                 "the volume `pgdata` of the container 0123456789ab (f, by cc (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_VOLUME, .name = "pgdata", .path = "f", .command = "cc", .pid = 5}},
                 "the volume `pgdata` (f, by cc (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_WRITE_LAYER, .container = ID, .path = "/var/core", .command = "cc", .pid = 5},
                  .container_name = "db"},
                 "the write layer of `db` (/var/core, by cc (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_WRITE_LAYER, .container = ID, .path = "/x"}},
                 "the write layer of the container 0123456789ab (/x, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_WRITE_LAYER, .path = "/x"}}, "the write layer of a container (/x, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_BIND_MOUNT, .name = "/srv/spool", .container = ID, .path = "/q/a", .command = "cc", .pid = 5},
                  .container_name = "db"}, "the folder /srv/spool, which `db` writes to (/q/a, by cc (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_BIND_MOUNT, .path = "/host/x"}},
                 "the folder of the host, which a container writes to (/host/x, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_IMAGES, .path = "/x/y", .command = "docker-untar", .pid = 5}},
                 "images and build cache (/x/y, by docker-untar (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_JOURNAL, .path = "/j", .command = "systemd-journal", .pid = 5}},
                 "the systemd journal (/j, by systemd-journal (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_DELETED, .path = "/tmp/x", .command = "java", .pid = 5, .held_bytes = GIB(40)}},
                 "deleted files that java (pid 5) keeps open (/tmp/x, 40 GiB in all, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_DELETED, .container = ID, .path = "/tmp/x", .pid = 5, .held_bytes = GIB(40)},
                  .container_name = "db"},
                 "deleted files that a process (pid 5) of `db` keeps open (/tmp/x, 40 GiB in all, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_FILES, .path = "/home/ann/dump", .command = "mysqldump", .pid = 5}},
                 "files of mysqldump (pid 5) (/home/ann/dump, 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_FILES, .name = "cron.service", .path = "/b", .command = "tar", .pid = 5}},
                 "files of cron.service (/b, by tar (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_FILES, .container = ID, .path = "/b", .command = "tar", .pid = 5}, .container_name = "db"},
                 "files of `db` (/b, by tar (pid 5), 1 MiB/s)"},
                {{.cause = {.kind = CAUSE_FILES, .command = "batch", .pid = 5, .likely = true}},
                 "probably files of batch (pid 5) (1 MiB/s)"},
                {{.cause = {.kind = CAUSE_VOLUME, .name = "v", .container = ID, .command = "cc", .pid = 5, .likely = true},
                  .container_name = "db"},
                 "probably the volume `v` of `db` (by cc (pid 5), 1 MiB/s)"},
        };
        char expected[EVENT_MESSAGE_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Event e = {.type = EVENT_CAUSE_FOUND, .mount = "/srv", .causes = {cases[i].cause}, .n_causes = 1};

                e.causes[0].share_permyriad = 7100;
                e.causes[0].growth_bps = (int64_t) MIB(1);
                (void) snprintf(expected, sizeof(expected), "what fills /srv: 71 %% of the growth is %s", cases[i].text);
                assert_message(&e, expected);
        }
}

static void nothing_left_tells_what_else_makes_it_grow(void **state) {
        Event e = example(EVENT_NOTHING_LEFT);

        (void) state;
        e.fill_bps = 0;
        e.full.known = false;
        e.container_id[0] = 0;
        strcpy(e.detail, "what grows is not a container's log");
        e.causes[0] = example_cause(CAUSE_WRITE_LAYER, "", 10000);
        e.causes[1] = example_cause(CAUSE_FILES, "", 500);
        e.n_causes = 2;
        assert_message(&e, "/var/lib/docker keeps filling, and nothing more may be freed: what grows is not a container's log: 100 % of the "
                           "growth is the write layer of `db` (base/1/2, by postgres (pid 4711), 12 MiB/s); 5 % files of `db` (base/1/2, by "
                           "postgres (pid 4711), 12 MiB/s)");
        e.n_causes = 0;
        assert_message(&e, "/var/lib/docker keeps filling, and nothing more may be freed: what grows is not a container's log");
}

/* No more than there is room for are told, whatever the number says. */
static void causes_that_are_none_are_not_read(void **state) {
        Event e = {.type = EVENT_CAUSE_FOUND, .mount = "/srv", .n_causes = UINT32_MAX};

        (void) state;
        for (uint32_t i = 0; i < EVENT_CAUSES_MAX; i++)
                e.causes[i] = example_cause(_CAUSE_KIND_MAX, "", 1000);
        assert_message(&e, "what fills /srv: 10 % of the growth is files of `db` (base/1/2, by postgres (pid 4711), 12 MiB/s); 10 % files of "
                           "`db` (base/1/2, by postgres (pid 4711), 12 MiB/s); 10 % files of `db` (base/1/2, by postgres (pid 4711), "
                           "12 MiB/s)");
        e.n_causes = 0;
        assert_message(&e, "what fills /srv");
}

static void what_hangs_is_told_with_what_does_not_happen(void **state) {
        Event e = {.type = EVENT_BLIND,
                        .mount = "/d",
                        .detail = "the watcher is stuck in statvfs on /d since 14 s"};

        (void) state;
        assert_message(&e, "cannot see how full /d is: the watcher is stuck in statvfs on /d since 14 s; no "
                           "forecast and "
                           "no new act there until it answers");
        e = (Event){.type = EVENT_CANNOT_ACT,
                        .mount = "/d",
                        .since_usec = 14 * USEC_PER_SEC,
                        .error = -EROFS};
        assert_message(&e, "cannot free space on /d: the trimmer does not answer, for 14 s now: Read-only "
                           "file system; it "
                           "is watched and forecast as before, but nothing there is freed");
        e = (Event){ .type = EVENT_SIGHT, .mount = "/d", .since_usec = 14 * USEC_PER_SEC };
        assert_message(&e, "sees /d again, after 14 s");
        e = (Event){ .type = EVENT_CAN_ACT, .mount = "/d" };
        assert_message(&e, "can free space on /d again");
}

static void the_house_has_its_sentences_too(void **state) {
        static const struct {
                Event event;
                const char *message;
        } cases[] = {
                        {{.type = EVENT_GUARDING,
                                         .mount = "/d",
                                         .detail = "/d/docker",
                                         .space = {.total_bytes = GIB(100),
                                                         .free_bytes = GIB(38),
                                                         .avail_bytes = GIB(38)}},
                                        "guarding /d for /d/docker: 38 GiB left, 62 % full"},
                        {{.type = EVENT_GUARDING, .mount = "/d", .detail = "/d", .observing = true},
                                        "observing /d; nothing will be touched"},
                        {{.type = EVENT_PARTITION_GONE, .mount = "/d"}, "/d is gone and no longer guarded"},
                        {{.type = EVENT_PARTITION_GONE, .mount = "/d", .detail = "another filesystem is mounted at /d now"},
                                        "/d is gone and no longer guarded: another filesystem is mounted at "
                                        "/d now"},
                        {{.type = EVENT_READ_ONLY, .mount = "/d"},
                                        "/d is read-only: nothing can be written there, and nothing freed"},
                        {{.type = EVENT_WRITABLE, .mount = "/d"},
                                        "/d can be written to again, and freed from when needed"},
                        {{.type = EVENT_RESIZED, .mount = "/d", .wanted_bytes = GIB(1),
                                         .space = {.total_bytes = GIB(2), .avail_bytes = GIB(1)}},
                                        "/d is larger now: 2 GiB instead of 1 GiB, of which 1 GiB are left"},
                        {{.type = EVENT_RECOVERED, .since_usec = 188 * USEC_PER_MSEC},
                                        "the guard had broken off and goes on with what it knew; for 188 ms "
                                        "nobody looked"},
                        {{.type = EVENT_NOTICE, .mount = "/d", .detail = "too many logs"},
                                        "/d: too many logs"},
                        {{.type = EVENT_NOTICE, .container_id = ID, .detail = "it is not JSON"},
                                        "the log of `0123456789ab`: it is not JSON"},
                        {{.type = EVENT_STARTED}, "the guard has started, mode enforce"},
                        {{.type = EVENT_STARTED, .observing = true},
                                        "the guard has started, mode observe: nothing will be touched"},
                        {{.type = EVENT_STOPPING}, "the guard is stopping: nothing is watched or freed "
                                                   "until it runs again"},
                        {{.type = EVENT_RELOADED}, "the configuration was read again and is in force"},
                        {{.type = EVENT_RELOAD_FAILED, .detail = "/etc/x:3: unknown key"},
                                        "the new configuration was not taken and the old one stays in "
                                        "force: /etc/x:3: unknown key"},
                        {{.type = EVENT_PAUSED,
                                         .mount = "/d",
                                         .since_usec = 2 * USEC_PER_HOUR,
                                         .asker = {0, 12, "diskbrake"}},
                                        "no acts on /d for 2 h, alerts go on; asked for by `diskbrake` (uid "
                                        "0, pid 12)"},
                        {{.type = EVENT_RESUMED},
                                        "acts on any partition again as needed: the pause is over"},
                        {{.type = EVENT_DROPPED, .wanted_bytes = 12},
                                        "12 entries did not get into the journal: it did not answer, or "
                                        "took no more"},
                        {{.type = EVENT_DROPPED, .wanted_bytes = 1}, "1 entry did not get into the journal: "
                                                                     "it did not answer, or took no more"},
                        {{.type = EVENT_ACKNOWLEDGED, .alert_id = 7, .mount = "/d", .asker = {0, 12, ""}},
                                        "alert 7 of /d was acknowledged by `unknown` (uid 0, pid 12)"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_message(&cases[i].event, cases[i].message);
}

static void every_event_has_a_sentence_and_a_name(void **state) {
        (void) state;
        for (EventType a = EVENT_LEVEL_RAISED; a < _EVENT_MAX; a++) {
                Event e = { .type = a };
                char buf[EVENT_MESSAGE_MAX];

                (void) event_message(&e, buf, sizeof(buf));
                assert_true(strlen(buf) > 10);
                assert_null(strstr(buf, "has no words"));
                for (EventType b = EVENT_LEVEL_RAISED; b < a; b++)
                        assert_string_not_equal(event_name(&e), event_name(&(Event){ .type = b }));
        }
        assert_string_equal(event_name(&(Event){ .type = EVENT_LEVEL_RAISED }), "level-raised");
        assert_string_equal(event_name(&(Event){ .type = EVENT_ACT_DONE }), "act-done");
        assert_string_equal(event_name(&(Event){}), "notice");
        assert_string_equal(event_name(&(Event){ .type = _EVENT_MAX }), "notice");
}

static void every_event_has_an_id_and_a_raised_level_one_each(void **state) {
        const char *ids[_EVENT_MAX + _LEVEL_MAX + 2];
        size_t n_ids = 0;

        (void) state;
        for (Level level = LEVEL_NOTICE; level < _LEVEL_MAX; level++)
                ids[n_ids++] = event_message_id(&(Event){ .type = EVENT_LEVEL_RAISED, .level = level });
        for (EventType type = EVENT_LEVEL_RAISED + 1; type < _EVENT_MAX; type++) {
                Event e = { .type = type };

                ids[n_ids++] = event_message_id(&e);
                e.level = LEVEL_EMERGENCY;
                e.method = METHOD_PUNCH;
                assert_string_equal(event_message_id(&e), ids[n_ids - 1]);
        }
        ids[n_ids++] = event_message_id(&(Event){ .type = EVENT_ACT_DONE, .method = METHOD_BALLAST_MAKE });
        ids[n_ids++] = event_message_id(&(Event){ .type = EVENT_ACT_FAILED, .method = METHOD_BALLAST_MAKE });
        for (size_t i = 0; i < n_ids; i++) {
                assert_int_equal(strlen(ids[i]), 32);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
                for (size_t j = 0; j < i; j++)
                        assert_string_not_equal(ids[i], ids[j]);
        }
        /* Filters go by them: one that changes is a mistake. */
        assert_string_equal(event_message_id(&(Event){
                                            .type = EVENT_LEVEL_RAISED, .level = LEVEL_CRITICAL }),
                        "14176f7e35b1405da3f6109a6c085aa2");
        assert_string_equal(event_message_id(&(Event){ .type = EVENT_ACT_DONE }),
                        "b54d6f5d6c634ec1b6df03e202e5009d");
}

static void making_the_ballast_is_no_act_on_a_log(void **state) {
        Event e = example_act(EVENT_ACT_DONE, METHOD_BALLAST_MAKE);

        (void) state;
        e.level = LEVEL_EMERGENCY;
        assert_string_equal(event_name(&e), "ballast-made");
        assert_string_equal(event_message_id(&e), "84152c92f96440f9b9e36bff61d06fd9");
        e.type = EVENT_ACT_FAILED;
        assert_string_equal(event_name(&e), "ballast-failed");
        assert_string_equal(event_message_id(&e), "794e6c16e40048a98a1b59a7af661fa9");
        e.method = METHOD_BALLAST_RELEASE; /* that one freed space */
        assert_string_equal(event_name(&e), "act-failed");
        e.type = EVENT_ACT_DONE;
        assert_string_equal(event_name(&e), "act-done");
}

static void priorities_are_those_of_syslog(void **state) {
        static const struct {
                Event event;
                int priority;
        } cases[] = {
                        {{.type = EVENT_LEVEL_RAISED, .level = LEVEL_NOTICE}, LOG_NOTICE},
                        {{.type = EVENT_LEVEL_RAISED, .level = LEVEL_WARNING}, LOG_WARNING},
                        {{.type = EVENT_LEVEL_RAISED, .level = LEVEL_CRITICAL}, LOG_CRIT},
                        {{.type = EVENT_LEVEL_RAISED, .level = LEVEL_EMERGENCY}, LOG_EMERG},
                        {{.type = EVENT_LEVEL_CLEARED, .level = LEVEL_CRITICAL}, LOG_NOTICE},
                        {{.type = EVENT_ACT_DONE, .method = METHOD_PUNCH}, LOG_NOTICE},
                        {{.type = EVENT_ACT_DONE, .method = METHOD_TRUNCATE}, LOG_WARNING},
                        {{.type = EVENT_ACT_DONE, .method = METHOD_TRUNCATE, .asker = {0, 1, "x"}},
                                        LOG_NOTICE},
                        {{.type = EVENT_ACT_FAILED}, LOG_ERR},
                        {{.type = EVENT_ACT_DONE, .method = METHOD_BALLAST_MAKE}, LOG_INFO},
                        {{.type = EVENT_ACT_FAILED, .method = METHOD_BALLAST_MAKE}, LOG_WARNING},
                        {{.type = EVENT_NOTHING_LEFT}, LOG_CRIT},
                        {{.type = EVENT_CAUSE_FOUND, .level = LEVEL_EMERGENCY}, LOG_WARNING},
                        {{.type = EVENT_BLIND}, LOG_CRIT},
                        {{.type = EVENT_CANNOT_ACT}, LOG_CRIT},
                        {{.type = EVENT_STARTED}, LOG_INFO},
                        {{.type = EVENT_RELOAD_FAILED}, LOG_ERR},
                        {{.type = EVENT_REFUSED}, LOG_CRIT},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                assert_int_equal(event_priority(&cases[i].event), cases[i].priority);
}

/* The reasons that nothing but the archiver says; anything else is told by its call and its error. */
static void what_keeps_it_from_archiving_is_said(void **state) {
        static const struct {
                int32_t error;
                const char *detail, *why;
        } reasons[] = {
                {-ENOSPC, "fstatvfs", "the partition of the archive has no room to spare"},
                {-EDQUOT, "fstatvfs", "ArchiveSize= or ArchiveContainerSize= is too small for it"},
                {-ENOENT, "openat2", "the archive's folder is not there; one that ArchiveDirectory= names is not made"},
                {-EBADFD, "fstat", "the archive's folder has to be root's, closed to all others (mode 0700), and not /"},
                {-EBUSY, "flock", "another archiver still has the archive's folder, or was ended and is stuck"},
                {-EPERM, "unlinkat", "unlinkat: Operation not permitted"},
                {-EROFS, "mkdirat", "mkdirat: Read-only file system"},
                {0, "no line ends there", "no line ends there"},
        };
        char expected[EVENT_MESSAGE_MAX];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(reasons); i++) {
                Event e = example(EVENT_ARCHIVE_STOPPED);

                e.container_id[0] = 0;
                e.error = reasons[i].error;
                (void) snprintf(e.detail, sizeof(e.detail), "%s", reasons[i].detail);
                (void) snprintf(expected, sizeof(expected), "what is freed on /var/lib/docker is not archived before: %s; "
                                "until that is over these lines are lost", reasons[i].why);
                assert_message(&e, expected);
        }
}

static void a_small_buffer_cuts_the_sentence(void **state) {
        Event e = example(EVENT_LEVEL_RAISED);
        char whole[EVENT_MESSAGE_MAX], cut[EVENT_MESSAGE_MAX];

        (void) state;
        e.reason = REASON_FORECAST;
        strcpy(e.container_name, "caf\xC3\xA9\xC3\xA9\xC3\xA9\xC3\xA9");
        (void) event_message(&e, whole, sizeof(whole));
        for (size_t room = 1; room <= strlen(whole); room++) {
                (void) event_message(&e, cut, room);
                assert_true(strlen(cut) < room);
                assert_memory_equal(cut, whole, strlen(cut));
                assert_int_equal(text_clean_bytes(cut, strlen(cut)), strlen(cut));
        }
}

static void the_longest_texts_fit_into_a_sentence(void **state) {
        (void) state;
        for (EventType type = EVENT_LEVEL_RAISED; type < _EVENT_MAX; type++) {
                Event e = example(type);
                char buf[EVENT_MESSAGE_MAX];

                memset(e.mount, 'm', sizeof(e.mount) - 1);
                memset(e.container_name, 'n', sizeof(e.container_name) - 1);
                memset(e.detail, 'd', sizeof(e.detail) - 1);
                memset(e.asker.command, 'c', sizeof(e.asker.command) - 1);
                e.asker.pid = 1;
                e.error = -ENOTRECOVERABLE;
                e.observing = e.is_protected = true;
                e.method = METHOD_TRUNCATE;
                assert_true(strlen(event_message(&e, buf, sizeof(buf))) < sizeof(buf) - 1);
        }
}

/* Three causes with the longest names are more than a sentence has room for: the largest is told in full, the rest as far as
 * there is room, and no character is cut. */
static void of_the_longest_causes_the_largest_is_told_in_full(void **state) {
        static const EventType types[] = {EVENT_LEVEL_RAISED, EVENT_NOTHING_LEFT, EVENT_CAUSE_FOUND};
        char *buf = malloc(EVENT_MESSAGE_MAX);

        (void) state;
        assert_non_null(buf);
        for (size_t i = 0; i < ELEMENTS(types); i++) {
                Event e = example(types[i]);

                e.reason = REASON_SPACE;
                e.container_id[0] = 0;
                memset(e.mount, 'm', sizeof(e.mount) - 1);
                strcpy(e.detail, "what grows is not a container's log");
                for (uint32_t k = 0; k < EVENT_CAUSES_MAX; k++) {
                        EventCause *c = e.causes + k;

                        *c = (EventCause){.cause = {.kind = CAUSE_VOLUME, .container = ID, .pid = INT32_MAX, .held_bytes = UINT64_MAX,
                                                    .likely = true}, .share_permyriad = 9910, .growth_bps = INT64_MAX};
                        memset(c->cause.name, 'n', sizeof(c->cause.name) - 1);
                        memset(c->container_name, 'c', sizeof(c->container_name) - 1);
                        memset(c->cause.command, 'x', sizeof(c->cause.command) - 1);
                        for (size_t at = 0; at + 2 < sizeof(c->cause.path); at += 2)
                                memcpy(c->cause.path + at, "\xC3\xA9", 2);
                }
                e.n_causes = EVENT_CAUSES_MAX;
                (void) event_message(&e, buf, EVENT_MESSAGE_MAX);
                assert_in_range(strlen(buf), EVENT_MESSAGE_MAX - 4, EVENT_MESSAGE_MAX - 1);
                assert_int_equal(text_clean_bytes(buf, strlen(buf)), strlen(buf));
                assert_non_null(strstr(buf, "in all, "));
                assert_non_null(strstr(buf, "); 99.1 % probably the volume `nnn"));
        }
        free(buf);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_raised_level_tells_when_and_why),
                cmocka_unit_test(a_level_of_space_tells_how_much_is_left),
                cmocka_unit_test(inodes_are_told_as_files),
                cmocka_unit_test(a_range_of_time_is_short),
                cmocka_unit_test(a_cleared_level_tells_where_it_is_now),
                cmocka_unit_test(an_act_tells_what_readers_will_see),
                cmocka_unit_test(a_repair_tells_what_is_seen_again),
                cmocka_unit_test(who_lost_what_it_had_not_read_is_named),
                cmocka_unit_test(a_failure_tells_the_call_and_the_error),
                cmocka_unit_test(nothing_left_tells_why),
                cmocka_unit_test(what_makes_it_grow_beside_logs_is_told_the_largest_first),
                cmocka_unit_test(each_kind_of_cause_has_its_words),
                cmocka_unit_test(nothing_left_tells_what_else_makes_it_grow),
                cmocka_unit_test(causes_that_are_none_are_not_read),
                cmocka_unit_test(what_hangs_is_told_with_what_does_not_happen),
                cmocka_unit_test(the_house_has_its_sentences_too),
                cmocka_unit_test(every_event_has_a_sentence_and_a_name),
                cmocka_unit_test(every_event_has_an_id_and_a_raised_level_one_each),
                cmocka_unit_test(making_the_ballast_is_no_act_on_a_log),
                cmocka_unit_test(priorities_are_those_of_syslog),
                cmocka_unit_test(what_keeps_it_from_archiving_is_said),
                cmocka_unit_test(a_small_buffer_cuts_the_sentence),
                cmocka_unit_test(the_longest_texts_fit_into_a_sentence),
                cmocka_unit_test(of_the_longest_causes_the_largest_is_told_in_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
