/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The watcher finds damage: torn lines, when it is told to look, and heads of NULs. */

#include "watcher_rig.h"

#define LINE "{\"log\":\"%u %s\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-27T20:31:12.000000005Z\"}\n"

static void add_line(FILE *f, unsigned n, const char *text) { (void) fprintf(f, LINE, n, text); }

/* Lines of some 150 bytes; after each of those numbers, that much of a record without its end. */
static void write_log(const char *path, unsigned n_lines, const unsigned *torn, unsigned n_torn, long ret_from[], long ret_to[]) {
        static const char pad[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
        FILE *f = fopen(path, "we");

        assert_non_null(f);
        for (unsigned i = 0, k = 0; i < n_lines; i++) {
                if (k < n_torn && i == torn[k]) {
                        ret_from[k] = ftell(f);
                        (void) fprintf(f, "{\"log\":\"torn %s", pad);
                        ret_to[k++] = ftell(f);
                }
                add_line(f, i, pad);
        }
        assert_int_equal(fclose(f), 0);
}

static void order(Rig *rig, uint32_t slot) {
        memset(&rig->message, 0, sizeof(rig->message));
        rig->message.type = MESSAGE_INSPECT;
        rig->message.inspect.slot = slot;
        assert_int_equal(message_send(rig->fd, &rig->message, false), 0);
}

static uint32_t start(Rig *rig) {
        rig_start(rig);
        rig_look(rig);
        rig_wait_known(rig, 1);
        rig_settle(rig, 100 * USEC_PER_MSEC);
        return (uint32_t) rig_slot(rig, 1);
}

static uint64_t hash_of(const char *path, long from, long to) {
        char text[4096];
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        assert_true(to - from <= (long) sizeof(text));
        assert_int_equal(pread(fd, text, (size_t) (to - from), from), to - from);
        (void) close(fd);
        return log_range_hash(LOG_RANGE_HASH_FIRST, text, (uint64_t) (to - from));
}

static void blank(const char *path, long from, long to) {
        int fd = open(path, O_WRONLY | O_CLOEXEC);

        for (; from < to; from++)
                assert_int_equal(pwrite(fd, " ", 1, from), 1);
        (void) close(fd);
}

/* Far into a log of several readings, and more of them than fit into one telling. */
static void torn_lines_are_found_told_and_found_again_until_they_are_gone(void **state) {
        unsigned torn[11] = {0, 7, 8, 6000, 14000, 14001, 14002, 14003, 14004, 29990, 29999};
        long from[11], to[11];
        const LogDamage *d;
        const char *path;
        uint32_t slot;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container(&rig, 1, "web", "json-file");
        path = rig_path(&rig, 1, "-json.log");
        write_log(path, 30000, torn, 11, from, to);
        slot = start(&rig);
        d = &rig.logs[slot].damage;
        order(&rig, slot);
        for (unsigned k = 0, n = 0; k < 11; k += n) {
                rig.logs[slot].n_damages = 0;
                rig_wait_until(&rig, rig.logs[slot].n_damages > 0 && d->n > 0 && d->ranges[0].from == (uint64_t) from[k]);
                assert_int_equal(d->inode, rig.logs[slot].info.inode);
                n = d->n;
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(d->ranges[i].from, from[k + i]);
                        assert_int_equal(d->ranges[i].to, to[k + i]);
                        assert_int_equal(d->ranges[i].hash, hash_of(path, from[k + i], to[k + i]));
                        blank(path, from[k + i], to[k + i]);
                }
        }
        rig_wait_until(&rig, d->n == 0);
        /* Over. */
        rig.logs[slot].n_damages = 0;
        rig_settle(&rig, USEC_PER_SEC);
        assert_int_equal(rig.logs[slot].n_damages, 0);
        (void) rig_stop(&rig);
}

