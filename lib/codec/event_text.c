/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sentences. Each says what happens, where, how much, and what follows, to somebody who was asleep. */

#include "event_text.h"

#include <assert.h>
#include <inttypes.h>

#include "event_phrase.h"
#include "event_text_acts.h"
#include "macros.h"

/* "91 %" */
static void used_format(const PartitionSample *s, Units buf) {
        permyriad_format(event_phrase_used(s->total_bytes, s->free_bytes, s->avail_bytes), buf);
}

/* Before the causes, which may be long. */
static void say_observing(Text *text, const Event *e) {
        if (e->observing && e->level >= LEVEL_CRITICAL)
                text_append(text, " (mode observe, nothing is touched)");
}

static void say_level_raised(Text *text, const Event *e) {
        const PartitionSample *space = &e->space;
        bool inodes = e->reason == REASON_INODES || e->reason == REASON_INODES_FORECAST;
        Units used, left;

        text_append(text, event_phrase_mount(e));
        if (inodes) {
                uint32_t permyriad = event_phrase_used(space->total_inodes, space->avail_inodes,
                                space->avail_inodes);

                permyriad_format(permyriad, used);
                text_appendf(text, " has used %s of its inodes: %" PRIu64 " files can still be made", used,
                                space->avail_inodes);
                (void) event_phrase_range(text, ", none in ", &e->full);
        } else if (e->reason == REASON_FORECAST && event_phrase_range(text, " is full in ", &e->full)) {
                say_observing(text, e);
                event_phrase_cause(text, ": ", e);
                return;
        } else {
                used_format(space, used);
                text_appendf(text, " is %s full: %s left", used, bytes_format(space->avail_bytes, left));
                (void) event_phrase_range(text, ", full in ", &e->full);
                say_observing(text, e);
                event_phrase_cause(text, "; ", e);
                return;
        }
        say_observing(text, e);
}

static void say_level_cleared(Text *text, const Event *e) {
        Units used, left;

        used_format(&e->space, used);
        text_appendf(text, "%s is back from %s to %s: %s left, %s full", event_phrase_mount(e),
                        level_to_string(e->from), level_to_string(e->level),
                        bytes_format(e->space.avail_bytes, left), used);
}

static void say_nothing_left(Text *text, const Event *e) {
        Units rate;

        text_appendf(text, "%s keeps filling", event_phrase_mount(e));
        if (e->fill_bps > 0)
                text_appendf(text, " at %s", bps_format(e->fill_bps, rate));
        (void) event_phrase_range(text, " and is full in ", &e->full);
        text_append(text, ", and nothing more may be freed: ");
        if (e->reader.pid > 0 && e->container_id[0]) {
                event_phrase_reader(text, &e->reader);
                text_append(text, " has not read the rest of ");
                event_phrase_log(text, e);
                text_append(text, ", which is taken from it at emergency only");
        } else if (e->detail[0]) {
                text_append(text, e->detail);
                (void) event_phrase_causes(text, ": ", e);
        } else if (!e->container_id[0])
                text_append(text, "the growth is not in container logs, look for what else writes there");
        else {
                text_append(text, "most of the growth is ");
                event_phrase_log(text, e);
                text_append(text, e->is_protected ? ", which is protected"
                                                  : ", already down to what it must keep");
        }
}

/* The detail says what hangs and since when; without one, that much is known. */
static void say_stuck(Text *text, const Event *e, const char *who) {
        Units since;

        if (e->detail[0])
                text_append(text, e->detail);
        else
                text_appendf(text, "the %s does not answer", who);
        if (e->since_usec > 0)
                text_appendf(text, ", for %s now", span_format(e->since_usec, since));
        event_phrase_error(text, ": ", e->error);
}

static void say_blind(Text *text, const Event *e) {
        text_appendf(text, "cannot see how full %s is: ", event_phrase_mount(e));
        say_stuck(text, e, "watcher");
        text_append(text, "; no forecast and no new act there until it answers");
}

static void say_cannot_act(Text *text, const Event *e) {
        text_appendf(text, "cannot free space on %s: ", event_phrase_mount(e));
        say_stuck(text, e, "trimmer");
        text_append(text, "; it is watched and forecast as before, but nothing there is freed");
}

static void say_back(Text *text, const Event *e, const char *what) {
        Units since;

        text_appendf(text, "%s %s again", what, event_phrase_mount(e));
        if (e->since_usec > 0)
                text_appendf(text, ", after %s", span_format(e->since_usec, since));
}

static void say_guarding(Text *text, const Event *e) {
        Units used, left;

        text_appendf(text, "%s %s", e->observing ? "observing" : "guarding", event_phrase_mount(e));
        if (e->detail[0] && !streq(e->detail, e->mount))
                text_appendf(text, " for %s", e->detail);
        if (e->space.total_bytes > 0) {
                used_format(&e->space, used);
                text_appendf(text, ": %s left, %s full", bytes_format(e->space.avail_bytes, left), used);
        }
        if (e->observing)
                text_append(text, "; nothing will be touched");
}

static void say_resized(Text *text, const Event *e) {
        Units before, now, left;

        text_appendf(text, "%s is %s now: %s instead of %s, of which %s are left", event_phrase_mount(e),
                        e->space.total_bytes > e->wanted_bytes ? "larger" : "smaller",
                        bytes_format(e->space.total_bytes, now), bytes_format(e->wanted_bytes, before),
                        bytes_format(e->space.avail_bytes, left));
}

