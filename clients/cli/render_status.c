/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render_status.h"

#include "render_events.h"
#include "render_logs.h"
#include "text.h"
#include "units.h"

#define BAR_CELLS 40
#define EVENTS_MAX 5 /* what fits a screen beside two partitions */

/* ---- the verdict -------------------------------------------------------------------------------------- */

static void upper(char *s) {
        for (; *s; s++)
                if (*s >= 'a' && *s <= 'z')
                        *s = (char) (*s - 'a' + 'A');
}

static Ink badge_of(const Verdict *v, char *badge, size_t badge_bytes) {
        char level[sizeof(v->level)];

        (void) snprintf(level, sizeof(level), "%s", v->level);
        upper(level);
        switch (v->kind) {
        case VERDICT_OK:
                (void) snprintf(badge, badge_bytes, "OK");
                return INK_OK;
        case VERDICT_NOTHING:
                (void) snprintf(badge, badge_bytes, "NOTHING TO GUARD");
                return INK_WARNING;
        case VERDICT_PAUSED:
                (void) snprintf(badge, badge_bytes, "PAUSED");
                return INK_WARNING;
        case VERDICT_LEVEL:
                (void) snprintf(badge, badge_bytes, "%s", level);
                return render_level_ink(v->level);
        case VERDICT_DEGRADED:
                (void) snprintf(badge, badge_bytes, "%s%sCANNOT ACT", streq(v->level, "ok") ? "" : level,
                        streq(v->level, "ok") ? "" : ", ");
                return INK_EMERGENCY;
        default:
                (void) snprintf(badge, badge_bytes, "BLIND");
                return INK_EMERGENCY;
        }
}

/* What the guard will do about it, as the end of a sentence. */
static const char *stance(const Verdict *v) {
        if (cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(v->partition, "paused_for_sec")))
                return "acts are paused";
        return v->observing ? "only observing, nothing will be touched" : "the guard is at work";
}

static void verdict_sentence(const Style *style, const Verdict *v, Text *text) {
        char mount[256], detail_buf[512], range[2 * UNITS_TEXT_MAX + 16];
        bool forecast = render_range(v->partition, "time_to_full_sec", range, sizeof(range));

        (void) render_field(style, v->partition, "mount", mount, sizeof(mount));
        const char *detail = render_state_detail(style, v->partition, detail_buf, sizeof(detail_buf));
        switch (v->kind) {
        case VERDICT_NOTHING:
                (void) text_append(text, "no partition is being watched");
                break;
        case VERDICT_BLIND:
                (void) text_appendf(text, "%s is not being seen%s%s", mount, *detail ? ": " : "", detail);
                break;
        case VERDICT_DEGRADED:
        case VERDICT_LEVEL:
                (void) text_appendf(text, "%s%s%s; %s", mount, forecast ? " is full in " : "", range,
                        v->kind == VERDICT_LEVEL ? stance(v) :
                                *detail          ? detail :
                                                   "the guard can only watch");
                break;
        case VERDICT_PAUSED:
                (void) text_appendf(text, "no acts on %s for now; alerts go on", mount);
                break;
        default:
                (void) text_appendf(text, "%s %zu partition%s%s", v->observing ? "observing" : "guarding",
                        v->n_partitions, v->n_partitions == 1 ? "" : "s",
                        v->observing ? ": alerts, but no acts" : "");
        }
}

static void print_verdict(FILE *out, const Style *style, const cJSON *guard) {
        Verdict v = render_verdict(guard);
        char badge[48], padded[56], data[RENDER_TEXT_MAX];
        Text text = text_over(data, sizeof(data));

        Ink ink = badge_of(&v, badge, sizeof(badge));
        (void) snprintf(padded, sizeof(padded), style->colour && ink == INK_EMERGENCY ? " %s " : "%s",
                badge);
        render_ink(out, style, ink, padded);
        fputs("  ", out);
        verdict_sentence(style, &v, &text);
        render_wrapped(out, data, strlen(padded) + 2, 2);
}

/* ---- a partition -------------------------------------------------------------------------------------- */

/* Filled from what may still be used: at 0 available it is full, whatever is reserved for root. */
static double share_used(uint64_t total, uint64_t avail) {
        return total == 0 ? 0 : 1 - (double) MIN(avail, total) / (double) total;
}

