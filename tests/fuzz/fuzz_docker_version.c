/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as Docker's answer to GET /version. */

#include "docker_version.h"
#include "macros.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        const char *reason = NULL;
        DockerVersion version;
        int r;

        r = docker_version_parse((const char *) data, n_bytes, &version, &reason);
        if (r == DOCKER_VERSION_E_INVALID && !reason)
                abort();
        if (r == 0 && (!version.version[0] || version.major > 9999 ||
                                      text_clean_bytes(version.version, strlen(version.version)) !=
                                                      strlen(version.version)))
                abort();
        return 0;
}
