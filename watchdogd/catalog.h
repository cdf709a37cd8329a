/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reads what Docker keeps on disk about one container: config.v2.json and hostconfig.json in its folder.
 * The files may be anything (an image's author writes the labels, a rootless Docker's owner writes all of
 * it): links, FIFOs, gigabytes, nests of brackets. None of that is more than a notice. */

#include <stddef.h>

#include "container.h"

#define CATALOG_DETAIL_MAX 160

/* Room for both files, kept between calls and given back by catalog_release(). */
typedef struct Catalog {
        char *data;
        size_t capacity_bytes;
} Catalog;

void catalog_release(Catalog *catalog);

/* What is known of a container without a catalog: its id, the first digits of it as a name. */
void catalog_fill_unknown(const char *id, ContainerInfo *ret_info);

#define CATALOG_E_ABSENT 1 /* no config.v2.json: being made or removed, or a leftover. ret_* are not set */
#define CATALOG_E_BAD 2    /* ret_info is that of catalog_fill_unknown(), ret_detail says why */
#define CATALOG_E_HALF 3   /* only hostconfig.json is bad: all but the driver and the log options is known */

/* -ENOMEM. Whatever the file says, ret_info->id is id: that of the folder. */
int catalog_read(Catalog *catalog, int folder_fd, const char *id, ContainerInfo *ret_info,
                 char ret_detail[static CATALOG_DETAIL_MAX]);
