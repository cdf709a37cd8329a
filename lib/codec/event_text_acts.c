/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The sentences about acts: what is done to logs, what came of it, what was kept of it first. */

#include "event_text_acts.h"

#include <inttypes.h>

#include "event_phrase.h"
#include "macros.h"

static const char *way_of(Method method) {
        switch (method) {
        case METHOD_DELETE:
                return " by deleting rotated segments";
        case METHOD_COLLAPSE:
        case METHOD_COLLAPSE_LEASED:
                return " by collapse";
        case METHOD_PUNCH:
                return " by punching a hole";
        case METHOD_FILL:
                return " by putting filler in its place";
        case METHOD_TRUNCATE:
                return " by truncating it";
        case METHOD_BALLAST_RELEASE:
                return " by giving up the ballast";
        case METHOD_HEAL:
                return " by healing it";
        default:
                return "";
        }
}

/* "from the log of `web` by collapse", "on /var/lib/docker by giving up the ballast" */
static void where_append(Text *text, const Event *e) {
        if (e->container_id[0]) {
                text_append(text, " from ");
                event_phrase_log(text, e);
        } else
                text_appendf(text, " on %s", event_phrase_mount(e));
        text_append(text, way_of(e->method));
}

static bool is_about_readers(const Event *e) { return e->container_id[0] && e->method != METHOD_NONE; }

static void say_act_planned(Text *text, const Event *e) {
        Units wanted;

        if (e->method == METHOD_BALLAST_MAKE) {
                text_appendf(text, "%s ballast of %s on %s",
                                e->observing ? "would set aside a" : "sets aside a",
                                bytes_format(e->wanted_bytes, wanted), event_phrase_mount(e));
                return;
        }
        text_appendf(text, "%s %s", e->observing ? "would free" : "is about to free",
                        bytes_format(e->wanted_bytes, wanted));
        where_append(text, e);
        if (is_about_readers(e))
                text_appendf(text, "; then %s", method_reader_effect(e->method));
        if (e->observing)
                text_append(text, "; mode observe, nothing is touched");
}

/* What became of the lines that were cut, where they were to be archived. */
static void archived_append(Text *text, const Event *e) {
        Units cut;

        if (!is_about_readers(e) || !e->should_archive || e->cut_bytes == 0)
                return;
        if (e->archived) {
                text_append(text, "; archived before, no line is lost");
                return;
        }
        text_appendf(text, "; not archived: %s", bytes_format(e->cut_bytes, cut));
        if (e->line_bytes > 0)
                text_appendf(text, ", about %" PRIu64 " lines,", e->cut_bytes / e->line_bytes);
        text_append(text, " are lost");
}

/* Whom it hurt, by how much, and what did not come free because somebody has it open. */
static void readers_append(Text *text, const Event *e) {
        Units bytes;

        if (e->reader.pid > 0 && e->lost_bytes > 0) {
                text_append(text, "; ");
                event_phrase_reader(text, &e->reader);
                text_appendf(text, " had not read %s of it", bytes_format(e->lost_bytes, bytes));
        }
        if (e->held_bytes > 0)
                text_appendf(text, "; %s of segments are not free before those who have them open close them",
                                bytes_format(e->held_bytes, bytes));
}

static void say_act_done(Text *text, const Event *e) {
        Units freed, left;

        if (e->method == METHOD_BALLAST_MAKE) {
                text_appendf(text, "set aside %s as ballast on %s, to be given up in an emergency",
                                bytes_format(e->wanted_bytes, freed), event_phrase_mount(e));
                return;
        }
        text_appendf(text, "freed %s", bytes_format(e->freed_bytes, freed));
        where_append(text, e);
        if (e->container_id[0] && e->allocated_bytes > 0)
                text_appendf(text, "; the newest %s stay", bytes_format(e->allocated_bytes, left));
        if (is_about_readers(e))
                text_appendf(text, "; %s", method_reader_effect(e->method));
        archived_append(text, e);
        if (e->reason == REASON_LIMIT)
                text_append(text, "; it had reached its MaxLogSize=, and is kept there from now on (said every 10 min at most)");
        readers_append(text, e);
        event_phrase_asker(text, "; asked for ", &e->asker);
}

static void say_act_ineffective(Text *text, const Event *e) {
        Units freed, wanted;

        text_appendf(text, "freed only %s of %s", bytes_format(e->freed_bytes, freed),
                        bytes_format(e->wanted_bytes, wanted));
        where_append(text, e);
        readers_append(text, e);
        text_append(text, "; the next means is tried");
}

