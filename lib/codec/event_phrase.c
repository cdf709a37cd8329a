/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts that sentences share. */

#include "event_phrase.h"

#include <inttypes.h>

#include "cause_text.h"
#include "macros.h"

/* From that share on a log is called the cause; below it, growth has many. */
#define CAUSE_PERMYRIAD 2500

const char *event_phrase_mount(const Event *e) { return e->mount[0] ? e->mount : "the partition"; }

uint32_t event_phrase_used(uint64_t total, uint64_t free_units, uint64_t avail) {
        uint64_t used = total - MIN(free_units, total);
        double all = (double) used + (double) avail;

        return all > 0 ? (uint32_t) ((double) used / all * 10000) : 0;
}

static void name_append(Text *text, const Event *e) {
        size_t bare = strcspn(e->container_name, " ");

        if (bare == 0)
                text_appendf(text, "`%.12s`", e->container_id[0] ? e->container_id : "unknown");
        else
                text_appendf(text, "`%.*s`%s", (int) bare, e->container_name, e->container_name + bare);
}

void event_phrase_log(Text *text, const Event *e) {
        text_append(text, "the log of ");
        name_append(text, e);
}

bool event_phrase_range(Text *text, const char *before, const TimeToFull *full) {
        Units low, high;
        size_t number;

        if (!full->known || full->low_usec == USEC_INFINITY)
                return false;
        text_append(text, before);
        if (full->high_usec < USEC_PER_SEC) {
                text_append(text, "less than a second");
                return true;
        }
        span_format(full->low_usec, low);
        span_format(full->high_usec, high);
        number = strcspn(low, " ");
        if (full->high_usec == USEC_INFINITY)
                text_appendf(text, "%s or more", low);
        else if (full->high_usec <= full->low_usec || streq(low, high))
                text_append(text, low);
        else if (streq(low + number, high + strcspn(high, " ")) && !strchr(low + number + 1, ' '))
                text_appendf(text, "%.*s to %s", (int) number, low, high);
        else
                text_appendf(text, "%s to %s", low, high);
        return true;
}

void event_phrase_cause(Text *text, const char *before, const Event *e) {
        Units share, line, rate;

        if (e->reason == REASON_INODES || e->reason == REASON_INODES_FORECAST)
                return; /* a log is one file, however large */
        if (!e->container_id[0]) {
                if (!event_phrase_causes(text, before, e) && e->fill_bps > 0)
                        text_appendf(text, "%sno container's log explains the growth", before);
                return;
        }
        if (e->share_permyriad == 0) {
                (void) event_phrase_causes(text, before, e);
                return;
        }
        permyriad_format(e->share_permyriad, share);
        if (e->share_permyriad >= CAUSE_PERMYRIAD) {
                text_appendf(text, "%s%s of the growth is ", before, share);
                event_phrase_log(text, e);
        } else {
                text_appendf(text, "%sno log alone explains the growth, the largest part (%s) is ", before,
                                share);
                event_phrase_log(text, e);
        }
        text_append(text, " (");
        if (e->line_bytes > 0)
                text_appendf(text, "%s lines, ", bytes_format(e->line_bytes, line));
        text_appendf(text, "%s)", bps_format(e->growth_bps, rate));
        if (e->is_protected)
                text_append(text, ", which is protected");
        (void) event_phrase_causes(text, "; ", e);
}

bool event_phrase_causes(Text *text, const char *before, const Event *e) {
        Units share;

        for (uint32_t i = 0; i < e->n_causes && i < EVENT_CAUSES_MAX; i++) {
                text_appendf(text, "%s%s%s", i == 0 ? before : "; ", permyriad_format(e->causes[i].share_permyriad, share),
                                i == 0 ? " of the growth is " : " ");
                cause_text_append(text, e->causes + i);
                text_append(text, " (");
                cause_text_append_details(text, e->causes + i);
                text_append(text, ")");
        }
        return e->n_causes > 0;
}

void event_phrase_reader(Text *text, const LogReader *reader) {
        text_appendf(text, "%s (pid %d)", reader->command[0] ? reader->command : "a process", reader->pid);
}

void event_phrase_error(Text *text, const char *before, int32_t error) {
        const char *description = error < 0 && error > INT32_MIN ? strerrordesc_np(-error) : NULL;

        if (error == 0)
                return;
        if (description)
                text_appendf(text, "%s%s", before, description);
        else
                text_appendf(text, "%serror %" PRId32, before, error);
}

void event_phrase_asker(Text *text, const char *before, const Asker *asker) {
        if (asker->pid == 0)
                return;
        text_appendf(text, "%sby `%s` (uid %" PRIu32 ", pid %" PRId32 ")", before,
                        asker->command[0] ? asker->command : "unknown", asker->uid, asker->pid);
}

void event_phrase_detail(Text *text, const char *before, const Event *e) {
        if (e->detail[0])
                text_appendf(text, "%s%s", before, e->detail);
}

