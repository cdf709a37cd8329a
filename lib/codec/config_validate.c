/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Whether a configuration makes sense as a whole. */

#include "config_parse.h"
#include "macros.h"
#include "text.h"
#include "units.h"

/* Below that not even the lines that tell what went wrong would stay. */
#define KEEP_LEAST KIB(64)

/* Logs are cut in steps of that. */
#define LIMIT_LEAST MIB(1)

/* A watcher or trimmer that is given less is missed on every busy disk; with more, nobody would learn in
 * time that it is stuck. */
#define DEADLINE_LEAST_USEC (100 * USEC_PER_MSEC)
#define DEADLINE_MOST_USEC USEC_PER_HOUR

/* No rate that is measured in minutes foretells more. */
#define WITHIN_MOST_USEC (30 * USEC_PER_DAY)

#define CLEAR_HOLD_MOST_USEC USEC_PER_DAY
/* A flood fills a small partition in that time. */
#define COOLDOWN_MOST_USEC (10 * USEC_PER_MINUTE)

/* The ballast is for the last seconds; more is space that the partition lacks. */
#define BALLAST_MOST_PERMYRIAD 2000
#define BALLAST_MOST_BYTES GIB(64)

static const char *const level_names[_LEVEL_MAX] = {
        [LEVEL_NOTICE] = "Notice",
        [LEVEL_WARNING] = "Warning",
        [LEVEL_CRITICAL] = "Critical",
        [LEVEL_EMERGENCY] = "Emergency",
};

static Text error_begin(ConfigError *error) {
        *error = (ConfigError){};
        return text_over(error->message, sizeof(error->message));
}

static bool levels_are_ordered(const Config *config, ConfigError *error) {
        for (Level l = LEVEL_WARNING; l < _LEVEL_MAX; l++) {
                const ConfigLevel *before = &config->levels[l - 1], *this = &config->levels[l];
                char a[64], b[64];
                Text message;

                if (this->free_permyriad > before->free_permyriad || this->free_bytes > before->free_bytes ||
                                (this->free_permyriad == before->free_permyriad &&
                                                this->free_bytes == before->free_bytes)) {
                        message = error_begin(error);
                        text_appendf(&message,
                                        "[Levels] %sFree=%s must be less than %sFree=%s, in percent and in "
                                        "bytes (a part left out is no limit at all)",
                                        level_names[l],
                                        config_free_format(this->free_permyriad, this->free_bytes, a,
                                                        sizeof(a)),
                                        level_names[l - 1],
                                        config_free_format(before->free_permyriad, before->free_bytes, b,
                                                        sizeof(b)));
                        return false;
                }
                if (this->within_usec >= before->within_usec && (this->within_usec || before->within_usec)) {
                        message = error_begin(error);
                        text_appendf(&message, "[Levels] %sWithin=%s must be less than %sWithin=%s",
                                        level_names[l],
                                        span_format(this->within_usec, a), level_names[l - 1],
                                        span_format(before->within_usec, b));
                        return false;
                }
        }
        return true;
}

static bool span_is_within(const char *section_and_key, uint64_t usec, uint64_t least_usec,
                uint64_t most_usec, ConfigError *error) {
        char is[UNITS_TEXT_MAX], least[UNITS_TEXT_MAX], most[UNITS_TEXT_MAX];
        Text message;

        if (usec >= least_usec && usec <= most_usec)
                return true;
        message = error_begin(error);
        text_appendf(&message, "%s=%s: expected %s to %s", section_and_key, span_format(usec, is),
                        span_format(least_usec, least), span_format(most_usec, most));
        return false;
}

static bool keep_is_enough(const char *section, const char *pattern, const char *key, uint64_t keep_bytes,
                ConfigError *error) {
        char is[UNITS_TEXT_MAX], least[UNITS_TEXT_MAX];
        Text message;

        if (keep_bytes >= KEEP_LEAST)
                return true;
        message = error_begin(error);
        text_appendf(&message, "[%s%s%s] %s=%s: expected at least %s, the lines that tell what went wrong",
                        section, *pattern ? " " : "", pattern, key, bytes_format(keep_bytes, is),
                        bytes_format(KEEP_LEAST, least));
        return false;
}

