/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who waits for a log to have been looked through for torn lines, and for what was found to be repaired. The watcher
 * looks, the engine has repaired what it finds, as always; here is only waited for the end of it. */

#include "act.h"
#include "event.h"

#define REPAIRS_MAX 8

/* Called once, perhaps at once. why 0: all of it was looked through and nothing torn is left, repaired_bytes became
 * blank. Else an ENGINE_E_* or a negative errno; failed: the outcome that ended it, or NULL. */
typedef void (*RepairDone)(uint64_t repaired_bytes, int why, const Outcome *failed, void *userdata);

typedef struct Repair {
        RepairDone on_done; /* NULL: free */
        void *userdata;
        uint32_t slot;
        uint64_t inode;
        char container[CONTAINER_ID_MAX];
        Asker asker;
        uint64_t repaired_bytes;
} Repair;

typedef struct Repairs {
        Repair waiting[REPAIRS_MAX];
} Repairs;

/* false: no room. */
bool repairs_add(Repairs *r, const Repair *repair);
/* An act has ended. */
void repairs_settle(Repairs *r, const Act *act, const Outcome *outcome);
/* The watcher has told. */
void repairs_observe(Repairs *r, const Observation *observation);
void repairs_refuse_all(Repairs *r, int why);
void repairs_forget(Repairs *r, void *userdata); /* the client is gone: no callback any more */

/* NULL: nobody waits for that one. */
const Asker *repairs_find_asker(const Repairs *r, const char *container);
