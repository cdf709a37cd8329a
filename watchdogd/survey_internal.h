/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The insides of a survey, shared by its parts and by nobody else:
 *
 *      survey.c         from the first look to what is told, and writers of files that they do not keep open
 *      survey_look.c    a look at all processes and what they have open
 *      survey_causes.c  what that is to people, gathered
 *      survey_mounts.c, survey_place.c  where it lies
 */

#include <limits.h>
#include <sys/stat.h>

#include "survey.h"
#include "survey_mounts.h"
#include "survey_place.h"

/* While they are gathered: the smallest ones make room. */
#define SURVEY_GATHERED_MAX 64
/* Writers that are looked at closer. */
#define SURVEY_WRITERS_MAX 8
/* Held by a deleted file that does not grow: worth a word from that part of the partition on. */
#define SURVEY_HELD_PART 64

typedef struct SurveyFile {
        uint64_t device, inode; /* inode 0: free */
        uint64_t bytes;         /* allocated, in the last look that saw it */
        bool counted;           /* in this look: it may be open several times ... */
        uint16_t cause;         /* ... its growth is in that cause (a place in causes, from 1 on; 0: none) ... */
        int32_t writer_pid;     /* ... as that one's, who has written ... */
        uint64_t writer_bytes;  /* ... so much within the survey */
} SurveyFile;

typedef struct SurveyProcess {
        int32_t pid, parent;  /* parent 0: it has not written enough to matter */
        bool seen;            /* by the second look, too */
        bool is_ambiguous;    /* it has files open for writing that do not grow, or lie on other disks: that is where it may write */
        uint64_t written;   /* by the first look; then: within the survey ... */
        uint64_t explained; /* ... of which that much went to files that were seen to grow */
} SurveyProcess;

static inline uint64_t survey_process_unexplained(const SurveyProcess *p) {
        return p->written - MIN(p->written, p->explained);
}

typedef struct SurveyWriters {
        SurveyProcess items[SURVEY_WRITERS_MAX]; /* the most that no file explains first */
        size_t n;
} SurveyWriters;

typedef struct Survey {
        int proc_fd;
        const SurveyOrder *order;
        SurveyMounts mounts;
        SurveyFile *files;
        uint32_t n_files;
        SurveyProcess *processes; /* by pid, ascending: as /proc has them */
        size_t n_processes;
        uint64_t begun_wall_usec, held_least_bytes;
        uint64_t deadline_usec;
        uint32_t n_descriptors;
        int32_t next_pid; /* where the first look had to end; 0: it saw all */
        unsigned look;    /* 1, 2 */
        Cause causes[SURVEY_GATHERED_MAX];
        uint32_t n_causes;
        uint64_t logs_bytes;
        SurveyWriters writers; /* as the second look has found them */
        bool files_full; /* there were more than can be kept */
} Survey;

/* The process that is looked at. */
typedef struct SurveySubject {
        Survey *s;
        SurveyProcess *process;
        int process_fd;
        char command[CAUSE_COMMAND_MAX]; /* "": not read yet */
        char container[CAUSE_NAME_MAX], service[CAUSE_NAME_MAX]; /* of its cgroup ... */
        bool cgroup_known;                                       /* ... where that was read */
} SurveySubject;

/* ---- survey_look.c */

/* -ENOMEM. */
int survey_look_init(Survey *s);
void survey_look_done(Survey *s);
/* number: 1 or 2. Negative errno: /proc cannot be read. */
int survey_look_at_all(Survey *s, unsigned number);
/* Of a process; negative errno: it is gone, or a thread of the kernel. */
int survey_look_open(int proc_fd, int32_t pid);
/* A file on the partition that was made within the survey, with something in it, in the hands of that process right now. */
bool survey_look_peek(SurveySubject *p, SurveyPlace *ret_place);
/* Of what parents have written, what children of theirs had written before the survey: it counts for the parent once they
 * have ended. To be called after the second look. */
void survey_look_settle(Survey *s);

/* ---- survey_causes.c */

/* What that file is to people. */
SurveyPlace survey_causes_place(SurveySubject *p, const SurveyMount *mount, const char *link, const struct statx *stx);
/* A file grew by that much, or is held without a name. */
void survey_causes_add_file(SurveySubject *p, const SurveyMount *mount, const char *link, const struct statx *stx, uint64_t grown_bytes,
                SurveyFile *file);
/* It is open in another process as well, which has written more: he is named. */
void survey_causes_rename_writer(SurveySubject *p, SurveyFile *file);
/* The same for what was inferred. */
void survey_causes_add(SurveySubject *p, Cause *cause);
void survey_causes_learn_cgroup(SurveySubject *p);
/* The largest first. */
void survey_causes_give(Survey *s, SurveyFound *found);
