/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The policy in force: contract in policy.h. */

#include "policy.h"

#include "text.h"

void policy_bare_name(const char *displayed, char ret_name[static CONTAINER_NAME_MAX]) {
        /* Docker's names have neither spaces nor brackets. */
        const char *end = strstr(displayed, " (");
        size_t n = end ? (size_t) (end - displayed) : strlen(displayed);

        n = MIN(n, (size_t) CONTAINER_NAME_MAX - 1);
        memcpy(ret_name, displayed, n);
        ret_name[n] = 0;
}

static bool rule_matches(const ConfigRule *rule, const ContainerInfo *container, const char *bare_name) {
        if (rule->by_image)
                return text_matches(rule->pattern, container->image);
        return text_matches(rule->pattern, bare_name) || text_matches(rule->pattern, container->name) ||
                        streq(rule->pattern, container->id);
}

static bool labels_are_trusted(const Config *config, const ContainerInfo *container) {
        for (uint32_t i = 0; i < config->n_trust_labels; i++)
                if (text_matches(config->trust_labels[i], container->image))
                        return true;
        return false;
}

static bool is_policy(Policy policy) {
        return policy >= 0 && policy < _POLICY_MAX;
}

/* Its catalog could never be read: only the id is known. */
static bool is_anonymous(const ContainerInfo *container) {
        return container->driver == LOG_DRIVER_UNKNOWN && container->image[0] == 0;
}

/* Whether some container is protected: then one that nobody can name may be it. */
static bool may_be_protected(const Config *config) {
        for (uint32_t i = 0; i < config->n_rules; i++)
                if (config->rules[i].policy == POLICY_ALERT)
                        return true;
        return config->n_trust_labels > 0;
}

/* A label may set a limit where there is none, or a smaller one; not where the configuration says that there is none. */
static uint64_t limit_of(const ContainerInfo *container, uint64_t max_bytes, bool trusted, bool exempt) {
        uint64_t label = container->label_max_bytes;

        /* Whose files they are is not known: no log is cut for its size alone then. */
        if (container->driver != LOG_DRIVER_JSON_FILE)
                return 0;
        if (label == CONFIG_KEEP_UNSET)
                return max_bytes;
        if (trusted)
                return label == 0 ? 0 : MAX(label, (uint64_t) POLICY_LABEL_MAX_LEAST);
        if (label == 0 || exempt)
                return max_bytes;
        label = MAX(label, (uint64_t) POLICY_LABEL_MAX_LEAST);
        return max_bytes == 0 ? label : MIN(label, max_bytes);
}

LogPolicy policy_resolve(const Config *config, const ContainerInfo *container) {
        LogPolicy p = {.policy = config->policy, .keep_bytes = config->keep_bytes, .max_log_bytes = config->max_log_bytes};
        bool exempt = false; /* a rule says that this one has no limit */
        char bare_name[CONTAINER_NAME_MAX];
        bool trusted = labels_are_trusted(config, container);

        policy_bare_name(container->name, bare_name);
        for (uint32_t i = 0; i < config->n_rules; i++) {
                const ConfigRule *rule = &config->rules[i];
                if (!rule_matches(rule, container, bare_name))
                        continue;
                if (is_policy(rule->policy))
                        p.policy = rule->policy;
                if (rule->keep_bytes != CONFIG_KEEP_UNSET)
                        p.keep_bytes = rule->keep_bytes;
                if (rule->max_log_bytes != CONFIG_KEEP_UNSET) {
                        p.max_log_bytes = rule->max_log_bytes;
                        exempt = rule->max_log_bytes == 0;
                }
        }

        if (is_policy(container->label_policy) &&
                        (trusted || (container->label_policy == POLICY_ARCHIVE && p.policy != POLICY_ALERT)))
                p.policy = container->label_policy;
        if (container->label_keep_bytes != CONFIG_KEEP_UNSET &&
                        (trusted || container->label_keep_bytes < p.keep_bytes))
                p.keep_bytes = container->label_keep_bytes;

        p.max_log_bytes = limit_of(container, p.max_log_bytes, trusted, exempt);

        if (is_anonymous(container) && may_be_protected(config))
                p.policy = POLICY_ALERT;
        p.is_protected = p.policy == POLICY_ALERT;
        p.emergency_keep_bytes = MIN(p.keep_bytes, config->emergency_keep_bytes);
        return p;
}
