/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the processes of watchdogd say to each other: fixed-size structs over SOCK_SEQPACKET socketpairs. All ends
 * are the same program, forked from one launcher, so structs go as they stand. */

#include <stddef.h>

#include "act.h"
#include "event.h"
#include "observation.h"

#define PARTITION_ROOTS_MAX 4
#define PARTITIONS_MAX 8
#define PARTITION_PARTS_MAX 8

/* A Docker data-root, as the finder found it or the configuration names it. */
typedef struct DockerRoot {
        char path[CONFIG_PATH_MAX]; /* absolute, canonical; logs are in <path>/containers */
        uint32_t owner_uid;         /* of <path>/containers; its logs must belong to it or to uid 0 */
        int32_t dockerd_pid;        /* 0: none seen */
        uint64_t dockerd_start;     /* field 22 of /proc/PID/stat: with the pid it names one life of a process */
        char api_socket[108];       /* path of its API socket; empty: unknown */
        bool configured;            /* named by DataRoot=, not found */
} DockerRoot;

/* What one watcher and one trimmer look after. */
typedef struct PartitionTarget {
        char mount[EVENT_MOUNT_MAX]; /* where it is mounted */
        char look_path[CONFIG_PATH_MAX]; /* a folder on it that statvfs and the ballast use: the first root, else a part */
        char fs_type[16];            /* of mountinfo, for people */
        char space_doubt[160];       /* why what statvfs says to be free may not be; empty: nothing known against it */
        uint64_t device;             /* st_dev */
        DockerRoot roots[PARTITION_ROOTS_MAX];
        uint32_t n_roots;
        char parts[PARTITION_PARTS_MAX][CONFIG_PATH_MAX]; /* what else of Docker lies here: volumes, containerd ... */
        uint32_t n_parts;
        uint64_t ballast_bytes;      /* wanted; 0: none */
} PartitionTarget;

/* What the archiver is to do. */
typedef struct ArchiveOrder {
        Act act; /* METHOD_ARCHIVE; id 0: only keep house */
        char root_path[CONFIG_PATH_MAX];
        uint32_t owner_uid;
        char name[CONTAINER_NAME_MAX]; /* of the container, sanitised: its folder is named after it */
} ArchiveOrder;

/* Finders that may hang at the same time, each at another path. */
#define FINDERS_HUNG_MAX 3
#define FOUND_NOTES_MAX 16
typedef struct Found {
        PartitionTarget partitions[PARTITIONS_MAX];
        uint32_t n_partitions;
        char notes[FOUND_NOTES_MAX][200]; /* sanitised: roots that are not trusted and why, what lies elsewhere */
        uint32_t n_notes;
} Found;

/* Of so many logs the readers are looked for at once: those that grow, then the largest. */
#define READERS_LOGS_MAX 256
typedef struct ReadersOrder {
        char roots[PARTITION_ROOTS_MAX][CONFIG_PATH_MAX];
        int32_t dockerd_pid[PARTITION_ROOTS_MAX]; /* 0: none */
        int32_t from_pid; /* processes before that were looked at; 0: none were */
        uint32_t n_logs;
        struct {
                uint32_t slot, root;
                uint64_t device, inode;
                char container[CONTAINER_ID_MAX];
        } logs[READERS_LOGS_MAX];
} ReadersOrder;

typedef struct ReadersFound {
        int32_t next_pid; /* go on there; 0: all were looked at */
        uint32_t n_processes, n_descriptors; /* that were looked at */
        uint32_t n_logs;
        LogReaders logs[READERS_LOGS_MAX];
} ReadersFound;

/* What grows on a partition and is no log: two looks at all processes. */
typedef struct SurveyOrder {
        char look_path[CONFIG_PATH_MAX]; /* on the partition */
        char roots[PARTITION_ROOTS_MAX][CONFIG_PATH_MAX];
        uint32_t n_roots;
        uint64_t window_usec; /* from one look to the other */
        uint64_t read_bytes;  /* from disks: no more than that */
        int32_t from_pid;     /* an earlier survey came up to that one; 0: begin at the beginning */
} SurveyOrder;

typedef struct SurveyFound {
        SurveyFacts facts;
        int32_t next_pid; /* the next one goes on there; 0: all were looked at */
        uint32_t n;
        Cause causes[SURVEY_CAUSES_MAX];
} SurveyFound;

/* When to look next. The watcher keeps the timer itself, so that a look costs the supervisor one wake-up. */
typedef struct LookOrder {
        uint64_t serial;
        uint64_t look_at_usec; /* monotonic; in the past: now */
} LookOrder;

