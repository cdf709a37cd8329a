/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "backing.h"
#include "beneath.h"
#include "finder.h"
#include "finder_roots.h"
#include "mounts.h"
#include "role.h"
#include "text.h"

/* Filesystems on a disk of this host. A volume that is an NFS mount is neither ours to guard nor safe to
 * ask. */
static const char *const local_fs_types[] = {
        "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "bcachefs",
};

typedef struct Finder {
        const FinderPlaces *places;
        const Config *config;
        Mounts mounts;
        Found *found;
} Finder;

const FinderPlaces *finder_default_places(void) {
        static const FinderPlaces places = {
                .proc = "/proc",
                .mountinfo = "/proc/self/mountinfo",
                .daemon_json = "/etc/docker/daemon.json",
                .default_roots = {"/var/lib/docker", "/var/snap/docker/common/var-lib-docker"},
                .sys_block = "/sys/dev/block",
                .containerd = "/var/lib/containerd",
        };
        return &places;
}

void finder_note(Found *found, const char *format, ...) {
        char text[1024];
        va_list args;

        if (found->n_notes >= FOUND_NOTES_MAX)
                return;
        va_start(args, format);
        (void) vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void) text_sanitize(found->notes[found->n_notes++], sizeof(found->notes[0]), text, strlen(text));
}

/* ---- partitions
 * ---------------------------------------------------------------------------------------------- */

/* Where statvfs is not the truth, people are told. */
static void look_at_backing(Finder *f, PartitionTarget *partition) {
        const char *doubt = f->places->sys_block ?
                                    backing_doubt(f->places->sys_block, partition->device, partition->fs_type) :
                                    NULL;

        if (!doubt)
                return;
        (void) snprintf(partition->space_doubt, sizeof(partition->space_doubt), "%s", doubt);
        finder_note(f->found, "what is free on %s may not be what it says: %s", partition->mount, doubt);
}

static PartitionTarget *find_partition(Found *found, uint64_t device) {
        for (uint32_t i = 0; i < found->n_partitions; i++)
                if (found->partitions[i].device == device)
                        return &found->partitions[i];
        return NULL;
}

/* The one of that device, made where there is none yet. path lies on it. */
static PartitionTarget *take_partition(Finder *f, uint64_t device, const char *path) {
        PartitionTarget *partition = find_partition(f->found, device);
        const Mount *mount;
        const char *name;

        if (partition)
                return partition;
        if (f->found->n_partitions >= PARTITIONS_MAX) {
                finder_note(f->found, "more than %d partitions: %s is not watched", PARTITIONS_MAX, path);
                return NULL;
        }
        partition = &f->found->partitions[f->found->n_partitions++];
        partition->device = device;
        (void) snprintf(partition->look_path, sizeof(partition->look_path), "%s", path);
        mount = mounts_find(&f->mounts, path, device);
        name = mount ? mount->point : path;
        (void) text_sanitize(partition->mount, sizeof(partition->mount), name, strlen(name));
        name = mount ? mount->fs_type : "";
        (void) text_sanitize(partition->fs_type, sizeof(partition->fs_type), name, strlen(name));
        look_at_backing(f, partition);
        return partition;
}

static void add_root(Finder *f, const FoundRoot *root) {
        char path[CONFIG_PATH_MAX + sizeof("/containers")];
        PartitionTarget *partition;

        /* The length was looked at when the root was found. */
        (void) snprintf(path, sizeof(path), "%s%s", root->docker.path, root->apart ? "/containers" : "");
        partition = take_partition(f, root->device, path);
        if (!partition)
                return;
        if (partition->n_roots >= PARTITION_ROOTS_MAX) {
                finder_note(f->found, "more than %d data-roots on %s: %s is not guarded",
                            PARTITION_ROOTS_MAX, partition->mount, root->docker.path);
                return;
        }
        partition->roots[partition->n_roots++] = root->docker;
}

static bool is_listed(const PartitionTarget *partition, const char *path) {
        for (uint32_t i = 0; i < partition->n_roots; i++)
                if (streq(partition->roots[i].path, path))
                        return true;
        for (uint32_t i = 0; i < partition->n_parts; i++)
                if (streq(partition->parts[i], path))
                        return true;
        return false;
}

/* Another part of Docker, or a WatchPath=. One that lies apart makes its partition a watched one. */
static void add_part(Finder *f, const char *path, bool configured) {
        _cleanup_free_ char *canonical = NULL;
        _cleanup_close_ int fd = -EBADF;
        char clean[CONFIG_PATH_MAX];
        PartitionTarget *partition;
        const char *why;
        struct stat st;
        bool is_new;

        if (!finder_may_look(f->places, path))
                return;
        canonical = realpath(path, NULL);
        fd = canonical ? beneath_open_absolute(canonical, O_PATH | O_DIRECTORY) : -errno;
        if (fd < 0 || fstat(fd, &st) < 0 ||
            !text_sanitize(clean, sizeof(clean), canonical, strlen(canonical))) {
                why = fd < 0 ? strerrordesc_np(-fd) : "its path is too long or has control characters";
                if (configured)
                        finder_note(f->found, "WatchPath=%s is not watched: %s", path, why);
                return;
        }
        is_new = !find_partition(f->found, st.st_dev);
        partition = take_partition(f, st.st_dev, clean);
        if (!partition || is_listed(partition, clean))
                return;
        if (partition->n_parts < PARTITION_PARTS_MAX)
                memcpy(partition->parts[partition->n_parts++], clean, sizeof(clean));
        if (is_new)
                finder_note(f->found, "%s lies on %s: that is watched, too, but there are no logs to trim",
                            clean, partition->mount);
}

