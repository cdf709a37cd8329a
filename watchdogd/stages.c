/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <sys/mman.h>

#include "macros.h"
#include "stages.h"

void stages_init(Stages *s, const Stage inherited[static STAGES_MAX]) {
        memcpy(s->items, inherited, sizeof(s->items));
        s->serial = 0;
}

static int stage_make(int *ret_fd) {
        _cleanup_close_ int fd = memfd_create("diskbrake-stage", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        const uint64_t version = STAGE_VERSION;

        if (fd < 0 || ftruncate(fd, sizeof(StagePage)) < 0)
                return -errno;
        if (pwrite(fd, &version, sizeof(version), offsetof(StagePage, version)) != sizeof(version))
                return -EIO;
        /* A watcher that was taken over must not be able to kill the supervisor, who reads it, by making it shorter. */
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
                return -errno;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int stages_get(Stages *s, const Notify *notify, uint32_t role, uint64_t key,
               bool (*is_used)(uint32_t role, uint64_t key, void *userdata), void *userdata, int *ret_fd) {
        char name[STAGE_NAME_MAX];
        Stage *place = NULL;
        int fd = -EBADF, r;

        for (size_t i = 0; i < STAGES_MAX; i++) {
                Stage *stage = s->items + i;

                if (stage->fd >= 0 && stage->role == role && stage->key == key) {
                        stage->used_serial = ++s->serial;
                        *ret_fd = stage->fd;
                        return 0;
                }
                if (stage->fd < 0)
                        place = stage;
                else if (!is_used(stage->role, stage->key, userdata) &&
                         (!place || (place->fd >= 0 && stage->used_serial < place->used_serial)))
                        place = stage;
        }
        if (!place)
                return -ENOSPC;
        r = stage_make(&fd);
        if (r < 0)
                return r;
        if (place->fd >= 0) {
                notify_forget_fd(notify, inherited_stage_name(place, name));
                (void) close(place->fd);
        }
        *place = (Stage){.role = role, .key = key, .fd = fd, .used_serial = ++s->serial};
        notify_keep_fd(notify, inherited_stage_name(place, name), fd);
        *ret_fd = fd;
        return 0;
}
