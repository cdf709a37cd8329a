/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much there may be: the partition's need, the budgets, the age. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "archive_store_internal.h"
#include "beneath.h"
#include "clock.h"
#include "level_rules.h"
#include "macros.h"

/* From one housekeeping to the next it is an hour. After longer than that nobody can tell whether the clock has jumped. */
#define GAP_USEC (3 * USEC_PER_HOUR)
#define STAMP ".house"

int archive_store_check_room(ArchiveStore *s, uint64_t more_bytes, uint64_t log_device) {
        Level limit = s->device == log_device ? LEVEL_EMERGENCY : LEVEL_WARNING;
        struct statvfs v;
        uint64_t avail_bytes, floor_bytes;

        s->call = "fstatvfs";
        if (fstatvfs(s->fd, &v) < 0)
                return -errno;
        avail_bytes = (uint64_t) v.f_bavail * v.f_frsize;
        floor_bytes = level_rules_space_bytes(s->config, limit, (uint64_t) v.f_blocks * v.f_frsize);
        return avail_bytes >= floor_bytes && avail_bytes - floor_bytes >= more_bytes ? 0 : -ENOSPC;
}

static uint64_t budget_bytes(ArchiveStore *s) {
        struct statvfs v;
        uint64_t share = UINT64_MAX;

        if (fstatvfs(s->fd, &v) == 0)
                share = (uint64_t) ((double) v.f_blocks * (double) v.f_frsize * s->config->archive_permyriad / 10000);
        return MIN(share, s->config->archive_bytes);
}

/* ---- the oldest ---------------------------------------------------------------------------------------------- */

typedef struct Item {
        char folder[ARCHIVE_FOLDER_MAX];
        ArchiveName name;
        int64_t written_nsec;
        uint64_t bytes;
} Item;

typedef struct List {
        Item *items;
        size_t n, n_max;
        uint64_t bytes;
} List;

static int add_item(ArchiveStore *s, const Found *found, void *userdata) {
        List *list = userdata;
        Item *item;

        if (list->n == list->n_max) {
                size_t n_max = MAX(2 * list->n_max, (size_t) 256);
                Item *items = reallocarray(list->items, n_max, sizeof(*items));

                s->call = "malloc";
                if (!items)
                        return -ENOMEM;
                list->items = items;
                list->n_max = n_max;
        }
        item = list->items + list->n++;
        *item = (Item){.name = found->parsed, .written_nsec = found->written_nsec, .bytes = found->bytes};
        (void) snprintf(item->folder, sizeof(item->folder), "%s", found->folder);
        list->bytes += found->bytes;
        return 0;
}

static int by_number(const void *a, const void *b) {
        const Item *x = a, *y = b;
        int r = strcmp(x->folder, y->folder);

        return r != 0 ? r : x->name.number < y->name.number ? -1 : x->name.number > y->name.number;
}

static int by_age(const void *a, const void *b) {
        const Item *x = a, *y = b;

        return x->written_nsec != y->written_nsec ? (x->written_nsec < y->written_nsec ? -1 : 1) : by_number(a, b);
}

/* In a folder the number tells, whatever the clock said; between folders the clock. So none counts as younger than one that
 * was made after it. */
static void sort(List *list) {
        if (list->n == 0)
                return;
        qsort(list->items, list->n, sizeof(Item), by_number);
        for (size_t i = list->n - 1; i-- > 0;)
                if (streq(list->items[i].folder, list->items[i + 1].folder))
                        list->items[i].written_nsec = MIN(list->items[i].written_nsec, list->items[i + 1].written_nsec);
        qsort(list->items, list->n, sizeof(Item), by_age);
}

static int remove_item(ArchiveStore *s, const Item *item) {
        _cleanup_close_ int fd = archive_open_folder(s, item->folder);
        char name[ARCHIVE_NAME_MAX];

        if (fd < 0)
                return fd == -ENOENT ? 0 : fd;
        archive_name_format(&item->name, name);
        return archive_remove(s, fd, item->folder, name, item->bytes);
}

