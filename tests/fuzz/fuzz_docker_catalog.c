/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as Docker's two files of a container, parted by the first byte 0xFF (which no JSON has). What
 * comes out must be clean text. */

#include "docker_catalog.h"
#include "macros.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static void check_clean(const char *s) {
        if (text_clean_bytes(s, strlen(s)) != strlen(s))
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes) {
        const uint8_t *border = n_bytes > 0 ? memchr(data, 0xFF, n_bytes) : NULL;
        size_t n_config = border ? (size_t) (border - data) : n_bytes;
        const char *host = border ? (const char *) border + 1 : NULL;
        const char *reason = NULL;
        ContainerInfo info;
        int r;

        r = docker_catalog_parse((const char *)data, n_config, host, border ? n_bytes - n_config - 1 : 0,
                        &info, &reason);
        if (r > 0 && !reason)
                abort();
        if (r != 0)
                return 0;
        check_clean(info.name);
        check_clean(info.image);
        if (!text_is_container_id(info.id) || !info.name[0] || info.pid < 0)
                abort();
        return 0;
}
