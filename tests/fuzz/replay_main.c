/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target over the files and folders of files that are named: the corpus as a test, with any
 * compiler. What once crashed is in the corpus and cannot come back unseen. */

#ifdef FUZZ_REPLAY

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "macros.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

static int replay_file(int dir_fd, const char *name) {
        _cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
        _cleanup_free_ uint8_t *data = NULL;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return -ENOMEM;
        if (read(fd, data, (size_t) st.st_size) != st.st_size)
                return -EIO;
        return LLVMFuzzerTestOneInput(data, (size_t) st.st_size);
}

static int replay_folder(const char *path, unsigned *n_files) {
        DIR *dir = opendir(path);
        int r = 0;

        if (!dir) {
                if (errno != ENOTDIR)
                        return -errno;
                ++*n_files;
                return replay_file(AT_FDCWD, path);
        }
        for (struct dirent *entry; r >= 0 && (entry = readdir(dir));)
                if (entry->d_name[0] != '.') {
                        r = replay_file(dirfd(dir), entry->d_name);
                        ++*n_files;
                }
        (void) closedir(dir);
        return r;
}

int main(int argc, char *argv[]) {
        unsigned n_files = 0;

        for (int i = 1; i < argc; i++) {
                int r = replay_folder(argv[i], &n_files);

                if (r < 0) {
                        (void) fprintf(stderr, "%s: %s\n", argv[i], strerror(-r));
                        return EXIT_FAILURE;
                }
        }
        (void) printf("%u files\n", n_files);
        return n_files > 0 ? EXIT_SUCCESS : EXIT_FAILURE; /* a corpus that is not found is no test */
}

#endif
