/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "log_archives.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "archive_name.h"

static int add(const char *folder, unsigned folder_number, const char *entry, const ArchiveName *name, LogPieces *p) {
        LogPiece *piece = log_pieces_add(p);

        if (!piece)
                return -ENOMEM;
        piece->is_archive = true;
        piece->packing = name->gzip ? LOG_GZIP : LOG_ZSTD;
        piece->inode = name->inode;
        piece->archive_folder = folder_number;
        piece->archive_number = name->number;
        piece->archive_from = name->from;
        piece->archive_to = name->to;
        if (asprintf(&piece->path, "%s/%s", folder, entry) < 0) {
                piece->path = NULL;
                return -ENOMEM;
        }
        return 0;
}

static int add_folder(const char *archives, const char *folder, unsigned number, LogPieces *p) {
        char path[PATH_MAX];
        struct dirent *entry;
        ArchiveName name;
        DIR *dir;
        int r = 0;

        if ((size_t) snprintf(path, sizeof(path), "%s/%s", archives, folder) >= sizeof(path))
                return -ENAMETOOLONG;
        dir = opendir(path);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        while (r == 0 && (entry = readdir(dir)))
                if (archive_name_parse(entry->d_name, &name) == 0)
                        r = add(path, number, entry->d_name, &name, p);
        (void) closedir(dir);
        return r;
}

int log_archives_open(const char *archives, const char *id12, LogPieces *ret_pieces) {
        char id[ARCHIVE_SHORT_ID + 1];
        struct dirent *entry;
        LogPieces p = {};
        unsigned n_folders = 0;
        size_t n_name;
        DIR *dir;
        int r = 0;

        dir = opendir(archives);
        if (!dir)
                return errno == ENOENT ? 0 : -errno;
        /* One that was renamed has several. */
        while (r == 0 && (entry = readdir(dir)))
                if (archive_folder_parse(entry->d_name, id, &n_name) && streq(id, id12))
                        r = add_folder(archives, entry->d_name, n_folders++, &p);
        (void) closedir(dir);
        if (r < 0) {
                log_pieces_close(&p);
                return r;
        }
        *ret_pieces = p;
        return 0;
}

static void list_append(char *list, size_t list_bytes, const char *archives, const char *folder, const char *id12) {
        char path[PATH_MAX], when[32] = "";
        size_t used = strlen(list);
        struct stat st;
        struct tm tm;

        (void) snprintf(path, sizeof(path), "%s/%s", archives, folder);
        if (stat(path, &st) == 0 && gmtime_r(&st.st_mtim.tv_sec, &tm))
                (void) strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%SZ", &tm);
        (void) snprintf(list + used, list_bytes - used, "\n    %s   last archived %s", id12, when);
}

int log_archives_find(const char *archives, const char *name, char ret_id12[static 13], char *ret_list, size_t list_bytes) {
        char id[ARCHIVE_SHORT_ID + 1], folder[ARCHIVE_FOLDER_MAX];
        struct dirent *entry;
        size_t n_found = 0, n_name, n = strlen(name);
        DIR *dir;

        ret_list[0] = ret_id12[0] = 0;
        dir = opendir(archives);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir))) {
                bool by_name, by_id;

                if (!archive_folder_parse(entry->d_name, id, &n_name))
                        continue;
                archive_folder_format(name, id, folder);
                by_name = n > 0 && streq(entry->d_name, folder);
                by_id = n >= ARCHIVE_SHORT_ID ? strncmp(id, name, ARCHIVE_SHORT_ID) == 0 : n > 0 && strncmp(id, name, n) == 0;
                if ((!by_name && !by_id) || streq(ret_id12, id))
                        continue;
                n_found++;
                memcpy(ret_id12, id, sizeof(id));
                list_append(ret_list, list_bytes, archives, entry->d_name, id);
        }
        (void) closedir(dir);
        return n_found == 0 ? -ENOENT : n_found > 1 ? -ENOTUNIQ : 0;
}
