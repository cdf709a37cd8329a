/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render.h"

#include <langinfo.h>
#include <math.h>
#include <time.h>

#include "text.h"
#include "units.h"

Style style_detect(FILE *file) {
        const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (Style){
                .colour = isatty(fileno(file)) && !(no_color && *no_color) && term && !streq(term, "dumb"),
                .unicode = streq(nl_langinfo(CODESET), "UTF-8"),
                .now_usec = (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000,
        };
}

/* ---- colours ------------------------------------------------------------------------------------------ */

static const char *ink_code(Ink ink) {
        switch (ink) {
        case INK_DIM: return "\033[2m";
        case INK_BOLD: return "\033[1m";
        case INK_OK: return "\033[32m";
        case INK_NOTICE: return "\033[36m";
        case INK_WARNING: return "\033[33;1m";
        case INK_CRITICAL: return "\033[31;1m";
        case INK_EMERGENCY: return "\033[97;41;1m";
        default: return "";
        }
}

void render_ink(FILE *out, const Style *style, Ink ink, const char *text) {
        if (style->colour && ink != INK_PLAIN)
                fprintf(out, "%s%s\033[0m", ink_code(ink), text);
        else
                fputs(text, out);
}

Ink render_level_ink(const char *level) {
        static const struct {
                const char *level;
                Ink ink;
        } inks[] = {
                {"ok", INK_OK},
                {"notice", INK_NOTICE},
                {"warning", INK_WARNING},
                {"critical", INK_CRITICAL},
                {"emergency", INK_EMERGENCY},
        };

        for (size_t i = 0; i < ELEMENTS(inks); i++)
                if (streq(inks[i].level, level))
                        return inks[i].ink;
        return INK_WARNING; /* of a newer daemon: not calm */
}

static const struct {
        const char *word;
        Ink ink;
} priorities[] = {
        {"emergency", INK_EMERGENCY},
        {"alert", INK_EMERGENCY},
        {"critical", INK_CRITICAL},
        {"error", INK_CRITICAL},
        {"warning", INK_WARNING},
        {"notice", INK_NOTICE},
        {"info", INK_PLAIN},
        {"debug", INK_DIM},
};

static size_t priority_index(int64_t priority) {
        return priority >= 0 && priority < (int64_t) ELEMENTS(priorities) ? (size_t) priority : 6;
}

Ink render_priority_ink(int64_t priority) { return priorities[priority_index(priority)].ink; }
const char *render_priority_word(int64_t priority) { return priorities[priority_index(priority)].word; }

/* ---- the bar ------------------------------------------------------------------------------------------ */

static void append_cell(Text *text, const Style *style, double fill, bool mark) {
        static const char *const eighths[] = {"▏", "▎", "▍", "▌", "▋", "▊", "▉"};

        if (fill >= 1)
                (void) text_append(text, style->unicode ? "█" : "#");
        else if (mark)
                (void) text_append(text, style->unicode ? "┊" : "|");
        else if (style->unicode && fill >= 0.125)
                (void) text_append(text, eighths[(int) (fill * 8) - 1]);
        else
                (void) text_append(text, style->unicode ? "░" : ".");
}

void render_bar(FILE *out, const Style *style, Ink ink, uint32_t n_cells, double used, double mark) {
        char filled_data[512], rest_data[512];
        Text filled = text_over(filled_data, sizeof(filled_data)),
                rest = text_over(rest_data, sizeof(rest_data));
        double cells = fmin(fmax(used, 0), 1) * n_cells;
        uint32_t mark_cell = mark >= 0 && mark < 1 ? (uint32_t) (mark * n_cells) : UINT32_MAX;

        for (uint32_t i = 0; i < n_cells && i < 128; i++) { /* 128 cells of 3 bytes fit */
                double fill = cells - i;
                append_cell(fill >= 0.125 ? &filled : &rest, style, fill, i == mark_cell);
        }
        render_ink(out, style, ink == INK_EMERGENCY ? INK_CRITICAL : ink, filled.data);
        render_ink(out, style, INK_DIM, rest.data);
}

/* ---- text --------------------------------------------------------------------------------------------- */

static bool continues(char c) { return ((unsigned char) c & 0xc0) == 0x80; }

size_t render_width(const char *text) {
        size_t n = 0;
        for (; *text; text++)
                n += !continues(*text);
        return n;
}

void render_cell(FILE *out, const Style *style, Ink ink, const char *text, size_t n_cells, bool right) {
        char cut[RENDER_TEXT_MAX];
        size_t width = render_width(text), n = 0;

        if (width > n_cells) { /* one cell for the mark that something is missing */
                for (size_t cells = 0; text[n] && n < sizeof(cut) - 8; n++)
                        if (!continues(text[n]) && ++cells == n_cells)
                                break;
                memcpy(cut, text, n);
                strcpy(cut + n, style->unicode ? "…" : "~");
                text = cut;
                width = n_cells;
        }
        if (right)
                fprintf(out, "%*s", (int) (n_cells - width), "");
        render_ink(out, style, ink, text);
        if (!right)
                fprintf(out, "%*s", (int) (n_cells - width), "");
}

void render_wrapped(FILE *out, const char *text, size_t column, size_t indent) {
        bool first = true; /* of its line: nothing is gained by breaking before it */

        for (;;) {
                text += strspn(text, " ");
                if (!*text)
                        break;
                char word[RENDER_TEXT_MAX];
                size_t n = strcspn(text, " ");
                n = MIN(n, sizeof(word) - 1);
                memcpy(word, text, n);
                word[n] = 0;
                text += n;

                size_t width = render_width(word);
                if (!first && column + 1 + width > RENDER_COLUMNS) {
                        fprintf(out, "\n%*s", (int) indent, "");
                        column = indent;
                } else if (!first) {
                        fputc(' ', out);
                        column++;
                }
                fputs(word, out);
                column += width;
                first = false;
        }
        fputc('\n', out);
}

char *render_time(const Style *style, uint64_t wall_usec, char *buf, size_t buf_bytes) {
        time_t t = (time_t) (wall_usec / USEC_PER_SEC), now = (time_t) (style->now_usec / USEC_PER_SEC);
        struct tm when, today;

        if (!localtime_r(&t, &when) || !localtime_r(&now, &today) || buf_bytes == 0)
                return strcpy(buf, "");
        bool same_day = when.tm_year == today.tm_year && when.tm_yday == today.tm_yday;
        if (strftime(buf, buf_bytes, same_day ? "%H:%M:%S" : "%b %d %H:%M", &when) == 0)
                buf[0] = 0;
        return buf;
}

/* ---- what the daemon sent ----------------------------------------------------------------------------- */

const char *render_string(const Style *style, const cJSON *string, char *buf, size_t buf_bytes) {
        const char *value = cJSON_GetStringValue(string);

        buf[0] = 0;
        if (value)
                (void) text_sanitize(buf, buf_bytes, value, strlen(value));
        if (style->unicode)
                return buf;

        char *to = buf;
        for (const char *from = buf; *from; from++)
                if (!continues(*from))
                        *to++ = (unsigned char) *from < 0x80 ? *from : '?';
        *to = 0;
        return buf;
}

const char *render_field(const Style *style, const cJSON *object, const char *name, char *buf,
        size_t buf_bytes) {
        return render_string(style, cJSON_GetObjectItemCaseSensitive(object, name), buf, buf_bytes);
}

double render_number(const cJSON *object, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? item->valuedouble : 0;
}

uint64_t render_bytes(const cJSON *object, const char *name) {
        double value = render_number(object, name);
        return value <= 0 ? 0 : value >= 0x1p63 ? (uint64_t) INT64_MAX : (uint64_t) value;
}

bool render_flag(const cJSON *object, const char *name) {
        return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, name));
}

