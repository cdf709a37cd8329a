/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Facts about the world, each carrying its own time (CLOCK_MONOTONIC). The only way into the engine. Plain data
 * of fixed size: the watcher sends them as they stand. */

#include "container.h"
#include "cause.h"

typedef enum ObservationType {
        OBSERVATION_PARTITION = 1, /* space and inodes */
        OBSERVATION_LOG_INFO,      /* a log appeared, or what is known of it changed */
        OBSERVATION_LOG_SAMPLE,    /* the size of a log */
        OBSERVATION_LOG_GONE,
        OBSERVATION_LOST,          /* could not look: blind must never look calm */
        OBSERVATION_DOCKER,        /* what dockerd of a root says of itself */
        OBSERVATION_FILESYSTEM,    /* what the filesystem can do */
        OBSERVATION_NOTICE,        /* something odd that a person should know of, once */
        OBSERVATION_LOG_DAMAGE,    /* torn lines of a log, or none any more */
        OBSERVATION_LOG_READERS,   /* who reads a log; its time is when that look began */
        OBSERVATION_READERS_LOOK,  /* a look at who reads the logs has begun, or ended */
        OBSERVATION_CAUSE,         /* something that grows and is no log, as the survey under way has seen it */
        OBSERVATION_SURVEY,        /* a survey has begun, or ended */
} ObservationType;

typedef struct PartitionSample {
        uint64_t total_bytes;
        uint64_t free_bytes;  /* with the blocks reserved for root */
        uint64_t avail_bytes; /* without them; never above free_bytes (f_bavail may wrap) */
        uint64_t total_inodes; /* 0: the filesystem does not count them (btrfs) */
        uint64_t avail_inodes;
        bool read_only;
} PartitionSample;

/* The writer of a log: dockerd's descriptor. The number is found once and checked alone from then on. */
typedef struct LogWriter {
        int32_t pid; /* dockerd; 0: nobody has it open for writing, as far as is known */
        int32_t fd;
        Tristate append; /* O_APPEND in its flags */
} LogWriter;

#define READER_COMMAND_MAX 32

/* A process that has a log open for reading: most likely a log shipper. */
typedef struct LogReader {
        int32_t pid; /* 0: none */
        int32_t fd;
        char command[READER_COMMAND_MAX]; /* sanitised */
        uint64_t offset_bytes; /* that far it has read; it may be further by now */
} LogReader;

/* Who reads one log, as seen in one look at all processes. */
typedef struct LogReaders {
        uint32_t slot;
        uint32_t n;        /* processes; neither dockerd nor ours */
        uint32_t n_docker; /* dockerd's descriptors, each a `docker logs -f`: they hold nothing back */
        uint64_t inode;    /* of the log that was looked for */
        LogReader slowest;
        /* Of its rotated segments, which readers keep open until they have read them. */
        uint32_t n_segments;        /* descriptors */
        uint64_t segments_unread_bytes;
        LogReader segment_reader;   /* who has the most left to read; its offset is in that segment */
} LogReaders;

typedef struct LogInfo {
        uint32_t slot; /* given by the watcher; names the log until LOG_GONE, then may be used again */
        uint32_t root; /* index of the data-root within the partition */
        ContainerInfo container;
        LogWriter writer;
        uint64_t device, inode;
        bool odd; /* a symlink, a FIFO, a second link, outside the root: never opened for writing */
} LogInfo;

typedef struct LogSample {
        uint32_t slot;
        uint32_t n_segments;      /* rotated *-json.log.N[.gz] */
        uint64_t allocated_bytes; /* of the live log, without its filler */
        uint64_t segments_bytes;  /* allocated, of the rotated segments */
        uint64_t size_bytes;      /* apparent, of the live log */
        uint64_t hole_bytes;      /* of a hole of ours behind the marker line; 0: none */
        uint64_t filler_bytes;    /* of the filler at its head: shared blocks that take no space */
        uint64_t filler_usec;     /* when that was looked at; 0: not yet */
        uint64_t nul_bytes;       /* of a head of NULs without a marker, about: somebody's truncate; 0: none */
        uint32_t line_bytes;      /* mean length of its newest lines; 0: not measured */
} LogSample;

