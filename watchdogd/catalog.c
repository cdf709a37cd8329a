/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "beneath.h"
#include "catalog.h"
#include "docker_catalog.h"
#include "macros.h"
#include "text.h"

/* A container with thousands of labels and mounts stays below 1 MiB. */
#define FILE_BYTES_MAX MIB(4)

void catalog_release(Catalog *catalog) {
        free(catalog->data);
        *catalog = (Catalog){};
}

void catalog_fill_unknown(const char *id, ContainerInfo *ret_info) {
        *ret_info = (ContainerInfo){
                .driver = LOG_DRIVER_UNKNOWN,
                .label_policy = _POLICY_INVALID,
                .label_keep_bytes = CONFIG_KEEP_UNSET,
                .label_max_bytes = CONFIG_KEEP_UNSET,
        };
        (void) snprintf(ret_info->id, sizeof(ret_info->id), "%s", id);
        (void) snprintf(ret_info->name, sizeof(ret_info->name), "%.12s", id);
}

static int make_room(Catalog *catalog, size_t bytes) {
        char *larger;

        if (bytes <= catalog->capacity_bytes)
                return 0;
        larger = realloc(catalog->data, bytes);
        if (!larger)
                return -ENOMEM;
        catalog->data = larger;
        catalog->capacity_bytes = bytes;
        return 0;
}

static int complain(char detail[static CATALOG_DETAIL_MAX], const char *name, const char *what) {
        (void) snprintf(detail, CATALOG_DETAIL_MAX, "%s: %s", name, what);
        return CATALOG_E_BAD;
}

/* The file's stat has been looked at: a regular file of n_expected bytes. It may have grown or shrunk
 * since. */
static int read_all(Catalog *catalog, size_t at, int fd, size_t n_expected, size_t *ret_bytes) {
        size_t used = 0;
        int r;

        r = make_room(catalog, at + n_expected + 1);
        if (r < 0)
                return r;
        while (used < n_expected) {
                ssize_t n = read(fd, catalog->data + at + used, n_expected - used);
                if (n < 0 && errno != EINTR)
                        return -errno;
                if (n == 0)
                        break;
                if (n > 0)
                        used += (size_t) n;
        }
        *ret_bytes = used;
        return 0;
}

/* Appends one file behind the first `at` bytes. */
static int read_file(Catalog *catalog, size_t at, int folder_fd, const char *name, size_t *ret_bytes,
                     char detail[static CATALOG_DETAIL_MAX]) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;
        int r;

        fd = beneath_open(folder_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd == -ENOENT)
                return CATALOG_E_ABSENT;
        if (fd == -ELOOP || fd == -EXDEV)
                return complain(detail, name, "a link or a mount, expected a regular file");
        if (fd < 0)
                return complain(detail, name, strerrordesc_np(-fd));
        if (fstat(fd, &st) < 0)
                return complain(detail, name, strerrordesc_np(errno));
        if (!S_ISREG(st.st_mode))
                return complain(detail, name, "not a regular file");
        if (st.st_size > (off_t) FILE_BYTES_MAX)
                return complain(detail, name, "larger than 4 MiB");
        r = read_all(catalog, at, fd, (size_t) st.st_size, ret_bytes);
        if (r < 0 && r != -ENOMEM)
                return complain(detail, name, strerrordesc_np(-r));
        return r;
}

/* The codec's texts are sanitised and name Docker's own id: the folder's is the one that counts. */
static void settle_identity(const char *id, ContainerInfo *info) {
        (void) snprintf(info->id, sizeof(info->id), "%s", id);
        if (info->name[0] == 0)
                (void) snprintf(info->name, sizeof(info->name), "%.12s", id);
}

/* Only the driver is lost with a bad hostconfig.json: name, image and labels can still be told. */
static int parse(const Catalog *catalog, size_t n_config, size_t n_host, ContainerInfo *ret_info,
                 char detail[static CATALOG_DETAIL_MAX]) {
        const char *reason = NULL, *host = n_host > 0 ? catalog->data + n_config : NULL;
        int r, q;

        r = docker_catalog_parse(catalog->data, n_config, host, n_host, ret_info, &reason);
        if (r <= 0)
                return r;
        (void) snprintf(detail, CATALOG_DETAIL_MAX, "%s", reason);
        if (host) {
                q = docker_catalog_parse(catalog->data, n_config, NULL, 0, ret_info, &reason);
                if (q <= 0)
                        return q < 0 ? q : CATALOG_E_HALF;
        }
        return CATALOG_E_BAD;
}

int catalog_read(Catalog *catalog, int folder_fd, const char *id, ContainerInfo *ret_info,
                 char ret_detail[static CATALOG_DETAIL_MAX]) {
        size_t n_config = 0, n_host = 0;
        int r, q = 0;

        r = read_file(catalog, 0, folder_fd, "config.v2.json", &n_config, ret_detail);
        if (r < 0 || r == CATALOG_E_ABSENT)
                return r;
        if (r == 0) {
                q = read_file(catalog, n_config, folder_fd, "hostconfig.json", &n_host, ret_detail);
                if (q < 0)
                        return q;
                r = parse(catalog, n_config, q == 0 ? n_host : 0, ret_info, ret_detail);
                if (r < 0)
                        return r;
        }
        if (r == CATALOG_E_BAD)
                catalog_fill_unknown(id, ret_info);
        settle_identity(id, ret_info);
        return r == 0 && q == CATALOG_E_BAD ? CATALOG_E_HALF : r;
}
