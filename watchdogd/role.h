/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The processes of watchdogd, and what each is given when it is forked. A role's function runs in its own process,
 * with its privileges dropped already; what it returns is the exit status. */

#include <stdint.h>

#include "stage.h"

typedef enum Role {
        ROLE_SUPERVISOR,
        ROLE_WATCHER,
        ROLE_TRIMMER,
        ROLE_READER,  /* one-shot: reads the configuration, answers MESSAGE_CONFIG, exits */
        ROLE_FINDER,  /* one-shot: finds data-roots and partitions, answers MESSAGE_FOUND, exits */
        ROLE_VERSION, /* one-shot: asks one dockerd for its version, answers MESSAGE_VERSION, exits */
        ROLE_CRIER,   /* one-shot: writes lines to the kernel log, answers MESSAGE_CRIED, exits */
        ROLE_ARCHIVER, /* on demand: answers each MESSAGE_ARCHIVE with MESSAGE_OUTCOME, until its channel is closed */
        ROLE_SPOTTER, /* one-shot: looks through all processes for those that read the logs, answers MESSAGE_SPOTTED, exits */
        ROLE_SURVEYOR, /* one-shot: looks twice at what all processes have open and write, answers MESSAGE_SURVEYED, exits */
        _ROLE_MAX,
} Role;

const char *role_to_string(Role role);

/* The command line, parsed once by the launcher before it forks anything. */
typedef struct Options {
        const char *config_path;
        bool config_given;       /* --config: its absence is then an error */
        const char *runtime_dir; /* the socket */
        const char *state_dir;
        bool observe;            /* --observe: whatever the configuration says */
        bool in_foreground;      /* events are also written to standard output */
        bool remove_traces;      /* no guard: traces.h; ... */
        bool confirmed;          /* --yes: nothing is asked */
        bool keep_archives;
} Options;

typedef struct RoleContext {
        Role role;
        const Options *options;
        int channel_fd;   /* SOCK_SEQPACKET to the supervisor (the supervisor's: to the launcher) */
        int notify_fd;    /* the supervisor's: datagrams for systemd, handed on by the launcher; -EBADF else */
        StagePage *stage; /* watcher and trimmer; NULL else */
        int state_fd;     /* the supervisor's: what one before it has left (state.h); -EBADF: nothing is kept */
        int console_fd;   /* the crier's: the kernel log */
} RoleContext;

int watcher_run(const RoleContext *context);
int trimmer_run(const RoleContext *context);
int reader_run(const RoleContext *context);
int finder_run(const RoleContext *context);  /* first receives MESSAGE_CONFIG: the configuration in force */
int version_run(const RoleContext *context); /* first receives MESSAGE_TARGET and MESSAGE_DOCKERD_GONE{root} */
int archiver_run(const RoleContext *context);
int crier_run(const RoleContext *context);   /* first receives MESSAGE_CRY */
int spotter_run(const RoleContext *context); /* first receives MESSAGE_SPOT */
int surveyor_run(const RoleContext *context); /* first receives MESSAGE_SURVEY */
