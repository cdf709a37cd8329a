/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "survey_mounts.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "beneath.h"
#include "clock.h"
#include "fdinfo.h"
#include "text.h"

/* A host with 10,000 containers has some 30,000 that count. */
#define ITEMS_MAX 65536u
#define PLACES (2 * ITEMS_MAX)
#define SPACES_MAX 32768u
/* Of the partition's own, where this process is. */
#define PARTS_MAX 64u
/* A container has some 30; anybody may mount thousands in a namespace of his own. */
#define SPACE_LINES_MAX 1000u

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

static int add_part(SurveyMounts *m, const MountLine *l) {
        SurveyPart *parts = grow(m->parts, m->n_parts, &m->parts_capacity, sizeof(*parts), PARTS_MAX);

        if (!parts)
                return m->n_parts < PARTS_MAX ? -ENOMEM : 0;
        m->parts = parts;
        m->parts[m->n_parts] = (SurveyPart){.root = strdup(l->root), .point = strdup(l->point)};
        if (!m->parts[m->n_parts].root || !m->parts[m->n_parts].point) {
                free(m->parts[m->n_parts].root);
                free(m->parts[m->n_parts].point);
                return -ENOMEM;
        }
        m->n_parts++;
        return 0;
}

/* Calls each line of this process's own list. */
static int for_each_own(SurveyMounts *m, int (*visit)(SurveyMounts *m, const MountLine *l, int32_t id), int32_t id) {
        _cleanup_free_ char *line = NULL;
        size_t capacity = 0;
        FILE *file = fopen("/proc/self/mountinfo", "re");
        int r = 0;

        if (!file)
                return -errno;
        while (r >= 0 && getline(&line, &capacity, file) > 0) {
                MountLine l;

                if (mounts_parse_line(line, &l))
                        r = visit(m, &l, id);
        }
        (void) fclose(file);
        return r;
}

static int learn_device(SurveyMounts *m, const MountLine *l, int32_t id) {
        if (l->id == id)
                m->device = l->device;
        return 0;
}

static int learn_part(SurveyMounts *m, const MountLine *l, int32_t id) {
        (void) id;
        return l->device == m->device ? add_part(m, l) : 0;
}

static int find_partition(SurveyMounts *m, int proc_fd) {
        int32_t id = mount_id_of(proc_fd, m->order->look_path);
        int r;

        if (id < 0)
                return id;
        r = for_each_own(m, learn_device, id);
        if (r >= 0)
                r = for_each_own(m, learn_part, id);
        return r < 0 ? r : m->n_parts > 0 ? 0 : -ENOENT;
}

/* Thousands of containers have thousands of those, and none of them can hide a folder of a disk that Docker uses. */
static bool is_diskless(const char *fs_type) {
        static const char *const types[] = {"overlay", "tmpfs", "nsfs", "proc", "sysfs", "cgroup", "cgroup2", "mqueue", "devpts"};

        for (size_t i = 0; i < ELEMENTS(types); i++)
                if (streq(fs_type, types[i]))
                        return true;
        return false;
}

static void drop_diskless(Mounts *mounts) {
        size_t n = 0;

        for (size_t i = 0; i < mounts->n; i++)
                if (is_diskless(mounts->items[i].fs_type))
                        free(mounts->items[i].point);
                else
                        mounts->items[n++] = mounts->items[i];
        mounts->n = n;
}

static bool read_namespace(int process_fd, uint64_t *ret_inode) {
        char link[64];
        ssize_t n = readlinkat(process_fd, "ns/mnt", link, sizeof(link) - 1);

        link[MAX(n, 0)] = 0;
        return sscanf(link, "mnt:[%lu]", ret_inode) == 1;
}