static void print_space(FILE *out, const Style *style, const cJSON *p, Ink ink) {
        uint64_t total = render_bytes(p, "total_bytes"), avail = render_bytes(p, "avail_bytes");
        uint64_t act_below = render_bytes(p, "act_below_bytes");
        char of[UNITS_TEXT_MAX], left[UNITS_TEXT_MAX], percent[UNITS_TEXT_MAX];
        double used = share_used(total, avail);

        if (total == 0) {
                fputs("not measured yet\n", out);
                return;
        }
        render_bar(out, style, ink, BAR_CELLS, used, act_below > 0 ? share_used(total, act_below) : -1);
        fprintf(out, "  %s full, %s free of %s\n", permyriad_format((uint32_t) (used * 10000), percent),
                bytes_format(avail, left), bytes_format(total, of));
}

static void print_pace(FILE *out, const cJSON *p) {
        int64_t bps = render_rate(p, "fill_bps");
        char rate[UNITS_TEXT_MAX], range[2 * UNITS_TEXT_MAX + 16], percent[UNITS_TEXT_MAX];

        bool forecast = render_range(p, "time_to_full_sec", range, sizeof(range));
        if (bps > 0 && forecast)
                fprintf(out, "filling at %s, full in %s\n", bps_format(bps, rate), range);
        else if (bps > 0)
                fprintf(out, "filling at %s, too early to tell when it is full\n", bps_format(bps, rate));
        else if (bps < 0)
                fprintf(out, "emptying at %s\n", bps_format(-bps, rate));
        else
                fputs("not filling\n", out);

        uint64_t total = render_bytes(p, "total_inodes"), avail = render_bytes(p, "avail_inodes");
        double used = share_used(total, avail);
        forecast = render_range(p, "inodes_full_sec", range, sizeof(range));
        if (total > 0 && (forecast || used >= 0.75))
                fprintf(out, "inodes: %s used%s%s\n", permyriad_format((uint32_t) (used * 10000), percent),
                        forecast ? ", none left in " : "", range);
}

/* What grows and is no log, where that was looked for. */
static void print_causes(FILE *out, const Style *style, const cJSON *p) {
        const cJSON *survey = cJSON_GetObjectItemCaseSensitive(p, "survey"), *cause;
        char says[512], details[512], share[UNITS_TEXT_MAX], line[RENDER_TEXT_MAX];

        cJSON_ArrayForEach(cause, render_array(survey, "causes")) {
                double part = render_number(cause, "share");

                if (!(part >= 0.05))
                        continue;
                (void) render_field(style, cause, "says", says, sizeof(says));
                (void) render_field(style, cause, "details", details, sizeof(details));
                Text text = text_over(line, sizeof(line));
                (void) text_appendf(&text, "growing: %s %s%s%s%s",
                        permyriad_format((uint32_t) (MIN(part, 1.0) * 10000), share), says,
                        *details ? " (" : "", details, *details ? ")" : "");
                render_wrapped(out, line, 0, 2);
        }
}

static void print_detail(FILE *out, const Style *style, Ink ink, const char *word, const char *detail) {
        render_ink(out, style, ink, word);
        if (*detail) {
                fputs(": ", out);
                render_wrapped(out, detail, strlen(word) + 2, 2);
        } else
                fputc('\n', out);
}

static void print_stance(FILE *out, const Style *style, const cJSON *p) {
        char state[32], detail[512], below[UNITS_TEXT_MAX], target[UNITS_TEXT_MAX], left[UNITS_TEXT_MAX];
        uint64_t paused_usec = render_span(p, "paused_for_sec");

        (void) render_field(style, p, "state", state, sizeof(state));
        const char *more = render_state_detail(style, p, detail, sizeof(detail));
        if (more > detail)
                memmove(detail, more, strlen(more) + 1);
        if (streq(state, "guarding") && !*detail && render_bytes(p, "act_below_bytes") > 0)
                (void) snprintf(detail, sizeof(detail), "acts below %s free, up to %s",
                        bytes_format(render_bytes(p, "act_below_bytes"), below),
                        bytes_format(render_bytes(p, "target_bytes"), target));
        else if (streq(state, "observing") && !*detail)
                (void) snprintf(detail, sizeof(detail), "says what it would do, and touches nothing");

        if (streq(state, "guarding"))
                print_detail(out, style, INK_OK, state, detail);
        else if (streq(state, "observing"))
                print_detail(out, style, INK_NOTICE, state, detail);
        else
                print_detail(out, style, INK_EMERGENCY, streq(state, "degraded") ? "cannot act" : "blind",
                        detail);
        if (paused_usec > 0)
                print_detail(out, style, INK_WARNING, "paused",
                        strcat(strcpy(detail, span_format(paused_usec, left)),
                                " more without acts; alerts go on"));
}

