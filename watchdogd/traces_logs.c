/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logs with a hole or filler of ours: healed as METHOD_HEAL does it. */

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "beneath.h"
#include "cut.h"
#include "filesystem.h"
#include "heal.h"
#include "text.h"
#include "traces_internal.h"
#include "units.h"

/* One log of one root. */
typedef struct Log {
        Traces *t;
        const DockerRoot *root;
        int containers_fd;
        const char *id;
        uint64_t hole_bytes, filler_bytes;
        struct stat st;
} Log;

/* As people call it. */
static const char *name_of(Log *l) {
        char detail[CATALOG_DETAIL_MAX];
        int fd, r = -ENOENT;

        stage_enter(l->t->stage, "openat2", l->id);
        fd = beneath_open(l->containers_fd, l->id, O_PATH | O_DIRECTORY);
        if (fd >= 0) {
                r = catalog_read(&l->t->catalog, fd, l->id, &l->t->container, detail);
                (void) close(fd);
        }
        stage_leave(l->t->stage);
        if (r < 0 || r == CATALOG_E_ABSENT)
                catalog_fill_unknown(l->id, &l->t->container);
        return l->t->container.name;
}

static void say(Log *l, const char *what) {
        char size[UNITS_TEXT_MAX];

        (void) printf("  the log of %s (%.12s, %s) has %s of %s; %s\n", name_of(l), l->id, l->root->path,
                l->filler_bytes > 0 ? "filler" : "a hole", bytes_format(MAX(l->filler_bytes, l->hole_bytes), size), what);
}

/* Whether there is something to heal. The log is open afterwards if so. */
static int look(Log *l) {
        char name[LOGFILE_NAME_MAX];
        LogFile *f = &l->t->log;
        uint64_t from, to;
        int r;

        logfile_name(l->id, name);
        stage_enter(l->t->stage, "fstatat", l->id);
        r = fstatat(l->containers_fd, name, &l->st, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
        stage_leave(l->t->stage);
        if (r < 0) /* no folder, or another driver's */
                return r == -ENOENT || r == -ENOTDIR ? 0 : r;
        r = logfile_open_reading(f, l->t->stage, l->containers_fd, l->id, l->st.st_dev, l->st.st_ino, l->root->owner_uid);
        if (r != 0) /* what is no proper log was never cut */
                return MIN(r, 0);
        l->hole_bytes = 0;
        l->filler_bytes = cut_find_filler(f);
        r = l->filler_bytes > 0 ? 0 : cut_find_hole(f, &from, &to);
        if (r == 0 && l->filler_bytes == 0)
                l->hole_bytes = to - from;
        if (r == 0)
                return 1;
        logfile_close(f);
        return MIN(r, 0);
}

/* What is tried when it comes to it has the last word. */
static bool may_collapse(const LogFile *f) {
        struct statfs v;

        return filesystem_kernel_may_collapse() && fstatfs(f->fd, &v) == 0 &&
               (v.f_type == EXT4_SUPER_MAGIC || v.f_type == XFS_SUPER_MAGIC);
}

static void list(Log *l, Tally *tally) {
        LogFile *f = &l->t->log;
        const bool possible = may_collapse(f);
        int r = possible ? logfile_lease(f) : 0;

        logfile_close(f); /* and gives back the lease */
        if (!possible || r != 0) {
                tally->n_stay++;
                say(l, !possible ? "stays: this filesystem cannot take it out" : "stays: somebody has it open");
                return;
        }
        tally->n++;
        tally->bytes += MAX(l->filler_bytes, l->hole_bytes);
        say(l, "can be healed");
}

static void heal(Log *l, Tally *tally) {
        LogFile *f = &l->t->log;
        Outcome o = {};
        ActResult result;
        int r;

        logfile_close(f);
        r = logfile_open(f, l->t->stage, l->containers_fd, l->id, l->st.st_dev, l->st.st_ino, l->root->owner_uid);
        if (r == 0) {
                r = logfile_lease(f);
                result = r == 0 ? heal_log(f, &o) : r == LOGFILE_E_BUSY ? ACT_BUSY : ACT_FAILED;
                logfile_close(f);
        } else
                result = r == LOGFILE_E_CHANGED ? ACT_NOTHING_TO_DO : r == LOGFILE_E_BUSY ? ACT_BUSY : ACT_FAILED;
        if (result == ACT_DONE)
                tally->n++;
        else if (result == ACT_BUSY || result == ACT_UNSUPPORTED) /* was said, when they were listed */
                tally->n_stay++;
        else if (result != ACT_NOTHING_TO_DO)
                traces_fail(tally, r == LOGFILE_E_FIXED ? -EPERM : o.error < 0 ? o.error : MIN(r, -EIO), "the log of %s (%.12s, %s)",
                        name_of(l), l->id, l->root->path);
}

static void walk_root(Traces *t, bool act, const DockerRoot *root, int fd, Tally *tally) {
        Log l = {.t = t, .root = root, .containers_fd = fd};
        struct dirent *entry;
        DIR *dir;
        int copy, r;

        stage_enter(t->stage, "openat", root->path);
        copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = copy >= 0 ? fdopendir(copy) : NULL;
        stage_leave(t->stage);
        if (!dir) {
                traces_fail(tally, -errno, "%s", root->path);
                (void) close_safe(copy);
                return;
        }
        for (;;) {
                errno = 0;
                stage_enter(t->stage, "getdents64", root->path);
                entry = readdir(dir);
                stage_leave(t->stage);
                if (!entry && errno != 0)
                        traces_fail(tally, -errno, "%s", root->path);
                if (!entry)
                        break;
                if (!text_is_container_id(entry->d_name))
                        continue;
                l.id = entry->d_name;
                r = look(&l);
                if (r < 0)
                        traces_fail(tally, r, "the log of %.12s in %s", l.id, root->path);
                else if (r > 0)
                        (act ? heal : list)(&l, tally);
        }
        (void) closedir(dir);
}

void traces_walk_logs(Traces *t, bool act, Tally *tally) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];

        for (uint32_t i = 0; i < t->roots.n; i++) {
                const DockerRoot *root = &t->roots.items[i].docker;
                int fd;

                (void) snprintf(path, sizeof(path), "%s/containers", root->path);
                fd = traces_open_folder(t, path);
                if (fd >= 0) {
                        walk_root(t, act, root, fd, tally);
                        (void) close(fd);
                } else if (fd != -ENOENT)
                        traces_fail(tally, fd, "%s", path);
        }
}
