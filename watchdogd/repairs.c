/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "macros.h"
#include "repairs.h"

bool repairs_add(Repairs *r, const Repair *repair) {
        for (size_t i = 0; i < REPAIRS_MAX; i++)
                if (!r->waiting[i].on_done) {
                        r->waiting[i] = *repair;
                        return true;
                }
        return false;
}

static void answer(Repair *repair, int why, const Outcome *failed) {
        Repair taken = *repair;

        repair->on_done = NULL;
        taken.on_done(taken.repaired_bytes, why, failed, taken.userdata);
}

void repairs_settle(Repairs *r, const Act *act, const Outcome *outcome) {
        for (size_t i = 0; i < REPAIRS_MAX; i++) {
                Repair *repair = &r->waiting[i];

                if (!repair->on_done || act->method != METHOD_BLANK || repair->slot != act->slot)
                        continue;
                if (outcome->result == ACT_DONE)
                        repair->repaired_bytes += outcome->cut_bytes;
                else if (outcome->result == ACT_FAILED || outcome->result == ACT_REFUSED ||
                         outcome->result == ACT_UNSUPPORTED)
                        answer(repair, -EIO, outcome);
        }
}

void repairs_observe(Repairs *r, const Observation *o) {
        for (size_t i = 0; i < REPAIRS_MAX; i++) {
                Repair *repair = &r->waiting[i];

                if (!repair->on_done)
                        continue;
                if (o->type == OBSERVATION_LOG_DAMAGE && o->log_damage.slot == repair->slot && o->log_damage.n == 0)
                        answer(repair, 0, NULL);
                else if ((o->type == OBSERVATION_LOG_GONE && o->log_gone == repair->slot) ||
                         (o->type == OBSERVATION_LOG_INFO && o->log_info.slot == repair->slot &&
                          o->log_info.inode != repair->inode))
                        answer(repair, -ESTALE, NULL); /* removed or rotated: it is not the log any more */
        }
}

void repairs_refuse_all(Repairs *r, int why) {
        for (size_t i = 0; i < REPAIRS_MAX; i++)
                if (r->waiting[i].on_done)
                        answer(&r->waiting[i], why, NULL);
}

void repairs_forget(Repairs *r, void *userdata) {
        for (size_t i = 0; i < REPAIRS_MAX; i++)
                if (r->waiting[i].userdata == userdata)
                        r->waiting[i].on_done = NULL;
}

const Asker *repairs_find_asker(const Repairs *r, const char *container) {
        for (size_t i = 0; i < REPAIRS_MAX; i++)
                if (r->waiting[i].on_done && streq(r->waiting[i].container, container))
                        return &r->waiting[i].asker;
        return NULL;
}
