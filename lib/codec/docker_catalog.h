/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What Docker's two files say of a container: config.v2.json and hostconfig.json. Both may hold anything:
 * labels and the environment are the image's and the user's. */

#include <stddef.h>

#include "container.h"

#define DOCKER_CATALOG_E_INVALID 1

/* Of each file. They have 4 to 20 KB; what makes them grow is the environment, the arguments and the
 * labels, and the kernel takes 2 MiB of the first two. What is larger is no catalog, and not worth the
 * memory. */
#define DOCKER_CATALOG_MAX (4 * 1024 * 1024)

/* hostconfig: may be NULL, the driver and the log options are then unknown. 0; DOCKER_CATALOG_E_INVALID
 * and *ret_reason, a static half-sentence ("config.v2.json: it is not JSON"); -ENOMEM. Where only the
 * hostconfig is bad, parsing once more without it still tells name, image and labels. */
int docker_catalog_parse(const char *config_v2, size_t n_config_v2, const char *hostconfig,
                size_t n_hostconfig, ContainerInfo *ret_info, const char **ret_reason);
