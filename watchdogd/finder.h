/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Finds what is to be guarded: Docker's data-roots, where else Docker keeps things, and on which
 * partitions all that lies. A one-shot process: it may hang on a sick disk, and nobody waits for it. */

#include "macros.h"
#include "message.h"

/* Where to look. A test has places of its own. */
typedef struct FinderPlaces {
        const char *proc;           /* "/proc" */
        const char *mountinfo;      /* "/proc/self/mountinfo" */
        const char *daemon_json;
        const char *default_roots[3]; /* where they exist and DataRoot= names no other; NULL-terminated */
        const char *sys_block;      /* "/sys/dev/block"; NULL: what partitions stand on is not looked at */
        const char *containerd;     /* since Docker 29 the layers of images are there */
        /* Asked before each path that may hang; false: leave it out. NULL: all of them. */
        bool (*may_look)(const char *path, void *userdata);
        void *userdata;
} FinderPlaces;

const FinderPlaces *finder_default_places(void);

/* 0; negative errno where nothing at all could be found out. */
int finder_find(const FinderPlaces *places, const Config *config, Found *ret_found);

static inline bool finder_may_look(const FinderPlaces *places, const char *path) {
        return !places->may_look || places->may_look(path, places->userdata);
}

/* A sentence for people, sanitised; what does not fit is dropped. */
void finder_note(Found *found, const char *format, ...) _printf_(2, 3);