#define SAMPLES_PER_MESSAGE 64
#define CRY_LINES_MAX 10   /* the kernel takes no more in 5 s */
#define CRY_LINE_BYTES 977 /* CONSOLE_LINE_MAX, and a NUL */

typedef enum MessageType {
        /* supervisor to watcher */
        MESSAGE_TARGET = 1, /* target; also to the trimmer; again when dockerd's pid changed */
        MESSAGE_LOOK,       /* look */
        MESSAGE_INSPECT,    /* inspect.slot: read all of that log, for torn lines */
        /* watcher to supervisor */
        MESSAGE_OBSERVATION,  /* observation (of any type but the two below where they come in numbers) */
        MESSAGE_SAMPLES,      /* samples, n */
        MESSAGE_LOOKED,       /* looked: ends a look; a look that an event brought forward has the serial 0 */
        MESSAGE_DOCKERD_GONE, /* gone.root: find it again */
        /* supervisor to trimmer, trimmer to supervisor */
        MESSAGE_ACT,
        MESSAGE_OUTCOME,
        MESSAGE_ALIVE,  /* to a trimmer: say that you are there; from it: it is (with what it may write to) */
        /* one-shot children to supervisor */
        MESSAGE_CONFIG,  /* config: outcome of reading the configuration */
        MESSAGE_SKIP,    /* to the finder, after MESSAGE_CONFIG: n paths in skip at which earlier ones hang */
        MESSAGE_LOOKING, /* from it: looking.path, before it looks there */
        MESSAGE_FOUND,   /* found */
        MESSAGE_VERSION, /* version */
        MESSAGE_CRY,     /* to the crier: cry */
        MESSAGE_CRIED,   /* from it: cried */
        MESSAGE_ARCHIVE, /* to the archiver, after MESSAGE_CONFIG: archive; it answers MESSAGE_OUTCOME */
        MESSAGE_SPOT,    /* to the spotter: spot */
        MESSAGE_SPOTTED, /* from it: spotted */
        MESSAGE_SURVEY,   /* to the surveyor: survey */
        MESSAGE_SURVEYED, /* from it: surveyed */
} MessageType;

typedef struct Message {
        uint32_t type; /* MessageType */
        uint32_t n;    /* MESSAGE_SAMPLES, MESSAGE_SKIP: how many */
        union {
                PartitionTarget target;
                LookOrder look, looked;
                Observation observation;
                struct {
                        uint64_t time_usec;
                        LogSample sample[SAMPLES_PER_MESSAGE];
                } samples;
                struct {
                        uint32_t slot;
                } inspect;
                struct {
                        uint32_t root;
                } gone;
                Act act;
                Outcome outcome;
                struct {
                        bool hold;      /* to a trimmer: keep Docker's folders open; from it: not used */
                        bool writable;  /* the roots can be written to in this mount namespace */
                        int32_t error;  /* why not */
                        char path[CONFIG_PATH_MAX];
                } alive;
                struct {
                        bool ok;
                        char error[512]; /* "FILE:LINE: ..." */
                        Config config;
                } config;
                struct {
                        char paths[FINDERS_HUNG_MAX][CONFIG_PATH_MAX];
                } skip; /* n of the message tells how many */
                struct {
                        char path[CONFIG_PATH_MAX];
                } looking;
                Found found;
                struct {
                        uint32_t root;
                        uint32_t major; /* 0: unknown */
                        char text[32];
                } version;
                struct {
                        uint32_t n;
                        char line[CRY_LINES_MAX][CRY_LINE_BYTES];
                } cry;
                struct {
                        uint32_t n_written;
                        int32_t error; /* why not all of them; -EBADF: there is no kernel log */
                } cried;
                ArchiveOrder archive;
                ReadersOrder spot;
                ReadersFound spotted;
                SurveyOrder survey;
                SurveyFound surveyed;
        };
} Message;

/* Bytes of a message of that type on the wire: no more than its own arm of the union. 0: no such type. */
size_t message_size(uint32_t type);

/* Sends one message. -EAGAIN: the peer does not read (dont_wait); -EPIPE: it is gone. */
int message_send(int fd, const Message *message, bool dont_wait);

/* Receives one message, checks type and size; what lies behind its arm of the union is left as it was. 0; -EAGAIN;
 * -EPIPE: the peer is gone; -EBADMSG. */
int message_receive(int fd, Message *ret_message, bool dont_wait);
