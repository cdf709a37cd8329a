/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "macros.h"
#include "requests.h"

bool requests_has_room(const Requests *r) {
        for (size_t i = 0; i < REQUESTS_MAX; i++)
                if (!r->waiting[i].on_done)
                        return true;
        return false;
}

void requests_add(Requests *r, RequestDone on_done, void *userdata, const Act *act) {
        for (size_t i = 0; i < REQUESTS_MAX; i++)
                if (!r->waiting[i].on_done) {
                        r->waiting[i] = (Request){on_done, userdata, *act};
                        return;
                }
        on_done(NULL, NULL, -EAGAIN, userdata);
}

static void answer(Request *request, const Act *act, const Outcome *outcome, int why) {
        Request taken = *request;

        request->on_done = NULL;
        taken.on_done(act, outcome, why, taken.userdata);
}

void requests_settle(Requests *r, const Act *act, const Outcome *outcome) {
        for (size_t i = 0; i < REQUESTS_MAX; i++)
                if (r->waiting[i].on_done && r->waiting[i].act.id == act->id)
                        answer(r->waiting + i, act, outcome, 0);
}

void requests_refuse_all(Requests *r, int why) {
        for (size_t i = 0; i < REQUESTS_MAX; i++)
                if (r->waiting[i].on_done)
                        answer(r->waiting + i, &r->waiting[i].act, NULL, why);
}

void requests_forget(Requests *r, void *userdata) {
        for (size_t i = 0; i < REQUESTS_MAX; i++)
                if (r->waiting[i].userdata == userdata)
                        r->waiting[i].on_done = NULL;
}

void requests_note_asker(Requests *r, const char *container, const Asker *asker) {
        size_t i = r->n_asked++ % REQUESTS_MAX;

        memcpy(r->asked[i].container, container, sizeof(r->asked[i].container));
        r->asked[i].asker = *asker;
}

const Asker *requests_find_asker(const Requests *r, const char *container) {
        for (uint32_t i = r->n_asked; i > 0 && r->n_asked - i < REQUESTS_MAX; i--)
                if (streq(r->asked[(i - 1) % REQUESTS_MAX].container, container))
                        return &r->asked[(i - 1) % REQUESTS_MAX].asker;
        return NULL;
}
