/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filler: what stands in the place of a log's freed head, where the filesystem can share blocks between files. One
 * record in Docker's own form behind spaces, its newline ends the block; the same one every time, cloned. The spaces come
 * first, so that never more than a block of them is between two records: a cut leaves spaces behind it as well.
 * Its time is older than that of all that follows, so that who asks for lines since some time does not get it.
 *
 * No container can forge one: what it logs stays inside a JSON string, Docker puts the time of the day behind it, and pads
 * no record with spaces. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "macros.h"

/* As much as Docker's readers may be given to buffer in one go: they take leading spaces for a part of what follows. */
#define FILLER_BYTES MIB(1)

/* So much of its front and of its rear tells it. */
#define FILLER_EDGE_BYTES 4096u

void filler_make(char *ret_block); /* FILLER_BYTES */

bool filler_is_front(const char edge[static FILLER_EDGE_BYTES]);
bool filler_is_rear(const char edge[static FILLER_EDGE_BYTES]);

/* A whole line without its newline. */
bool filler_is_line(const char *line, size_t n_bytes);

/* Where the filler at the head of a file ends: a multiple of FILLER_BYTES; 0: there is none. Asks for a few blocks only,
 * since it has no gaps. A negative answer counts as no. */
uint64_t filler_find_end(uint64_t size_bytes, int (*is_filler)(uint64_t offset, void *userdata), void *userdata);
