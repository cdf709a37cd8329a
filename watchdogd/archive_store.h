/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The archive on its disk: a folder for each container (archive_name.h), root's alone. An archive appears under its name
 * when all of it is on the disk, and not before. Its budgets are kept by removing the oldest. */

#include <stdbool.h>
#include <stdint.h>

#include "archive_name.h"
#include "config.h"

/* What is being written; a container's folder has one at most. */
#define ARCHIVE_INCOMPLETE "incomplete"

typedef struct ArchiveStore {
        const Config *config;
        char path[CONFIG_PATH_MAX];
        int fd; /* -EBADF: not open */
        uint64_t device;
        uint64_t used_bytes; /* of all archives, as allocated */
        const char *call;    /* the last one, for the report of a failure */
} ArchiveStore;

/* One that is being written. */
typedef struct ArchiveFile {
        int folder_fd, fd;
        char folder[ARCHIVE_FOLDER_MAX];
        uint64_t number;
} ArchiveFile;

/* Where it lies. -ENAMETOOLONG. */
int archive_store_path(const Config *config, const char *state_dir, char ret_path[static CONFIG_PATH_MAX]);

/* make: the folder beneath the state directory, where it is not there; one that was configured has to be. Removes what a
 * killed archiver has left half done, and counts. Errors: archive_place.h. */
int archive_store_open(ArchiveStore *store, const Config *config, const char *state_dir, bool make);
void archive_store_close(ArchiveStore *store);

/* Removes what is too old, and the oldest of what is more than the budgets allow. With a budget of 0 only what is too
 * old. */
int archive_store_keep_house(ArchiveStore *store);

/* 0; -ENOSPC: its partition would get into trouble with so many bytes more. log_device: of the log it is read from: on the
 * same partition the archive makes room for what it takes, so only the emergency is a limit; elsewhere the warning. */
int archive_store_check_room(ArchiveStore *store, uint64_t more_bytes, uint64_t log_device);

/* -EDQUOT: so much fits into one of the budgets not even alone. */
int archive_store_check_budgets(ArchiveStore *store, uint64_t bytes);

/* The folder of that container: the one that it has, also when it was renamed since; else what it is to be called. */
int archive_store_find_folder(ArchiveStore *store, const char *container, const char *id, char ret_folder[static ARCHIVE_FOLDER_MAX]);

/* The newest archive of that file; ret_fd may be NULL. -ENOENT. */
int archive_store_find(ArchiveStore *store, const char *folder, uint64_t inode, ArchiveName *ret_name, int *ret_fd);

int archive_file_begin(ArchiveStore *store, const char *folder, ArchiveFile *ret_file);
/* Once all is written. */
int archive_file_flush(ArchiveStore *store, const ArchiveFile *file);
/* Makes room in the budgets (-EDQUOT: larger than one of them), and gives it its name. name's number is set. */
int archive_file_finish(ArchiveStore *store, ArchiveFile *file, ArchiveName *name, uint64_t *ret_file_bytes);
/* After either, or instead. */
void archive_file_close(ArchiveFile *file);
