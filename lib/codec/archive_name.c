/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "archive_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "macros.h"

/* So much of a container's name; the id tells apart those that begin alike. */
#define NAME_BYTES_MAX (ARCHIVE_FOLDER_MAX - 1 - ARCHIVE_SHORT_ID - 1)

static bool is_letter_or_digit(char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_plain(char c) { return is_letter_or_digit(c) || c == '_' || c == '.' || c == '-'; }

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

void archive_folder_format(const char *container, const char *id, char ret_folder[static ARCHIVE_FOLDER_MAX]) {
        size_t n = 0;

        for (; n < NAME_BYTES_MAX && container[n] && container[n] != ' '; n++)
                ret_folder[n] = is_plain(container[n]) ? container[n] : '_';
        if (n == 0)
                ret_folder[n++] = '_';
        if (!is_letter_or_digit(ret_folder[0]))
                ret_folder[0] = '_'; /* no hidden folder, no option of a command */
        ret_folder[n++] = '-';
        for (size_t i = 0; i < ARCHIVE_SHORT_ID; i++)
                ret_folder[n++] = is_hex(*id) ? *id++ : '0';
        ret_folder[n] = 0;
}

bool archive_folder_parse(const char *folder, char ret_id12[static ARCHIVE_SHORT_ID + 1], size_t *ret_name_bytes) {
        size_t n = strlen(folder);
        const char *id = folder + n - ARCHIVE_SHORT_ID;

        if (n >= ARCHIVE_FOLDER_MAX || n < ARCHIVE_SHORT_ID + 2 || id[-1] != '-')
                return false;
        for (size_t i = 0; i < ARCHIVE_SHORT_ID; i++)
                if (!is_hex(id[i]))
                        return false;
        for (const char *c = folder; c < id; c++)
                if (!is_plain(*c) || (c == folder && *c == '.'))
                        return false;
        memcpy(ret_id12, id, ARCHIVE_SHORT_ID + 1);
        *ret_name_bytes = (size_t) (id - 1 - folder);
        return true;
}

void archive_name_format(const ArchiveName *name, char ret_name[static ARCHIVE_NAME_MAX]) {
        (void) snprintf(ret_name, ARCHIVE_NAME_MAX, "%08" PRIu64 ".inode-%" PRIu64 ".bytes-%" PRIu64 "-%" PRIu64 ".json.%s",
                name->number, name->inode, name->from, name->to, name->gzip ? "gz" : "zst");
}

/* Digits, and then that text. */
static bool take(const char **at, const char *then, uint64_t *ret_value) {
        const char *digits = *at;
        uint64_t value = 0;

        for (; **at >= '0' && **at <= '9'; (*at)++)
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t) (**at - '0'), &value))
                        return false;
        if (*at == digits || strncmp(*at, then, strlen(then)) != 0)
                return false;
        *at += strlen(then);
        *ret_value = value;
        return true;
}

int archive_name_parse(const char *text, ArchiveName *ret_name) {
        ArchiveName name = {};

        if (!take(&text, ".inode-", &name.number) || !take(&text, ".bytes-", &name.inode) ||
            !take(&text, "-", &name.from) || !take(&text, ".json.", &name.to))
                return -EINVAL;
        name.gzip = streq(text, "gz");
        if ((!name.gzip && !streq(text, "zst")) || name.to < name.from)
                return -EINVAL;
        *ret_name = name;
        return 0;
}