static void a_whole_log_is_told_to_be_whole(void **state) {
        uint32_t slot;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container(&rig, 1, "web", "json-file");
        write_log(rig_path(&rig, 1, "-json.log"), 9000, NULL, 0, NULL, NULL);
        slot = start(&rig);
        assert_int_equal(rig.logs[slot].n_damages, 0); /* nobody has asked */
        order(&rig, slot);
        rig_wait_until(&rig, rig.logs[slot].n_damages == 1);
        assert_int_equal(rig.logs[slot].damage.n, 0);
        (void) rig_stop(&rig);
}

/* It may be being written: it is a fragment only once the next one follows. */
static void the_last_line_without_an_end_is_none_yet(void **state) {
        unsigned torn = 50;
        long from, to;
        const char *path;
        uint32_t slot;
        FILE *f;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container(&rig, 1, "web", "json-file");
        path = rig_path(&rig, 1, "-json.log");
        write_log(path, 51, &torn, 1, &from, &to);
        assert_int_equal(truncate(path, to), 0);
        slot = start(&rig);
        order(&rig, slot);
        rig_wait_until(&rig, rig.logs[slot].n_damages == 1);
        assert_int_equal(rig.logs[slot].damage.n, 0);
        f = fopen(path, "ae");
        add_line(f, 51, "next");
        (void) fclose(f);
        rig_look(&rig);
        rig_wait_until(&rig, rig.logs[slot].damage.n == 1);
        assert_int_equal(rig.logs[slot].damage.ranges[0].from, from);
        assert_int_equal(rig.logs[slot].damage.ranges[0].to, to);
        (void) rig_stop(&rig);
}

static void what_is_no_log_of_docker_is_not_judged(void **state) {
        uint32_t slot;
        Rig rig;

        (void) state;
        rig_new(&rig);
        rig_container(&rig, 1, "web", "json-file");
        rig_shell("seq 1 500000 > %s", rig_path(&rig, 1, "-json.log"));
        slot = start(&rig);
        order(&rig, slot);
        order(&rig, 4711); /* nor is a log that there is not */
        rig_wait_until(&rig, rig.logs[slot].n_damages == 1);
        assert_int_equal(rig.logs[slot].damage.n, 0);
        (void) rig_stop(&rig);
}

static void a_head_of_nuls_is_seen_when_it_comes_and_when_it_goes(void **state) {
        static const off_t offsets[] = {5000, 300001, 3000000};
        const char *path;
        uint32_t slot;
        Rig rig;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(offsets); i++) {
                int fd;

                rig_new(&rig);
                rig_container_with_log(&rig, 1, "web");
                path = rig_path(&rig, 1, "-json.log");
                slot = start(&rig);
                assert_int_equal(rig.logs[slot].sample.nul_bytes, 0);
                fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
                assert_true(lseek(fd, offsets[i], SEEK_SET) > 0);
                (void) dprintf(fd, LINE, 1u, "x");
                rig_wait_until(&rig, (rig_look(&rig), rig.logs[slot].sample.nul_bytes > 0));
                assert_in_range(rig.logs[slot].sample.nul_bytes, 4096, offsets[i]);
                assert_int_equal(rig.logs[slot].sample.hole_bytes, 0);
                assert_int_equal(ftruncate(fd, 0), 0);
                assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
                (void) dprintf(fd, LINE, 1u, "x");
                rig_wait_until(&rig, (rig_look(&rig), rig.logs[slot].sample.nul_bytes == 0));
                (void) close(fd);
                (void) rig_stop(&rig);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(torn_lines_are_found_told_and_found_again_until_they_are_gone),
                cmocka_unit_test(a_whole_log_is_told_to_be_whole),
                cmocka_unit_test(the_last_line_without_an_end_is_none_yet),
                cmocka_unit_test(what_is_no_log_of_docker_is_not_judged),
                cmocka_unit_test(a_head_of_nuls_is_seen_when_it_comes_and_when_it_goes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
