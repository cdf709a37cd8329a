/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the two halves of the store share: archive_store.c, archive_room.c. */

#include "archive_store.h"

/* One archive that was come by. */
typedef struct Found {
        int folder_fd;
        const char *folder, *name;
        ArchiveName parsed;
        uint64_t bytes, age_usec;
        int64_t written_nsec;
} Found;

/* 0; anything else ends it. */
typedef int (*OnFound)(ArchiveStore *store, const Found *found, void *userdata);
typedef int (*OnFolder)(ArchiveStore *store, int folder_fd, const char *folder, void *userdata);

int archive_open_folder(ArchiveStore *store, const char *folder);
/* Each passes on what ended it. Folders that cannot be opened are left out. */
int archive_each_folder(ArchiveStore *store, OnFolder on_folder, void *userdata);
int archive_walk_folder(ArchiveStore *store, int folder_fd, const char *folder, OnFound on_found, void *userdata);
int archive_walk(ArchiveStore *store, OnFound on_found, void *userdata);

/* In that folder, which goes with the last one. */
int archive_remove(ArchiveStore *store, int folder_fd, const char *folder, const char *name, uint64_t bytes);

/* Anew, from the disk. */
int archive_store_count(ArchiveStore *store);

/* Removes the oldest as far as that one's folder and all of them need it. -EDQUOT: larger than one of the budgets. */
int archive_make_room(ArchiveStore *store, const ArchiveFile *file, uint64_t bytes);
