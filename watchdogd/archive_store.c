/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "beneath.h"
#include "clock.h"
#include "level_rules.h"
#include "macros.h"

#define INCOMPLETE "incomplete"

/* One archive that was come by. */
typedef struct Found {
        int folder_fd;
        const char *folder, *name;
        ArchiveName parsed;
        uint64_t bytes, age_usec;
        int64_t written_nsec;
} Found;

/* 0; negative ends it. */
typedef int (*OnFound)(ArchiveStore *store, const Found *found, void *userdata);

/* ---- walking ------------------------------------------------------------------------------------------------- */

static int open_folder(ArchiveStore *s, const char *folder) {
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

static int walk_folder(ArchiveStore *s, int folder_fd, const char *folder, OnFound on_found, void *userdata) {
        uint64_t now_usec = clock_wall_usec();
        struct dirent *entry;
        struct stat st;
        DIR *dir;
        int r = 0;

        s->call = "openat";
        dir = open_dir(folder_fd);
        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir))) {
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
        return MIN(r, 0);
}

static int walk(ArchiveStore *s, OnFound on_found, void *userdata) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        size_t n;
        DIR *dir;
        int r = 0;

        s->call = "openat";
        dir = open_dir(s->fd);
        if (!dir)
                return -errno;
        while (r >= 0 && (entry = readdir(dir))) {
                _cleanup_close_ int folder_fd = -EBADF;

                if (!archive_folder_parse(entry->d_name, id, &n))
                        continue;
                folder_fd = open_folder(s, entry->d_name);
                if (folder_fd >= 0)
                        r = walk_folder(s, folder_fd, entry->d_name, on_found, userdata);
        }
        (void) closedir(dir);
        return r;
}

static int remove_archive(ArchiveStore *s, const Found *found) {
        s->call = "unlinkat";
        if (unlinkat(found->folder_fd, found->name, 0) < 0)
                return errno == ENOENT ? 0 : -errno;
        s->used_bytes -= MIN(s->used_bytes, found->bytes);
        /* Its folder goes with the last one. */
        (void) unlinkat(s->fd, found->folder, AT_REMOVEDIR);
        return 0;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static int tidy(ArchiveStore *s, const Found *found, void *userdata) {
        (void) userdata;
        if (s->config->archive_max_age_usec != 0 && found->age_usec > s->config->archive_max_age_usec)
                return remove_archive(s, found);
        s->used_bytes += found->bytes;
        return 0;
}

static void remove_leftovers(ArchiveStore *s) {
        struct dirent *entry;
        DIR *dir = open_dir(s->fd);
        char id[ARCHIVE_SHORT_ID + 1], path[sizeof(entry->d_name) + sizeof("/" INCOMPLETE)];
        size_t n;

        while (dir && (entry = readdir(dir)))
                if (archive_folder_parse(entry->d_name, id, &n)) {
                        (void) snprintf(path, sizeof(path), "%s/" INCOMPLETE, entry->d_name);
                        if (unlinkat(s->fd, path, 0) == 0)
                                (void) unlinkat(s->fd, entry->d_name, AT_REMOVEDIR);
                }
        if (dir)
                (void) closedir(dir);
}

/* Only root may have a say in what is unpacked there one day, and only root may read it. */
static int check_owner(ArchiveStore *s) {
        struct stat st;

        s->call = "fstat";
        if (fstat(s->fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)))
                return -EPERM;
        s->device = st.st_dev;
        if ((st.st_mode & 07777) != 0700)
                (void) fchmod(s->fd, 0700);
        return 0;
}

int archive_store_path(const Config *config, const char *state_dir, char ret_path[static CONFIG_PATH_MAX]) {
        int n = config->archive_directory[0] ? snprintf(ret_path, CONFIG_PATH_MAX, "%s", config->archive_directory) :
                                               snprintf(ret_path, CONFIG_PATH_MAX, "%s/archive", state_dir);

        return n >= CONFIG_PATH_MAX ? -ENAMETOOLONG : 0;
}