static void print_totals(FILE *out, const cJSON *p) {
        uint64_t n_acts = render_bytes(p, "acts_total");
        char freed[UNITS_TEXT_MAX];

        if (n_acts > 0)
                fprintf(out, "freed %s so far, in %llu act%s\n",
                        bytes_format(render_bytes(p, "freed_total_bytes"), freed),
                        (unsigned long long) n_acts, n_acts == 1 ? "" : "s");
}

/* Numbers of a partition that is not seen are old: they must not look calm. */
static void print_partition(FILE *out, const Style *style, const cJSON *p) {
        char mount[256], level[32];

        (void) render_field(style, p, "mount", mount, sizeof(mount));
        (void) render_field(style, p, "level", level, sizeof(level));
        bool blind = render_is_blind(p);
        Ink ink = blind ? INK_DIM : render_level_ink(level);

        fputc('\n', out);
        render_cell(out, style, INK_BOLD, mount, MIN(render_width(mount), (size_t) (RENDER_COLUMNS - 14)),
                false);
        fputs("  ", out);
        render_ink(out, style, blind ? INK_EMERGENCY : ink, blind ? "level unknown" : level);
        fputc('\n', out);
        if (blind)
                fputs("what was seen last:\n", out);
        print_space(out, style, p, ink);
        if (!blind) {
                print_pace(out, p);
                print_causes(out, style, p);
        }
        print_stance(out, style, p);
        print_totals(out, p);
        if (!blind)
                render_logs(out, style, p);
}

/* ---- the page ----------------------------------------------------------------------------------------- */

static void print_notes(FILE *out, const Style *style, const cJSON *guard) {
        const cJSON *notes = render_array(guard, "notes"), *note;
        char data[RENDER_TEXT_MAX];

        if (cJSON_GetArraySize(notes) > 0)
                fputc('\n', out);
        cJSON_ArrayForEach(note, notes) {
                if (!cJSON_IsString(note))
                        continue;
                (void) render_string(style, note, data, sizeof(data));
                render_ink(out, style, INK_NOTICE, "note: ");
                render_wrapped(out, data, 6, 6);
        }
}

static void print_nothing(FILE *out) {
        fputs("\nNo Docker was found, or its folder cannot be trusted. Say which one to guard:\n"
              "  in /etc/diskbrake/diskbrake.conf    [Watchdog]\n"
              "                                      DataRoot=/var/lib/docker\n"
              "  and then                            sudo diskbrake reload\n",
                out);
}

void render_status(FILE *out, const Style *style, const cJSON *guard) {
        const cJSON *partitions = render_array(guard, "partitions"), *partition;
        char version[64], mode[32], up[UNITS_TEXT_MAX];

        print_verdict(out, style, guard);
        cJSON_ArrayForEach(partition, partitions)
                print_partition(out, style, partition);
        if (cJSON_GetArraySize(partitions) == 0)
                print_nothing(out);
        print_notes(out, style, guard);
        render_last_events(out, style, render_array(guard, "last_events"), EVENTS_MAX);

        fputc('\n', out);
        (void) render_field(style, guard, "version", version, sizeof(version));
        (void) render_field(style, guard, "mode", mode, sizeof(mode));
        char line[256];
        (void) snprintf(line, sizeof(line), "diskbrake %s, mode %s, up %s", version, mode,
                span_format(render_span(guard, "uptime_sec"), up));
        render_ink(out, style, INK_DIM, line);
        fputc('\n', out);
}
