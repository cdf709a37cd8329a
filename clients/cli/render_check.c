/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "render_check.h"

#include "cli.h"
#include "render_status.h"
#include "units.h"

/* A bar would end the sentence where the numbers begin. */
static const char *without_bars(char *buf, const char *from) {
        for (char *p = buf; *p; p++)
                if (*p == '|')
                        *p = '/';
        return from;
}

static const char *sentence_field(const cJSON *object, const char *name, char *buf, size_t buf_bytes) {
        static const Style plain = {.unicode = true};

        return without_bars(buf, render_field(&plain, object, name, buf, buf_bytes));
}

static int code_of(const Verdict *v) {
        switch (v->kind) {
        case VERDICT_NOTHING:
                return CHECK_UNKNOWN;
        case VERDICT_BLIND:
                return CHECK_CRITICAL;
        case VERDICT_DEGRADED: /* nothing stands between the next flood and a full disk */
        case VERDICT_LEVEL:
                if (streq(v->level, "critical") || streq(v->level, "emergency"))
                        return CHECK_CRITICAL;
                return v->kind == VERDICT_DEGRADED || streq(v->level, "warning") ? CHECK_WARNING : CHECK_OK;
        default:
                return CHECK_OK;
        }
}

static void print_space(FILE *out, const cJSON *p) {
        uint64_t total = render_bytes(p, "total_bytes"), avail = render_bytes(p, "avail_bytes");
        char mount[256], left[UNITS_TEXT_MAX], percent[UNITS_TEXT_MAX], range[2 * UNITS_TEXT_MAX + 16];

        (void) sentence_field(p, "mount", mount, sizeof(mount));
        double used = total == 0 ? 0 : 1 - (double) MIN(avail, total) / (double) total;
        fprintf(out, "%s %s full, %s free", mount, permyriad_format((uint32_t) (used * 10000), percent),
                bytes_format(avail, left));
        if (render_range(p, "time_to_full_sec", range, sizeof(range)))
                fprintf(out, ", full in %s", range);
}

static void print_state(FILE *out, const Verdict *v) {
        static const Style plain = {.unicode = true};
        char mount[256], detail_buf[512];

        (void) sentence_field(v->partition, "mount", mount, sizeof(mount));
        const char *detail = without_bars(detail_buf,
                render_state_detail(&plain, v->partition, detail_buf, sizeof(detail_buf)));
        switch (v->kind) {
        case VERDICT_NOTHING:
                fputs("no partition is being watched", out);
                return;
        case VERDICT_BLIND:
                fprintf(out, "blind on %s%s%s", mount, *detail ? ": " : "", detail);
                return;
        case VERDICT_DEGRADED:
                fprintf(out, "%s; cannot act%s%s; ", v->level, *detail ? ": " : "", detail);
                break;
        case VERDICT_LEVEL:
                fprintf(out, "%s; ", v->level);
                break;
        default:
                break;
        }
        print_space(out, v->partition);
        if (v->kind == VERDICT_PAUSED)
                fputs("; acts are paused", out);
        if (v->observing)
                fputs("; observing only", out);
        if (v->n_partitions > 1)
                fprintf(out, "; %zu partitions", v->n_partitions);
}

/* 'label' with the quotes and the equals sign that would end it replaced. */
static void print_label(FILE *out, const cJSON *p, const char *suffix) {
        char mount[256];

        (void) sentence_field(p, "mount", mount, sizeof(mount));
        for (char *c = mount; *c; c++)
                if (*c == '\'' || *c == '=')
                        *c = '_';
        fprintf(out, " '%s%s'=", mount, suffix);
}

/* Of a partition: what the line and the object both show. */
typedef struct Numbers {
        uint64_t total_bytes, used_bytes;
        int64_t fill_bps;
        double full_in_sec; /* < 0: not known */
} Numbers;