/* Removes the oldest of one folder, or of all (NULL), until so many bytes more fit. */
static int make_room(ArchiveStore *s, int folder_fd, const char *folder, uint64_t more_bytes, uint64_t most_bytes) {
        List list = {};
        size_t i = 0;
        int r;

        r = folder ? archive_walk_folder(s, folder_fd, folder, add_item, &list) : archive_walk(s, add_item, &list);
        if (r == 0 && !folder)
                s->used_bytes = list.bytes; /* others may have removed some */
        if (r == 0)
                sort(&list);
        while (r == 0 && list.bytes + more_bytes > most_bytes) {
                if (i == list.n) {
                        r = -EDQUOT;
                        break;
                }
                list.bytes -= list.items[i].bytes;
                r = remove_item(s, list.items + i++);
        }
        free(list.items);
        return r;
}

int archive_store_check_budgets(ArchiveStore *s, uint64_t bytes) {
        uint64_t own_bytes = s->config->archive_container_bytes;

        s->call = "fstatvfs";
        return bytes > budget_bytes(s) || (own_bytes != 0 && bytes > own_bytes) ? -EDQUOT : 0;
}

int archive_make_room(ArchiveStore *s, const ArchiveFile *file, uint64_t bytes) {
        uint64_t all_bytes = budget_bytes(s), own_bytes = s->config->archive_container_bytes;
        int r;

        /* Nothing is removed for one that does not fit even alone. */
        r = archive_store_check_budgets(s, bytes);
        if (r == 0 && own_bytes != 0)
                r = make_room(s, file->folder_fd, file->folder, bytes, own_bytes);
        if (r == 0 && s->used_bytes + bytes > all_bytes)
                r = make_room(s, -EBADF, NULL, bytes, all_bytes);
        return r;
}

/* ---- housekeeping -------------------------------------------------------------------------------------------- */

/* The clock decides what is too old, and it may have jumped, to a year from now. A file says when house was kept last:
 * after a gap nothing is removed for its age yet, but an hour later, if the clock still says so. */
static bool clock_is_steady(ArchiveStore *s) {
        _cleanup_close_ int fd = beneath_create(s->fd, STAMP, O_WRONLY | O_CREAT, 0600);
        uint64_t now_usec = clock_wall_usec(), last_usec;
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return false;
        last_usec = st.st_mtim.tv_sec < 0 ? 0 : (uint64_t) st.st_mtim.tv_sec * USEC_PER_SEC;
        /* Its size says that it was there before. */
        if (st.st_size == 0 && pwrite(fd, "\n", 1, 0) != 1)
                return false;
        (void) futimens(fd, NULL);
        return st.st_size > 0 && now_usec < last_usec + GAP_USEC;
}

typedef struct House {
        bool by_age;
        uint64_t used_bytes;
} House;

/* What was written "in the future" is not old: age_usec is 0. */
static int count_or_remove(ArchiveStore *s, const Found *found, void *userdata) {
        House *house = userdata;

        if (house->by_age && found->age_usec > s->config->archive_max_age_usec)
                return archive_remove(s, found->folder_fd, found->folder, found->name, found->bytes);
        house->used_bytes += found->bytes;
        return 0;
}

int archive_store_count(ArchiveStore *s) {
        House house = {};
        int r = archive_walk(s, count_or_remove, &house);

        s->used_bytes = house.used_bytes;
        return r;
}

static int keep_to_budget(ArchiveStore *s, int folder_fd, const char *folder, void *userdata) {
        (void) userdata;
        return make_room(s, folder_fd, folder, 0, s->config->archive_container_bytes);
}

int archive_store_keep_house(ArchiveStore *s) {
        House house = {.by_age = clock_is_steady(s) && s->config->archive_max_age_usec != 0};
        uint64_t all_bytes = budget_bytes(s);
        int r;

        r = archive_walk(s, count_or_remove, &house);
        s->used_bytes = house.used_bytes;
        /* No budget means that nothing more is archived: what is there has its time. */
        if (r < 0 || all_bytes == 0)
                return r;
        if (s->config->archive_container_bytes != 0)
                r = archive_each_folder(s, keep_to_budget, NULL);
        if (r == 0 && s->used_bytes > all_bytes)
                r = make_room(s, -EBADF, NULL, 0, all_bytes);
        return r;
}
