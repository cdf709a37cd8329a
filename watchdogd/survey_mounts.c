/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "survey_mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "beneath.h"
#include "fdinfo.h"
#include "text.h"

/* A host with 10,000 containers has some 30,000 that count. */
#define ITEMS_MAX 65536u
#define PLACES (2 * ITEMS_MAX)
#define SPACES_MAX 32768u

/* ---- the partition -------------------------------------------------------------------------------------------- */

static int32_t mount_id_of(int proc_fd, const char *path) {
        _cleanup_close_ int fd = -EBADF, self_fd = -EBADF;
        char number[16];
        FdInfo info;

        fd = beneath_open_absolute(path, O_PATH | O_DIRECTORY);
        if (fd < 0)
                return fd;
        self_fd = openat(proc_fd, "self", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(number, sizeof(number), "%d", fd);
        if (self_fd < 0 || !fdinfo_read(self_fd, number, &info) || info.mount_id < 0)
                return -ENOENT;
        return info.mount_id;
}

static int find_partition(SurveyMounts *m, int proc_fd) {
        int32_t id = mount_id_of(proc_fd, m->order->look_path);
        _cleanup_free_ char *line = NULL;
        size_t capacity = 0;
        int r = -ENOENT;
        FILE *file;

        if (id < 0)
                return id;
        file = fopen("/proc/self/mountinfo", "re");
        if (!file)
                return -errno;
        while (r == -ENOENT && getline(&line, &capacity, file) > 0) {
                MountLine l;

                if (!mounts_parse_line(line, &l) || l.id != id)
                        continue;
                m->device = l.device;
                (void) snprintf(m->root, sizeof(m->root), "%s", l.root);
                (void) snprintf(m->point, sizeof(m->point), "%s", l.point);
                r = 0;
        }
        (void) fclose(file);
        return r;
}

int survey_mounts_init(SurveyMounts *m, int proc_fd, const SurveyOrder *order) {
        int r;

        *m = (SurveyMounts){.order = order, .places = calloc(PLACES, sizeof(uint32_t)), .elsewhere = calloc(PLACES, sizeof(int32_t))};
        if (!m->places || !m->elsewhere)
                return -ENOMEM;
        r = mounts_read("/proc/self/mountinfo", &m->host);
        return r < 0 ? r : find_partition(m, proc_fd);
}

void survey_mounts_done(SurveyMounts *m) {
        for (size_t i = 0; i < m->n; i++) {
                free(m->items[i].folder);
                free(m->items[i].point);
        }
        free(m->items);
        free(m->spaces);
        free(m->places);
        free(m->elsewhere);
        mounts_done(&m->host);
}

/* ---- what lies on it ------------------------------------------------------------------------------------------ */

/* By its name: what is below Docker's own folders lies there, and so does what no other mount is nearer to. */
static bool is_there(const SurveyMounts *m, const char *path) {
        const Mount *mount;

        for (uint32_t i = 0; i < m->order->n_roots; i++)
                if (mounts_is_below(path, m->order->roots[i]))
                        return true;
        if (!mounts_is_below(path, m->point))
                return false;
        mount = mounts_find(&m->host, path, m->device);
        return mount && mount->device == m->device && streq(mount->point, m->point);
}

/* "upperdir=" of an overlay, where it lies on the partition. Docker gives it relative to its folder where there are very many
 * layers. NULL: elsewhere. */
static char *upper_folder(const SurveyMounts *m, char *options) {
        char *rest = NULL, *path = NULL, whole[2 * CONFIG_PATH_MAX];

        for (char *option = strtok_r(options, ",", &rest); option && !path; option = strtok_r(NULL, ",", &rest))
                if (strncmp(option, "upperdir=", strlen("upperdir=")) == 0)
                        path = option + strlen("upperdir=");
        if (!path)
                return NULL;
        mounts_unescape(path);
        if (path[0] == '/')
                return is_there(m, path) ? strdup(path) : NULL;
        for (uint32_t i = 0; i < m->order->n_roots; i++) {
                (void) snprintf(whole, sizeof(whole), "%s/overlay2/%.511s", m->order->roots[i], path);
                if (faccessat(AT_FDCWD, whole, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return strdup(whole);
        }
        return NULL;
}

/* A part of the filesystem, as it is seen where the partition is looked at; what is not below that goes by its own name. */
static char *host_folder(const SurveyMounts *m, const char *root) {
        const char *rest = root + strlen(m->root);
        char *folder = NULL;

        if (!mounts_is_below(root, m->root))
                return strdup(root);
        if (streq(m->root, "/"))
                rest = root;
        if (asprintf(&folder, "%s%s", streq(m->point, "/") && *rest == '/' ? "" : m->point, streq(rest, "/") ? "" : rest) < 0)
                return NULL;
        return folder;
}

/* Docker binds "<root>/containers/<id>/hostname" and the like into each container of its own. */
static void learn_container(SurveySpace *space, const MountLine *l) {
        const char *at = strstr(l->root, "/containers/");
        bool is_docker = streq(l->point, "/etc/hostname") || streq(l->point, "/etc/hosts") || streq(l->point, "/etc/resolv.conf");

        if (space->container[0] || !is_docker || !at || strlen(at) < strlen("/containers/") + CONTAINER_ID_MAX)
                return;
        at += strlen("/containers/");
        char id[CONTAINER_ID_MAX] = "";
        memcpy(id, at, CONTAINER_ID_MAX - 1);
        if (at[CONTAINER_ID_MAX - 1] == '/' && text_is_container_id(id))
                memcpy(space->container, id, sizeof(id));
}

static void *grow(void *items, size_t n, size_t *capacity, size_t item_bytes, size_t n_max) {
        if (n < *capacity)
                return items;
        if (n >= n_max)
                return NULL;
        size_t larger = MIN(MAX(*capacity * 2, (size_t) 64), n_max);
        void *p = reallocarray(items, larger, item_bytes);
        if (p)
                *capacity = larger;
        return p;
}

static const SurveyMount *lookup(const SurveyMounts *m, int32_t id) {
        for (uint32_t at = (uint32_t) id % PLACES; id >= 0 && m->places[at]; at = (at + 1) % PLACES)
                if (m->items[m->places[at] - 1].id == id)
                        return m->items + m->places[at] - 1;
        return NULL;
}

/* The place of that id, or the free one that it would take. */
static int32_t *lookup_elsewhere(const SurveyMounts *m, int32_t id) {
        uint32_t at = (uint32_t) id % PLACES;

        while (m->elsewhere[at] && m->elsewhere[at] != id)
                at = (at + 1) % PLACES;
        return m->elsewhere + at;
}

static void add_elsewhere(SurveyMounts *m, int32_t id) {
        int32_t *place = lookup_elsewhere(m, id);

        if (*place == 0 && m->n_elsewhere < ITEMS_MAX) {
                *place = id;
                m->n_elsewhere++;
        }
}

static void add(SurveyMounts *m, const MountLine *l, bool is_layer, char *folder) {
        _cleanup_free_ char *owned = folder, *point = strdup(l->point);
        SurveyMount *items;

        if (!owned)
                add_elsewhere(m, l->id);
        if (!owned || !point || lookup(m, l->id))
                return;
        items = grow(m->items, m->n, &m->capacity, sizeof(*items), ITEMS_MAX);
        if (!items)
                return;
        m->items = items;
        uint32_t at = (uint32_t) l->id % PLACES;
        while (m->places[at])
                at = (at + 1) % PLACES;
        m->items[m->n++] = (SurveyMount){.id = l->id, .is_layer = is_layer, .folder = TAKE_PTR(owned), .point = TAKE_PTR(point),
                                         .space = (uint32_t) m->n_spaces - 1};
        m->places[at] = (uint32_t) m->n;
}

/* ---- namespaces ----------------------------------------------------------------------------------------------- */

static void read_space(SurveyMounts *m, SurveySpace *space, int process_fd) {
        _cleanup_free_ char *line = NULL;
        int fd = openat(process_fd, "mountinfo", O_RDONLY | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        size_t capacity = 0;

        if (!file) {
                (void) close_safe(fd);
                return;
        }
        while (getline(&line, &capacity, file) > 0) {
                MountLine l;

                if (!mounts_parse_line(line, &l))
                        continue;
                learn_container(space, &l);
                if (l.device == m->device)
                        add(m, &l, false, host_folder(m, l.root));
                else if (streq(l.fs_type, "overlay"))
                        add(m, &l, true, upper_folder(m, l.options));
                else
                        add_elsewhere(m, l.id);
        }
        (void) fclose(file);
}

/* Of a process, or of a thread. */
static void enter(SurveyMounts *m, int process_fd) {
        SurveySpace *spaces;
        char link[64];
        uint64_t inode;
        ssize_t n;

        n = readlinkat(process_fd, "ns/mnt", link, sizeof(link) - 1);
        if (n <= 0)
                return;
        link[n] = 0;
        if (sscanf(link, "mnt:[%lu]", &inode) != 1)
                return;
        for (size_t i = 0; i < m->n_spaces; i++)
                if (m->spaces[i].inode == inode)
                        return;
        spaces = grow(m->spaces, m->n_spaces, &m->spaces_capacity, sizeof(*spaces), SPACES_MAX);
        if (!spaces)
                return;
        m->spaces = spaces;
        m->spaces[m->n_spaces++] = (SurveySpace){.inode = inode};
        read_space(m, m->spaces + m->n_spaces - 1, process_fd);
}

static bool is_known(const SurveyMounts *m, int32_t id) { return lookup(m, id) || *lookup_elsewhere(m, id) == id; }

static void enter_threads(SurveyMounts *m, int process_fd, int32_t id) {
        _Alignas(struct dirent64) char buf[4096];
        _cleanup_close_ int dir_fd = openat(process_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ssize_t n = dir_fd < 0 ? -1 : getdents64(dir_fd, buf, sizeof(buf)); /* some 170 threads: enough of them */
        const struct dirent64 *d;

        for (ssize_t at = 0; at < n && !is_known(m, id); at += d->d_reclen) {
                _cleanup_close_ int thread_fd = -EBADF;

                d = (const struct dirent64 *) (buf + at);
                if (d->d_name[0] == '.')
                        continue;
                thread_fd = openat(dir_fd, d->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
                if (thread_fd >= 0)
                        enter(m, thread_fd);
        }
}

const SurveyMount *survey_mounts_find(SurveyMounts *m, int process_fd, int32_t id) {
        if (id <= 0)
                return NULL;
        if (!is_known(m, id))
                enter(m, process_fd);
        if (!is_known(m, id))
                enter_threads(m, process_fd, id);
        /* In no list at all: unmounted lazily, or never mounted. */
        if (!is_known(m, id))
                add_elsewhere(m, id);
        return lookup(m, id);
}
