/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "inherited.h"
#include "macros.h"
#include "records.h"
#include "role.h"

/* systemd hands descriptors over from here on. */
#define LISTEN_FDS_START 3
/* More than the unit's FileDescriptorStoreMax= and its sockets. */
#define LISTEN_FDS_MAX 128

const char *inherited_stage_name(const Stage *stage, char buf[static STAGE_NAME_MAX]) {
        (void) snprintf(buf, STAGE_NAME_MAX, "stage-%" PRIu32 "-%" PRIx64, stage->role, stage->key);
        return buf;
}

static bool is_socket(int fd) {
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* A page of this version: another one has other structs in it. */
static bool is_stage(int fd) {
        struct stat st;
        uint64_t version;

        return fstat(fd, &st) == 0 && st.st_size == sizeof(StagePage) &&
                pread(fd, &version, sizeof(version), offsetof(StagePage, version)) == sizeof(version) &&
                version == STAGE_VERSION;
}

static bool take_stage(Inherited *in, const char *name, int fd) {
        Stage stage = {.fd = fd};

        if (sscanf(name, "stage-%" SCNu32 "-%" SCNx64, &stage.role, &stage.key) != 2 || !is_stage(fd) ||
            (stage.role != ROLE_WATCHER && stage.role != ROLE_TRIMMER))
                return false;
        for (size_t i = 0; i < STAGES_MAX; i++)
                if (in->stages[i].fd < 0) {
                        in->stages[i] = stage;
                        return true;
                }
        return false;
}

static void take(Inherited *in, const char *name, int fd) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
                return;
        if (streq(name, "state") && in->state_fd < 0 && state_fits(fd, &records_layout))
                in->state_fd = fd;
        else if (is_socket(fd) && in->listen_fd < 0)
                in->listen_fd = fd;
        else if (!take_stage(in, name, fd)) {
                (void) close(fd);
                if (in->n_stale < STAGES_MAX)
                        (void) snprintf(in->stale[in->n_stale++], STAGE_NAME_MAX, "%s", name);
        }
}

void inherited_take(Inherited *ret_inherited) {
        const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"), *names = getenv("LISTEN_FDNAMES");
        int n = pid && count && atoi(pid) == getpid() ? atoi(count) : 0;

        *ret_inherited = (Inherited){.listen_fd = -EBADF, .state_fd = -EBADF};
        for (size_t i = 0; i < STAGES_MAX; i++)
                ret_inherited->stages[i].fd = -EBADF;
        for (int i = 0; i < MIN(n, LISTEN_FDS_MAX); i++) {
                size_t length = names ? strcspn(names, ":") : 0;
                char name[STAGE_NAME_MAX] = "";

                if (length < sizeof(name) && names)
                        memcpy(name, names, length);
                take(ret_inherited, name, LISTEN_FDS_START + i);
                if (names)
                        names += length + (names[length] == ':');
        }
        (void) unsetenv("LISTEN_PID");
        (void) unsetenv("LISTEN_FDS");
        (void) unsetenv("LISTEN_FDNAMES");
}
