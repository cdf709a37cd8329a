/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the value of one key gets into its field. */

#include "config_value.h"

#include "macros.h"
#include "units.h"

#define BLANKS " \t"

static int mode_parse(const char *value, void *first, _unused_ void *second) {
        Mode mode = mode_from_string(value);

        if (mode < 0)
                return -EINVAL;
        *(Mode *) first = mode;
        return 0;
}

static int policy_parse(const char *value, void *first, _unused_ void *second) {
        Policy policy = policy_from_string(value);

        if (policy < 0)
                return -EINVAL;
        *(Policy *) first = policy;
        return 0;
}

static int size_parse(const char *value, void *first, _unused_ void *second) {
        uint64_t bytes;
        int r;

        r = bytes_parse(value, &bytes);
        if (r < 0)
                return r;
        if (bytes == UINT64_MAX) /* means "not set" in the struct */
                return -ERANGE;
        *(uint64_t *) first = bytes;
        return 0;
}

static int time_parse(const char *value, void *first, _unused_ void *second) {
        return span_parse(value, first);
}

/* "25% 100G", "100G 25%", or one of the two. */
static int free_parse(const char *value, void *first, void *second) {
        const char *percent = strchr(value, '%'), *begin = percent, *rest = value;
        uint32_t permyriad = CONFIG_PERMYRIAD_ANY;
        uint64_t free_bytes = CONFIG_BYTES_ANY;
        int r;

        if (percent) {
                char number[32] = "", before[32] = "";

                while (begin > value && strchr(BLANKS, begin[-1]))
                        begin--;
                while (begin > value && !strchr(BLANKS, begin[-1]))
                        begin--;
                if ((size_t) (percent + 1 - begin) >= sizeof(number) ||
                                (size_t) (begin - value) >= sizeof(before))
                        return -EINVAL;
                memcpy(number, begin, (size_t) (percent + 1 - begin));
                memcpy(before, value, (size_t) (begin - value));
                r = percent_parse(number, &permyriad);
                if (r < 0)
                        return r;
                rest = percent + 1 + strspn(percent + 1, BLANKS);
                if (*rest && (begin > value || rest == percent + 1))
                        return -EINVAL; /* an amount on either side, or "25%100G" */
                if (*rest == 0 && begin > value) {
                        r = size_parse(before, &free_bytes, NULL);
                        if (r < 0)
                                return r;
                }
        }
        if (*rest || !percent) {
                r = size_parse(rest, &free_bytes, NULL);
                if (r < 0)
                        return r;
        }
        *(uint32_t *) first = permyriad;
        *(uint64_t *) second = free_bytes;
        return 0;
}

static int ballast_parse(const char *value, void *first, void *second) {
        if (!streq(value, "0"))
                return free_parse(value, first, second);
        *(uint32_t *) first = 0;
        *(uint64_t *) second = 0;
        return 0;
}

/* Copies a path without "//" and without a slash at its end, so that the same folder is the same text. */
static int path_normalize(const char *path, char ret[static CONFIG_PATH_MAX]) {
        size_t used = 0;

        if (path[0] != '/' || strchr(path, '\t'))
                return -EINVAL;
        while (*path) {
                size_t length;

                path += strspn(path, "/");
                length = strcspn(path, "/");
                if (length == 0)
                        break;
                if ((length == 1 && path[0] == '.') || (length == 2 && path[0] == '.' && path[1] == '.'))
                        return -EINVAL;
                if (used + 1 + length >= CONFIG_PATH_MAX)
                        return -ENAMETOOLONG;
                ret[used++] = '/';
                memcpy(ret + used, path, length);
                used += length;
                path += length;
        }
        if (used == 0)
                ret[used++] = '/';
        ret[used] = 0;
        return 0;
}

static int paths_parse(const char *value, void *first, void *second) {
        char (*paths)[CONFIG_PATH_MAX] = first, path[CONFIG_PATH_MAX];
        uint32_t *n_paths = second;
        int r;

        if (value[0] == 0) {
                *n_paths = 0;
                memset(paths, 0, CONFIG_ROOTS_MAX * sizeof(*paths));
                return 0;
        }
        r = path_normalize(value, path);
        if (r < 0)
                return r;
        for (uint32_t i = 0; i < *n_paths; i++)
                if (streq(paths[i], path))
                        return 0; /* a drop-in that says it once more */
        if (*n_paths >= CONFIG_ROOTS_MAX)
                return -ENOSPC;
        strcpy(paths[(*n_paths)++], path);
        return 0;
}

static int path_parse(const char *value, void *first, _unused_ void *second) {
        char path[CONFIG_PATH_MAX] = "";
        int r = value[0] ? path_normalize(value, path) : 0;

        if (r < 0)
                return r;
        memcpy(first, path, sizeof(path));
        return 0;
}

static int patterns_parse(const char *value, void *first, void *second) {
        char (*patterns)[CONFIG_PATTERN_MAX] = first;
        uint32_t *n_patterns = second;

        if (value[0] == 0) {
                *n_patterns = 0;
                memset(patterns, 0, CONFIG_TRUST_MAX * sizeof(*patterns));
                return 0;
        }
        if (strchr(value, '"'))
                return -EINVAL; /* no image has one: a quote that was not closed */
        for (size_t length; *value; value += length + strspn(value + length, BLANKS)) {
                bool known = false;

                length = strcspn(value, BLANKS);
                if (length >= CONFIG_PATTERN_MAX)
                        return -ENAMETOOLONG;
                for (uint32_t i = 0; i < *n_patterns && !known; i++)
                        known = strlen(patterns[i]) == length && memcmp(patterns[i], value, length) == 0;
                if (known)
                        continue;
                if (*n_patterns >= CONFIG_TRUST_MAX)
                        return -ENOSPC;
                memcpy(patterns[*n_patterns], value, length);
                patterns[(*n_patterns)++][length] = 0;
        }
        return 0;
}

static int share_parse(const char *value, void *first, void *second) {
        (void) second;
        if (streq(value, "0")) {
                *(uint32_t *) first = 0;
                return 0;
        }
        return percent_parse(value, first);
}

const ConfigKind config_kind_mode = { mode_parse, "enforce or observe" };
const ConfigKind config_kind_policy = { policy_parse, "archive, trim or alert" };
const ConfigKind config_kind_bytes = { size_parse, "a size such as 16M or 1.5G" };
const ConfigKind config_kind_span = { time_parse, "a time such as 10min, 60s or 1h 30min" };
const ConfigKind config_kind_share = { share_parse, "a share such as 1% or 0.5%, or 0" };
const ConfigKind config_kind_free = {
                free_parse, "a share and an amount such as 25% 100G, or one of the two" };
const ConfigKind config_kind_ballast = { ballast_parse,
        "a share and an amount such as 1% 1G, one of the two, or 0 for none" };
const ConfigKind config_kind_path = { path_parse, "an absolute path without . and .., or nothing" };
const ConfigKind config_kind_paths = { paths_parse,
        "an absolute path without . and .., or nothing to clear the list" };
const ConfigKind config_kind_patterns = { patterns_parse,
        "image patterns such as docker.io/library/*, or nothing to clear the list" };