int archive_store_open(ArchiveStore *s, const Config *config, const char *state_dir) {
        _cleanup_close_ int parent_fd = -EBADF;
        char parent[CONFIG_PATH_MAX];
        const char *name;
        int r;

        *s = (ArchiveStore){.config = config, .fd = -EBADF, .call = "openat2"};
        r = archive_store_path(config, state_dir, s->path);
        if (r < 0)
                return r;
        name = strrchr(s->path, '/') + 1;
        (void) snprintf(parent, sizeof(parent), "%.*s", (int) MAX(name - 1 - s->path, (ptrdiff_t) 1), s->path);
        /* The state directory is there once the package is installed; by hand it may not be. */
        if (!config->archive_directory[0] && mkdir(parent, 0700) < 0 && errno != EEXIST)
                return -errno;
        parent_fd = beneath_open_absolute(parent, O_PATH | O_DIRECTORY);
        if (parent_fd < 0)
                return parent_fd;
        s->call = "mkdirat";
        if (*name && mkdirat(parent_fd, name, 0700) < 0 && errno != EEXIST)
                return -errno;
        s->call = "openat2";
        s->fd = beneath_open_absolute(s->path, O_RDONLY | O_DIRECTORY);
        if (s->fd < 0)
                return s->fd;
        r = check_owner(s);
        if (r == 0) {
                remove_leftovers(s);
                r = walk(s, tidy, NULL);
        }
        if (r < 0)
                archive_store_close(s);
        return r;
}

void archive_store_close(ArchiveStore *s) { s->fd = close_safe(s->fd); }

/* ---- room ---------------------------------------------------------------------------------------------------- */

int archive_store_check_room(ArchiveStore *s, uint64_t more_bytes, uint64_t log_device) {
        Level limit = s->device == log_device ? LEVEL_EMERGENCY : LEVEL_WARNING;
        struct statvfs v;
        uint64_t avail_bytes, floor_bytes;

        s->call = "fstatvfs";
        if (fstatvfs(s->fd, &v) < 0)
                return -errno;
        avail_bytes = (uint64_t) v.f_bavail * v.f_frsize;
        floor_bytes = level_rules_space_bytes(s->config, limit, (uint64_t) v.f_blocks * v.f_frsize);
        return avail_bytes >= floor_bytes && avail_bytes - floor_bytes >= more_bytes ? 0 : -ENOSPC;
}

static uint64_t budget_bytes(ArchiveStore *s) {
        struct statvfs v;
        uint64_t share = UINT64_MAX;

        if (fstatvfs(s->fd, &v) == 0)
                share = (uint64_t) ((double) v.f_blocks * (double) v.f_frsize * s->config->archive_permyriad / 10000);
        return MIN(share, s->config->archive_bytes);
}

typedef struct Oldest {
        uint64_t total_bytes;
        char folder[ARCHIVE_FOLDER_MAX], name[ARCHIVE_NAME_MAX];
        int64_t written_nsec;
        uint64_t bytes;
} Oldest;

static int find_oldest(ArchiveStore *s, const Found *found, void *userdata) {
        Oldest *oldest = userdata;

        (void) s;
        oldest->total_bytes += found->bytes;
        if (oldest->name[0] && oldest->written_nsec <= found->written_nsec)
                return 0;
        oldest->written_nsec = found->written_nsec;
        oldest->bytes = found->bytes;
        (void) snprintf(oldest->folder, sizeof(oldest->folder), "%s", found->folder);
        (void) snprintf(oldest->name, sizeof(oldest->name), "%s", found->name);
        return 0;
}

