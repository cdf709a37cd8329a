/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>
#include <sys/sysmacros.h>

#include "mounts.h"

/* A host with 10,000 containers has some 30,000 mounts. */
#define MOUNTS_MAX 262144

void mounts_done(Mounts *mounts) {
        for (size_t i = 0; i < mounts->n; i++)
                free(mounts->items[i].point);
        free(mounts->items);
        *mounts = (Mounts){};
}

static bool is_octal(const char *s) {
        return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' && s[2] >= '0' && s[2] <= '7';
}

/* The kernel writes blanks, tabs, newlines and backslashes as \NNN. */
void mounts_unescape(char *s) {
        char *to = s;

        while (*s)
                if (s[0] == '\\' && is_octal(s + 1)) {
                        *to++ = (char) ((s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0');
                        s += 4;
                } else
                        *to++ = *s++;
        *to = 0;
}

static int append(Mounts *mounts, uint64_t device, const char *point, const char *fs_type) {
        Mount *mount;

        if (mounts->n >= MOUNTS_MAX)
                return 0;
        if (mounts->n == mounts->capacity) {
                size_t capacity = MAX(mounts->capacity * 2, (size_t) 64);
                Mount *larger = reallocarray(mounts->items, capacity, sizeof(*larger));
                if (!larger)
                        return -ENOMEM;
                mounts->items = larger;
                mounts->capacity = capacity;
        }
        mount = &mounts->items[mounts->n];
        *mount = (Mount){.device = device, .point = strdup(point)};
        if (!mount->point)
                return -ENOMEM;
        (void) snprintf(mount->fs_type, sizeof(mount->fs_type), "%s", fs_type);
        mounts->n++;
        return 0;
}

/* "36 35 98:0 /below /mnt rw,noatime shared:1 - ext4 /dev/sda1 rw": optional fields end with the dash. */
bool mounts_parse_line(char *line, MountLine *ret_line) {
        unsigned device_major, device_minor;
        char *field, *rest = NULL, *dash, *end;
        MountLine l = {};

        dash = strstr(line, " - ");
        if (!dash)
                return false;
        *dash = 0;
        field = strtok_r(line, " ", &rest);
        if (!field)
                return false;
        l.id = (int32_t) strtol(field, &end, 10);
        if (end == field || *end)
                return false;
        field = strtok_r(NULL, " ", &rest) ? strtok_r(NULL, " ", &rest) : NULL;
        if (!field || sscanf(field, "%u:%u", &device_major, &device_minor) != 2)
                return false;
        l.device = makedev(device_major, device_minor);
        l.root = strtok_r(NULL, " ", &rest);
        l.point = strtok_r(NULL, " ", &rest);
        l.fs_type = strtok_r(dash + 3, " \n", &rest);
        if (!l.root || !l.point || l.point[0] != '/' || !l.fs_type)
                return false;
        (void) strsep(&rest, " "); /* the source: may be empty */
        l.options = rest ? strtok_r(NULL, " \n", &rest) : NULL;
        if (!l.options)
                l.options = dash; /* an empty text */
        mounts_unescape(l.root);
        mounts_unescape(l.point);
        *ret_line = l;
        return true;
}

static int take_line(Mounts *mounts, char *line) {
        MountLine l;

        return mounts_parse_line(line, &l) ? append(mounts, l.device, l.point, l.fs_type) : 0;
}

int mounts_read(const char *path, Mounts *ret_mounts) {
        _cleanup_free_ char *line = NULL;
        Mounts mounts = {};
        size_t capacity = 0;
        FILE *file;
        int r = 0;

        file = fopen(path, "re");
        if (!file)
                return -errno;
        while (r == 0 && getline(&line, &capacity, file) > 0)
                r = take_line(&mounts, line);
        (void) fclose(file);
        if (r < 0)
                mounts_done(&mounts);
        else
                *ret_mounts = mounts;
        return r;
}

int mounts_is_read_only(const char *path, uint64_t device) {
        static const char *const meanings[] = {"ro", "emergency_ro", "shutdown"};
        _cleanup_free_ char *line = NULL;
        int read_only = -ENOENT;
        size_t capacity = 0;
        FILE *file;

        file = fopen(path, "re");
        if (!file)
                return -errno;
        while (read_only <= 0 && getline(&line, &capacity, file) > 0) {
                char *rest = NULL;
                MountLine l;

                if (!mounts_parse_line(line, &l) || l.device != device || !l.options[0])
                        continue; /* one that was cut off tells nothing */
                read_only = 0;
                for (char *option = strtok_r(l.options, ",", &rest); option; option = strtok_r(NULL, ",", &rest))
                        for (size_t i = 0; i < ELEMENTS(meanings); i++)
                                read_only = MAX(read_only, (int) streq(option, meanings[i]));
        }
        (void) fclose(file);
        return read_only;
}

bool mounts_is_below(const char *path, const char *folder) {
        size_t n = strlen(folder);

        while (n > 0 && folder[n - 1] == '/')
                n--;
        return strncmp(path, folder, n) == 0 && (path[n] == 0 || path[n] == '/');
}

const Mount *mounts_find(const Mounts *mounts, const char *path, uint64_t device) {
        const Mount *best = NULL;

        for (size_t i = 0; i < mounts->n; i++) {
                const Mount *mount = &mounts->items[i];
                bool fits, best_fits;

                if (!mounts_is_below(path, mount->point))
                        continue;
                fits = mount->device == device;
                best_fits = best && best->device == device;
                if (!best || (fits && !best_fits) ||
                    (fits == best_fits && strlen(mount->point) >= strlen(best->point)))
                        best = mount;
        }
        return best;
}
