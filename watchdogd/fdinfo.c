/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "fdinfo.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>

#include "macros.h"

/* "pos:", "flags:", "mnt_id:" and "ino:" come first; locks and the like after them. */
#define FDINFO_BYTES 512

static bool parse_field(const char *text, const char *name, int base, uint64_t *ret_value) {
        const char *at = strstr(text, name);
        uint64_t value;
        char *end;

        if (!at || (at != text && at[-1] != '\n'))
                return false;
        at += strlen(name);
        while (*at == '\t' || *at == ' ')
                at++;
        if (*at < '0' || *at > '9')
                return false;
        errno = 0;
        value = strtoull(at, &end, base);
        if (errno != 0 || (*end != '\n' && *end != 0))
                return false;
        *ret_value = value;
        return true;
}

bool fdinfo_parse(const char *text, FdInfo *ret_info) {
        FdInfo info = {.mount_id = -1};
        uint64_t flags, mount;

        if (!parse_field(text, "pos:", 10, &info.offset_bytes) || !parse_field(text, "flags:", 8, &flags) || flags > UINT_MAX)
                return false;
        info.flags = (unsigned) flags;
        (void) parse_field(text, "ino:", 10, &info.inode);
        if (parse_field(text, "mnt_id:", 10, &mount) && mount <= INT32_MAX)
                info.mount_id = (int32_t) mount;
        *ret_info = info;
        return true;
}

bool fdinfo_read(int process_fd, const char *number, FdInfo *ret_info) {
        _cleanup_close_ int fd = -EBADF;
        char path[32], text[FDINFO_BYTES];
        ssize_t n;

        (void) snprintf(path, sizeof(path), "fdinfo/%.12s", number);
        fd = openat(process_fd, path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = 0;
        return fdinfo_parse(text, ret_info);
}
