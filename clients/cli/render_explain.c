/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render_explain.h"

#include <math.h>

#include "render_status.h"
#include "text.h"
#include "units.h"

#define SENTENCES_MAX 12
#define CAUSES_MAX 3
#define CAUSE_SHARE 0.02 /* less of the growth explains nothing */
#define LOGS_EXPLAIN 0.1 /* as the guard has it: attribution.c */

typedef struct Sentence {
        const char *about;
        char text[RENDER_TEXT_MAX];
} Sentence;

typedef struct Page {
        const Style *style;
        const cJSON *partition;
        char mount[256], level[32], reason[32];
        bool blind;
        Sentence sentences[SENTENCES_MAX];
        size_t n;
} Page;

/* Another sentence, to be written. */
static Text add(Page *page, const char *about) {
        Sentence *s = &page->sentences[MIN(page->n, (size_t) SENTENCES_MAX - 1)];

        page->n = MIN(page->n + 1, (size_t) SENTENCES_MAX);
        s->about = about;
        return text_over(s->text, sizeof(s->text));
}

static const cJSON *object(const cJSON *parent, const char *name) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(parent, name);
        return cJSON_IsObject(item) ? item : NULL;
}

static bool is_about(const Page *page, const char *reason) { return streq(page->reason, reason); }

static const cJSON *rule_of(const Page *page, const char *level) {
        const cJSON *rule;

        cJSON_ArrayForEach(rule, render_array(page->partition, "levels")) {
                const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(rule, "level"));
                if (name && streq(name, level))
                        return rule;
        }
        return NULL;
}

/* ---- the sentences -------------------------------------------------------------------------------------------- */

static void say_blind(Page *page) {
        char state[32], detail[512];

        (void) render_field(page->style, page->partition, "state", state, sizeof(state));
        page->blind = streq(state, "blind");
        if (!page->blind)
                return;
        const char *why = render_state_detail(page->style, page->partition, detail, sizeof(detail));
        Text text = add(page, "blind");
        (void) text_appendf(&text, "The guard does not see it now%s%s. All that follows is what it saw last.", *why ? ": " : "", why);
}

static void say_space(Page *page) {
        uint64_t total = render_bytes(page->partition, "total_bytes"), avail = render_bytes(page->partition, "avail_bytes");
        char left[UNITS_TEXT_MAX], all[UNITS_TEXT_MAX], share[UNITS_TEXT_MAX], below[UNITS_TEXT_MAX];
        const cJSON *rule = rule_of(page, page->level);
        Text text = add(page, "space");

        if (total == 0) {
                (void) text_append(&text, "It has not been measured yet.");
                return;
        }
        (void) permyriad_format((uint32_t) ((double) avail / (double) total * 10000), share);
        (void) text_appendf(&text, "%s of %s are free, %s", bytes_format(avail, left), bytes_format(total, all), share);
        if (is_about(page, "space") && rule && avail < render_bytes(rule, "below_bytes"))
                (void) text_appendf(&text, ": less than %s, where %s begins",
                        bytes_format(render_bytes(rule, "below_bytes"), below), page->level);
        (void) text_append(&text, ".");

        uint64_t inodes = render_bytes(page->partition, "total_inodes");
        if (is_about(page, "inodes") && inodes > 0) {
                text = add(page, "inodes");
                (void) permyriad_format((uint32_t) (render_number(page->partition, "avail_inodes") / (double) inodes * 10000), share);
                (void) text_appendf(&text, "%llu of %llu inodes are free, %s: that is what makes it %s.",
                        (unsigned long long) render_bytes(page->partition, "avail_inodes"), (unsigned long long) inodes,
                        share, page->level);
        }
}

