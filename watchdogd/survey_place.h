/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a file is to people, by where it lies: a volume's, a write layer's, an image's. Pure. */

#include "message.h"

/* Where it was seen. */
typedef struct SurveySight {
        const char *folder;    /* of its mount, as the host sees it; an overlay's upper folder */
        const char *point;     /* of its mount, as its process sees it */
        bool is_layer;         /* that is an overlay */
        const char *container; /* of its process; "": of none */
        const char *link;      /* as readlink(2) has it, of its descriptor */
        bool deleted;          /* it has no name any more */
} SurveySight;

typedef struct SurveyPlace {
        bool is_log; /* a container's, which the guard knows better; nothing else is set */
        Cause cause; /* kind, container, name, path */
} SurveyPlace;

SurveyPlace survey_place_find(const SurveyOrder *order, const SurveySight *sight);

/* Of /proc/PID/cgroup: the container, by the last 64 hexadecimal digits in it, not of a user's own (""), and the service (""). Both buffers are
 * CAUSE_NAME_MAX long. */
void survey_place_read_cgroup(const char *text, char *container, char *service);
