/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Trims by hand on one partition: who waits for which act, and who had asked for it. */

#include "act.h"
#include "event.h"

/* Requests that wait for an outcome at the same time; a person makes one. */
#define REQUESTS_MAX 16

/* Called once, perhaps at once. outcome NULL: refused, why is an ENGINE_E_* or a negative errno (-ENOTCONN: nobody can
 * act now). */
typedef void (*RequestDone)(const Act *act, const Outcome *outcome, int why, void *userdata);

typedef struct Request {
        RequestDone on_done; /* NULL: free */
        void *userdata;
        Act act;
} Request;

typedef struct Requests {
        Request waiting[REQUESTS_MAX];
        struct {
                char container[CONTAINER_ID_MAX];
                Asker asker;
        } asked[REQUESTS_MAX]; /* a ring, for the events that come of it */
        uint32_t n_asked;
} Requests;

bool requests_has_room(const Requests *r);
/* Several may wait for the same act. */
void requests_add(Requests *r, RequestDone on_done, void *userdata, const Act *act);
/* The act has ended: all that wait for it are told. */
void requests_settle(Requests *r, const Act *act, const Outcome *outcome);
void requests_refuse_all(Requests *r, int why);
void requests_forget(Requests *r, void *userdata); /* the client is gone: no callback any more */

void requests_note_asker(Requests *r, const char *container, const Asker *asker);
/* NULL: nobody asked for an act on that container lately. */
const Asker *requests_find_asker(const Requests *r, const char *container);
