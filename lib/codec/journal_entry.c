/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* An event as an entry of the journal. */

#include "journal_entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "event_phrase.h"
#include "event_text.h"
#include "macros.h"

typedef struct Visit {
        JournalEntryField callback;
        void *userdata;
        int result; /* not 0: it was ended */
} Visit;

static void visit_text(Visit *v, const char *name, const char *value) {
        if (v->result == 0 && value[0])
                v->result = v->callback(name, value, v->userdata);
}

static void visit_unsigned(Visit *v, const char *name, uint64_t value) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%" PRIu64, value);
        visit_text(v, name, text);
}

static void visit_signed(Visit *v, const char *name, int64_t value) {
        char text[24];

        (void) snprintf(text, sizeof(text), "%" PRId64, value);
        visit_text(v, name, text);
}

static void visit_positive(Visit *v, const char *name, uint64_t value) {
        if (value > 0)
                visit_unsigned(v, name, value);
}

static void visit_head(Visit *v, const Event *e, uint64_t wall_usec) {
        char message[EVENT_MESSAGE_MAX];

        visit_text(v, "MESSAGE", event_message(e, message, sizeof(message)));
        visit_text(v, "MESSAGE_ID", event_message_id(e));
        visit_signed(v, "PRIORITY", event_priority(e));
        visit_text(v, "SYSLOG_IDENTIFIER", "diskbrake");
        visit_unsigned(v, "DISKBRAKE_EVENT_ID", e->id);
        visit_text(v, "DISKBRAKE_EVENT", event_name(e));
        visit_unsigned(v, "DISKBRAKE_TIME_USEC", wall_usec);
        visit_text(v, "DISKBRAKE_MODE", mode_to_string(e->observing ? MODE_OBSERVE : MODE_ENFORCE));
        visit_positive(v, "DISKBRAKE_ALERT_ID", e->alert_id);
        if (e->reason != REASON_NONE)
                visit_text(v, "DISKBRAKE_REASON", reason_to_string(e->reason));
}

static void visit_partition(Visit *v, const Event *e) {
        const PartitionSample *s = &e->space;

        if (!e->mount[0])
                return;
        visit_text(v, "DISKBRAKE_MOUNT", e->mount);
        visit_text(v, "DISKBRAKE_LEVEL", level_to_string(e->level));
        if (e->type == EVENT_LEVEL_RAISED || e->type == EVENT_LEVEL_CLEARED)
                visit_text(v, "DISKBRAKE_LEVEL_FROM", level_to_string(e->from));
        if (s->total_bytes == 0)
                return; /* not looked at yet */
        visit_unsigned(v, "DISKBRAKE_TOTAL_BYTES", s->total_bytes);
        visit_unsigned(v, "DISKBRAKE_FREE_BYTES", s->free_bytes);
        visit_unsigned(v, "DISKBRAKE_AVAIL_BYTES", s->avail_bytes);
        visit_signed(v, "DISKBRAKE_FILL_BPS", e->fill_bps);
        if (s->total_inodes > 0) {
                visit_unsigned(v, "DISKBRAKE_TOTAL_INODES", s->total_inodes);
                visit_unsigned(v, "DISKBRAKE_AVAIL_INODES", s->avail_inodes);
                visit_signed(v, "DISKBRAKE_FILL_INODES_PS", e->fill_inodes_ps);
        }
        if (!e->full.known || e->full.low_usec == USEC_INFINITY)
                return;
        visit_unsigned(v, "DISKBRAKE_TIME_TO_FULL_LOW_SEC", e->full.low_usec / USEC_PER_SEC);
        if (e->full.high_usec != USEC_INFINITY)
                visit_unsigned(v, "DISKBRAKE_TIME_TO_FULL_HIGH_SEC", e->full.high_usec / USEC_PER_SEC);
}

static void visit_container(Visit *v, const Event *e) {
        char short_id[13] = "", bare_name[CONTAINER_NAME_MAX] = "";

        if (!e->container_id[0])
                return;
        /* As Docker's own journal driver has them, so that one filter finds both. */
        memcpy(short_id, e->container_id, sizeof(short_id) - 1);
        memcpy(bare_name, e->container_name, strcspn(e->container_name, " "));
        visit_text(v, "CONTAINER_ID", short_id);
        visit_text(v, "CONTAINER_ID_FULL", e->container_id);
        visit_text(v, "CONTAINER_NAME", bare_name);
        visit_text(v, "DISKBRAKE_CONTAINER", e->container_name);
        visit_text(v, "IMAGE_NAME", e->image);
        visit_unsigned(v, "DISKBRAKE_SHARE_PERMYRIAD", e->share_permyriad);
        visit_signed(v, "DISKBRAKE_GROWTH_BPS", e->growth_bps);
        visit_positive(v, "DISKBRAKE_ALLOCATED_BYTES", e->allocated_bytes);
        visit_positive(v, "DISKBRAKE_LINE_BYTES", e->line_bytes);
        visit_text(v, "DISKBRAKE_PROTECTED", e->is_protected ? "yes" : "no");
}