static void say_pace(Page *page) {
        int64_t bps = render_rate(page->partition, "fill_bps");
        char rate[UNITS_TEXT_MAX], range[2 * UNITS_TEXT_MAX + 16];

        if (render_bytes(page->partition, "total_bytes") == 0)
                return;
        Text text = add(page, "pace");

        bool forecast = render_range(page->partition, "time_to_full_sec", range, sizeof(range));
        if (bps > 0 && forecast)
                (void) text_appendf(&text, "It fills at %s and is full in %s (right 8 times of 10).",
                        bps_format(bps, rate), range);
        else if (bps > 0)
                (void) text_appendf(&text, "It fills at %s; too early to tell when it is full.", bps_format(bps, rate));
        else if (bps < 0)
                (void) text_appendf(&text, "It empties at %s.", bps_format(-bps, rate));
        else
                (void) text_append(&text, "It does not fill.");

        int64_t inodes_ps = render_rate(page->partition, "fill_inodes_ps");
        if (render_range(page->partition, "inodes_full_sec", range, sizeof(range)) && inodes_ps > 0) {
                text = add(page, "inodes");
                (void) text_appendf(&text, "%lld inodes are taken a second; none is left in %s.", (long long) inodes_ps, range);
        }
}

static void say_shape_of(Page *page, const char *key, bool inodes) {
        const cJSON *f = object(page->partition, key);
        char taken[UNITS_TEXT_MAX], before[UNITS_TEXT_MAX], since[UNITS_TEXT_MAX], shape[32];

        if (!f)
                return;
        Text text = add(page, "shape");
        uint64_t n_taken = render_bytes(f, "taken"), n_before = render_bytes(f, "free_before");
        (void) render_field(page->style, f, "shape", shape, sizeof(shape));
        if (inodes) {
                (void) snprintf(taken, sizeof(taken), "%llu", (unsigned long long) n_taken);
                (void) snprintf(before, sizeof(before), "%llu inodes", (unsigned long long) n_before);
        } else {
                (void) bytes_format(n_taken, taken);
                (void) bytes_format(n_before, before);
        }
        (void) text_appendf(&text, "Within %s %s of the %s that were free then went, ",
                span_format(render_span(f, "since_sec"), since), taken, before);
        if (streq(shape, "accelerating"))
                (void) text_append(&text, "faster from quarter to quarter of that time");
        else if (streq(shape, "sudden"))
                (void) text_append(&text, "all of a sudden");
        else
                (void) text_append(&text, "in all quarters of that time alike");
        if (render_flag(f, "alarmed"))
                (void) text_append(&text, ": that is the shape of a fill. It counts as one until most of that is given back, or "
                                          "nothing comes any more for as long again.");
        else if (render_flag(f, "survived"))
                (void) text_append(&text, ". It was as full before, of late or at this hour, and that went by: no alarm for now.");
        else
                (void) text_append(&text, ": it begins to look like a fill.");
}

/* Of the growth; 0 where nothing grows. */
static double share_of_logs(const Page *page) {
        const cJSON *log;
        double share = 0;

        if (render_rate(page->partition, "fill_bps") <= 0)
                return 0;
        cJSON_ArrayForEach(log, render_array(page->partition, "logs"))
                share += fmin(fmax(render_number(log, "share"), 0), 1);
        return share;
}

static void say_shape(Page *page) {
        const cJSON *bytes = object(page->partition, "filling");
        bool by_forecast = is_about(page, "forecast");

        say_shape_of(page, "filling", false);
        say_shape_of(page, "inodes_filling", true);
        if (by_forecast && !(bytes && render_flag(bytes, "alarmed")) && !streq(page->level, "notice")) {
                Text text = add(page, "shape");
                if (share_of_logs(page) >= LOGS_EXPLAIN)
                        (void) text_append(&text, "It is logs that fill it, and those do not end by themselves as a download does: "
                                                  "so the pace alone decides.");
                else
                        (void) text_appendf(&text, "What raised it does not go on: %s is kept until that was so for long enough.", page->level);
        } else if (by_forecast && streq(page->level, "notice")) {
                Text text = add(page, "shape");
                (void) text_append(&text, "Most of what writes that fast ends by itself: it is a notice until logs explain it, or until "
                                          "it has the shape of a fill.");
        }
}

