/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a container and of its log. All text has been sanitised (text.h). */

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

#define CONTAINER_ID_MAX 65     /* 64 hexadecimal digits and NUL */
#define CONTAINER_NAME_MAX 160  /* "web (compose shop/web)", "api.2 (swarm shop_api)" */
#define CONTAINER_IMAGE_MAX 128

typedef enum LogDriver {
        LOG_DRIVER_UNKNOWN,   /* the catalog could not be read: only the id is known */
        LOG_DRIVER_JSON_FILE,
        LOG_DRIVER_LOCAL,     /* binary framing: counted, never cut */
        LOG_DRIVER_OTHER,     /* no file of its own, or a cache: counted, never cut */
} LogDriver;

const char *log_driver_to_string(LogDriver driver); /* "json-file", "local", "other", "unknown" */

typedef enum Tristate { UNKNOWN = -1, NO = 0, YES = 1 } Tristate;

/* What Docker's two JSON files say of one container. Filled by the codec. */
typedef struct ContainerInfo {
        char id[CONTAINER_ID_MAX];
        char name[CONTAINER_NAME_MAX];
        char image[CONTAINER_IMAGE_MAX];
        LogDriver driver;
        bool running;
        int32_t pid;               /* 0: none */
        uint64_t max_size_bytes;   /* log option max-size; 0: no limit */
        uint32_t max_file;         /* log option max-file; 0: not given */
        Policy label_policy;       /* io.diskbrake.policy; _POLICY_INVALID: none */
        uint64_t label_keep_bytes; /* io.diskbrake.keep; CONFIG_KEEP_UNSET: none */
        uint64_t label_max_bytes;  /* io.diskbrake.max-log-size; CONFIG_KEEP_UNSET: none */
        bool label_bad;            /* a diskbrake label was there whose value is none: ignored, said once */
} ContainerInfo;