/* Volumes that are mounts of their own, from the list of mounts alone. */
static void add_volumes(Finder *f, const char *root) {
        char folder[CONFIG_PATH_MAX + sizeof("/volumes")];

        (void) snprintf(folder, sizeof(folder), "%s/volumes", root);
        for (size_t i = 0; i < f->mounts.n; i++) {
                const Mount *mount = &f->mounts.items[i];
                bool local = false;

                for (size_t j = 0; j < ELEMENTS(local_fs_types); j++)
                        local = local || streq(mount->fs_type, local_fs_types[j]);
                if (local && mounts_is_below(mount->point, folder) &&
                    !find_partition(f->found, mount->device))
                        add_part(f, mount->point, false);
        }
}

static void add_parts(Finder *f, const FoundRoots *roots) {
        static const char *const below[] = {"volumes", "overlay2"};

        for (uint32_t i = 0; i < roots->n; i++)
                for (size_t j = 0; j < ELEMENTS(below); j++) {
                        char path[CONFIG_PATH_MAX + 16];
                        (void) snprintf(path, sizeof(path), "%s/%s", roots->items[i].docker.path, below[j]);
                        add_part(f, path, false);
                }
        if (f->places->containerd && roots->n > 0)
                add_part(f, f->places->containerd, false);
        for (uint32_t i = 0; i < f->config->n_watch_paths; i++)
                add_part(f, f->config->watch_paths[i], true);
        for (uint32_t i = 0; i < roots->n; i++)
                add_volumes(f, roots->items[i].docker.path);
}

/* The smaller of a share and an amount. Only where there is somebody to give it back: the trimmer of a
 * root. */
static void set_ballast(const Finder *f, PartitionTarget *partition) {
        const Config *config = f->config;
        _cleanup_close_ int fd = -EBADF;
        struct statvfs vfs;
        uint64_t total_bytes;

        if (config->mode == MODE_OBSERVE || partition->n_roots == 0 ||
            !finder_may_look(f->places, partition->look_path))
                return;
        fd = beneath_open_absolute(partition->look_path, O_PATH | O_DIRECTORY);
        if (fd < 0 || fstatvfs(fd, &vfs) < 0)
                return;
        total_bytes = (uint64_t) vfs.f_blocks * vfs.f_frsize;
        partition->ballast_bytes =
                MIN(total_bytes / 10000 * config->ballast_permyriad, config->ballast_bytes);
}

int finder_find(const FinderPlaces *places, const Config *config, Found *ret_found) {
        Finder f = {.places = places, .config = config, .found = ret_found};
        _cleanup_free_ FoundRoots *roots = malloc(sizeof(*roots));
        _cleanup_free_ Dockerds *dockerds = calloc(1, sizeof(*dockerds));
        int r;

        memset(ret_found, 0, sizeof(*ret_found));
        if (!roots || !dockerds)
                return -ENOMEM;
        r = mounts_read(places->mountinfo, &f.mounts);
        if (r < 0)
                finder_note(ret_found, "%s: %s; partitions are named by folders", places->mountinfo,
                            strerrordesc_np(-r));
        r = finder_process_list(places->proc, places->daemon_json, dockerds);
        if (r < 0)
                finder_note(ret_found, "%s: %s; no dockerd can be found", places->proc, strerrordesc_np(-r));
        finder_roots_list(places, config, dockerds, roots, ret_found);
        finder_process_done(dockerds);
        for (uint32_t i = 0; i < roots->n; i++)
                add_root(&f, &roots->items[i]);
        add_parts(&f, roots);
        for (uint32_t i = 0; i < ret_found->n_partitions; i++)
                set_ballast(&f, &ret_found->partitions[i]);
        if (roots->n == 0)
                finder_note(ret_found,
                            "no Docker data-root was found: start Docker, or name it with DataRoot=");
        mounts_done(&f.mounts);
        return 0;
}

/* ---- the process
 * ---------------------------------------------------------------------------------------------- */

typedef struct Scout {
        int channel_fd;
        Message skip, say;
} Scout;

/* Says where it is about to look: if that hangs, the supervisor knows where, and the next one leaves it out. */
static bool scout_may_look(const char *path, void *userdata) {
        Scout *s = userdata;

        for (uint32_t i = 0; i < MIN(s->skip.n, (uint32_t) FINDERS_HUNG_MAX); i++)
                if (mounts_is_below(path, s->skip.skip.paths[i]))
                        return false;
        s->say = (Message){.type = MESSAGE_LOOKING};
        (void) snprintf(s->say.looking.path, sizeof(s->say.looking.path), "%s", path);
        return message_send(s->channel_fd, &s->say, false) == 0;
}

int finder_run(const RoleContext *context) {
        _cleanup_free_ Message *message = calloc(1, sizeof(*message));
        _cleanup_free_ Config *config = malloc(sizeof(*config));
        _cleanup_free_ Scout *scout = calloc(1, sizeof(*scout));
        FinderPlaces places = *finder_default_places();
        int r;

        if (!message || !config || !scout)
                return EXIT_FAILURE;
        r = message_receive(context->channel_fd, message, false);
        if (r < 0 || message->type != MESSAGE_CONFIG || !message->config.ok)
                return EXIT_FAILURE;
        *config = message->config.config;
        scout->channel_fd = context->channel_fd;
        r = message_receive(context->channel_fd, &scout->skip, false);
        if (r < 0 || scout->skip.type != MESSAGE_SKIP)
                return EXIT_FAILURE;
        if (context->options && context->options->observe)
                config->mode = MODE_OBSERVE;
        places.may_look = scout_may_look;
        places.userdata = scout;
        memset(message, 0, sizeof(*message));
        message->type = MESSAGE_FOUND;
        r = finder_find(&places, config, &message->found);
        if (r == 0)
                r = message_send(context->channel_fd, message, false);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
