/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The archives: only what is named like one, in a folder that is named like one of ours. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive_place.h"
#include "archive_store.h"
#include "beneath.h"
#include "text.h"
#include "traces_internal.h"
#include "units.h"

#define SUBJECT "the archives"

typedef struct Walk {
        Traces *t;
        bool act;
        char path[CONFIG_PATH_MAX];
        int fd;
        Tally *tally;
        uint64_t n_entries;
} Walk;

static bool is_dots(const char *name) { return streq(name, ".") || streq(name, ".."); }

static void say_stranger(const Walk *w, const char *folder, const char *name) {
        char clean[NAME_MAX * 3 + 1];

        (void) text_sanitize(clean, sizeof(clean), name, strlen(name));
        if (!w->act)
                (void) printf("  %s/%s%s%s stays: it is not the guard's\n", w->path, folder, *folder ? "/" : "", clean);
}

/* Takes the descriptor. */
static DIR *open_dir(Walk *w, int fd) {
        DIR *dir;

        stage_enter(w->t->stage, "fdopendir", SUBJECT);
        dir = fdopendir(fd);
        stage_leave(w->t->stage);
        return dir;
}

static struct dirent *next_entry(Walk *w, DIR *dir) {
        struct dirent *entry;

        errno = 0;
        stage_enter(w->t->stage, "getdents64", SUBJECT);
        do
                entry = readdir(dir);
        while (entry && is_dots(entry->d_name));
        stage_leave(w->t->stage);
        if (!entry && errno != 0)
                traces_fail(w->tally, -errno, "%s", w->path);
        return entry;
}

static int remove_entry(Walk *w, int dir_fd, const char *name, int flags) {
        int r;

        stage_enter(w->t->stage, "unlinkat", SUBJECT);
        r = unlinkat(dir_fd, name, flags) < 0 ? -errno : 0;
        stage_leave(w->t->stage);
        return r == -ENOENT || r == -ENOTEMPTY || r == -EEXIST ? 0 : r;
}

static bool is_archive(Walk *w, int folder_fd, const char *name, struct stat *ret_st) {
        ArchiveName parsed;
        bool ours;

        if (archive_name_parse(name, &parsed) < 0 && !streq(name, ARCHIVE_INCOMPLETE))
                return false;
        stage_enter(w->t->stage, "fstatat", SUBJECT);
        ours = fstatat(folder_fd, name, ret_st, AT_SYMLINK_NOFOLLOW) == 0 && traces_is_ours(ret_st);
        stage_leave(w->t->stage);
        return ours;
}

static void walk_folder(Walk *w, const char *folder) {
        char size[UNITS_TEXT_MAX];
        uint64_t n = 0, bytes = 0, n_strangers = 0;
        struct dirent *entry;
        struct stat st;
        DIR *dir = NULL;
        int fd, r = 0;

        stage_enter(w->t->stage, "openat2", SUBJECT);
        fd = beneath_open(w->fd, folder, O_RDONLY | O_DIRECTORY);
        stage_leave(w->t->stage);
        if (fd == -ELOOP || fd == -ENOTDIR) { /* a link or a file of such a name */
                say_stranger(w, "", folder);
                return;
        }
        if (fd >= 0)
                dir = open_dir(w, fd);
        if (!dir) {
                traces_fail(w->tally, fd < 0 ? fd : -errno, "%s/%s", w->path, folder);
                (void) close_safe(fd);
                return;
        }
        while ((entry = next_entry(w, dir))) {
                if (!is_archive(w, fd, entry->d_name, &st)) {
                        say_stranger(w, folder, entry->d_name);
                        n_strangers++;
                        continue;
                }
                r = w->act ? remove_entry(w, fd, entry->d_name, 0) : 0;
                if (r < 0) {
                        traces_fail(w->tally, r, "%s/%s/%s", w->path, folder, entry->d_name);
                        continue;
                }
                n++;
                bytes += (uint64_t) st.st_blocks * 512;
        }
        (void) closedir(dir);
        w->tally->bytes += bytes;
        w->tally->n += n;
        if (!w->act && n > 0)
                (void) printf("  %s/%s: %" PRIu64 " archive%s, %s\n", w->path, folder, n, n == 1 ? "" : "s",
                        bytes_format(bytes, size));
        else if (!w->act && n_strangers == 0) {
                w->tally->n++; /* the folder itself is what is left */
                (void) printf("  %s/%s is empty\n", w->path, folder);
        }
        r = w->act ? remove_entry(w, w->fd, folder, AT_REMOVEDIR) : 0;
        if (r < 0)
                traces_fail(w->tally, r, "%s/%s", w->path, folder);
}

static void walk(Walk *w) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        size_t n_name;
        DIR *dir;
        int copy;

        stage_enter(w->t->stage, "openat", SUBJECT);
        copy = openat(w->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        stage_leave(w->t->stage);
        dir = copy >= 0 ? open_dir(w, copy) : NULL;
        if (!dir) {
                traces_fail(w->tally, -errno, "%s", w->path);
                (void) close_safe(copy);
                return;
        }
        while ((entry = next_entry(w, dir))) {
                w->n_entries++;
                if (archive_folder_parse(entry->d_name, id, &n_name))
                        walk_folder(w, entry->d_name);
                else
                        say_stranger(w, "", entry->d_name);
        }
        (void) closedir(dir);
}

/* A place that the configuration names may be the administrator's own folder: that stays. */
static void end_place(Walk *w) {
        int r;

        if (w->t->config.archive_directory[0])
                return;
        if (!w->act && w->n_entries == 0) {
                w->tally->n++;
                (void) printf("  %s is empty\n", w->path);
        }
        if (!w->act)
                return;
        stage_enter(w->t->stage, "rmdir", w->path);
        r = rmdir(w->path) < 0 ? -errno : 0;
        stage_leave(w->t->stage);
        if (r < 0 && r != -ENOENT && r != -ENOTEMPTY && r != -EEXIST && r != -EBUSY)
                traces_fail(w->tally, r, "%s", w->path);
}

void traces_walk_archives(Traces *t, bool act, Tally *tally) {
        Walk w = {.t = t, .act = act, .fd = -EBADF, .tally = tally};
        const char *call = "";
        int r;

        r = archive_store_path(&t->config, t->options->state_dir, w.path);
        if (r == 0) {
                stage_enter(t->stage, "openat2", w.path);
                w.fd = archive_place_open(w.path, false, &call);
                stage_leave(t->stage);
                r = MIN(w.fd, 0);
        }
        if (r == -ENOENT)
                return;
        if (r == -EBADFD)
                traces_fail(tally, -EPERM, "%s stays, since it is not root's alone", w.path);
        else if (r < 0)
                traces_fail(tally, r, "%s", w.path);
        else {
                walk(&w);
                end_place(&w);
        }
        (void) close_safe(w.fd);
}
