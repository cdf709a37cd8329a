/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "survey_place.h"

#include <limits.h>
#include <stdio.h>

#include "mounts.h"
#include "text.h"

#define DELETED " (deleted)"
#define ID_DIGITS (CONTAINER_ID_MAX - 1)

/* The end of a path says more than its beginning. */
static void set_end(char *dst, size_t dst_bytes, const char *path) {
        size_t n = strlen(path);
        const char *from = path;
        char shortened[CAUSE_PATH_MAX + 8];

        if (n < dst_bytes) {
                (void) text_sanitize(dst, dst_bytes, path, n);
                return;
        }
        from = path + n - (dst_bytes - 1) + 3;
        while ((*from & 0xC0) == 0x80) /* not within a character */
                from++;
        (void) snprintf(shortened, sizeof(shortened), "...%s", from);
        (void) text_sanitize(dst, dst_bytes, shortened, strlen(shortened));
}

static void set_path(Cause *cause, const char *path) { set_end(cause->path, sizeof(cause->path), path); }

/* "<id>-json.log" and its rotated segments, in the folder of that container; what other drivers keep there. */
static bool is_log(const char *container, const char *file) {
        static const char *const others[] = {"local-logs/container.log", "container-cached.log"};
        static const char suffix[] = "-json.log";

        for (size_t i = 0; i < ELEMENTS(others); i++)
                if (strncmp(file, others[i], strlen(others[i])) == 0)
                        return true;
        return strncmp(file, container, ID_DIGITS) == 0 && strncmp(file + ID_DIGITS, suffix, strlen(suffix)) == 0;
}

/* Below a data-root: what is behind it. false: nothing that has a kind of its own. */
static bool place_below_root(const char *rest, const SurveySight *sight, SurveyPlace *place) {
        static const char *const images[] = {"overlay2", "overlay", "fuse-overlayfs", "vfs",       "aufs", "btrfs", "zfs",
                                             "image",    "tmp",     "buildkit",       "containerd", "builder", "rootfs"};
        size_t n = strcspn(rest, "/");
        const char *behind = rest[n] ? rest + n + 1 : "";

        if (n == strlen("volumes") && strncmp(rest, "volumes", n) == 0 && strchr(behind, '/')) {
                size_t n_name = strcspn(behind, "/");
                const char *file = behind + n_name + 1;

                place->cause.kind = CAUSE_VOLUME;
                (void) text_sanitize(place->cause.name, sizeof(place->cause.name), behind, n_name);
                set_path(&place->cause, strncmp(file, "_data/", strlen("_data/")) == 0 ? file + strlen("_data/") : file);
                return true;
        }
        if (n == strlen("containers") && strncmp(rest, "containers", n) == 0) {
                char id[CONTAINER_ID_MAX] = "";

                if (strlen(behind) > ID_DIGITS && behind[ID_DIGITS] == '/')
                        memcpy(id, behind, ID_DIGITS);
                if (!text_is_container_id(id))
                        return false;
                place->is_log = is_log(id, behind + ID_DIGITS + 1);
                memcpy(place->cause.container, id, sizeof(id));
                return false; /* Docker's own files for that container: named by their path */
        }
        for (size_t i = 0; i < ELEMENTS(images); i++)
                if (n == strlen(images[i]) && strncmp(rest, images[i], n) == 0) {
                        /* A storage driver without an overlay: the container's root is a folder there. */
                        bool own = sight->container[0] && streq(sight->point, "/");
                        place->cause.kind = own ? CAUSE_WRITE_LAYER : CAUSE_IMAGES;
                        return true;
                }
        return false;
}

static bool is_journal(const char *path) {
        const char *end = strrchr(path, '.');

        return strstr(path, "/log/journal/") && end && (streq(end, ".journal") || streq(end, ".journal~"));
}

static void place_on_host(const SurveyOrder *order, const SurveySight *sight, const char *path, SurveyPlace *place) {
        /* A container names its files as it likes, but not the folder that it was given. */
        const char *known = sight->container[0] ? sight->folder : path;

        set_path(&place->cause, path);
        for (uint32_t i = 0; i < order->n_roots; i++) {
                size_t n = strlen(order->roots[i]);

                if (mounts_is_below(path, order->roots[i]) && path[n] == '/' && place_below_root(path + n + 1, sight, place))
                        return;
        }
        if (place->is_log || place->cause.container[0])
                return;
        memcpy(place->cause.container, sight->container, strnlen(sight->container, CONTAINER_ID_MAX - 1));
        if (strstr(known, "/io.containerd."))
                place->cause.kind = sight->container[0] && streq(sight->point, "/") ? CAUSE_WRITE_LAYER : CAUSE_IMAGES;
        else if (is_journal(known))
                place->cause.kind = CAUSE_JOURNAL;
        else if (sight->container[0]) {
                place->cause.kind = CAUSE_BIND_MOUNT;
                set_end(place->cause.name, sizeof(place->cause.name), sight->folder);
                set_path(&place->cause, sight->link);
        }
}

SurveyPlace survey_place_find(const SurveyOrder *order, const SurveySight *sight) {
        size_t n_point = streq(sight->point, "/") ? 0 : strlen(sight->point);
        char link[PATH_MAX], path[2 * PATH_MAX];
        SurveyPlace place = {};
        size_t n;

        (void) snprintf(link, sizeof(link), "%s", sight->link);
        n = strlen(link);
        if (sight->deleted && n > strlen(DELETED) && streq(link + n - strlen(DELETED), DELETED))
                link[n - strlen(DELETED)] = 0;
        if (sight->deleted || sight->is_layer) {
                place.cause.kind = sight->deleted ? CAUSE_DELETED : sight->container[0] ? CAUSE_WRITE_LAYER : CAUSE_IMAGES;
                memcpy(place.cause.container, sight->container, strnlen(sight->container, CONTAINER_ID_MAX - 1));
                set_path(&place.cause, link);
                return place;
        }
        /* A process that has changed its root sees it elsewhere: the folder alone is known then. */
        bool below = mounts_is_below(link, sight->point);
        (void) snprintf(path, sizeof(path), "%s%s", streq(sight->folder, "/") ? "" : sight->folder, below ? link + n_point : link);
        place_on_host(order, sight, path, &place);
        if (place.cause.kind == CAUSE_VOLUME || place.cause.kind == CAUSE_WRITE_LAYER)
                memcpy(place.cause.container, sight->container, strnlen(sight->container, CONTAINER_ID_MAX - 1));
        if (place.cause.kind == CAUSE_WRITE_LAYER)
                set_path(&place.cause, link);
        return place;
}

static bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

void survey_place_read_cgroup(const char *text, char *container, char *service) {
        const char *digits = NULL, *unit = NULL;
        size_t n = 0;

        container[0] = service[0] = 0;
        for (const char *at = text; *at; at++) {
                n = is_hex(*at) ? n + 1 : 0;
                if (n == ID_DIGITS && !is_hex(at[1]))
                        digits = at + 1 - ID_DIGITS;
                if (*at == '/')
                        unit = at + 1;
                if (strncmp(at, ".service", strlen(".service")) == 0 && unit && (at[strlen(".service")] == '\n' || at[strlen(".service")] == '/' || !at[strlen(".service")]) &&
                    strncmp(unit, "user@", strlen("user@")) != 0)
                        (void) text_sanitize(service, CAUSE_NAME_MAX, unit, (size_t) (at - unit) + strlen(".service"));
        }
        /* A user's own manager gives names as he likes. */
        if (digits && !strstr(text, "/user.slice/")) {
                memcpy(container, digits, ID_DIGITS);
                container[ID_DIGITS] = 0;
        }
}
