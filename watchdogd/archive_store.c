/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "archive_place.h"
#include "archive_store_internal.h"
#include "beneath.h"
#include "clock.h"
#include "macros.h"

/* ---- walking ------------------------------------------------------------------------------------------------- */

int archive_open_folder(ArchiveStore *s, const char *folder) {
        s->call = "openat2";
        return beneath_open(s->fd, folder, O_RDONLY | O_DIRECTORY);
}

/* A DIR of its own for a descriptor that stays open. */
static DIR *open_dir(int fd) {
        int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = copy >= 0 ? fdopendir(copy) : NULL;

        if (!dir && copy >= 0)
                (void) close(copy);
        return dir;
}

int archive_walk_folder(ArchiveStore *s, int folder_fd, const char *folder, OnFound on_found, void *userdata) {
        uint64_t now_usec = clock_wall_usec();
        struct dirent *entry;
        struct stat st;
        DIR *dir;
        int r = 0;

        s->call = "openat";
        dir = open_dir(folder_fd);
        if (!dir)
                return -errno;
        while (r == 0 && (entry = readdir(dir))) {
                Found found = {.folder_fd = folder_fd, .folder = folder, .name = entry->d_name};
                uint64_t written_usec;

                if (archive_name_parse(entry->d_name, &found.parsed) < 0 ||
                    fstatat(folder_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
                        continue;
                found.bytes = (uint64_t) st.st_blocks * 512;
                found.written_nsec = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
                written_usec = (uint64_t) MAX(found.written_nsec, (int64_t) 0) / 1000;
                found.age_usec = now_usec - MIN(written_usec, now_usec);
                r = on_found(s, &found, userdata);
        }
        (void) closedir(dir);
        return r;
}

int archive_each_folder(ArchiveStore *s, OnFolder on_folder, void *userdata) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        size_t n;
        DIR *dir;
        int r = 0;

        s->call = "openat";
        dir = open_dir(s->fd);
        if (!dir)
                return -errno;
        while (r == 0 && (entry = readdir(dir))) {
                _cleanup_close_ int folder_fd = -EBADF;

                if (!archive_folder_parse(entry->d_name, id, &n))
                        continue;
                folder_fd = archive_open_folder(s, entry->d_name);
                if (folder_fd >= 0)
                        r = on_folder(s, folder_fd, entry->d_name, userdata);
        }
        (void) closedir(dir);
        return r;
}

typedef struct Walk {
        OnFound on_found;
        void *userdata;
} Walk;

static int walk_on_folder(ArchiveStore *s, int folder_fd, const char *folder, void *userdata) {
        const Walk *w = userdata;

        return archive_walk_folder(s, folder_fd, folder, w->on_found, w->userdata);
}

int archive_walk(ArchiveStore *s, OnFound on_found, void *userdata) {
        return archive_each_folder(s, walk_on_folder, &(Walk){on_found, userdata});
}

int archive_remove(ArchiveStore *s, int folder_fd, const char *folder, const char *name, uint64_t bytes) {
        s->call = "unlinkat";
        if (unlinkat(folder_fd, name, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        s->used_bytes -= MIN(s->used_bytes, bytes);
        (void) unlinkat(s->fd, folder, AT_REMOVEDIR);
        return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int remove_leftover(ArchiveStore *s, int folder_fd, const char *folder, void *userdata) {
        (void) userdata;
        if (unlinkat(folder_fd, ARCHIVE_INCOMPLETE, 0) == 0)
                (void) unlinkat(s->fd, folder, AT_REMOVEDIR);
        return 0;
}

int archive_store_path(const Config *config, const char *state_dir, char ret_path[static CONFIG_PATH_MAX]) {
        int n = config->archive_directory[0] ? snprintf(ret_path, CONFIG_PATH_MAX, "%s", config->archive_directory) :
                                               snprintf(ret_path, CONFIG_PATH_MAX, "%s/archive", state_dir);

        return n >= CONFIG_PATH_MAX ? -ENAMETOOLONG : 0;
}

int archive_store_open(ArchiveStore *s, const Config *config, const char *state_dir, bool make) {
        struct stat st;
        int r;

        *s = (ArchiveStore){.config = config, .fd = -EBADF, .call = "openat2"};
        r = archive_store_path(config, state_dir, s->path);
        if (r < 0)
                return r;
        /* One that was configured may lie below a mount point: made there while nothing is mounted, it would fill the
         * partition beneath. */
        s->fd = archive_place_open(s->path, make && !config->archive_directory[0], &s->call);
        if (s->fd < 0)
                return s->fd;
        r = fstat(s->fd, &st) < 0 ? -errno : 0;
        if (r == 0) {
                s->device = st.st_dev;
                r = archive_each_folder(s, remove_leftover, NULL);
        }
        if (r == 0)
                r = archive_store_count(s);
        if (r < 0)
                archive_store_close(s);
        return r;
}

void archive_store_close(ArchiveStore *s) { s->fd = close_safe(s->fd); }

/* ---- one archive --------------------------------------------------------------------------------------------- */

typedef struct Search {
        uint64_t inode;
        ArchiveName newest;
        bool any;
} Search;

static int find_inode(ArchiveStore *s, const Found *found, void *userdata) {
        Search *search = userdata;

        (void) s;
        if (found->parsed.inode == search->inode && (!search->any || found->parsed.number > search->newest.number)) {
                search->newest = found->parsed;
                search->any = true;
        }
        return 0;
}

typedef struct FolderSearch {
        const char *id;
        char folder[ARCHIVE_FOLDER_MAX];
} FolderSearch;

static int find_folder(ArchiveStore *s, int folder_fd, const char *folder, void *userdata) {
        FolderSearch *search = userdata;
        const char *id = folder + strlen(folder) - ARCHIVE_SHORT_ID;

        (void) s, (void) folder_fd;
        if (strncmp(id, search->id, ARCHIVE_SHORT_ID) != 0)
                return 0;
        (void) snprintf(search->folder, sizeof(search->folder), "%s", folder);
        return 1;
}

int archive_store_find_folder(ArchiveStore *s, const char *container, const char *id, char ret_folder[static ARCHIVE_FOLDER_MAX]) {
        FolderSearch search = {.id = id};
        int r;

        r = archive_each_folder(s, find_folder, &search);
        if (r > 0)
                memcpy(ret_folder, search.folder, sizeof(search.folder));
        else if (r == 0)
                archive_folder_format(container, id, ret_folder);
        return MIN(r, 0);
}

int archive_store_find(ArchiveStore *s, const char *folder, uint64_t inode, ArchiveName *ret_name, int *ret_fd) {
        _cleanup_close_ int folder_fd = archive_open_folder(s, folder);
        Search search = {.inode = inode};
        char name[ARCHIVE_NAME_MAX];
        int r;

        if (folder_fd < 0)
                return folder_fd;
        r = archive_walk_folder(s, folder_fd, folder, find_inode, &search);
        if (r < 0)
                return r;
        if (!search.any)
                return -ENOENT;
        archive_name_format(&search.newest, name);
        *ret_name = search.newest;
        if (ret_fd) {
                *ret_fd = beneath_open(folder_fd, name, O_RDONLY);
                return *ret_fd < 0 ? *ret_fd : 0;
        }
        return 0;
}

static int find_number(ArchiveStore *s, const Found *found, void *userdata) {
        uint64_t *number = userdata;

        (void) s;
        *number = MAX(*number, found->parsed.number);
        return 0;
}

int archive_file_begin(ArchiveStore *s, const char *folder, ArchiveFile *ret_file) {
        ArchiveFile f = {.folder_fd = -EBADF, .fd = -EBADF};
        int r;

        (void) snprintf(f.folder, sizeof(f.folder), "%s", folder);
        s->call = "mkdirat";
        if (mkdirat(s->fd, folder, 0700) < 0 && errno != EEXIST)
                return -errno;
        f.folder_fd = archive_open_folder(s, folder);
        if (f.folder_fd < 0)
                return f.folder_fd;
        r = archive_walk_folder(s, f.folder_fd, f.folder, find_number, &f.number);
        f.number++;
        if (r == 0) {
                (void) unlinkat(f.folder_fd, ARCHIVE_INCOMPLETE, 0);
                s->call = "openat2";
                f.fd = beneath_create(f.folder_fd, ARCHIVE_INCOMPLETE, O_WRONLY | O_CREAT | O_EXCL, 0600);
                r = MIN(f.fd, 0);
        }
        if (r < 0) {
                archive_file_close(&f);
                return r;
        }
        *ret_file = f;
        return 0;
}

static int flush(ArchiveStore *s, int fd) {
        s->call = "fsync";
        return fsync(fd) < 0 ? -errno : 0;
}

int archive_file_flush(ArchiveStore *s, const ArchiveFile *f) {
        int r = flush(s, f->fd);

        /* Nobody reads it soon; the page cache has better use. */
        if (r == 0)
                (void) posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
        return r;
}

int archive_file_finish(ArchiveStore *s, ArchiveFile *f, ArchiveName *name, uint64_t *ret_file_bytes) {
        char text[ARCHIVE_NAME_MAX];
        struct stat st;
        int r;

        s->call = "fstat";
        r = fstat(f->fd, &st) < 0 ? -errno : 0;
        if (r == 0)
                r = archive_make_room(s, f, (uint64_t) st.st_blocks * 512);
        if (r < 0)
                return r;
        name->number = f->number;
        archive_name_format(name, text);
        s->call = "renameat2";
        if (renameat2(f->folder_fd, ARCHIVE_INCOMPLETE, f->folder_fd, text, RENAME_NOREPLACE) < 0)
                return -errno;
        s->used_bytes += (uint64_t) st.st_blocks * 512;
        *ret_file_bytes = (uint64_t) st.st_blocks * 512;
        r = flush(s, f->folder_fd);
        return r < 0 ? r : flush(s, s->fd);
}

void archive_file_close(ArchiveFile *f) {
        f->fd = close_safe(f->fd);
        if (f->folder_fd >= 0)
                (void) unlinkat(f->folder_fd, ARCHIVE_INCOMPLETE, 0); /* not there any more when it was finished */
        f->folder_fd = close_safe(f->folder_fd);
}
