/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Docker's two files say of a container. */

#include "docker_catalog.h"

#include <assert.h>

#include "json_input.h"
#include "macros.h"
#include "text.h"
#include "units.h"

#define LABEL_POLICY "io.diskbrake.policy"
#define LABEL_KEEP "io.diskbrake.keep"
#define LABEL_MAX "io.diskbrake.max-log-size"
#define LABEL_COMPOSE_PROJECT "com.docker.compose.project"
#define LABEL_COMPOSE_SERVICE "com.docker.compose.service"
#define LABEL_SWARM_SERVICE "com.docker.swarm.service.name"
#define LABEL_SWARM_TASK "com.docker.swarm.task.name"

/* Of a project or service in a name that would be too long with all of them. */
#define NAME_PART_SHORT 30

/* Docker allows letters, digits, '_', '.' and '-' in a name. Its files could hold anything: what would
 * make one name look like another and a suffix of ours becomes '?'. */
static void name_part_take(char *dst, size_t dst_bytes, const char *s) {
        (void) text_sanitize(dst, dst_bytes, s, strnlen(s, dst_bytes * 4));
        for (; *dst; dst++)
                if (strchr(" `()/", *dst))
                        *dst = '?';
}

static void name_suffix_make(Text *text, const cJSON *labels, size_t part_max) {
        const char *project = json_input_get_string(labels, LABEL_COMPOSE_PROJECT);
        const char *service = json_input_get_string(labels, LABEL_COMPOSE_SERVICE);
        const char *swarm = json_input_get_string(labels, LABEL_SWARM_SERVICE);
        char part[CONTAINER_NAME_MAX];

        assert(part_max <= sizeof(part));

        if (swarm) {
                name_part_take(part, part_max, swarm);
                text_appendf(text, " (swarm %s)", part);
        } else if (project) {
                name_part_take(part, part_max, project);
                text_appendf(text, " (compose %s", part);
                if (service) {
                        name_part_take(part, part_max, service);
                        text_appendf(text, "/%s", part);
                }
                text_append(text, ")");
        }
}

/* "web (compose shop/web)": the first word is Docker's own name, so that it can be searched for. Where
 * all of it is too long, the parts in brackets are cut first. */
static void name_take(ContainerInfo *info, const cJSON *config, const cJSON *labels) {
        const char *s = json_input_get_string(config, "Name");
        char name[CONTAINER_NAME_MAX], suffix[3 * CONTAINER_NAME_MAX];
        Text text = text_over(suffix, sizeof(suffix));

        if (s && s[0] == '/')
                s++;
        if (!s || !s[0])
                s = json_input_get_string(labels, LABEL_SWARM_TASK);
        if (s && s[0])
                name_part_take(name, sizeof(name), s);
        else
                (void) text_sanitize(name, sizeof(name), info->id, 12);

        name_suffix_make(&text, labels, CONTAINER_NAME_MAX);
        if (strlen(name) + text.used >= sizeof(info->name)) {
                text = text_over(suffix, sizeof(suffix));
                name_suffix_make(&text, labels, NAME_PART_SHORT);
        }
        text = text_over(info->name, sizeof(info->name) - strlen(suffix));
        text_append(&text, name);
        strcpy(info->name + text.used, suffix);
}

/* Left as it is where there is none. */
static void size_label_take(ContainerInfo *info, const cJSON *labels, const char *name, uint64_t *bytes) {
        const cJSON *label = labels ? cJSON_GetObjectItemCaseSensitive(labels, name) : NULL;
        uint64_t value;

        if (!label)
                return;
        if (cJSON_IsString(label) && bytes_parse(label->valuestring, &value) >= 0 && value != CONFIG_KEEP_UNSET)
                *bytes = value;
        else
                info->label_bad = true;
}

static void labels_take(ContainerInfo *info, const cJSON *labels) {
        const cJSON *policy = labels ? cJSON_GetObjectItemCaseSensitive(labels, LABEL_POLICY) : NULL;

        if (policy) {
                info->label_policy = cJSON_IsString(policy) ? policy_from_string(policy->valuestring)
                                                            : _POLICY_INVALID;
                if (info->label_policy < 0)
                        info->label_bad = true;
        }
        size_label_take(info, labels, LABEL_KEEP, &info->label_keep_bytes);
        size_label_take(info, labels, LABEL_MAX, &info->label_max_bytes);
}

static void state_take(ContainerInfo *info, const cJSON *state) {
        const cJSON *pid = state ? cJSON_GetObjectItemCaseSensitive(state, "Pid") : NULL;

        info->running = state && cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(state, "Running"));
        if (info->running && cJSON_IsNumber(pid) && pid->valuedouble >= 1 && pid->valuedouble <= INT32_MAX)
                info->pid = (int32_t) pid->valuedouble;
}

/* A size as the json-file driver reads it: decimal ("10m" is 10,000,000), "m", "mb" and "mib" alike, a
 * blank allowed. 0 where it is none: then it limits nothing that can be relied on. */
