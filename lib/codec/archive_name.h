/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How archives are named. All that is known of one stands in its name, so that it appears with it in one step:
 *
 *     web-4f1c2a9be6d0/00000017.inode-1234567.bytes-0-67108864.json.zst
 *
 * a folder for each container, its name and the first twelve digits of its id; in it the archives in the order in which
 * they were made, and which bytes of which file each holds. What is unpacked from one are these bytes as they were. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With NUL. */
#define ARCHIVE_FOLDER_MAX 64
#define ARCHIVE_NAME_MAX 128
#define ARCHIVE_SHORT_ID 12

typedef struct ArchiveName {
        uint64_t number;   /* counts up in its folder */
        uint64_t inode;    /* of the file that it was read from, */
        uint64_t from, to; /* these bytes of it */
        bool gzip;         /* a segment that Docker had compressed: kept as it is, all of it */
} ArchiveName;

/* container: as displayed, anybody's text; what follows a blank is left out, what is no letter, digit, '_', '.' or '-'
 * becomes '_', so that it is never a path. id: at least ARCHIVE_SHORT_ID hexadecimal digits. */
void archive_folder_format(const char *container, const char *id, char ret_folder[static ARCHIVE_FOLDER_MAX]);

/* Whether it is the name of such a folder; ret_id12 with NUL. */
bool archive_folder_parse(const char *folder, char ret_id12[static ARCHIVE_SHORT_ID + 1], size_t *ret_name_bytes);

void archive_name_format(const ArchiveName *name, char ret_name[static ARCHIVE_NAME_MAX]);
/* -EINVAL: not one of ours. */
int archive_name_parse(const char *text, ArchiveName *ret_name);
