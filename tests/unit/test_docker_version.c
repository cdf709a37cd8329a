/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Docker's answer to GET /version, whole, in pieces, and from somebody who means harm. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>

#include "docker_version.h"
#include "macros.h"

#define BODY "{\"Platform\":{\"Name\":\"\"},\"Version\":\"26.1.5+dfsg1\",\"ApiVersion\":\"1.45\"}\n"

static int parse(const char *response, DockerVersion *version, const char **reason) {
        return docker_version_parse(response, strlen(response), version, reason);
}

static const char chunked[] =
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTRANSFER-ENCODING:  chunked\r\n\r\n"
                "5\r\n{\"Ver\r\n1A;x=y\r\nsion\":\"20.10.24+dfsg1\"    \r\n1\r\n}\r\n0\r\n\r\n";

static void whole_answers_tell_the_version(void **state) {
        static const struct {
                const char *response;
                uint32_t major;
                const char *version;
        } cases[] = {
                        {"HTTP/1.1 200 OK\r\nApi-Version: 1.45\r\nContent-Length: 70\r\n\r\n" BODY
                         "garbage behind it",
                                        26, "26.1.5+dfsg1"},
                        {"HTTP/1.0 200 OK\r\n\r\n" BODY, 26, "26.1.5+dfsg1"},
                        {"HTTP/1.0 200\n\n" BODY, 26, "26.1.5+dfsg1"},
                        {chunked, 20, "20.10.24+dfsg1"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"dev\"}", 0, "dev"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"29\"}", 0, "29"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"99999999999.1\"}", 0, "99999999999.1"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"-1.2\"}", 0, "-1.2"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"1.2\\u001b[2J\\n3\"}", 1, "1.2?[2J?3"},
                        {"HTTP/1.1 200 "
                         "OK\r\n\r\n{\"Version\":\"27.0.0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}",
                                        27, "27.0.0-aaaaaaaaaaaaaaaaaaaaaaaa"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                DockerVersion version = {};
                const char *reason = "";
                int r = parse(cases[i].response, &version, &reason);

                if (r != 0)
                        fail_msg("%zu: %d %s", i, r, reason);
                assert_int_equal(version.major, cases[i].major);
                assert_string_equal(version.version, cases[i].version);
        }
}

static void a_part_of_an_answer_asks_for_more(void **state) {
        static const char *const whole[] = {
                "HTTP/1.1 200 OK\r\nContent-Length: 70\r\n\r\n" BODY,
                "HTTP/1.0 200 OK\r\n\r\n{\"Version\":\"26.1.5\"}",
                chunked,
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(whole); i++) {
                size_t length = strlen(whole[i]) -
                                (i == 2 ? 2 : 0); /* the last empty line is not waited for */

                for (size_t n = 0; n < length; n++) {
                        char *exact = malloc(n + 1);
                        DockerVersion version;
                        const char *reason = "";

                        assert_non_null(exact);
                        memcpy(exact, whole[i], n);
                        if (docker_version_parse(exact, n, &version, &reason) != DOCKER_VERSION_E_INCOMPLETE)
                                fail_msg("%zu bytes of %zu: %s", n, i, reason);
                        free(exact);
                }
        }
}

static void what_is_no_answer_is_refused_with_a_reason(void **state) {
        static const struct {
                const char *response, *reason;
        } cases[] = {
                        {"SSH-2.0-OpenSSH_9.2\r\n", "it is not HTTP"},
                        {"HTTP/2 200\r\n\r\n", "it is not HTTP"},
                        {"HTTP/1.1 403 Forbidden\r\n\r\n", "its status is not 200"},
                        {"HTTP/1.1 20\r\n\r\n", "its status is not 200"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" BODY,
                                        "its length is not a number, or too large"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" BODY,
                                        "its length is not a number, or too large"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" BODY,
                                        "its length is not a number, or too large"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 7 8\r\n\r\n" BODY,
                                        "its length is not a number, or too large"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
                                        "it is encoded in a way that is not understood"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                                        "its chunks are out of order"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n",
                                        "its chunks are out of order"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n",
                                        "its chunks are out of order"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
                                        "its chunks are out of order"},
                        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "it is empty"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "it is empty"},
                        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" BODY, "it ends in the middle"},
                        {"HTTP/1.1 200 OK\r\n\r\nhello", "it is not JSON"},
                        {"HTTP/1.1 200 OK\r\n\r\n[1]", "it is not an object"},
                        {"HTTP/1.1 200 OK\r\n\r\n{}", "it tells no Version"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":\"\"}", "it tells no Version"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"Version\":26}", "it tells no Version"},
                        {"HTTP/1.1 200 OK\r\n\r\n{\"version\":\"26.1\"}", "it tells no Version"},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                DockerVersion version = { .major = 77 };
                const char *reason = "";
                int r = parse(cases[i].response, &version, &reason);

                if (r != DOCKER_VERSION_E_INVALID || !streq(reason, cases[i].reason))
                        fail_msg("'%s': %d %s", cases[i].response, r, reason);
                assert_int_equal(version.major, 77);
        }
}

static void an_answer_without_an_end_is_refused(void **state) {
        size_t n = DOCKER_VERSION_MAX_BYTES + 1;
        char *text = malloc(n);
        const char *reason = "";
        DockerVersion version;

        (void) state;
        assert_non_null(text);
        memset(text, 'x', n);
        memcpy(text, "HTTP/1.1 200 OK\r\n", 17);
        assert_int_equal(docker_version_parse(text, n, &version, &reason), DOCKER_VERSION_E_INVALID);
        assert_string_equal(reason, "it is too large");
        assert_int_equal(docker_version_parse(text, n - 1, &version, &reason), DOCKER_VERSION_E_INCOMPLETE);
        free(text);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                cmocka_unit_test(whole_answers_tell_the_version),
                cmocka_unit_test(a_part_of_an_answer_asks_for_more),
                cmocka_unit_test(what_is_no_answer_is_refused_with_a_reason),
                cmocka_unit_test(an_answer_without_an_end_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
