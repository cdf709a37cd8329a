/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config_read.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "config_parse.h"
#include "macros.h"

typedef struct Reader {
        Config *config;
        ConfigReadError *error;
} Reader;

static int fail_line(const Reader *reader, int r, const char *file, unsigned line, const char *message) {
        ConfigReadError *error = reader->error;

        error->line = line;
        (void) snprintf(error->file, sizeof(error->file), "%s", file);
        (void) snprintf(error->message, sizeof(error->message), "%s", message);
        return r;
}

static int fail(const Reader *reader, int r, const char *file, const char *message) {
        return fail_line(reader, r, file, 0, message);
}

static int fail_errno(const Reader *reader, int r, const char *file) {
        return fail(reader, r, file, strerror(-r));
}

static int fail_parse(const Reader *reader, const char *file, const ConfigError *error) {
        return fail_line(reader, CONFIG_READ_E_INVALID, file, error->line, error->message);
}

/* Up to n_max bytes. */
static ssize_t read_all(int fd, char *buf, size_t n_max) {
        size_t n = 0;

        while (n < n_max) {
                ssize_t k = read(fd, buf + n, n_max - n);
                if (k == 0)
                        break;
                if (k < 0 && errno != EINTR)
                        return -errno;
                n += k > 0 ? (size_t) k : 0;
        }
        return (ssize_t) n;
}

/* dir_fd and name say where it is, file what it is called in messages. -ENOENT comes without a message. */
static int read_file(const Reader *reader, int dir_fd, const char *name, const char *file) {
        _cleanup_free_ char *text = NULL;
        ConfigError error = {};
        struct stat st;

        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0)
                return errno == ENOENT ? -ENOENT : fail_errno(reader, -errno, file);
        if (fstat(fd, &st) < 0)
                return fail_errno(reader, -errno, file);
        if (!S_ISREG(st.st_mode))
                return fail(reader, CONFIG_READ_E_INVALID, file, "is not a regular file");

        text = malloc(CONFIG_FILE_MAX_BYTES + 1);
        if (!text)
                return fail_errno(reader, -ENOMEM, file);
        ssize_t n = read_all(fd, text, CONFIG_FILE_MAX_BYTES + 1);
        if (n < 0)
                return fail_errno(reader, (int) n, file);
        if (n > CONFIG_FILE_MAX_BYTES)
                return fail(reader, CONFIG_READ_E_INVALID, file,
                        "is larger than 1 MiB: this is not a configuration");

        int r = config_parse(text, (size_t) n, reader->config, &error);
        if (r > 0)
                return fail_parse(reader, file, &error);
        return r < 0 ? fail_errno(reader, r, file) : 0;
}

static int is_drop_in(const struct dirent *entry) {
        size_t n = strlen(entry->d_name);
        return entry->d_name[0] != '.' && n > 5 && streq(entry->d_name + n - 5, ".conf");
}

/* By bytes: the same order on every host, whatever its locale. */
static int compare_names(const struct dirent **a, const struct dirent **b) {
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_drop_ins(const Reader *reader, const char *main_path) {
        char folder[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
        struct dirent **entries = NULL;
        int r = 0;

        if ((size_t) snprintf(folder, sizeof(folder), "%s.d", main_path) >= sizeof(folder))
                return fail_errno(reader, -ENAMETOOLONG, main_path);
        _cleanup_close_ int dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dir_fd < 0)
                return errno == ENOENT ? 0 : fail_errno(reader, -errno, folder);

        int n = scandirat(dir_fd, ".", &entries, is_drop_in, compare_names);
        if (n < 0)
                return fail_errno(reader, -errno, folder);
        for (int i = 0; i < n; i++) {
                if (r == 0) {
                        (void) snprintf(file, sizeof(file), "%s/%s", folder, entries[i]->d_name);
                        r = read_file(reader, dir_fd, entries[i]->d_name, file);
                        if (r == -ENOENT) /* a link to nowhere */
                                r = fail_errno(reader, r, file);
                }
                free(entries[i]);
        }
        free(entries);
        return r;
}

int config_read_files(const char *path, Config *ret_config, ConfigReadError *ret_error) {
        const char *main_path = path ? path : CONFIG_READ_PATH_DEFAULT;
        Config config;
        ConfigError error = {};
        const Reader reader = {&config, ret_error};

        config_set_defaults(&config);
        int r = read_file(&reader, AT_FDCWD, main_path, main_path);
        if (r == -ENOENT)
                r = path ? fail_errno(&reader, r, main_path) : 0;
        if (r == 0)
                r = read_drop_ins(&reader, main_path);
        if (r == 0 && config_validate(&config, &error) != 0)
                r = fail_parse(&reader, main_path, &error);
        if (r == 0)
                *ret_config = config;
        return r;
}

int config_read(const char *path, Config *ret_config, char *ret_message, size_t message_bytes) {
        ConfigReadError error;

        int r = config_read_files(path, ret_config, &error);
        if (r == 0)
                return 0;
        if (error.line > 0)
                (void) snprintf(ret_message, message_bytes, "%s:%u: %s", error.file, error.line,
                        error.message);
        else
                (void) snprintf(ret_message, message_bytes, "%s: %s", error.file, error.message);
        return r;
}