static uint64_t docker_size(const char *s) {
        static const char letters[] = "kmgtp";
        uint64_t whole = 0, unit = 1, fraction = 0, scale = 1;
        const char *letter;

        if (*s < '0' || *s > '9')
                return 0;
        for (; *s >= '0' && *s <= '9'; s++)
                if (__builtin_mul_overflow(whole, 10, &whole) ||
                                __builtin_add_overflow(whole, (uint64_t) (*s - '0'), &whole))
                        return 0;
        if (*s == '.')
                for (s++; *s >= '0' && *s <= '9'; s++)
                        if (scale < 1000) { /* finer makes no difference to anybody */
                                fraction = fraction * 10 + (uint64_t) (*s - '0');
                                scale *= 10;
                        }
        if (*s == ' ')
                s++;
        letter = *s ? strchr(letters, *s | 0x20) : NULL;
        if (letter) {
                s++;
                for (const char *l = letters; l <= letter; l++)
                        unit *= 1000;
        }
        if ((*s | 0x20) == 'i')
                s++;
        if ((*s | 0x20) == 'b')
                s++;
        if (*s || __builtin_mul_overflow(whole, unit, &whole) ||
                        __builtin_add_overflow(whole, unit / scale * fraction, &whole))
                return 0;
        return whole;
}

static void hostconfig_take(ContainerInfo *info, const cJSON *hostconfig) {
        const cJSON *log_config = json_input_get_object(hostconfig, "LogConfig");
        const cJSON *options = json_input_get_object(log_config, "Config");
        const char *type = json_input_get_string(log_config, "Type");
        const char *max_size = json_input_get_string(options, "max-size");
        const char *max_file = json_input_get_string(options, "max-file");

        if (!type || !type[0])
                return; /* config.v2.json has a "Driver", but that is the one of the layers */
        info->driver = streq(type, "json-file") ? LOG_DRIVER_JSON_FILE
                        : streq(type, "local") ? LOG_DRIVER_LOCAL
                                               : LOG_DRIVER_OTHER;
        if (max_size)
                info->max_size_bytes = docker_size(max_size);
        if (max_file && max_file[0] != 0 && strspn(max_file, "0123456789") == strlen(max_file) &&
                        strlen(max_file) <= 9)
                info->max_file = (uint32_t) strtoul(max_file, NULL, 10);
}

/* The reasons of json_input.c with the file's name before them: static, so that nobody has to free one. */
static const char *reason_of(const char *reason, bool of_hostconfig) {
        static const struct {
                const char *reason, *config_v2, *hostconfig;
        } names[] = {
#define REASON(text) { text, "config.v2.json: " text, "hostconfig.json: " text }
                REASON("it is empty"),
                REASON("it is too large"),
                REASON("it has a NUL byte"),
                REASON("it is nested too deep"),
                REASON("it has too many values"),
                REASON("it ends in the middle"),
                REASON("it is not JSON"),
                REASON("it is not an object"),
                REASON("something stands behind it"),
#undef REASON
        };

        for (size_t i = 0; i < ELEMENTS(names); i++)
                if (streq(names[i].reason, reason))
                        return of_hostconfig ? names[i].hostconfig : names[i].config_v2;
        return reason;
}

int docker_catalog_parse(const char *config_v2, size_t n_config_v2, const char *hostconfig,
                size_t n_hostconfig, ContainerInfo *ret_info, const char **ret_reason) {
        _cleanup_(json_input_freep) cJSON *config_json = NULL, *hostconfig_json = NULL;
        const cJSON *config, *labels;
        const char *id, *image, *reason = NULL;
        ContainerInfo info = {
                .driver = LOG_DRIVER_UNKNOWN,
                .label_policy = _POLICY_INVALID,
                .label_keep_bytes = CONFIG_KEEP_UNSET,
                .label_max_bytes = CONFIG_KEEP_UNSET,
        };
        int r;

        r = json_input_parse(config_v2, n_config_v2, DOCKER_CATALOG_MAX, &config_json, &reason);
        if (r == 0 && hostconfig)
                r = json_input_parse(
                                hostconfig, n_hostconfig, DOCKER_CATALOG_MAX, &hostconfig_json, &reason);
        if (r < 0)
                return r;
        if (r > 0) {
                *ret_reason = reason_of(reason, config_json != NULL);
                return DOCKER_CATALOG_E_INVALID;
        }
        id = json_input_get_string(config_json, "ID");
        if (!id || !text_is_container_id(id)) {
                *ret_reason = "config.v2.json: it has no ID of 64 digits";
                return DOCKER_CATALOG_E_INVALID;
        }
        strcpy(info.id, id);

        config = json_input_get_object(config_json, "Config");
        labels = json_input_get_object(config, "Labels");
        image = json_input_get_string(config, "Image");
        name_take(&info, config_json, labels);
        if (image)
                (void) text_sanitize(info.image, sizeof(info.image), image, strlen(image));
        labels_take(&info, labels);
        state_take(&info, json_input_get_object(config_json, "State"));
        hostconfig_take(&info, hostconfig_json);

        *ret_info = info;
        return 0;
}
