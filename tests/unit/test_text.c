/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of bounded size, and the gate through which names of others come in. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "text.h"

static void what_could_do_harm_becomes_a_question_mark(void **state) {
        static const struct {
                const char *from, *to;
        } cases[] = {
                { "web", "web" },
                { "", "" },
                { "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\xB3", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\xB3" },
                { "a\nb\tc\x1B[31m\x7F", "a?b?c?[31m?" },
                { "\xC2\x85x\xC2\x9Fy", "?x?y" },                         /* C1 */
                { "\xE2\x80\xA8\xE2\x80\xA9", "??" },                     /* line and paragraph separators */
                { "\xE2\x80\xAA\xE2\x80\xAE\xE2\x81\xA6\xE2\x81\xA9", "????" }, /* they turn a line around */
                { "\x80\xBF", "??" },                                     /* continuation without a start */
                { "\xC0\xAF", "??" },                                     /* longer than needed */
                { "\xE0\x80\xAF", "???" },
                { "\xF0\x80\x80\xAF", "????" },
                { "\xED\xA0\x80", "???" },                                /* half of a surrogate pair */
                { "\xF4\x90\x80\x80", "????" },                           /* beyond U+10FFFF */
                { "\xFE\xFF", "??" },
                { "x\xE2\x82", "x??" },                                   /* cut off */
                { "\xE2\x82z", "??z" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                char dst[64];
                bool same = text_sanitize(dst, sizeof(dst), cases[i].from, strlen(cases[i].from));

                assert_string_equal(dst, cases[i].to);
                assert_int_equal(same, streq(cases[i].from, cases[i].to));
                assert_int_equal(text_clean_bytes(cases[i].from, strlen(cases[i].from)) ==
                                                 strlen(cases[i].from),
                                same);
        }
}

static void a_nul_within_is_seen(void **state) {
        char dst[16];

        (void) state;
        assert_false(text_sanitize(dst, sizeof(dst), "a\0b", 3));
        assert_string_equal(dst, "a?b");
        assert_int_equal(text_clean_bytes("a\0b", 3), 1);
}

static void what_does_not_fit_is_cut_between_characters(void **state) {
        static const char *const expected[] = {
                        "",
                        "a",
                        "a",
                        "a\xC3\xA9",
                        "a\xC3\xA9",
                        "a\xC3\xA9",
                        "a\xC3\xA9\xE2\x82\xAC",
                        "a\xC3\xA9\xE2\x82\xACz",
        };

        (void) state;
        for (size_t room = 1; room <= ELEMENTS(expected); room++) {
                char dst[16], appended[16], formatted[16];
                Text a, f;

                memset(dst, 'X', sizeof(dst));
                assert_int_equal(text_sanitize(dst, room, "a\xC3\xA9\xE2\x82\xACz", 7), room == 8);
                assert_string_equal(dst, expected[room - 1]);
                assert_int_equal(dst[room], 'X');

                a = text_over(appended, room);
                assert_int_equal(text_append(&a, "a\xC3\xA9\xE2\x82\xACz"), room == 8);
                assert_string_equal(appended, expected[room - 1]);
                assert_int_equal(a.used, strlen(appended));

                f = text_over(formatted, room);
                assert_int_equal(text_appendf(&f, "a%s%c", "\xC3\xA9\xE2\x82\xAC", 'z'), room == 8);
                assert_string_equal(formatted, expected[room - 1]);
        }
}

static void nothing_follows_a_cut(void **state) {
        char buf[8];
        Text text = text_over(buf, sizeof(buf));

        (void) state;
        assert_true(text_append(&text, "12345"));
        assert_false(text_append(&text, "\xE2\x82\xAC"));
        assert_false(text_append(&text, "6"));
        assert_false(text_appendf(&text, "%d", 7));
        assert_string_equal(buf, "12345");
        assert_true(text_append(&text, ""));
}

static void whatever_comes_in_goes_out_clean(void **state) {
        unsigned seed = (unsigned) time(NULL);
        char src[48], once[32], twice[32];

        (void) state;
        print_message("seed %u\n", seed);
        for (int i = 0; i < 200000; i++) {
                size_t n = (size_t) rand_r(&seed) % sizeof(src),
                       room = 1 + (size_t) rand_r(&seed) % sizeof(once);

                for (size_t j = 0; j < n; j++) /* mostly bytes that could be of UTF-8 */
                        src[j] = (char) (rand_r(&seed) % 3 ? 0x80 + rand_r(&seed) % 0x80
                                                          : rand_r(&seed) % 0x100);
                (void) text_sanitize(once, room, src, n);
                assert_true(strlen(once) < room);
                assert_int_equal(text_clean_bytes(once, strlen(once)), strlen(once));
                assert_true(text_sanitize(twice, sizeof(twice), once, strlen(once)));
                assert_string_equal(once, twice);
        }
}

static void patterns_match_the_whole_text(void **state) {
        static const struct {
                const char *pattern, *s;
                bool matches;
        } cases[] = {
                { "web", "web", true },
                { "web", "web1", false },
                { "web", "we", false },
                { "web*", "web", true },
                { "web*", "web-1", true },
                { "*web", "my-web", true },
                { "*", "", true },
                { "", "", true },
                { "", "x", false },
                { "**", "x", true },
                { "w?b", "web", true },
                { "w?b", "w\xC3\xA9" "b", true },
                { "w?b", "wb", false },
                { "?", "", false },
                { "*??", "\xC3\xA9", false },
                { "*?", "\xC3\xA9", true },
                { "a*b*c", "aXbYbZc", true },
                { "a*b*c", "aXbYbZ", false },
                { "registry/*:1.?", "registry/team/app:1.2", true },
                { "[ab]", "a", false },
                { "[ab]", "[ab]", true },
                { "\\*", "*", false },
                { "WEB", "web", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++)
                if (text_matches(cases[i].pattern, cases[i].s) != cases[i].matches)
                        fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].s);
}

static void a_hostile_name_costs_nothing(void **state) {
        char pattern[128], s[4096];
        clock_t begin = clock();

        (void) state;
        for (size_t i = 0; i < sizeof(pattern) - 2; i += 2)
                memcpy(pattern + i, "*a", 2);
        memcpy(pattern + sizeof(pattern) - 2, "b", 2);
        memset(s, 'a', sizeof(s));
        s[sizeof(s) - 1] = 0;
        assert_false(text_matches(pattern, s));
        assert_true(clock() - begin < CLOCKS_PER_SEC);
}

static void only_64_lower_case_digits_are_an_id(void **state) {
        char id[80];

        (void) state;
        memset(id, 'a', sizeof(id));
        id[64] = 0;
        assert_true(text_is_container_id(id));
        id[63] = 0;
        assert_false(text_is_container_id(id));
        id[63] = 'A';
        assert_false(text_is_container_id(id));
        id[63] = '/';
        assert_false(text_is_container_id(id));
        id[63] = '0';
        id[64] = '0';
        id[65] = 0;
        assert_false(text_is_container_id(id));
        assert_false(text_is_container_id(""));
        assert_false(text_is_container_id("../../../etc/shadow"));
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_could_do_harm_becomes_a_question_mark),
                cmocka_unit_test(a_nul_within_is_seen),
                cmocka_unit_test(what_does_not_fit_is_cut_between_characters),
                cmocka_unit_test(nothing_follows_a_cut),
                cmocka_unit_test(whatever_comes_in_goes_out_clean),
                cmocka_unit_test(patterns_match_the_whole_text),
                cmocka_unit_test(a_hostile_name_costs_nothing),
                cmocka_unit_test(only_64_lower_case_digits_are_an_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
