/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The ballast, and the file that filler is cloned from. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ballast.h"
#include "filler.h"
#include "traces_internal.h"
#include "units.h"

static const char *const names[] = {BALLAST_NAME, FILLER_NAME};

/* The clones of its one block take no space, but are counted. */
static uint64_t takes_bytes(const char *name, const struct stat *st) {
        const uint64_t allocated = (uint64_t) st->st_blocks * 512;

        return streq(name, FILLER_NAME) ? MIN(allocated, (uint64_t) FILLER_BYTES) : allocated;
}

static void walk_file(Traces *t, bool act, int dir_fd, const char *path, const char *name, Tally *tally) {
        char size[UNITS_TEXT_MAX];
        struct stat st;
        int r;

        stage_enter(t->stage, "fstatat", path);
        r = fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        stage_leave(t->stage);
        if (r == -ENOENT)
                return;
        if (r == 0 && !traces_is_ours(&st)) {
                if (!act)
                        (void) printf("  %s/%s stays: it is not the guard's\n", path, name);
                return;
        }
        if (r == 0 && act) {
                stage_enter(t->stage, "unlinkat", path);
                r = unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
                stage_leave(t->stage);
        }
        if (r < 0) {
                traces_fail(tally, r, "%s/%s", path, name);
                return;
        }
        tally->n++;
        tally->bytes += takes_bytes(name, &st);
        if (!act)
                (void) printf("  %s/%s, %s\n", path, name, bytes_format(takes_bytes(name, &st), size));
}

static void walk_folder(Traces *t, bool act, const char *path, Tally *tally) {
        int dir_fd = traces_open_folder(t, path);

        if (dir_fd < 0) {
                if (dir_fd != -ENOENT)
                        traces_fail(tally, dir_fd, "%s", path);
                return;
        }
        for (size_t i = 0; i < ELEMENTS(names); i++)
                walk_file(t, act, dir_fd, path, names[i], tally);
        stage_enter(t->stage, "close", path);
        (void) close(dir_fd);
        stage_leave(t->stage);
}

void traces_walk_files(Traces *t, bool act, Tally *tally) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];

        for (uint32_t i = 0; i < t->roots.n; i++) {
                const char *root = t->roots.items[i].docker.path;

                walk_folder(t, act, root, tally);
                /* They lie there where containers/ is a mount of its own. */
                (void) snprintf(path, sizeof(path), "%s/containers", root);
                walk_folder(t, act, path, tally);
        }
}