static bool keeps_are_sane(const Config *config, ConfigError *error) {
        char a[UNITS_TEXT_MAX], b[UNITS_TEXT_MAX];
        Text message;

        /* Each by itself first: raising EmergencyKeep= does not help a Keep= that is too little. */
        if (!keep_is_enough("Trim", "", "Keep", config->keep_bytes, error) ||
                        !keep_is_enough("Trim", "", "EmergencyKeep", config->emergency_keep_bytes, error))
                return false;
        if (config->emergency_keep_bytes > config->keep_bytes) {
                message = error_begin(error);
                text_appendf(&message, "[Trim] EmergencyKeep=%s must not be more than Keep=%s",
                                bytes_format(config->emergency_keep_bytes, a),
                                bytes_format(config->keep_bytes, b));
                return false;
        }
        for (uint32_t i = 0; i < config->n_rules; i++) {
                const ConfigRule *rule = &config->rules[i];

                if (!keep_is_enough(rule->by_image ? "Image" : "Container", rule->pattern, "Keep",
                                    rule->keep_bytes, error))
                        return false;
        }
        return true;
}

static bool limit_is_sane(const char *section, const char *pattern, uint64_t max_bytes, ConfigError *error) {
        char is[UNITS_TEXT_MAX];
        Text message;

        if (max_bytes == 0 || max_bytes >= LIMIT_LEAST) /* not set is above any */
                return true;
        message = error_begin(error);
        text_appendf(&message, "[%s%s%s] MaxLogSize=%s: expected at least 1M, or 0 for no limit", section, *pattern ? " " : "",
                        pattern, bytes_format(max_bytes, is));
        return false;
}

static bool limits_are_sane(const Config *config, ConfigError *error) {
        if (!limit_is_sane("Trim", "", config->max_log_bytes, error))
                return false;
        for (uint32_t i = 0; i < config->n_rules; i++) {
                const ConfigRule *rule = &config->rules[i];

                if (!limit_is_sane(rule->by_image ? "Image" : "Container", rule->pattern, rule->max_log_bytes, error))
                        return false;
        }
        return true;
}

int config_validate(const Config *config, ConfigError *ret_error) {
        const ConfigLevel *emergency = &config->levels[LEVEL_EMERGENCY];
        Text message;

        if (!levels_are_ordered(config, ret_error) ||
                        !span_is_within("[Levels] NoticeWithin", config->levels[LEVEL_NOTICE].within_usec, 0,
                                        WITHIN_MOST_USEC, ret_error) ||
                        !span_is_within("[Levels] ClearHold", config->clear_hold_usec, 0,
                                        CLEAR_HOLD_MOST_USEC, ret_error) ||
                        !span_is_within("[Trim] Cooldown", config->cooldown_usec, 0, COOLDOWN_MOST_USEC,
                                        ret_error) ||
                        !span_is_within("[Deadlines] Watcher", config->watcher_deadline_usec,
                                        DEADLINE_LEAST_USEC, DEADLINE_MOST_USEC, ret_error) ||
                        !span_is_within("[Deadlines] Trimmer", config->trimmer_deadline_usec,
                                        DEADLINE_LEAST_USEC, DEADLINE_MOST_USEC, ret_error) ||
                        !keeps_are_sane(config, ret_error) || !limits_are_sane(config, ret_error))
                return CONFIG_PARSE_E_INVALID;
        if (emergency->free_permyriad == 0 || emergency->free_bytes == 0) {
                message = error_begin(ret_error);
                text_append(&message, "[Levels] EmergencyFree= must be more than 0: it is the last line "
                                      "before a full disk");
                return CONFIG_PARSE_E_INVALID;
        }
        if (config->ballast_permyriad > BALLAST_MOST_PERMYRIAD &&
                        config->ballast_bytes > BALLAST_MOST_BYTES) {
                message = error_begin(ret_error);
                text_appendf(&message,
                                "[Ballast] Size= would take too much of the partition; expected at most "
                                "20%% or 64G, such as 1%% 1G");
                return CONFIG_PARSE_E_INVALID;
        }
        return 0;
}
