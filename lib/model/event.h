/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people are told: one struct for the journal, the socket's stream and the command line, so that they cannot
 * disagree. Made by the engine (levels, acts) and by the supervisor (its own house); turned into text by the codec. */

#include "act.h"

typedef enum EventType {
        EVENT_LEVEL_RAISED = 1,
        EVENT_LEVEL_CLEARED,   /* to a lower level; `level` is the new one */
        EVENT_ACT_PLANNED,     /* observe mode: what would be done */
        EVENT_ACT_DONE,
        EVENT_ACT_INEFFECTIVE, /* done, and yielded too little */
        EVENT_ACT_FAILED,
        EVENT_NOTHING_LEFT,    /* it keeps filling and nothing may or can be freed: says why */
        EVENT_HEALED,
        EVENT_REPAIRED,        /* torn lines or a head of NULs: cut_bytes; wanted_bytes: the hole that is left of a head */
        EVENT_DAMAGED,         /* and it stays so: the method that would repair it; detail says why */
        EVENT_BLIND,           /* the watcher does not answer */
        EVENT_SIGHT,           /* it answers again */
        EVENT_CANNOT_ACT,      /* the trimmer does not answer, or may not write */
        EVENT_CAN_ACT,
        EVENT_GUARDING,        /* a partition is being watched from now on */
        EVENT_PARTITION_GONE,
        EVENT_READ_ONLY,       /* nothing can be written there, so nothing can be freed */
        EVENT_WRITABLE,
        EVENT_RESIZED,         /* it has another size: wanted_bytes is what it had */
        EVENT_NOTICE,          /* observation.h's notices */
        EVENT_STARTED,
        EVENT_RECOVERED,       /* the supervisor had ended unasked; since_usec: for how long nobody looked */
        EVENT_STOPPING,
        EVENT_RELOADED,
        EVENT_RELOAD_FAILED,   /* the old configuration stays */
        EVENT_REFUSED,         /* no guard: it does not start on a configuration that nobody meant */
        EVENT_PAUSED,
        EVENT_RESUMED,
        EVENT_DROPPED,         /* entries that the journal did not take */
        EVENT_ACKNOWLEDGED,
        EVENT_ARCHIVE_STOPPED, /* what should be archived before it is freed is not: says why */
        EVENT_ARCHIVE_GOES_ON,
        EVENT_CAUSE_FOUND,     /* what makes it grow, learned after the alert */
        _EVENT_MAX,
} EventType;

typedef enum Reason {
        REASON_NONE,
        REASON_SPACE,           /* free bytes below the level's threshold */
        REASON_FORECAST,        /* full within the level's time */
        REASON_INODES,
        REASON_INODES_FORECAST,
        REASON_REQUEST,         /* somebody asked for it */
        REASON_LIMIT,           /* it is larger than MaxLogSize= */
        _REASON_MAX,
} Reason;

const char *reason_to_string(Reason reason);

#define EVENT_MOUNT_MAX 256

/* Time to full: an honest range. low_usec == USEC_INFINITY: not filling; !known: too early to tell. */
typedef struct TimeToFull {
        bool known;
        uint64_t low_usec, high_usec;
} TimeToFull;

/* Who asked for an act, a pause, an acknowledgement. */
typedef struct Asker {
        uint32_t uid;
        int32_t pid;      /* 0: nobody, the guard acts by itself */
        char command[32]; /* sanitised */
} Asker;

/* What is no container's log, with its part in the partition's growth. */
typedef struct EventCause {
        Cause cause;
        char container_name[CONTAINER_NAME_MAX]; /* empty: none, or only its id is known */
        uint32_t share_permyriad;
        int64_t growth_bps;
} EventCause;
#define EVENT_CAUSES_MAX 3

typedef struct Event {
        EventType type;
        uint64_t id;        /* counts up over the life of the guard */
        uint64_t time_usec; /* monotonic; the wall time is added where it is sent */
        uint64_t alert_id;  /* of the alert it belongs to; 0: none */
        Level level, from;  /* from: the level before */
        Reason reason;
        bool observing;     /* mode observe: nothing was or will be touched */

        char mount[EVENT_MOUNT_MAX]; /* sanitised */
        PartitionSample space;
        int64_t fill_bps;       /* negative: it empties */
        int64_t fill_inodes_ps; /* inodes a second */
        TimeToFull full;

        /* the log it is about, or the first offender; container[0] == 0: none */
        char container_id[CONTAINER_ID_MAX];
        char container_name[CONTAINER_NAME_MAX];
        char image[CONTAINER_IMAGE_MAX];
        bool is_protected;
        uint32_t share_permyriad; /* of the partition's growth */
        int64_t growth_bps;
        uint64_t allocated_bytes; /* log and segments */
        uint32_t line_bytes;      /* 0: not known */

        Method method;
        uint64_t freed_bytes, wanted_bytes, cut_bytes;
        bool archived;        /* what was cut lies in the archive */
        bool should_archive;  /* the policy of that log wants it to */
        int32_t error;    /* negative errno */
        char detail[256]; /* stage of a failure, text of a notice, error of a configuration; sanitised */
        uint64_t since_usec; /* how long: stuck, blind, paused */
        Asker asker;
        LogReader reader;    /* who lost lines that it had not read; pid 0: nobody, as far as is known */
        uint64_t lost_bytes; /* ... and how much */
        uint64_t held_bytes; /* of segments that somebody has open */
        EventCause causes[EVENT_CAUSES_MAX]; /* what else makes it grow, the largest first */
        uint32_t n_causes;
} Event;