/* What keeps readers from a part of a log. */
typedef enum DamageKind {
        DAMAGE_NONE,
        DAMAGE_TORN,     /* a line that a full disk cut off: what follows it is hidden */
        DAMAGE_NUL_HEAD, /* somebody's truncate in front of a writer without O_APPEND */
        _DAMAGE_KIND_MAX,
} DamageKind;

const char *damage_kind_to_string(DamageKind kind); /* "none", "torn", "nul-head" */

/* A fragment in a line of a log: [from, to), and what it consists of: it is looked at again before it is touched. */
typedef struct LogRange {
        uint64_t from, to;
        uint64_t hash; /* log_range_hash() */
} LogRange;

/* FNV-1a, 64 bits; to be gone on with in pieces, from LOG_RANGE_HASH_FIRST. */
#define LOG_RANGE_HASH_FIRST UINT64_C(0xCBF29CE484222325)
static inline uint64_t log_range_hash(uint64_t hash, const char *bytes, uint64_t n_bytes) {
        for (uint64_t i = 0; i < n_bytes; i++)
                hash = (hash ^ (unsigned char) bytes[i]) * UINT64_C(0x100000001B3);
        return hash;
}

/* Told at a time; what is behind them is told when these are repaired. */
#define LOG_RANGES_MAX 8

typedef struct LogDamage {
        uint32_t slot;
        uint32_t n; /* 0: none are left, as far as was looked */
        uint64_t inode;
        LogRange ranges[LOG_RANGES_MAX];
} LogDamage;

typedef enum NoticeKind {
        NOTICE_QUEUE_OVERFLOW = 1, /* inotify lost events: everything was looked at again */
        NOTICE_WATCH_LIMIT,        /* no more inotify watches: these logs are looked at by time alone */
        NOTICE_CATALOG_BAD,        /* a container's JSON could not be read: guarded by its id alone */
        NOTICE_LOG_ODD,            /* a log that will never be opened for writing */
        NOTICE_LABEL_BAD,
        NOTICE_TOO_MANY_LOGS,
        _NOTICE_MAX,
} NoticeKind;

typedef struct Notice {
        NoticeKind kind;
        uint32_t slot; /* UINT32_MAX: not about one log */
        int32_t error; /* negative errno; 0: none */
        uint64_t count;
        char detail[160]; /* sanitised: what was found, what was expected */
} Notice;

typedef struct Observation {
        ObservationType type;
        uint64_t time_usec;
        union {
                PartitionSample partition;
                LogInfo log_info;
                LogSample log_sample;
                uint32_t log_gone; /* slot */
                struct {
                        int32_t error; /* negative errno; -ETIMEDOUT: no answer within the deadline */
                } lost;
                struct {
                        uint32_t root;
                        uint32_t version_major; /* 0: unknown */
                } docker;
                struct {
                        bool can_collapse;  /* FALLOC_FL_COLLAPSE_RANGE */
                        bool can_punch;
                        bool can_reflink;   /* FICLONERANGE, and there is something to clone */
                        bool freed_is_late; /* btrfs: statvfs shows a gain only after a commit */
                        uint64_t ballast_bytes; /* that is there now; 0: none */
                        bool may_have_ballast;  /* one is wanted: there are logs whose growth it is for */
                } filesystem;
                Notice notice;
                LogDamage log_damage;
                LogReaders log_readers;
                struct {
                        bool ended;
                        bool complete;         /* ended: every process was looked at */
                        uint64_t until_usec;   /* begun: it has ended by then, one way or the other */
                } readers_look;
                Cause cause;
                struct {
                        bool ended;
                        bool failed;         /* ended: nothing was learned */
                        uint64_t until_usec; /* begun: it has ended by then, one way or the other */
                        SurveyFacts facts;   /* ended */
                } survey;
        };
} Observation;
