/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Docker's answer to GET /version, from the bytes that came out of its socket. */

#include <stddef.h>
#include <stdint.h>

#define DOCKER_VERSION_E_INVALID 1
#define DOCKER_VERSION_E_INCOMPLETE 2 /* so far it is right, and more must come */

/* The answer has about 1 KB; a daemon that says more is not asked what else it has to say. */
#define DOCKER_VERSION_MAX_BYTES (64 * 1024)

typedef struct DockerVersion {
        uint32_t major;  /* 0: a version that does not begin with a number, such as "dev" */
        char version[32]; /* "26.1.5+dfsg1"; sanitised */
} DockerVersion;

/* The HTTP response as far as it has come. 0; DOCKER_VERSION_E_INVALID and *ret_reason, a static
 * half-sentence; DOCKER_VERSION_E_INCOMPLETE; -ENOMEM. A body without a length ends with the connection:
 * one that is cut off is incomplete, and stays so. */
int docker_version_parse(
                const char *response, size_t n_bytes, DockerVersion *ret_version, const char **ret_reason);
