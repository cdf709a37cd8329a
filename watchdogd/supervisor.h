/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The heart: one event loop without privileges, which makes no call that can block. What the methods of the socket
 * need of it. */

#include "partition.h"
#include "role.h"

typedef struct Supervisor Supervisor;

const Options *supervisor_options(const Supervisor *s);
const Config *supervisor_config(const Supervisor *s);
const char *supervisor_archive_directory(const Supervisor *s); /* also while nothing is archived; "": its path is too long */
Teller *supervisor_teller(const Supervisor *s);
Tracer *supervisor_tracer(const Supervisor *s);
size_t supervisor_n_partitions(const Supervisor *s);
Partition *supervisor_partition(const Supervisor *s, size_t i);
uint64_t supervisor_started_usec(const Supervisor *s);
uint64_t supervisor_longest_turn_usec(const Supervisor *s);
/* Sentences for status: what is not guarded, what could not be set up. At most n_max. */
size_t supervisor_notes(Supervisor *s, const char **ret_notes, size_t n_max);

/* Reads the configuration again. on_done: error is NULL where it is in force now. One at a time: -EALREADY. */
typedef void (*SupervisorReloaded)(const char *error, void *userdata);
int supervisor_reload(Supervisor *s, SupervisorReloaded on_done, void *userdata);
void supervisor_forget_reload(Supervisor *s, void *userdata);
