/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes a partition grow that is no container's log, as a survey has seen it: two looks at what the processes of the
 * host have open and write, a moment apart. Plain data. */

#include <stdbool.h>
#include <stdint.h>

#include "container.h"

typedef enum CauseKind {
        CAUSE_FILES,       /* of a program, or of a service */
        CAUSE_WRITE_LAYER, /* what a container writes outside of its volumes */
        CAUSE_VOLUME,      /* of Docker */
        CAUSE_BIND_MOUNT,  /* a folder of the host that a container writes to */
        CAUSE_IMAGES,      /* images and build cache: what dockerd, containerd and builds write */
        CAUSE_JOURNAL,     /* systemd's */
        CAUSE_DELETED,     /* a file without a name any more, which somebody holds open */
        _CAUSE_KIND_MAX,
} CauseKind;

const char *cause_kind_to_string(CauseKind kind); /* "files", "write-layer", ... */

#define CAUSE_NAME_MAX 96
#define CAUSE_PATH_MAX 160
#define CAUSE_COMMAND_MAX 16 /* the kernel knows no more of it */

/* All text is sanitised: an attacker names files, volumes and processes. */
typedef struct Cause {
        CauseKind kind;
        uint64_t grown_bytes;            /* within the survey */
        uint64_t held_bytes;             /* of deleted files: all that they hold */
        char container[CONTAINER_ID_MAX]; /* empty: of the host */
        char name[CAUSE_NAME_MAX];       /* of the volume, the bind mount's folder, the service; empty: none */
        char path[CAUSE_PATH_MAX];       /* the file that grows most; in a container, as that sees it. Its end, where it is longer */
        char command[CAUSE_COMMAND_MAX]; /* who writes it ... */
        int32_t pid;
        bool likely;                     /* inferred from how much a process writes, not seen in a file */
} Cause;

/* The largest are told. */
#define SURVEY_CAUSES_MAX 4

typedef struct SurveyFacts {
        uint64_t window_usec; /* between the two looks */
        uint64_t grown_bytes; /* the partition, in that time; 0: nothing, or it shrank ... */
        uint64_t shrunk_bytes; /* ... by that much */
        uint64_t logs_bytes;  /* ... of which container logs */
        uint64_t cpu_usec;    /* what the survey itself took */
        uint64_t read_bytes;  /* ... and had to read from disks */
        bool complete;        /* all processes were looked at */
} SurveyFacts;
