/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The configuration as text. Numbers are written exactly, in the largest unit that divides them, so that
 * the text parses back to the same. */

#include <errno.h>
#include <inttypes.h>

#include "config_parse.h"
#include "macros.h"
#include "text.h"

typedef struct ExactUnit {
        const char *name;
        uint64_t size;
} ExactUnit;

/* units: the largest first, the last one is 1. */
static void exact_append(Text *text, uint64_t value, const ExactUnit *units) {
        if (value == 0) {
                text_append(text, "0");
                return;
        }
        while (value % units->size != 0)
                units++;
        text_appendf(text, "%" PRIu64 "%s", value / units->size, units->name);
}

static void bytes_append(Text *text, const char *key, uint64_t bytes) {
        static const ExactUnit units[] = {
                { "T", UINT64_C(1) << 40 }, { "G", GIB(1) }, { "M", MIB(1) }, { "K", KIB(1) }, { "", 1 },
        };

        text_append(text, key);
        exact_append(text, bytes, units);
}

static void span_append(Text *text, const char *key, uint64_t usec) {
        static const ExactUnit units[] = {
                { "h", USEC_PER_HOUR }, { "min", USEC_PER_MINUTE }, { "s", USEC_PER_SEC },
                { "ms", USEC_PER_MSEC }, { "us", 1 },
        };

        text_append(text, key);
        if (usec == USEC_INFINITY)
                text_append(text, "infinity");
        else
                exact_append(text, usec, units);
        text_append(text, "\n");
}

static void free_append(Text *text, uint32_t permyriad, uint64_t free_bytes) {
        bool has_bytes = free_bytes != CONFIG_BYTES_ANY;

        if (permyriad != CONFIG_PERMYRIAD_ANY || !has_bytes) {
                text_appendf(text, "%" PRIu32, permyriad / 100);
                if (permyriad % 100)
                        text_appendf(text, ".%02" PRIu32, permyriad % 100);
                text_append(text, has_bytes ? "% " : "%");
        }
        if (has_bytes)
                bytes_append(text, "", free_bytes);
}

char *config_free_format(uint32_t permyriad, uint64_t free_bytes, char *buf, size_t buf_bytes) {
        Text text = text_over(buf, buf_bytes);

        free_append(&text, permyriad, free_bytes);
        return buf;
}

static void level_append(Text *text, const char *name, const ConfigLevel *level) {
        text_appendf(text, "%sFree=", name);
        free_append(text, level->free_permyriad, level->free_bytes);
        text_appendf(text, "\n%s", name);
        span_append(text, "Within=", level->within_usec);
}

/* In quotes where a blank at its end would be lost. */
static void path_append(Text *text, const char *key, const char *path) {
        const char *quote = path[0] && path[strlen(path) - 1] == ' ' ? "\"" : "";

        text_appendf(text, "%s=%s%s%s\n", key, quote, path, quote);
}

/* Of what may be none at all. */
static void size_append(Text *text, uint32_t permyriad, uint64_t bytes) {
        if (permyriad == 0 && bytes == 0)
                text_append(text, "0");
        else
                free_append(text, permyriad, bytes);
}

static void archive_append(Text *text, const Config *config) {
        if (config->archive_directory[0])
                path_append(text, "ArchiveDirectory", config->archive_directory);
        text_append(text, "ArchiveSize=");
        size_append(text, config->archive_permyriad, config->archive_bytes);
        bytes_append(text, "\nArchiveContainerSize=", config->archive_container_bytes);
        span_append(text, "\nArchiveMaxAge=", config->archive_max_age_usec);
        bytes_append(text, "ArchiveRate=", config->archive_rate_bps);
        text_append(text, "\n");
}

static void rule_append(Text *text, const ConfigRule *rule) {
        text_appendf(text, "\n[%s %s]\n", rule->by_image ? "Image" : "Container", rule->pattern);
        if (rule->policy >= 0)
                text_appendf(text, "Policy=%s\n", policy_to_string(rule->policy));
        if (rule->keep_bytes != CONFIG_KEEP_UNSET) {
                bytes_append(text, "Keep=", rule->keep_bytes);
                text_append(text, "\n");
        }
        if (rule->max_log_bytes != CONFIG_KEEP_UNSET) {
                bytes_append(text, "MaxLogSize=", rule->max_log_bytes);
                text_append(text, "\n");
        }
}

int config_format(const Config *config, char *buf, size_t buf_bytes) {
        Text text;

        if (buf_bytes == 0)
                return -ENOBUFS;
        text = text_over(buf, buf_bytes);

        text_appendf(&text, "[Watchdog]\nMode=%s\n", mode_to_string(config->mode));
        for (uint32_t i = 0; i < config->n_data_roots; i++)
                path_append(&text, "DataRoot", config->data_roots[i]);
        for (uint32_t i = 0; i < config->n_watch_paths; i++)
                path_append(&text, "WatchPath", config->watch_paths[i]);

        text_append(&text, "\n[Levels]\n");
        level_append(&text, "Notice", &config->levels[LEVEL_NOTICE]);
        level_append(&text, "Warning", &config->levels[LEVEL_WARNING]);
        level_append(&text, "Critical", &config->levels[LEVEL_CRITICAL]);
        level_append(&text, "Emergency", &config->levels[LEVEL_EMERGENCY]);
        span_append(&text, "ClearHold=", config->clear_hold_usec);

        text_appendf(&text, "\n[Trim]\nPolicy=%s\n", policy_to_string(config->policy));
        bytes_append(&text, "Keep=", config->keep_bytes);
        bytes_append(&text, "\nEmergencyKeep=", config->emergency_keep_bytes);
        bytes_append(&text, "\nMaxLogSize=", config->max_log_bytes);
        span_append(&text, "\nCooldown=", config->cooldown_usec);
        archive_append(&text, config);
        for (uint32_t i = 0; i < config->n_trust_labels; i++)
                text_appendf(&text, "TrustLabels=%s\n", config->trust_labels[i]);

        text_append(&text, "\n[Ballast]\nSize=");
        size_append(&text, config->ballast_permyriad, config->ballast_bytes);

        text_append(&text, "\n\n[Attribution]\nCPU=");
        free_append(&text, config->attribution_cpu_permyriad, CONFIG_BYTES_ANY);
        bytes_append(&text, "\nRead=", config->attribution_read_bytes);

        text_append(&text, "\n\n[Deadlines]\n");
        span_append(&text, "Watcher=", config->watcher_deadline_usec);
        span_append(&text, "Trimmer=", config->trimmer_deadline_usec);

        for (uint32_t i = 0; i < config->n_rules; i++)
                rule_append(&text, &config->rules[i]);

        /* A text that was cut has no room left: text.h. */
        return text.used + 1 < text.capacity ? (int) text.used : -ENOBUFS;
}
