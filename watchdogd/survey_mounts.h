/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which mounts, of any process, lie on the partition that is surveyed: the filesystem itself, bind mounts of parts of it, and
 * overlays whose upper folder lies there. From the kernel's own lists alone: no mount is touched by asking, so that a dead
 * one of somebody's container holds up nobody. Mounts go by their id, which is unique on the host. */

#include "message.h"
#include "mounts.h"

typedef struct SurveyMount {
        int32_t id;
        bool is_layer;   /* an overlay: files in it are a container's, or a build's, own */
        char *folder;    /* what lies there, as the host sees it: an overlay's upper folder */
        char *point;     /* as the process sees it */
        uint32_t space;  /* whose */
} SurveyMount;

/* A mount namespace, as those see it that have that root in it. */
typedef struct SurveySpace {
        uint64_t inode, root;
        bool is_host;
        char container[CONTAINER_ID_MAX]; /* that it is the namespace of; empty: of none of Docker's */
} SurveySpace;

/* A mount of the partition in the namespace of this process. */
typedef struct SurveyPart {
        char *root, *point;
} SurveyPart;

typedef struct SurveyMounts {
        const SurveyOrder *order;
        Mounts host;      /* as this process sees them, without those that hold no files of a disk */
        uint64_t device;  /* of the partition, as mountinfo has it */
        SurveyPart *parts; /* where it is mounted here */
        size_t n_parts, parts_capacity;
        uint64_t host_inode;    /* of the namespace of PID 1 */
        uint64_t deadline_usec; /* nothing is read after that */
        SurveyMount *items;
        size_t n, capacity;
        SurveySpace *spaces;
        size_t n_spaces, spaces_capacity;
        uint32_t *places; /* of the items, by a hash of their ids; 0: free */
        int32_t *elsewhere; /* ids of mounts that lie elsewhere, by a hash; 0: free */
        size_t n_elsewhere;
} SurveyMounts;

/* Finds the partition by order->look_path. -ENOENT: it is not mounted here; other errors of opening it; -ENOMEM. */
int survey_mounts_init(SurveyMounts *m, int proc_fd, const SurveyOrder *order);
void survey_mounts_done(SurveyMounts *m);
/* Ids and namespaces are used again as soon as they are free: what was read is good for one look. */
void survey_mounts_begin_look(SurveyMounts *m, uint64_t deadline_usec);

/* NULL: it lies elsewhere, or is in no namespace of that process. Namespaces are read where they are met first: the process's
 * own, and where the mount is not in that, those of its threads (dockerd unpacks images in a thread with one of its own). */
const SurveyMount *survey_mounts_find(SurveyMounts *m, int process_fd, int32_t id);