static void visit_act(Visit *v, const Event *e) {
        if (e->method == METHOD_NONE)
                return;
        visit_text(v, "DISKBRAKE_METHOD", method_to_string(e->method));
        visit_unsigned(v, "DISKBRAKE_WANTED_BYTES", e->wanted_bytes);
        visit_text(v, "DISKBRAKE_READER_EFFECT", method_reader_effect(e->method));
        if (e->type == EVENT_ACT_PLANNED)
                return;
        visit_unsigned(v, "DISKBRAKE_FREED_BYTES", e->freed_bytes);
        visit_unsigned(v, "DISKBRAKE_CUT_BYTES", e->cut_bytes);
        visit_positive(v, "DISKBRAKE_HELD_BYTES", e->held_bytes);
        if (!e->should_archive || e->cut_bytes == 0)
                return;
        visit_text(v, "DISKBRAKE_ARCHIVED", e->archived ? "yes" : "no");
        if (!e->archived)
                visit_unsigned(v, "DISKBRAKE_LOST_BYTES", e->cut_bytes);
        if (!e->archived && e->line_bytes > 0)
                visit_unsigned(v, "DISKBRAKE_LOST_LINES", e->cut_bytes / e->line_bytes);
}

static void visit_reader(Visit *v, const Event *e) {
        if (e->reader.pid <= 0)
                return;
        visit_signed(v, "DISKBRAKE_READER_PID", e->reader.pid);
        visit_text(v, "DISKBRAKE_READER_COMMAND", e->reader.command);
        visit_positive(v, "DISKBRAKE_READER_LOST_BYTES", e->lost_bytes);
}

static void visit_causes(Visit *v, const Event *e) {
        const EventCause *first = e->causes;
        char all[EVENT_MESSAGE_MAX];
        Text text = text_over(all, sizeof(all));

        if (!event_phrase_causes(&text, "", e))
                return;
        visit_text(v, "DISKBRAKE_CAUSES", all);
        visit_text(v, "DISKBRAKE_CAUSE", cause_kind_to_string(first->cause.kind));
        visit_unsigned(v, "DISKBRAKE_CAUSE_SHARE_PERMYRIAD", first->share_permyriad);
        visit_signed(v, "DISKBRAKE_CAUSE_GROWTH_BPS", first->growth_bps);
        visit_text(v, "DISKBRAKE_CAUSE_NAME", first->cause.name);
        visit_text(v, "DISKBRAKE_CAUSE_PATH", first->cause.path);
        visit_text(v, "DISKBRAKE_CAUSE_CONTAINER_ID", first->cause.container);
        visit_text(v, "DISKBRAKE_CAUSE_CONTAINER", first->container_name);
        visit_text(v, "DISKBRAKE_CAUSE_COMMAND", first->cause.command);
        if (first->cause.pid > 0)
                visit_signed(v, "DISKBRAKE_CAUSE_PID", first->cause.pid);
}

static void visit_rest(Visit *v, const Event *e) {
        if (e->error < 0 && e->error > INT32_MIN) {
                const char *name = strerrorname_np(-e->error);

                visit_text(v, "DISKBRAKE_ERRNO", name ? name : "");
                visit_signed(v, "ERRNO", -(int64_t) e->error);
        }
        visit_text(v, "DISKBRAKE_DETAIL", e->detail);
        if (e->since_usec > 0)
                visit_unsigned(v, "DISKBRAKE_DURATION_SEC", e->since_usec / USEC_PER_SEC);
        if (e->type == EVENT_DROPPED)
                visit_positive(v, "DISKBRAKE_DROPPED", e->wanted_bytes);
        if (e->asker.pid == 0)
                return;
        visit_unsigned(v, "DISKBRAKE_ASKER_UID", e->asker.uid);
        visit_signed(v, "DISKBRAKE_ASKER_PID", e->asker.pid);
        visit_text(v, "DISKBRAKE_ASKER_COMMAND", e->asker.command);
}

int journal_entry_fields(
                const Event *event, uint64_t wall_usec, JournalEntryField callback, void *userdata) {
        Visit v = { .callback = callback, .userdata = userdata };

        visit_head(&v, event, wall_usec);
        visit_partition(&v, event);
        visit_container(&v, event);
        visit_act(&v, event);
        visit_reader(&v, event);
        visit_causes(&v, event);
        visit_rest(&v, event);
        return v.result;
}

int journal_entry_append(char *buf, size_t buf_bytes, size_t *used, const char *name, const char *value) {
        size_t n_name = strlen(name), n_value = strlen(value);
        bool binary = strchr(value, '\n') != NULL;
        size_t n_middle = binary ? 1 + sizeof(uint64_t) : 1;
        char *p = buf + *used;

        if (n_value > buf_bytes || n_name + n_middle + n_value + 1 > buf_bytes - *used)
                return -ENOBUFS;
        memcpy(p, name, n_name);
        p += n_name;
        *p++ = binary ? '\n' : '=';
        if (binary)
                for (size_t i = 0; i < sizeof(uint64_t); i++) /* little endian */
                        *p++ = (char) ((uint64_t) n_value >> (8 * i) & 0xFF);
        memcpy(p, value, n_value);
        p[n_value] = '\n';
        *used += n_name + n_middle + n_value + 1;
        return 0;
}

typedef struct Datagram {
        char *buf;
        size_t buf_bytes, used;
} Datagram;

static int datagram_take(const char *name, const char *value, void *userdata) {
        Datagram *d = userdata;

        return journal_entry_append(d->buf, d->buf_bytes, &d->used, name, value);
}

int journal_entry_encode(const Event *event, uint64_t wall_usec, char *buf, size_t buf_bytes) {
        Datagram d = { .buf = buf, .buf_bytes = buf_bytes };
        int r;

        r = journal_entry_fields(event, wall_usec, datagram_take, &d);
        return r < 0 ? r : (int) d.used;
}
