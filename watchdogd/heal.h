/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Healing: the hole of a punched log, or the filler of a filled one, is taken out of the file once its container has
 * stopped, so that what remains is the marker (if any) and the lines behind it, and every reader works again. Done under a write lease: nobody has the log open,
 * and a container that is started in the middle waits. Needs no intent: the log is as it was or healed, and a filling
 * that was interrupted is just more of the hole's front. */

#include "act.h"
#include "logfile.h"

/* In the outcome: error, when something failed. */
ActResult heal_log(LogFile *f, Outcome *o);
