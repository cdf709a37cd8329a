/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A one-shot child: is told something, answers once, ends. One that does not answer in time is killed and forgotten:
 * a failed errand, never a hung guard. */

#include "children.h"

typedef struct Errand Errand;

/* Called exactly once. answer: valid during the call; NULL: error says why (-ETIMEDOUT, -ECHILD, ...). */
typedef void (*ErrandDone)(const Message *answer, int error, void *userdata);

/* One that did not answer in time: killed, and not gone yet. */
typedef struct ErrandStuck {
        Worker *worker; /* NULL: none */
        void (*on_gone)(void *userdata);
        void *userdata;
} ErrandStuck;

typedef struct ErrandOrder {
        Role role;
        const Message *say[2]; /* what it is told first; copied; NULL: nothing */
        uint64_t timeout_usec;
        ErrandDone on_done;
        void *userdata;
        /* What it says on the way; MESSAGE_LOOKING alone. NULL: does not matter. */
        void (*on_progress)(const Message *message, void *userdata);
        ErrandStuck *stuck; /* where it stands in that case; NULL: it is forgotten */
} ErrandOrder;

/* On success *ret_errand is cleared to NULL by the errand itself once it is done: keep it where it can be reached. */
int errand_start(Children *children, sd_event *event, const ErrandOrder *order, Errand **ret_errand);
/* Gives it up without calling on_done. */
Errand *errand_free(Errand *errand);

/* Why there was no answer, for people. */
const char *errand_error_to_string(int error);
