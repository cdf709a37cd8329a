/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render_events.h"

/* The time, and in its column the word: "03:12:45  critical   message". */
static void print_line(FILE *out, const Style *style, uint64_t wall_usec, Ink ink, const char *word,
                       const char *message) {
        char when[32];

        (void) render_time(style, wall_usec, when, sizeof(when));
        render_ink(out, style, INK_DIM, when);
        fputs("  ", out);
        render_cell(out, style, ink, word, 9, false);
        fputs("  ", out);
        render_wrapped(out, message, render_width(when) + 13, render_width(when) + 13);
}

void render_event(FILE *out, const Style *style, const cJSON *event) {
        int64_t priority = (int64_t) render_bytes(event, "priority");
        char message[RENDER_TEXT_MAX];

        (void) render_field(style, event, "message", message, sizeof(message));
        print_line(out, style, render_bytes(event, "time_usec"), render_priority_ink(priority),
                render_priority_word(priority), message);
}

void render_last_events(FILE *out, const Style *style, const cJSON *events, size_t n_max) {
        size_t n = (size_t) cJSON_GetArraySize(events);
        const cJSON *event;

        if (n == 0)
                return;
        fputc('\n', out);
        render_ink(out, style, INK_BOLD, "what happened last");
        fputc('\n', out);
        cJSON_ArrayForEach(event, events) {
                if (n-- <= n_max)
                        render_event(out, style, event);
        }
}

static void render_alert(FILE *out, const Style *style, const cJSON *alert) {
        char level[32], message[RENDER_TEXT_MAX], by[128], line[RENDER_TEXT_MAX + 192], when[32];

        (void) render_field(style, alert, "level", level, sizeof(level));
        (void) render_field(style, alert, "message", message, sizeof(message));
        (void) render_field(style, alert, "acknowledged_by", by, sizeof(by));
        uint64_t until_usec = render_bytes(alert, "acknowledged_until_usec"), id = render_bytes(alert, "id");
        char number[32] = "";

        if (id > 0) /* a notice has none */
                (void) snprintf(number, sizeof(number), "alert %llu: ", (unsigned long long) id);
        if (*by && until_usec > 0)
                (void) snprintf(line, sizeof(line), "%s%s (acknowledged by %s until %s)", number, message, by,
                        render_time(style, until_usec, when, sizeof(when)));
        else
                (void) snprintf(line, sizeof(line), *by ? "%s%s (acknowledged by %s)" : "%s%s%s", number, message, by);
        print_line(out, style, render_bytes(alert, "since_usec"), render_level_ink(level), level, line);
}

void render_alerts(FILE *out, const Style *style, const cJSON *alerts) {
        const cJSON *alert;

        if (cJSON_GetArraySize(alerts) == 0) {
                render_ink(out, style, INK_OK, "no open alerts");
                fputc('\n', out);
                return;
        }
        cJSON_ArrayForEach(alert, alerts)
                render_alert(out, style, alert);
}