/* What else grows, as the last survey has seen it. false: not known. */
static bool append_survey(const Page *page, Text *text, bool any_before) {
        const cJSON *survey = object(page->partition, "survey"), *cause;
        char says[512], details[512], share[UNITS_TEXT_MAX];
        size_t n = 0;

        cJSON_ArrayForEach(cause, render_array(survey, "causes")) {
                double part = fmin(fmax(render_number(cause, "share"), 0), 1);

                if (part < CAUSE_SHARE)
                        continue;
                (void) render_field(page->style, cause, "says", says, sizeof(says));
                (void) render_field(page->style, cause, "details", details, sizeof(details));
                bool is_first = !any_before && n == 0;
                (void) text_appendf(text, "%s%s%s%s", is_first ? "" : "; ", permyriad_format((uint32_t) (part * 10000), share),
                        is_first ? " of the growth is " : " ", says);
                if (*details)
                        (void) text_appendf(text, " (%s)", details);
                n++;
        }
        return n > 0;
}

/* How that is known, and what is no growth now and yet takes space. */
static void say_survey(Page *page) {
        const cJSON *survey = object(page->partition, "survey"), *cause;
        char says[512], window[UNITS_TEXT_MAX], age[UNITS_TEXT_MAX], number[UNITS_TEXT_MAX];

        if (!survey)
                return;
        Text text = add(page, "survey");
        (void) text_appendf(&text, "What is no log was looked for in what all processes have open and write, for %s, %s ago%s.",
                span_format(render_span(survey, "window_sec"), window), span_format(render_span(survey, "age_sec"), age),
                render_flag(survey, "complete") ? "" : " (there are so many that only a part was seen)");
        cJSON_ArrayForEach(cause, render_array(survey, "causes")) {
                if (render_bytes(cause, "held_bytes") == 0)
                        continue;
                (void) render_field(page->style, cause, "says", says, sizeof(says));
                text = add(page, "held");
                (void) text_appendf(&text, "%s are in %s: they are given back when it ends.",
                        bytes_format(render_bytes(cause, "held_bytes"), number), says);
        }
}

static void say_causes(Page *page) {
        char name[256], rate[UNITS_TEXT_MAX], share[UNITS_TEXT_MAX], size[UNITS_TEXT_MAX];
        double explained = 0;
        const cJSON *log;
        size_t n = 0;

        if (render_rate(page->partition, "fill_bps") <= 0)
                return;
        Text text = add(page, "cause");
        cJSON_ArrayForEach(log, render_array(page->partition, "logs")) {
                double part = fmin(fmax(render_number(log, "share"), 0), 1);
                if (n == CAUSES_MAX || part < CAUSE_SHARE)
                        break;
                explained += part;
                (void) render_field(page->style, log, "name", name, sizeof(name));
                (void) text_appendf(&text, "%s%s by the log of %s (%s, %s)", n++ > 0 ? "; " : "",
                        permyriad_format((uint32_t) (part * 10000), share), name,
                        bps_format(render_rate(log, "growth_bps"), rate),
                        bytes_format(render_bytes(log, "allocated_bytes"), size));
        }
        bool known = append_survey(page, &text, n > 0);
        if (n == 0 && !known)
                (void) text_append(&text, "No container's log explains the growth.");
        else if (known)
                (void) text_append(&text, ".");
        else if (explained < 1 - CAUSE_SHARE)
                (void) text_appendf(&text, "; what is left, %s, is no log.",
                        permyriad_format((uint32_t) ((1 - MIN(explained, 1.0)) * 10000), share));
        else
                (void) text_append(&text, ".");
}

static void append_rule(Text *text, const cJSON *rule) {
        char below[UNITS_TEXT_MAX], within[UNITS_TEXT_MAX];

        (void) text_appendf(text, "%s free", bytes_format(render_bytes(rule, "below_bytes"), below));
        if (render_span(rule, "within_sec") > 0)
                (void) text_appendf(text, ", or full within %s", span_format(render_span(rule, "within_sec"), within));
}

