/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "beneath.h"
#include "finder_roots.h"
#include "finder_settings.h"
#include "finder_trust.h"
#include "text.h"

#define SOCKET_DEFAULT "/run/docker.sock"

typedef struct Search {
        const FinderPlaces *places;
        const Dockerds *dockerds;
        FoundRoots *roots;
        Found *found;
        bool configured;
} Search;

/* ---- one root
 * ------------------------------------------------------------------------------------------------ */

static const char *root_of_dockerd(const Search *s, const Dockerd *d) {
        return d->settings.data_root[0] ? d->settings.data_root : s->places->default_roots[0];
}

/* The dockerd whose data-root that is. A root that was only found belongs to no dockerd that is not
 * trusted. */
static void match_dockerd(const Search *s, const struct stat *st, DockerRoot *root) {
        for (uint32_t i = 0; i < s->dockerds->n; i++) {
                const Dockerd *d = &s->dockerds->items[i];
                dev_t device;
                ino_t inode;

                if ((!d->trusted && !s->configured) ||
                    finder_process_stat(d, root_of_dockerd(s, d), &device, &inode) < 0 ||
                    device != st->st_dev || inode != st->st_ino)
                        continue;
                root->dockerd_pid = d->pid;
                root->dockerd_start = d->start;
                (void) snprintf(root->api_socket, sizeof(root->api_socket), "%s",
                                d->settings.api_socket[0] ? d->settings.api_socket : SOCKET_DEFAULT);
                return;
        }
}

static bool is_known(const Search *s, const char *path) {
        for (uint32_t i = 0; i < s->roots->n; i++)
                if (streq(s->roots->items[i].docker.path, path))
                        return true;
        return false;
}

