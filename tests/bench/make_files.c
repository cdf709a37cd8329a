/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many files in little time.
 *
 *   make_files containers ROOT FIRST N CONFIG HOSTCONFIG
 *        Docker's folders of so many containers, as root sees them, from number FIRST on. CONFIG and HOSTCONFIG are files
 *        whose text each container gets as its config.v2.json and hostconfig.json, with "@ID@" and "@NAME@" replaced.
 *   make_files tree ROOT N
 *        so many empty files below ROOT/overlay2, as unpacked layers have them: 10,000 files a layer, 100 a folder. */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_MAX_BYTES 65536
#define PATH_BYTES 4096
#define FILES_A_LAYER 10000
#define FILES_A_FOLDER 100

static const char first_line[] =
        "{\"log\":\"ready\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00.000000000Z\"}\n";

static _Noreturn void fail(const char *what) {
        fprintf(stderr, "make_files: %s: %s\n", what, strerror(errno));
        exit(1);
}

static void make_folder(int at_fd, const char *path, mode_t mode) {
        if (mkdirat(at_fd, path, mode) < 0 && errno != EEXIST)
                fail(path);
}

static void make_file(int at_fd, const char *path, mode_t mode, const char *text, size_t n) {
        int fd = openat(at_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

        if (fd < 0 || write(fd, text, n) != (ssize_t) n || close(fd) < 0)
                fail(path);
}

static char *read_text(const char *path) {
        char *text = calloc(1, TEXT_MAX_BYTES);
        FILE *file = fopen(path, "re");

        if (!text || !file || fread(text, 1, TEXT_MAX_BYTES - 1, file) == 0)
                fail(path);
        (void) fclose(file);
        return text;
}

/* Returns its length. */
static size_t fill_in(char out[static TEXT_MAX_BYTES], const char *text, const char *id, const char *name) {
        size_t n = 0;

        while (*text && n < TEXT_MAX_BYTES / 2) {
                const char *with = strncmp(text, "@ID@", 4) == 0 ? id : strncmp(text, "@NAME@", 6) == 0 ? name : NULL;

                if (!with) {
                        out[n++] = *text++;
                        continue;
                }
                memcpy(out + n, with, strlen(with));
                n += strlen(with);
                text = strchr(text + 1, '@') + 1;
        }
        return n;
}

/* As random as Docker's. */
static void make_id(char id[static 65], size_t number) {
        uint64_t x = number + 1;

        for (int i = 0; i < 4; i++) {
                x += UINT64_C(0x9E3779B97F4A7C15);
                uint64_t z = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
                z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
                x = z ^ z >> 31;
                (void) snprintf(id + (size_t) i * 16, 17, "%016" PRIx64, x);
        }
}

static void make_container(int containers_fd, size_t number, const char *config, const char *host) {
        static char out[TEXT_MAX_BYTES];
        char id[65], name[32], path[256];

        make_id(id, number);
        (void) snprintf(name, sizeof(name), "app-%zu", number);
        make_folder(containers_fd, id, 0710);
        (void) snprintf(path, sizeof(path), "%s/hostconfig.json", id);
        make_file(containers_fd, path, 0600, out, fill_in(out, host, id, name));
        (void) snprintf(path, sizeof(path), "%s/config.v2.json", id);
        make_file(containers_fd, path, 0600, out, fill_in(out, config, id, name));
        (void) snprintf(path, sizeof(path), "%s/%s-json.log", id, id);
        make_file(containers_fd, path, 0640, first_line, sizeof(first_line) - 1);
}

static int run_containers(const char *root, size_t first, size_t n, const char *config_path, const char *host_path) {
        const char *config = read_text(config_path), *host = read_text(host_path);
        char path[PATH_BYTES];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/containers", root);
        make_folder(AT_FDCWD, root, 0710);
        make_folder(AT_FDCWD, path, 0710);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                fail(path);
        for (size_t i = first; i < first + n; i++)
                make_container(fd, i, config, host);
        return 0;
}

static int run_tree(const char *root, size_t n) {
        char path[PATH_BYTES];
        int fd = -1;

        make_folder(AT_FDCWD, root, 0710);
        (void) snprintf(path, sizeof(path), "%s/overlay2", root);
        make_folder(AT_FDCWD, path, 0710);
        for (size_t i = 0; i < n; i++) {
                if (i % FILES_A_LAYER == 0) {
                        (void) snprintf(path, sizeof(path), "%s/overlay2/%064zx", root, i / FILES_A_LAYER);
                        make_folder(AT_FDCWD, path, 0710);
                        (void) strcat(path, "/diff");
                        make_folder(AT_FDCWD, path, 0755);
                }
                if (i % FILES_A_FOLDER == 0) {
                        (void) snprintf(path, sizeof(path), "%s/overlay2/%064zx/diff/d%zu", root, i / FILES_A_LAYER,
                                i / FILES_A_FOLDER);
                        make_folder(AT_FDCWD, path, 0755);
                        if (fd >= 0)
                                (void) close(fd);
                        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                        if (fd < 0)
                                fail(path);
                }
                (void) snprintf(path, sizeof(path), "file-%zu", i);
                make_file(fd, path, 0644, "", 0);
        }
        return 0;
}

int main(int argc, char **argv) {
        (void) umask(0);
        if (argc == 7 && strcmp(argv[1], "containers") == 0)
                return run_containers(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10), argv[5], argv[6]);
        if (argc == 4 && strcmp(argv[1], "tree") == 0)
                return run_tree(argv[2], strtoul(argv[3], NULL, 10));
        fprintf(stderr, "usage: make_files containers ROOT FIRST N CONFIG HOSTCONFIG | tree ROOT N\n");
        return 2;
}