static void say_act_failed(Text *text, const Event *e) {
        Units wanted;

        if (e->method == METHOD_BALLAST_MAKE)
                text_appendf(text, "could not set aside the ballast on %s", event_phrase_mount(e));
        else if (e->method == METHOD_HEAL) {
                text_append(text, "could not heal ");
                event_phrase_log(text, e);
        } else if (e->method == METHOD_BLANK || e->method == METHOD_MARK) {
                text_append(text, "could not repair ");
                event_phrase_log(text, e);
        } else {
                text_appendf(text, "could not free %s", bytes_format(e->wanted_bytes, wanted));
                where_append(text, e);
        }
        event_phrase_detail(text, ": ", e);
        event_phrase_error(text, ": ", e->error);
        event_phrase_asker(text, "; asked for ", &e->asker);
}

static const char torn_effect[] = "a line that a full disk cut off hides what follows it from `docker logs`";
static const char head_effect[] = "somebody emptied it while it was written to, and `docker logs` stops at the NULs at its head";

static void say_repaired(Text *text, const Event *e) {
        Units bytes;

        event_phrase_log(text, e);
        text_append(text, " is repaired: ");
        if (e->method == METHOD_BLANK)
                text_appendf(text, "%s of torn lines are blank now, and %s", bytes_format(e->cut_bytes, bytes),
                                method_reader_effect(e->method));
        else
                text_appendf(text, "of the NULs that somebody's truncate left at its head %s; %s",
                                e->wanted_bytes > 0 ? "a hole is left behind a record" : "none is left",
                                e->wanted_bytes > 0 ? method_reader_effect(e->method) : "all readers work again");
        event_phrase_asker(text, "; asked for ", &e->asker);
}

static void say_damaged(Text *text, const Event *e) {
        event_phrase_log(text, e);
        text_appendf(text, " is damaged: %s", e->method == METHOD_BLANK ? torn_effect : head_effect);
        event_phrase_detail(text, "; it stays so: ", e);
}

static void say_archive_stopped(Text *text, const Event *e) {
        text_append(text, "what is freed ");
        if (e->container_id[0]) {
                text_append(text, "from ");
                event_phrase_log(text, e);
        } else
                text_appendf(text, "on %s", event_phrase_mount(e));
        text_append(text, " is not archived before");
        switch (e->error) {
        case -ENOSPC:
                text_append(text, ": the partition of the archive has no room to spare");
                break;
        case -EDQUOT:
                text_append(text, ": ArchiveSize= or ArchiveContainerSize= is too small for it");
                break;
        case -ENOENT:
                text_append(text, ": the archive's folder is not there; one that ArchiveDirectory= names is not made");
                break;
        case -EBADFD:
                text_append(text, ": the archive's folder has to be root's, closed to all others (mode 0700), and not /");
                break;
        case -EBUSY:
                text_append(text, ": another archiver still has the archive's folder, or was ended and is stuck");
                break;
        case -ECHILD:
                text_append(text, ": the archiver keeps dying");
                break;
        default:
                event_phrase_detail(text, ": ", e);
                event_phrase_error(text, ": ", e->error);
        }
        text_append(text, "; until that is over these lines are lost");
}

bool event_text_is_about_act(EventType type) {
        switch (type) {
        case EVENT_ACT_PLANNED:
        case EVENT_ACT_DONE:
        case EVENT_ACT_INEFFECTIVE:
        case EVENT_ACT_FAILED:
        case EVENT_HEALED:
        case EVENT_REPAIRED:
        case EVENT_DAMAGED:
        case EVENT_ARCHIVE_STOPPED:
        case EVENT_ARCHIVE_GOES_ON:
                return true;
        default:
                return false;
        }
}

void event_text_say_act(Text *text, const Event *e) {
        switch (e->type) {
        case EVENT_ACT_PLANNED:
                say_act_planned(text, e);
                break;
        case EVENT_ACT_DONE:
                say_act_done(text, e);
                break;
        case EVENT_ACT_INEFFECTIVE:
                say_act_ineffective(text, e);
                break;
        case EVENT_ACT_FAILED:
                say_act_failed(text, e);
                break;
        case EVENT_HEALED:
                event_phrase_log(text, e);
                text_append(text, " is healed: the hole or filler in it is taken out and all readers work again");
                break;
        case EVENT_REPAIRED:
                say_repaired(text, e);
                break;
        case EVENT_DAMAGED:
                say_damaged(text, e);
                break;
        case EVENT_ARCHIVE_STOPPED:
                say_archive_stopped(text, e);
                break;
        case EVENT_ARCHIVE_GOES_ON:
                text_appendf(text, "what is freed on %s is archived before again", event_phrase_mount(e));
                break;
        default:
                break;
        }
}