static void say_next(Page *page) {
        static const char *const levels[] = {"ok", "notice", "warning", "critical", "emergency"};
        char away[UNITS_TEXT_MAX];
        size_t at = 0;

        while (at + 1 < ELEMENTS(levels) && !streq(levels[at], page->level))
                at++;
        if (at + 1 < ELEMENTS(levels)) {
                const cJSON *rule = rule_of(page, levels[at + 1]);
                if (rule && render_bytes(page->partition, "total_bytes") > 0) {
                        Text text = add(page, "worse");
                        (void) text_appendf(&text, "%s begins below ", levels[at + 1]);
                        append_rule(&text, rule);
                        (void) text_append(&text, ".");
                }
        }
        if (at > 0) {
                Text text = add(page, "better");
                (void) text_appendf(&text, "%s is left once its cause was gone for %s", page->level,
                        span_format(render_span(page->partition, "away_sec"), away));
                (void) text_append(&text, render_span(page->partition, "away_sec") > USEC_PER_MINUTE
                                                  ? ": longer than at first, since it came back before." : ".");
        }
}

static void say_acts(Page *page) {
        char below[UNITS_TEXT_MAX], target[UNITS_TEXT_MAX], state[32], detail[512];

        (void) render_field(page->style, page->partition, "state", state, sizeof(state));
        if (streq(state, "blind") || render_bytes(page->partition, "total_bytes") == 0)
                return; /* said first */
        Text text = add(page, "acts");
        uint64_t paused_usec = render_span(page->partition, "paused_for_sec");
        if (paused_usec > 0)
                (void) text_appendf(&text, "Nothing is freed for another %s, by a pause; alerts go on.", span_format(paused_usec, below));
        else if (streq(state, "guarding") && render_bytes(page->partition, "act_below_bytes") > 0)
                (void) text_appendf(&text, "While it falls, the guard frees from logs below %s free, up to %s.",
                        bytes_format(render_bytes(page->partition, "act_below_bytes"), below),
                        bytes_format(render_bytes(page->partition, "target_bytes"), target));
        else if (streq(state, "observing"))
                (void) text_append(&text, "The guard only observes: it says what it would do, and touches nothing.");
        else {
                (void) render_field(page->style, page->partition, "state_detail", detail, sizeof(detail));
                (void) text_appendf(&text, "The guard is %s%s%s.", state, *detail ? ": " : "", detail);
        }
}

static void build(Page *page, const Style *style, const cJSON *partition) {
        *page = (Page){.style = style, .partition = partition};
        (void) render_field(style, partition, "mount", page->mount, sizeof(page->mount));
        (void) render_field(style, partition, "level", page->level, sizeof(page->level));
        (void) render_field(style, partition, "reason", page->reason, sizeof(page->reason));
        say_blind(page);
        say_space(page);
        say_pace(page);
        say_shape(page);
        say_causes(page);
        say_survey(page);
        say_next(page);
        say_acts(page);
}

void render_explain(FILE *out, const Style *style, const cJSON *partition) {
        char since[UNITS_TEXT_MAX];
        Page page;

        build(&page, style, partition);
        render_ink(out, style, INK_BOLD, page.mount);
        if (page.blind) {
                fputs(" is ", out);
                render_ink(out, style, INK_EMERGENCY, "not being seen");
                fprintf(out, "; it was at %s.\n\n", page.level);
        } else {
                fputs(" is at ", out);
                render_ink(out, style, render_level_ink(page.level), page.level);
                fprintf(out, ", for %s now.\n\n", span_format(render_span(partition, "level_since_sec"), since));
        }
        for (size_t i = 0; i < page.n; i++) {
                bool again = i > 0 && streq(page.sentences[i].about, page.sentences[i - 1].about);
                render_cell(out, style, INK_DIM, again ? "" : page.sentences[i].about, 8, false);
                fputs("  ", out);
                render_wrapped(out, page.sentences[i].text, 10, 10);
        }
}

void render_explain_json(JsonWriter *w, const cJSON *partition) {
        static const Style style = {.unicode = true};
        Page page;

        build(&page, &style, partition);
        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "mount", page.mount);
        json_writer_add_string(w, "level", page.level);
        json_writer_add_string(w, "reason", page.reason);
        json_writer_begin_array(w, "sentences");
        for (size_t i = 0; i < page.n; i++)
                json_writer_add_string(w, NULL, page.sentences[i].text);
        json_writer_end_array(w);
        json_writer_end_object(w);
}