static void append(Search *s, const char *path, int root_fd, const struct stat *root_st,
                   const DockerRoot *like) {
        FoundRoot *root = &s->roots->items[s->roots->n];
        struct stat st = *root_st;

        if (is_known(s, path))
                return;
        if (s->roots->n >= FINDER_ROOTS_MAX) {
                finder_note(s->found, "more than %d data-roots: %s is not guarded", FINDER_ROOTS_MAX, path);
                return;
        }
        *root = (FoundRoot){.docker = *like};
        (void) snprintf(root->docker.path, sizeof(root->docker.path), "%s", path);
        if (fstatat(root_fd, "containers", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
                st = *root_st;
        root->docker.owner_uid = st.st_uid;
        root->docker.configured = s->configured;
        root->device = st.st_dev;
        root->apart = st.st_dev != root_st->st_dev;
        s->roots->n++;
}

static bool has_containers(int root_fd) {
        struct stat st;
        return fstatat(root_fd, "containers", &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* With userns-remap, dockerd works in "<root>/<uid>.<gid>". Who owns that is in its name. Returns whether
 * there was such a folder. */
static bool add_remapped(Search *s, const char *path, int root_fd, const DockerRoot *like) {
        bool any = false;
        struct dirent *entry;
        DIR *dir;
        int fd = beneath_open(root_fd, ".", O_RDONLY | O_DIRECTORY);

        dir = fd < 0 ? NULL : fdopendir(fd);
        if (!dir) {
                (void) close_safe(fd);
                return false;
        }
        while ((entry = readdir(dir))) {
                _cleanup_close_ int sub_fd = -EBADF;
                char sub[CONFIG_PATH_MAX];
                unsigned uid, gid;
                struct stat st;
                int end = 0;

                if (sscanf(entry->d_name, "%9u.%9u%n", &uid, &gid, &end) != 2 || entry->d_name[end] != 0)
                        continue;
                sub_fd = beneath_open(fd, entry->d_name, O_PATH | O_DIRECTORY);
                if (sub_fd < 0 || fstat(sub_fd, &st) < 0 || !has_containers(sub_fd))
                        continue;
                if (!s->configured &&
                    ((st.st_uid != 0 && st.st_uid != uid) || st.st_mode & (S_IWGRP | S_IWOTH)))
                        continue;
                if ((size_t) snprintf(sub, sizeof(sub), "%s/%s", path, entry->d_name) >=
                    sizeof(sub) - sizeof("/containers"))
                        continue;
                append(s, sub, sub_fd, &st, like);
                any = true;
        }
        (void) closedir(dir);
        return any;
}

/* 0: trusted; 1: said why not. */
static int check_trust(Search *s, const char *path, const struct stat *st) {
        char why[FINDER_TRUST_WHY_MAX];
        const char *fault = finder_trust_find_fault(st);
        int r = 0;

        if (fault)
                (void) snprintf(why, sizeof(why), "it %s", fault);
        else {
                r = finder_trust_check_parents(AT_FDCWD, path, why);
                if (r < 0)
                        (void) snprintf(why, sizeof(why), "%s", strerrordesc_np(-r));
        }
        if (!fault && r == 0)
                return 0;
        finder_note(s->found,
                    "found %s but did not guard it, because %s; name it with DataRoot= to guard it", path,
                    why);
        return 1;
}

static void complain(Search *s, const char *path, const char *what) {
        if (s->configured)
                finder_note(s->found, "DataRoot=%s: %s", path, what);
}

static int canonicalise(Search *s, const char *path, char ret_path[static CONFIG_PATH_MAX]) {
        _cleanup_free_ char *canonical = realpath(path, NULL);

        if (!canonical) {
                complain(s, path, strerrordesc_np(errno));
                return -errno;
        }
        if (strlen(canonical) + sizeof("/containers") > CONFIG_PATH_MAX ||
            !text_sanitize(ret_path, CONFIG_PATH_MAX, canonical, strlen(canonical))) {
                finder_note(s->found, "%s is not guarded: its path is too long or has control characters",
                            path);
                return -EINVAL;
        }
        return 0;
}

/* by: the dockerd that says so; NULL: none does. */
static void add(Search *s, const char *path, const Dockerd *by) {
        _cleanup_close_ int fd = -EBADF;
        char canonical[CONFIG_PATH_MAX];
        DockerRoot like = {};
        struct stat st;
        dev_t device;
        ino_t inode;

        if (!finder_may_look(s->places, path) || canonicalise(s, path, canonical) < 0 || is_known(s, canonical))
                return;
        fd = beneath_open_absolute(canonical, O_PATH | O_DIRECTORY);
        if (fd < 0 || fstat(fd, &st) < 0) {
                complain(s, path, "not a folder that can be opened");
                return;
        }
        if (by && (finder_process_stat(by, path, &device, &inode) < 0 || device != st.st_dev ||
                   inode != st.st_ino)) {
                finder_note(s->found,
                            "dockerd (pid %d) runs in a container of its own: its %s is not the host's, and "
                            "is not guarded; name its place on the host with DataRoot= to guard it",
                            by->pid, path);
                return;
        }
        if (!s->configured && check_trust(s, canonical, &st) != 0)
                return;
        match_dockerd(s, &st, &like);
        if (!add_remapped(s, canonical, fd, &like) || has_containers(fd))
                append(s, canonical, fd, &st, &like);
}

/* ---- where to look
 * ------------------------------------------------------------------------------------------- */

static void add_of_dockerds(Search *s) {
        for (uint32_t i = 0; i < s->dockerds->n; i++) {
                const Dockerd *d = &s->dockerds->items[i];

                if (!d->trusted) {
                        finder_note(s->found,
                                    "found a dockerd (pid %d) but did not guard its logs, because %s; name "
                                    "its data-root with DataRoot= to guard it",
                                    d->pid, d->why);
                        continue;
                }
                add(s, root_of_dockerd(s, d), d);
                for (uint32_t j = 0; j < d->n_seen_roots; j++)
                        add(s, d->seen_roots[j], d);
        }
}

/* Without a dockerd: it may be stopped, or not yet started. */
static void add_usual(Search *s) {
        FinderSettings settings;

        finder_settings_read(s->places->daemon_json, &settings);
        if (settings.data_root[0])
                add(s, settings.data_root, NULL);
        for (size_t i = 0; i < ELEMENTS(s->places->default_roots) && s->places->default_roots[i]; i++) {
                const char *root = s->places->default_roots[i];
                char containers[CONFIG_PATH_MAX];
                struct stat st;

                /* An empty folder of that name is no data-root. */
                (void) snprintf(containers, sizeof(containers), "%s/containers", root);
                if (s->roots->n == 0 || (finder_may_look(s->places, root) && stat(containers, &st) == 0))
                        add(s, root, NULL);
        }
}

void finder_roots_list(const FinderPlaces *places, const Config *config, const Dockerds *dockerds,
                       FoundRoots *ret_roots, Found *found) {
        Search s = {places, dockerds, ret_roots, found, config->n_data_roots > 0};

        *ret_roots = (FoundRoots){};
        for (uint32_t i = 0; i < config->n_data_roots; i++)
                add(&s, config->data_roots[i], NULL);
        if (s.configured)
                return;
        add_of_dockerds(&s);
        add_usual(&s);
}
