/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "finder_settings.h"
#include "json_input.h"
#include "macros.h"
#include "text.h"

#define JSON_BYTES_MAX KIB(256) /* daemon.json has a few hundred bytes */

/* What dockerd listens on when systemd hands it the socket. */
#define SOCKET_OF_UNIT "/run/docker.sock"

static void take_path(char *dst, size_t dst_bytes, const char *path, size_t n) {
        if (n == 0 || path[0] != '/' || !text_sanitize(dst, dst_bytes, path, n))
                dst[0] = 0;
}

/* The first one that is a Unix socket counts. */
static void take_host(FinderSettings *settings, const char *host, size_t n) {
        if (settings->api_socket[0] != 0)
                return;
        if (n > 7 && strncmp(host, "unix://", 7) == 0)
                take_path(settings->api_socket, sizeof(settings->api_socket), host + 7, n - 7);
        else if (n >= 5 && strncmp(host, "fd://", 5) == 0)
                (void) snprintf(settings->api_socket, sizeof(settings->api_socket), SOCKET_OF_UNIT);
}

typedef enum Flag { FLAG_NONE, FLAG_DATA_ROOT, FLAG_CONFIG_FILE, FLAG_HOST } Flag;

static const struct {
        const char *name;
        Flag flag;
} flags[] = {
        {"--data-root", FLAG_DATA_ROOT}, {"--graph", FLAG_DATA_ROOT}, {"-g", FLAG_DATA_ROOT},
        {"--config-file", FLAG_CONFIG_FILE}, {"--host", FLAG_HOST}, {"-H", FLAG_HOST},
};

static void take_flag(FinderSettings *settings, Flag flag, const char *value, size_t n) {
        if (flag == FLAG_DATA_ROOT)
                take_path(settings->data_root, sizeof(settings->data_root), value, n);
        else if (flag == FLAG_CONFIG_FILE)
                take_path(settings->config_file, sizeof(settings->config_file), value, n);
        else if (flag == FLAG_HOST)
                take_host(settings, value, n);
}

/* "--name=value", "--name value", "-nvalue", "-n value". Returns the flag that waits for the next
 * argument. */
static Flag take_argument(FinderSettings *settings, const char *argument, size_t n) {
        for (size_t i = 0; i < ELEMENTS(flags); i++) {
                size_t n_name = strlen(flags[i].name);
                bool is_short = n_name == 2;

                if (n < n_name || strncmp(argument, flags[i].name, n_name) != 0)
                        continue;
                if (n == n_name)
                        return flags[i].flag;
                if (argument[n_name] == '=')
                        n_name++;
                else if (!is_short)
                        continue;
                take_flag(settings, flags[i].flag, argument + n_name, n - n_name);
                return FLAG_NONE;
        }
        return FLAG_NONE;
}

void finder_settings_parse_arguments(const char *data, size_t n_bytes, FinderSettings *ret_settings) {
        Flag waiting = FLAG_NONE;
        FinderSettings settings = {};

        for (size_t at = 0; at < n_bytes;) {
                size_t n = strnlen(data + at, n_bytes - at);
                if (waiting != FLAG_NONE) {
                        take_flag(&settings, waiting, data + at, n);
                        waiting = FLAG_NONE;
                } else
                        waiting = take_argument(&settings, data + at, n);
                at += n + 1;
        }
        *ret_settings = settings;
}

void finder_settings_parse_json(const char *data, size_t n_bytes, FinderSettings *ret_settings) {
        _cleanup_(json_input_freep) cJSON *json = NULL;
        const char *reason, *path;
        const cJSON *host;

        *ret_settings = (FinderSettings){};
        if (json_input_parse(data, n_bytes, JSON_BYTES_MAX, &json, &reason) != 0)
                return;
        path = json_input_get_string(json, "data-root");
        if (!path)
                path = json_input_get_string(json, "graph"); /* its name before 17.05 */
        if (path)
                take_path(ret_settings->data_root, sizeof(ret_settings->data_root), path, strlen(path));
        cJSON_ArrayForEach(host, cJSON_GetObjectItemCaseSensitive(json, "hosts"))
                if (cJSON_IsString(host))
                        take_host(ret_settings, host->valuestring, strlen(host->valuestring));
}

void finder_settings_read(const char *path, FinderSettings *ret_settings) {
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *data = NULL;
        struct stat st;
        ssize_t n;

        *ret_settings = (FinderSettings){};
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t) JSON_BYTES_MAX)
                return;
        data = malloc((size_t) st.st_size + 1);
        if (!data)
                return;
        n = read(fd, data, (size_t) st.st_size);
        if (n > 0)
                finder_settings_parse_json(data, (size_t) n, ret_settings);
}