/* Removes the oldest of one folder, or of all (NULL), until so many bytes more fit. */
static int make_room(ArchiveStore *s, const ArchiveFile *folder, uint64_t more_bytes, uint64_t most_bytes) {
        for (;;) {
                _cleanup_close_ int fd = -EBADF;
                Oldest oldest = {};
                int r;

                r = folder ? walk_folder(s, folder->folder_fd, folder->folder, find_oldest, &oldest) :
                             walk(s, find_oldest, &oldest);
                if (r < 0)
                        return r;
                if (!folder)
                        s->used_bytes = oldest.total_bytes; /* others may have removed some */
                if (oldest.total_bytes + more_bytes <= most_bytes)
                        return 0;
                if (!oldest.name[0])
                        return -EDQUOT;
                fd = open_folder(s, oldest.folder);
                if (fd < 0)
                        return fd;
                r = remove_archive(s, &(Found){.folder_fd = fd, .folder = oldest.folder, .name = oldest.name,
                                               .bytes = oldest.bytes});
                if (r < 0)
                        return r;
        }
}

static int make_room_in_budgets(ArchiveStore *s, const ArchiveFile *file, uint64_t bytes) {
        uint64_t all_bytes = budget_bytes(s), own_bytes = s->config->archive_container_bytes;
        int r = 0;

        /* Nothing is removed for one that does not fit even alone. */
        if (bytes > all_bytes || (own_bytes != 0 && bytes > own_bytes))
                return -EDQUOT;
        if (own_bytes != 0)
                r = make_room(s, file, bytes, own_bytes);
        if (r == 0 && s->used_bytes + bytes > all_bytes)
                r = make_room(s, NULL, bytes, all_bytes);
        return r;
}

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

int archive_store_find(ArchiveStore *s, const char *folder, uint64_t inode, ArchiveName *ret_name, int *ret_fd) {
        _cleanup_close_ int folder_fd = open_folder(s, folder);
        Search search = {.inode = inode};
        char name[ARCHIVE_NAME_MAX];
        int r;

        if (folder_fd < 0)
                return folder_fd;
        r = walk_folder(s, folder_fd, folder, find_inode, &search);
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
        f.folder_fd = open_folder(s, folder);
        if (f.folder_fd < 0)
                return f.folder_fd;
        r = walk_folder(s, f.folder_fd, f.folder, find_number, &f.number);
        f.number++;
        if (r == 0) {
                (void) unlinkat(f.folder_fd, INCOMPLETE, 0);
                s->call = "openat2";
                f.fd = beneath_create(f.folder_fd, INCOMPLETE, O_WRONLY | O_CREAT | O_EXCL, 0600);
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

int archive_file_finish(ArchiveStore *s, ArchiveFile *f, ArchiveName *name, uint64_t *ret_file_bytes) {
        char text[ARCHIVE_NAME_MAX];
        struct stat st;
        int r;

        r = flush(s, f->fd);
        if (r == 0)
                r = fstat(f->fd, &st) < 0 ? -errno : 0;
        if (r == 0)
                r = make_room_in_budgets(s, f, (uint64_t) st.st_blocks * 512);
        if (r < 0)
                return r;
        /* Nobody reads it soon; the page cache has better use. */
        (void) posix_fadvise(f->fd, 0, 0, POSIX_FADV_DONTNEED);
        name->number = f->number;
        archive_name_format(name, text);
        s->call = "renameat2";
        if (renameat2(f->folder_fd, INCOMPLETE, f->folder_fd, text, RENAME_NOREPLACE) < 0)
                return -errno;
        s->used_bytes += (uint64_t) st.st_blocks * 512;
        *ret_file_bytes = (uint64_t) st.st_blocks * 512;
        r = flush(s, f->folder_fd);
        return r < 0 ? r : flush(s, s->fd);
}

void archive_file_close(ArchiveFile *f) {
        f->fd = close_safe(f->fd);
        if (f->folder_fd >= 0)
                (void) unlinkat(f->folder_fd, INCOMPLETE, 0); /* not there any more when it was finished */
        f->folder_fd = close_safe(f->folder_fd);
}
