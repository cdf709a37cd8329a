/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The dockerds that run on this host, as /proc shows them. Each is looked at through one descriptor of
 * its folder there, which stops answering when the process ends: no pid can be used again in between. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "finder_settings.h"
#include "finder_trust.h"

#define FINDER_DOCKERDS_MAX 16
#define FINDER_SEEN_ROOTS_MAX 4

typedef struct Dockerd {
        int fd; /* of /proc/PID, O_PATH; -EBADF: none */
        int32_t pid;
        uint64_t start; /* field 22 of its stat */
        bool trusted;   /* uid 0, and its binary can have been put there by root alone */
        char why[FINDER_TRUST_WHY_MAX]; /* not: half a sentence, not sanitised */
        FinderSettings settings;        /* command line, and for what that leaves open its daemon.json */
        char seen_roots[FINDER_SEEN_ROOTS_MAX][CONFIG_PATH_MAX]; /* of the logs that it has open */
        uint32_t n_seen_roots;
} Dockerd;

typedef struct Dockerds {
        Dockerd items[FINDER_DOCKERDS_MAX];
        uint32_t n, n_untrusted;
} Dockerds;

/* proc: "/proc". daemon_json: read where the command line names no other. */
int finder_process_list(const char *proc, const char *daemon_json, Dockerds *ret_dockerds);
void finder_process_done(Dockerds *dockerds);

/* Device and inode of a path as that process sees it: it may live in another mount namespace. Negative
 * errno. */
int finder_process_stat(const Dockerd *dockerd, const char *path, dev_t *ret_device, ino_t *ret_inode);
