/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A torn line: Docker's write of a record failed half-way (ENOSPC), and the next record followed right behind what was
 * left of it:
 *
 *     {"log":"abc de{"log":"next\n","stream":"stdout","time":"..."}
 *
 * Every reader stops there. The fragment alone is to become spaces: what is a whole record is never touched, nor is
 * what is not Docker's at all. Pure. */

#include <stdbool.h>
#include <stddef.h>

#define LOG_REPAIR_E_WHOLE 1   /* nothing but records, one or several, and blanks */
#define LOG_REPAIR_E_FOREIGN 2 /* no record of Docker's, nor the beginning of one: not ours to judge */

/* The first fragment in a line that has ended (line: without its newline): [from, to). Others may follow it. */
int log_repair_find(const char *line, size_t n_bytes, size_t *ret_from, size_t *ret_to);