int survey_mounts_init(SurveyMounts *m, int proc_fd, const SurveyOrder *order) {
        _cleanup_close_ int init_fd = openat(proc_fd, "1", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r;

        *m = (SurveyMounts){.order = order, .places = calloc(PLACES, sizeof(uint32_t)), .elsewhere = calloc(PLACES, sizeof(int32_t))};
        if (!m->places || !m->elsewhere)
                return -ENOMEM;
        if (init_fd >= 0)
                (void) read_namespace(init_fd, &m->host_inode);
        r = mounts_read("/proc/self/mountinfo", &m->host);
        if (r < 0)
                return r;
        drop_diskless(&m->host);
        return find_partition(m, proc_fd);
}

static void forget(SurveyMounts *m) {
        for (size_t i = 0; i < m->n; i++) {
                free(m->items[i].folder);
                free(m->items[i].point);
        }
        m->n = m->n_spaces = m->n_elsewhere = 0;
}

void survey_mounts_begin_look(SurveyMounts *m, uint64_t deadline_usec) {
        if (m->n > 0 || m->n_elsewhere > 0) {
                memset(m->places, 0, PLACES * sizeof(uint32_t));
                memset(m->elsewhere, 0, PLACES * sizeof(int32_t));
        }
        forget(m);
        m->deadline_usec = deadline_usec;
}

void survey_mounts_done(SurveyMounts *m) {
        forget(m);
        for (size_t i = 0; i < m->n_parts; i++) {
                free(m->parts[i].root);
                free(m->parts[i].point);
        }
        free(m->parts);
        free(m->items);
        free(m->spaces);
        free(m->places);
        free(m->elsewhere);
        mounts_done(&m->host);
}

/* ---- what lies on it ------------------------------------------------------------------------------------------ */

/* By its name: what is below Docker's own folders lies there, and so does what no mount of another disk is nearer to. */
static bool is_there(const SurveyMounts *m, const char *path) {
        const Mount *mount;

        for (uint32_t i = 0; i < m->order->n_roots; i++)
                if (mounts_is_below(path, m->order->roots[i]))
                        return true;
        mount = mounts_find(&m->host, path, m->device);
        return mount && mount->device == m->device;
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
        for (uint32_t i = 0; i < m->order->n_roots && !strstr(path, ".."); i++) {
                (void) snprintf(whole, sizeof(whole), "%s/overlay2/%.511s", m->order->roots[i], path);
                if (faccessat(AT_FDCWD, whole, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
                        return strdup(whole);
        }
        return NULL;
}

/* A part of the filesystem, as it is seen here: through the mount that shows the least of it besides. What is not mounted here
 * goes by its own name. */
static char *host_folder(const SurveyMounts *m, const char *root) {
        const SurveyPart *best = NULL;
        const char *rest, *point;
        char *folder = NULL;

        for (size_t i = 0; i < m->n_parts; i++)
                if (mounts_is_below(root, m->parts[i].root) && (!best || strlen(m->parts[i].root) > strlen(best->root)))
                        best = m->parts + i;
        if (!best)
                return strdup(root);
        rest = streq(best->root, "/") ? root : root + strlen(best->root);
        point = streq(best->point, "/") && *rest == '/' ? "" : best->point;
        if (streq(rest, "/"))
                return strdup(best->point);
        return asprintf(&folder, "%s%s", point, rest) < 0 ? NULL : folder;
}

/* Docker binds "<root>/containers/<id>/hostname" and the like into each container of its own. Others could as well, but from no
 * folder of Docker's; where that lies on another disk than is looked at, it is a disk at least. */
static bool is_dockers(const SurveyMounts *m, const MountLine *l) {
        _cleanup_free_ char *folder = NULL;
        char containers[CONFIG_PATH_MAX + 16];

        if (l->device != m->device)
                return major(l->device) != 0;
        folder = host_folder(m, l->root);
        for (uint32_t i = 0; folder && i < m->order->n_roots; i++) {
                (void) snprintf(containers, sizeof(containers), "%s/containers", m->order->roots[i]);
                if (mounts_is_below(folder, containers))
                        return true;
        }
        return false;
}

static void learn_container(const SurveyMounts *m, SurveySpace *space, const MountLine *l) {
        const char *at = strstr(l->root, "/containers/");
        bool is_docker = streq(l->point, "/etc/hostname") || streq(l->point, "/etc/hosts") || streq(l->point, "/etc/resolv.conf");

        if (space->container[0] || space->is_host || !is_docker || !at || !is_dockers(m, l) || strlen(at) < strlen("/containers/") + CONTAINER_ID_MAX)
                return;
        at += strlen("/containers/");
        char id[CONTAINER_ID_MAX] = "";
        memcpy(id, at, CONTAINER_ID_MAX - 1);
        if (at[CONTAINER_ID_MAX - 1] == '/' && text_is_container_id(id))
                memcpy(space->container, id, sizeof(id));
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
        size_t capacity = 0, n_lines = 0, n_max = space->is_host ? ITEMS_MAX : SPACE_LINES_MAX;

        if (!file) {
                (void) close_safe(fd);
                return;
        }
        while (n_lines++ < n_max && (n_lines % 64 != 0 || clock_monotonic_usec() < m->deadline_usec) && getline(&line, &capacity, file) > 0) {
                MountLine l;

                if (!mounts_parse_line(line, &l))
                        continue;
                learn_container(m, space, &l);
                if (l.device == m->device)
                        add(m, &l, false, host_folder(m, l.root));
                else if (streq(l.fs_type, "overlay"))
                        add(m, &l, true, upper_folder(m, l.options));
                else
                        add_elsewhere(m, l.id);
        }
        (void) fclose(file);
}

/* What a process has for its root: mountinfo tells what is below that alone. */
static uint64_t read_root(int process_fd) {
        char link[PATH_MAX];
        ssize_t n = readlinkat(process_fd, "root", link, sizeof(link));

        return log_range_hash(LOG_RANGE_HASH_FIRST, link, (uint64_t) MAX(n, 0));
}

/* Of a process, or of a thread. */
static void enter(SurveyMounts *m, int process_fd) {
        uint64_t inode, root;
        SurveySpace *spaces;

        if (!read_namespace(process_fd, &inode))
                return;
        root = read_root(process_fd);
        for (size_t i = 0; i < m->n_spaces; i++)
                if (m->spaces[i].inode == inode && m->spaces[i].root == root)
                        return;
        spaces = grow(m->spaces, m->n_spaces, &m->spaces_capacity, sizeof(*spaces), SPACES_MAX);
        if (!spaces)
                return;
        m->spaces = spaces;
        m->spaces[m->n_spaces++] = (SurveySpace){.inode = inode, .root = root, .is_host = inode == m->host_inode};
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