static void say_notice(Text *text, const Event *e) {
        if (e->container_id[0]) {
                event_phrase_log(text, e);
                text_append(text, ": ");
        } else if (e->mount[0])
                text_appendf(text, "%s: ", e->mount);
        text_append(text, e->detail[0] ? e->detail : "something odd was found");
        event_phrase_error(text, ": ", e->error);
}

static void say_pause(Text *text, const Event *e) {
        const char *where = e->mount[0] ? e->mount : "any partition";
        Units span;

        if (e->type == EVENT_PAUSED) {
                text_appendf(text, "no acts on %s", where);
                if (e->since_usec > 0)
                        text_appendf(text, " for %s", span_format(e->since_usec, span));
                text_append(text, ", alerts go on");
        } else
                text_appendf(text, "acts on %s again as needed: the pause is over", where);
        event_phrase_asker(text, "; asked for ", &e->asker);
}

/* What the guard says of itself. */
static void say_house(Text *text, const Event *e) {
        Units gap;

        switch (e->type) {
        case EVENT_STARTED:
                text_append(text,
                                e->observing ? "the guard has started, mode observe: nothing will be touched"
                                             : "the guard has started, mode enforce");
                event_phrase_detail(text, "; ", e);
                break;
        case EVENT_RECOVERED:
                text_append(text, "the guard had broken off and goes on with what it knew");
                if (e->since_usec > 0)
                        text_appendf(text, "; for %s nobody looked", span_format(e->since_usec, gap));
                event_phrase_detail(text, "; ", e);
                break;
        case EVENT_STOPPING:
                text_append(text, "the guard is stopping: nothing is watched or freed until it runs again");
                event_phrase_detail(text, "; ", e);
                break;
        case EVENT_RELOADED:
                text_append(text, "the configuration was read again and is in force");
                event_phrase_detail(text, ": ", e);
                event_phrase_asker(text, "; asked for ", &e->asker);
                break;
        case EVENT_RELOAD_FAILED:
                text_append(text, "the new configuration was not taken and the old one stays in force");
                event_phrase_detail(text, ": ", e);
                event_phrase_error(text, ": ", e->error);
                break;
        case EVENT_REFUSED:
                text_append(text, "the guard does not start, and nothing is guarded");
                event_phrase_detail(text, ": ", e);
                break;
        case EVENT_DROPPED:
                if (e->wanted_bytes > 0)
                        text_appendf(text, "%" PRIu64 " %s", e->wanted_bytes,
                                        e->wanted_bytes == 1 ? "entry" : "entries");
                else
                        text_append(text, "entries");
                text_append(text, " did not get into the journal: it did not answer, or took no more");
                event_phrase_detail(text, ": ", e);
                break;
        case EVENT_ACKNOWLEDGED:
                text_appendf(text, "alert %" PRIu64 " of %s was acknowledged", e->alert_id,
                                event_phrase_mount(e));
                event_phrase_asker(text, " ", &e->asker);
                break;
        default:
                text_append(text, "something happened that has no words");
                event_phrase_detail(text, ": ", e);
        }
}

static void say_partition(Text *text, const Event *e) {
        switch (e->type) {
        case EVENT_LEVEL_RAISED:
                say_level_raised(text, e);
                break;
        case EVENT_LEVEL_CLEARED:
                say_level_cleared(text, e);
                break;
        case EVENT_NOTHING_LEFT:
                say_nothing_left(text, e);
                break;
        case EVENT_BLIND:
                say_blind(text, e);
                break;
        case EVENT_SIGHT:
                say_back(text, e, "sees");
                break;
        case EVENT_CANNOT_ACT:
                say_cannot_act(text, e);
                break;
        case EVENT_CAN_ACT:
                say_back(text, e, "can free space on");
                break;
        case EVENT_GUARDING:
                say_guarding(text, e);
                break;
        case EVENT_PARTITION_GONE:
                text_appendf(text, "%s is gone and no longer guarded", event_phrase_mount(e));
                event_phrase_detail(text, ": ", e);
                break;
        case EVENT_READ_ONLY:
                text_appendf(text, "%s is read-only: nothing can be written there, and nothing freed",
                                event_phrase_mount(e));
                break;
        case EVENT_WRITABLE:
                text_appendf(text, "%s can be written to again, and freed from when needed",
                                event_phrase_mount(e));
                break;
        case EVENT_RESIZED:
                say_resized(text, e);
                break;
        case EVENT_CAUSE_FOUND:
                text_appendf(text, "what fills %s", event_phrase_mount(e));
                (void) event_phrase_causes(text, ": ", e);
                break;
        default:
                say_house(text, e);
        }
}

char *event_message(const Event *e, char *buf, size_t buf_bytes) {
        Text text;

        assert(buf_bytes > 0);

        text = text_over(buf, buf_bytes);
        if (event_text_is_about_act(e->type)) {
                event_text_say_act(&text, e);
                return buf;
        }
        switch (e->type) {
        case EVENT_NOTICE:
                say_notice(&text, e);
                break;
        case EVENT_PAUSED:
        case EVENT_RESUMED:
                say_pause(&text, e);
                break;
        default:
                say_partition(&text, e);
        }
        return buf;
}
