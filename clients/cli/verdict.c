/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "level.h"
#include "render_status.h"

static const char *member(const cJSON *object, const char *name) {
        const char *value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, name));
        return value ? value : "";
}

/* Not to see is worse than any level; not to be able to act makes a level worse. */
static int rank(VerdictKind kind, Level level) {
        switch (kind) {
        case VERDICT_BLIND: return 100;
        case VERDICT_LEVEL: return 10 * level;
        case VERDICT_DEGRADED: return 10 * MAX(level, LEVEL_WARNING) + 5;
        case VERDICT_PAUSED: return 5;
        default: return 0;
        }
}

bool render_is_blind(const cJSON *partition) {
        const char *state = member(partition, "state");
        return !streq(state, "guarding") && !streq(state, "observing") && !streq(state, "degraded");
}

static VerdictKind kind_of(const cJSON *partition, Level level) {
        const char *state = member(partition, "state");

        if (streq(state, "degraded"))
                return VERDICT_DEGRADED;
        if (render_is_blind(partition))
                return VERDICT_BLIND;
        if (level > LEVEL_OK)
                return VERDICT_LEVEL;
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(partition, "paused_for_sec")))
                return VERDICT_PAUSED;
        return VERDICT_OK;
}

const char *render_state_detail(const Style *style, const cJSON *partition, char *buf, size_t buf_bytes) {
        static const char *const prefixes[] = {"cannot act: ", "blind: "};

        const char *detail = render_field(style, partition, "state_detail", buf, buf_bytes);
        for (size_t i = 0; i < ELEMENTS(prefixes); i++)
                if (strncmp(detail, prefixes[i], strlen(prefixes[i])) == 0)
                        return detail + strlen(prefixes[i]);
        return detail;
}

Verdict render_verdict(const cJSON *guard) {
        Verdict v = {.kind = VERDICT_NOTHING, .level = "ok",
                .observing = streq(member(guard, "mode"), "observe")};
        const cJSON *partition;
        Level worst = LEVEL_OK;
        int worst_rank = -1;

        cJSON_ArrayForEach(partition, render_array(guard, "partitions")) {
                Level level = level_from_string(member(partition, "level"));
                if (level < 0)
                        level = LEVEL_WARNING; /* of a newer daemon: not calm */
                VerdictKind kind = kind_of(partition, level);

                v.n_partitions++;
                worst = MAX(worst, level);
                if (rank(kind, level) > worst_rank) {
                        worst_rank = rank(kind, level);
                        v.kind = kind;
                        v.partition = partition;
                }
        }
        (void) snprintf(v.level, sizeof(v.level), "%s", level_to_string(worst));
        return v;
}
