/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render_logs.h"

#include "table.h"
#include "units.h"

#define OFFENDERS_MAX 5
#define QUIET_MAX 3
#define DAMAGED_MAX 5

static const TableColumn columns[] = {
        {NULL, 32, false}, {"growth", 11, true}, {"size", 9, true}, {"share", 6, true}, {"", 12, false},
};

static bool grows(const cJSON *log) { return render_number(log, "growth_bps") >= 1; }

static bool is_damaged(const cJSON *log) {
        return cJSON_IsString(cJSON_GetObjectItemCaseSensitive(log, "damage"));
}

/* One word where there is more to know: it fits the last column. */
static const char *remark(const cJSON *log) {
        const char *driver = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(log, "driver"));

        if (render_flag(log, "protected"))
                return "protected";
        if (driver && (streq(driver, "local") || streq(driver, "other")))
                return "never cut";
        if (is_damaged(log))
                return "damaged";
        if (render_bytes(log, "hole_bytes") > 0)
                return "has a hole";
        if (driver && streq(driver, "unknown")) /* whether it runs is not known either */
                return "unknown";
        return render_flag(log, "running") ? "" : "stopped";
}

static void print_log(FILE *out, const Style *style, const cJSON *log) {
        char name[256], growth[UNITS_TEXT_MAX] = "-", size[UNITS_TEXT_MAX], share[UNITS_TEXT_MAX] = "-";

        (void) render_field(style, log, "name", name, sizeof(name));
        if (!*name)
                (void) render_field(style, log, "id", name, 13); /* Docker's short form */
        if (grows(log)) {
                (void) bps_format(render_rate(log, "growth_bps"), growth);
                double part = render_number(log, "share");
                (void) permyriad_format(part <= 0 ? 0 : part >= 1 ? 10000 : (uint32_t) (part * 10000),
                        share);
        }
        (void) bytes_format(render_bytes(log, "allocated_bytes"), size);

        const char *cells[] = {name, growth, size, share, remark(log)};
        table_row(out, style, columns, ELEMENTS(columns), cells);
}

/* All that are known, whatever they grow: they are few, or somebody has to know. */
static void print_damaged(FILE *out, const Style *style, const cJSON *logs) {
        char name[256], damage[32], why[256], text[RENDER_TEXT_MAX];
        const cJSON *log;
        unsigned n = 0;

        cJSON_ArrayForEach(log, logs) {
                if (!is_damaged(log) || ++n > DAMAGED_MAX)
                        continue;
                (void) render_field(style, log, "name", name, sizeof(name));
                (void) render_field(style, log, "damage", damage, sizeof(damage));
                (void) render_field(style, log, "damage_detail", why, sizeof(why));
                (void) snprintf(text, sizeof(text), "%s: %s; %s", name,
                        streq(damage, "torn") ? "a torn line hides what follows it" :
                                                "NULs at its head hide what follows them",
                        *why ? why : "it is about to be repaired");
                fputs("  ", out);
                render_ink(out, style, INK_WARNING, "damaged: ");
                render_wrapped(out, text, 11, 11);
        }
        if (n > DAMAGED_MAX)
                fprintf(out, "  and %u more that are damaged: diskbrake status --json\n", n - DAMAGED_MAX);
}

void render_logs(FILE *out, const Style *style, const cJSON *partition) {
        const cJSON *logs = render_array(partition, "logs"), *log;
        uint64_t n_total = render_bytes(partition, "logs_total"), n_shown = 0;
        bool offenders = grows(cJSON_GetArrayItem(logs, 0));
        uint64_t n_max = offenders ? OFFENDERS_MAX : QUIET_MAX;

        if (cJSON_GetArraySize(logs) == 0) {
                if (n_total == 0)
                        fputs(cJSON_GetArraySize(render_array(partition, "roots")) > 0 ?
                                        "  no container has a log here yet\n" :
                                        "  no container logs here: alerts only\n",
                                out);
                return;
        }

        TableColumn titled[ELEMENTS(columns)];
        memcpy(titled, columns, sizeof(columns));
        titled[0].title = offenders ? "what grows" : "largest logs (none grows)";
        table_head(out, style, titled, ELEMENTS(titled));
        cJSON_ArrayForEach(log, logs) {
                if (n_shown >= n_max || (offenders && !grows(log)))
                        break;
                print_log(out, style, log);
                n_shown++;
        }
        if (n_total > n_shown)
                fprintf(out, "  and %llu more\n", (unsigned long long) (n_total - n_shown));
        print_damaged(out, style, logs);
}