static Numbers numbers_of(const cJSON *p) {
        uint64_t total = render_bytes(p, "total_bytes"), avail = render_bytes(p, "avail_bytes");
        const cJSON *low = cJSON_GetArrayItem(render_array(p, "time_to_full_sec"), 0);

        return (Numbers){
                .total_bytes = total,
                .used_bytes = total - MIN(avail, total),
                .fill_bps = render_rate(p, "fill_bps"),
                .full_in_sec = cJSON_IsNumber(low) ? low->valuedouble : -1,
        };
}

static void print_numbers(FILE *out, const cJSON *p) {
        Numbers n = numbers_of(p);

        print_label(out, p, "");
        fprintf(out, "%lluB;;;0;%llu", (unsigned long long) n.used_bytes,
                (unsigned long long) n.total_bytes);
        print_label(out, p, " fill");
        fprintf(out, "%lldB", (long long) n.fill_bps);
        if (n.full_in_sec >= 0) {
                print_label(out, p, " full in");
                fprintf(out, "%.0fs", n.full_in_sec);
        }
}

static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};

int render_check(FILE *out, const cJSON *guard, const char *reason) {
        const cJSON *partition;

        if (!guard) {
                fprintf(out, "DISKBRAKE UNKNOWN - %s\n", reason);
                return CHECK_UNKNOWN;
        }
        Verdict v = render_verdict(guard);
        int code = code_of(&v);
        fprintf(out, "DISKBRAKE %s - ", words[code]);
        print_state(out, &v);
        const char *bar = " |";
        cJSON_ArrayForEach(partition, render_array(guard, "partitions")) {
                if (render_is_blind(partition)) /* old numbers are not numbers */
                        continue;
                fputs(bar, out);
                bar = "";
                print_numbers(out, partition);
        }
        fputc('\n', out);
        return code;
}

static void add_numbers(JsonWriter *w, const cJSON *p) {
        static const Style plain = {.unicode = true};
        Numbers n = numbers_of(p);
        char mount[256];

        json_writer_begin_object(w, NULL);
        json_writer_add_string(w, "mount", render_field(&plain, p, "mount", mount, sizeof(mount)));
        json_writer_add_uint(w, "used_bytes", n.used_bytes);
        json_writer_add_uint(w, "total_bytes", n.total_bytes);
        json_writer_add_int(w, "fill_bps", n.fill_bps);
        if (n.full_in_sec >= 0)
                json_writer_add_double(w, "full_in_sec", n.full_in_sec);
        else
                json_writer_add_null(w, "full_in_sec");
        json_writer_end_object(w);
}

int render_check_json(FILE *out, const cJSON *guard, const char *reason) {
        _cleanup_json_writer_ JsonWriter w = {};
        char sentence[RENDER_TEXT_MAX] = "";
        const cJSON *partition;
        int code = CHECK_UNKNOWN;
        const char *text;

        if (guard) {
                Verdict v = render_verdict(guard);
                FILE *f = fmemopen(sentence, sizeof(sentence) - 1, "w"); /* its end stays 0 */

                code = code_of(&v);
                if (f) {
                        print_state(f, &v);
                        (void) fclose(f);
                }
        }
        json_writer_init(&w, VARLINK_REPLY_MAX);
        w.indent = true;
        json_writer_begin_object(&w, NULL);
        json_writer_add_int(&w, "code", code);
        json_writer_add_string(&w, "state", words[code]);
        json_writer_add_string(&w, "text", guard ? sentence : reason);
        json_writer_begin_array(&w, "partitions");
        cJSON_ArrayForEach(partition, render_array(guard, "partitions")) {
                if (!render_is_blind(partition))
                        add_numbers(&w, partition);
        }
        json_writer_end_array(&w);
        json_writer_end_object(&w);
        if (json_writer_finish(&w, &text) < 0) {
                fputs("{\"code\":3,\"state\":\"UNKNOWN\",\"text\":\"no memory\",\"partitions\":[]}\n", out);
                return CHECK_UNKNOWN;
        }
        fprintf(out, "%s\n", text);
        return code;
}