const cJSON *render_array(const cJSON *object, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);
        return cJSON_IsArray(item) ? item : NULL;
}

#define NO_END_SEC 1e9 /* as the interface says */

static uint64_t span_of(double sec) { return sec <= 0 ? 0 : (uint64_t) (fmin(sec, NO_END_SEC) * 1e6); }

uint64_t render_span(const cJSON *object, const char *name) { return span_of(render_number(object, name)); }

int64_t render_rate(const cJSON *object, const char *name) {
        return (int64_t) fmin(fmax(render_number(object, name), -0x1p62), 0x1p62);
}

/* "3 to 4 min" where both are of one unit. */
static void join_range(const char *from, const char *to, char *buf, size_t buf_bytes) {
        const char *unit_from = strchr(from, ' '), *unit_to = strchr(to, ' ');
        bool same = unit_from && unit_to && streq(unit_from, unit_to) && !strchr(unit_from + 1, ' ');

        if (streq(from, to))
                (void) snprintf(buf, buf_bytes, "%s", from);
        else
                (void) snprintf(buf, buf_bytes, "%.*s to %s",
                        (int) (same ? unit_from - from : (ptrdiff_t) strlen(from)),
                        from, to);
}

bool render_range(const cJSON *object, const char *name, char *buf, size_t buf_bytes) {
        const cJSON *range = render_array(object, name);
        const cJSON *low = cJSON_GetArrayItem(range, 0), *high = cJSON_GetArrayItem(range, 1);
        char from[UNITS_TEXT_MAX], to[UNITS_TEXT_MAX];

        buf[0] = 0;
        if (!cJSON_IsNumber(low))
                return false;
        (void) span_format(span_of(low->valuedouble), from);
        if (!cJSON_IsNumber(high) || high->valuedouble >= NO_END_SEC)
                (void) snprintf(buf, buf_bytes, "%s or more", from);
        else {
                (void) span_format(span_of(high->valuedouble), to);
                join_range(from, to, buf, buf_bytes);
        }
        return true;
}
