/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What may be done to one container's log, and what must stay: from the configuration, tightened by its
 * labels.
 *
 * To tighten is to leave the guard more room to keep the disk from filling: an image's author must not
 * exempt himself at his neighbours' cost. Without TrustLabels= a label may ask for an archive and for
 * keeping less, or for a (smaller) limit, no more; and it never lifts a protection that the host's configuration gave: what is
 * protected may be evidence. */

#include "container.h"
#include "macros.h"

typedef struct LogPolicy {
        Policy policy;
        bool is_protected;             /* POLICY_ALERT */
        uint64_t keep_bytes;           /* the newest that many stay ... */
        uint64_t max_log_bytes;        /* it is kept at that size at most, at no pressure at all; 0: no limit */
        uint64_t emergency_keep_bytes; /* ... and at emergency, where the above did not suffice */
} LogPolicy;

/* A label that asks for a smaller limit than that gets that: below it nothing but the newest lines would be left. */
#define POLICY_LABEL_MAX_LEAST MIB(1)

LogPolicy policy_resolve(const Config *config, const ContainerInfo *container);

/* Docker's own name within the displayed one: "web" of "web (compose shop/web)". Fills at most
 * CONTAINER_NAME_MAX. */
void policy_bare_name(const char *displayed, char ret_name[static CONTAINER_NAME_MAX]);
