/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "finder_process.h"
#include "macros.h"
#include "process.h"
#include "text.h"

#define ARGUMENTS_MAX KIB(64)

/* One that has 100,000 descriptors open has shown its root long before. */
#define DESCRIPTORS_MAX 100000

/* ---- who it is
 * ----------------------------------------------------------------------------------------------- */

/* After an upgrade the binary of a running process may be gone; the kernel says so behind the path. */
static bool read_exe(int fd, char ret_path[static PATH_MAX]) {
        static const char suffix[] = " (deleted)";
        ssize_t n = readlinkat(fd, "exe", ret_path, PATH_MAX - 1);
        size_t used;

        if (n <= 0)
                return false;
        ret_path[n] = 0;
        used = (size_t) n;
        if (used > sizeof(suffix) && streq(ret_path + used - (sizeof(suffix) - 1), suffix))
                ret_path[used - (sizeof(suffix) - 1)] = 0;
        return true;
}

static bool is_dockerd(const char *path) {
        const char *slash = strrchr(path, '/');
        return slash && streq(slash + 1, "dockerd");
}

/* Real, effective, saved and filesystem uid. The owner of /proc/PID does not tell: it is root for
 * whatever may not be dumped. */
static bool is_root(int fd) {
        unsigned uid[4];
        char text[4096];
        const char *at;

        if (process_read(fd, "status", text, sizeof(text)) <= 0)
                return false;
        at = strstr(text, "\nUid:");
        return at && sscanf(at, "\nUid: %u %u %u %u", uid, uid + 1, uid + 2, uid + 3) == 4 &&
               (uid[0] | uid[1] | uid[2] | uid[3]) == 0;
}

static void judge(Dockerd *d, const char *exe) {
        _cleanup_close_ int root_fd = -EBADF;
        const char *fault = NULL;
        struct stat st;
        int r;

        if (!is_root(d->fd)) {
                (void) snprintf(d->why, sizeof(d->why), "it does not run as root");
                return;
        }
        if (fstatat(d->fd, "exe", &st, 0) < 0 || (fault = finder_trust_find_fault(&st))) {
                (void) snprintf(d->why, sizeof(d->why), "its binary %s",
                                fault ? fault : "cannot be looked at");
                return;
        }
        root_fd = openat(d->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        r = root_fd < 0 ? -errno : finder_trust_check_parents(root_fd, exe, d->why);
        if (r < 0)
                (void) snprintf(d->why, sizeof(d->why), "the folders above its binary: %s",
                                strerrordesc_np(-r));
        d->trusted = r == 0;
}

/* ---- what it says
 * -------------------------------------------------------------------------------------------- */

static void read_settings(Dockerd *d, const char *daemon_json) {
        _cleanup_free_ char *arguments = malloc(ARGUMENTS_MAX);
        FinderSettings of_file;
        ssize_t n;

        n = arguments ? process_read(d->fd, "cmdline", arguments, ARGUMENTS_MAX) : -ENOMEM;
        if (n > 0)
                finder_settings_parse_arguments(arguments, (size_t) n, &d->settings);
        finder_settings_read(d->settings.config_file[0] ? d->settings.config_file : daemon_json, &of_file);
        if (d->settings.data_root[0] == 0)
                memcpy(d->settings.data_root, of_file.data_root, sizeof(of_file.data_root));
        if (d->settings.api_socket[0] == 0)
                memcpy(d->settings.api_socket, of_file.api_socket, sizeof(of_file.api_socket));
}

/* "<root>/containers/<id>/<id>-json.log" */
static bool root_of_log(char *path) {
        char *slash = strrchr(path, '/'), id[65];

        if (!slash || slash - path < 64 + (ssize_t) sizeof("/containers"))
                return false;
        memcpy(id, slash - 64, 64);
        id[64] = 0;
        if (!text_is_container_id(id) || strncmp(slash + 1, id, 64) != 0 || !streq(slash + 65, "-json.log"))
                return false;
        slash[-65] = 0;
        slash = strrchr(path, '/');
        if (!slash || !streq(slash, "/containers"))
                return false;
        *slash = 0;
        return path[0] == '/' && strlen(path) < CONFIG_PATH_MAX;
}

static void see_root(Dockerd *d, const char *path) {
        for (uint32_t i = 0; i < d->n_seen_roots; i++)
                if (streq(d->seen_roots[i], path))
                        return;
        if (d->n_seen_roots < FINDER_SEEN_ROOTS_MAX &&
            text_sanitize(d->seen_roots[d->n_seen_roots], CONFIG_PATH_MAX, path, strlen(path)))
                d->n_seen_roots++;
}

static void look_at_descriptors(Dockerd *d) {
        struct dirent *entry;
        DIR *dir;
        int fd;

        fd = openat(d->fd, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return;
        dir = fdopendir(fd);
        if (!dir) {
                (void) close(fd);
                return;
        }
        for (uint32_t i = 0; i < DESCRIPTORS_MAX && (entry = readdir(dir)); i++) {
                char path[PATH_MAX];
                ssize_t n = readlinkat(fd, entry->d_name, path, sizeof(path) - 1);
                if (n <= 0)
                        continue;
                path[n] = 0;
                if (root_of_log(path))
                        see_root(d, path);
        }
        (void) closedir(dir);
}

/* ---- all of them
 * --------------------------------------------------------------------------------------------- */

static void add(Dockerds *dockerds, int proc_fd, const char *name, const char *daemon_json) {
        char exe[PATH_MAX];
        Dockerd d = {.fd = openat(proc_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};

        if (d.fd < 0)
                return;
        if (dockerds->n >= FINDER_DOCKERDS_MAX || !read_exe(d.fd, exe) || !is_dockerd(exe)) {
                (void) close(d.fd);
                return;
        }
        d.pid = (int32_t) strtol(name, NULL, 10);
        d.start = process_read_start(d.fd);
        judge(&d, exe);
        /* Anybody can start processes of that name: they must not take the place of the real one. */
        if (!d.trusted && dockerds->n_untrusted >= FINDER_DOCKERDS_MAX / 4) {
                (void) close(d.fd);
                return;
        }
        dockerds->n_untrusted += !d.trusted;
        read_settings(&d, daemon_json);
        look_at_descriptors(&d);
        dockerds->items[dockerds->n++] = d;
}

int finder_process_list(const char *proc, const char *daemon_json, Dockerds *ret_dockerds) {
        struct dirent *entry;
        DIR *dir;

        *ret_dockerds = (Dockerds){};
        dir = opendir(proc);
        if (!dir)
                return -errno;
        while ((entry = readdir(dir)))
                if (entry->d_name[strspn(entry->d_name, "0123456789")] == 0)
                        add(ret_dockerds, dirfd(dir), entry->d_name, daemon_json);
        (void) closedir(dir);
        return 0;
}

void finder_process_done(Dockerds *dockerds) {
        for (uint32_t i = 0; i < dockerds->n; i++)
                dockerds->items[i].fd = close_safe(dockerds->items[i].fd);
        dockerds->n = 0;
}

int finder_process_stat(const Dockerd *dockerd, const char *path, dev_t *ret_device, ino_t *ret_inode) {
        const struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
        };
        _cleanup_close_ int root_fd = -EBADF, fd = -EBADF;
        struct stat st;

        root_fd = openat(dockerd->fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (root_fd < 0)
                return -errno;
        fd = (int) syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        *ret_device = st.st_dev;
        *ret_inode = st.st_ino;
        return 0;
}
