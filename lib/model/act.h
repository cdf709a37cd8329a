/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is to be done to free space, and what came of it. Both are fixed-size messages: the trimmer parses nothing. */

#include "observation.h"

typedef enum Method {
        METHOD_NONE,
        METHOD_DELETE,          /* rotated segments, oldest first */
        METHOD_COLLAPSE,        /* cut whole blocks off the head */
        METHOD_COLLAPSE_LEASED, /* the same under a write lease, nobody has it open */
        METHOD_PUNCH,           /* a hole into the head, behind a valid marker line */
        METHOD_FILL,            /* one filler record's blocks in the place of the head: size and offsets stay */
        METHOD_TRUNCATE,        /* everything before is gone */
        METHOD_HEAL,            /* collapse the hole or the filler of a log that nobody has open */
        METHOD_BLANK,           /* repair: fragments of torn lines become spaces */
        METHOD_MARK,            /* repair: a head of NULs that somebody's truncate left becomes a record and spaces */
        METHOD_BALLAST_RELEASE,
        METHOD_BALLAST_MAKE,
        METHOD_ARCHIVE,         /* frees nothing: what another method is to free next is kept first */
        _METHOD_MAX,
        _METHOD_INVALID = -EINVAL,
} Method;

const char *method_to_string(Method method);   /* "collapse", "punch", ... */
Method method_from_string(const char *s);
/* What people and programs that read the log will see after it, as half a sentence. */
const char *method_reader_effect(Method method);
/* Whoever reads the log by offset (a log shipper) finds what follows the cut where it was. */
bool method_keeps_offsets(Method method);

typedef struct Act {
        uint64_t id; /* counts up; 0: none */
        Method method;
        uint32_t slot; /* UINT32_MAX: not about a log */
        uint32_t root;
        char container[CONTAINER_ID_MAX];
        uint64_t device, inode;  /* looked at again right before acting: another file is not touched */
        LogWriter writer;        /* the facts the method was chosen by; changed facts refuse the act */
        uint64_t want_bytes;     /* free about that many ... */
        uint64_t keep_bytes;     /* ... and leave at least the newest that many */
        /* Only what was archived is freed: of the live log what lies before that offset (of METHOD_ARCHIVE: 0), ... */
        uint64_t until_offset;   /* 0: no limit */
        uint64_t segment_inode;  /* ... of the segments this one; 0: any */
        Tristate is_archived;    /* METHOD_ARCHIVE: UNKNOWN: what it is to archive may lie there already */
        Method then;             /* METHOD_ARCHIVE: what it is archived for; METHOD_DELETE: the oldest segment */
        LogRange ranges[LOG_RANGES_MAX]; /* METHOD_BLANK: what is to become spaces */
        uint32_t n_ranges;
        uint64_t max_offset_bytes; /* the head goes no further than that, for a reader's sake; 0: no such limit */
        LogReader reader;        /* the slowest that is known: its offset is looked at again; pid 0: none */
        bool emergency;          /* skip what only costs time */
        bool by_hand;
        bool by_limit;           /* for MaxLogSize=, at no pressure */
} Act;

typedef enum ActResult {
        ACT_DONE,          /* freed_bytes tells how much: may be less than was wanted, even 0 */
        ACT_NOTHING_TO_DO, /* already at what it must keep, no segment, no hole, no ballast */
        ACT_CHANGED,       /* another file, or its writer's flags differ: nothing was touched; writer has the news */
        ACT_REFUSED,       /* not a regular file, a second link, outside the root: nothing was touched */
        ACT_BUSY,          /* the lease was refused: somebody has it open */
        ACT_UNSUPPORTED,   /* the filesystem cannot do it (EOPNOTSUPP) */
        ACT_FAILED,        /* error has the errno */
        ACT_CANCELLED,     /* the trimmer is gone or stuck: what came of it is not known */
        _ACT_RESULT_MAX,
} ActResult;

const char *act_result_to_string(ActResult result);

typedef struct Outcome {
        uint64_t act;
        Method method;
        uint32_t slot;
        ActResult result;
        int32_t error;          /* negative errno; 0: none */
        char stage[24];         /* the call that failed: "openat2", "fallocate"; empty: none */
        uint64_t freed_bytes;   /* allocated bytes that the act took away, whatever was appended meanwhile */
        uint64_t cut_bytes;     /* what readers lost: bytes of log (or of segments) that are gone; repaired: that were no use */
        uint64_t cut_to_bytes;  /* of the live log: the offset, as it was before the act, that they end at */
        uint64_t reader_offset_bytes; /* how far the act's reader had read right before that */
        uint64_t held_bytes;    /* of segments that somebody has open: not freed before he closes them, or left alone */
        uint64_t allocated_bytes, size_bytes, segments_bytes; /* afterwards; allocated: without the filler */
        uint32_t n_segments;
        uint64_t hole_bytes, filler_bytes;
        uint64_t ballast_bytes; /* afterwards, for the ballast's methods */
        struct {                /* METHOD_ARCHIVE */
                uint64_t to_offset;     /* all before it is in the archive; of a segment: its size */
                uint64_t segment_inode; /* of then == METHOD_DELETE */
                uint64_t log_bytes;     /* so much of the log was read for it ... */
                uint64_t file_bytes;    /* ... and takes so much there; 0: it was there already */
                bool elsewhere;         /* on another partition than the log */
        } archived;
        LogWriter writer;       /* as found */
        uint64_t begin_usec, end_usec; /* monotonic */
} Outcome;
