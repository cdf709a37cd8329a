/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which way of freeing the head of a log harms its readers and its writer least: the table "What a trim is"
 * of the documentation as one pure function. */

#include "act.h"

typedef struct MethodFacts {
        LogDriver driver;
        bool odd;
        bool running;          /* the container */
        bool held_open;        /* a lease on it was refused: somebody has it open, whatever else is known */
        LogWriter writer;
        uint32_t docker_major; /* 0: unknown */
        bool can_collapse, can_punch, can_reflink;
        uint32_t barred;       /* bits (1 << Method): failed or was ineffective on this log just now */
        bool has_offset_reader; /* somebody other than dockerd has it open and reads it by offset: a log shipper */
} MethodFacts;

/* May this log be cut at all, by any method? */
bool method_may_cut(const MethodFacts *facts);
/* May its rotated segments be deleted? */
bool method_may_delete(const MethodFacts *facts);
/* For the live log: METHOD_COLLAPSE_LEASED, METHOD_FILL, METHOD_COLLAPSE, METHOD_PUNCH, or METHOD_NONE. Never
 * METHOD_TRUNCATE: that is not a choice but what is left when all choices failed. */
Method method_choose(const MethodFacts *facts);
/* Would this method, asked for by a person, harm nobody? keep_bytes: what is to stay. */
bool method_is_safe(const MethodFacts *facts, Method method, uint64_t keep_bytes);
