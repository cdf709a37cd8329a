/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "cause_text.h"

#include "units.h"

static void append_container(Text *text, const EventCause *c) {
        size_t bare = strcspn(c->container_name, " ");

        if (bare > 0)
                text_appendf(text, "`%.*s`", (int) bare, c->container_name);
        else
                text_appendf(text, "the container %.12s", c->cause.container);
}

static void append_process(Text *text, const Cause *cause) {
        text_appendf(text, "%s (pid %d)", cause->command[0] ? cause->command : "a process", cause->pid);
}

/* Who writes it stands in the name already. */
static bool names_process(const Cause *cause) {
        return cause->kind == CAUSE_DELETED || (cause->kind == CAUSE_FILES && !cause->container[0] && !cause->name[0]);
}

void cause_text_append(Text *text, const EventCause *c) {
        const Cause *cause = &c->cause;
        bool contained = cause->container[0] != 0;

        if (cause->likely)
                text_append(text, "probably ");
        switch (cause->kind) {
        case CAUSE_WRITE_LAYER:
                if (!contained) {
                        text_append(text, "the write layer of a container");
                        return;
                }
                text_append(text, "the write layer of ");
                append_container(text, c);
                return;
        case CAUSE_VOLUME:
                text_appendf(text, "the volume `%s`", cause->name);
                if (contained) {
                        text_append(text, " of ");
                        append_container(text, c);
                }
                return;
        case CAUSE_BIND_MOUNT:
                text_appendf(text, "the folder %s, which ", cause->name[0] ? cause->name : "of the host");
                if (contained)
                        append_container(text, c);
                else
                        text_append(text, "a container");
                text_append(text, " writes to");
                return;
        case CAUSE_IMAGES:
                text_append(text, "images and build cache");
                return;
        case CAUSE_JOURNAL:
                text_append(text, "the systemd journal");
                return;
        case CAUSE_DELETED:
                text_append(text, "deleted files that ");
                append_process(text, cause);
                if (contained) {
                        text_append(text, " of ");
                        append_container(text, c);
                }
                text_append(text, " keeps open");
                return;
        case CAUSE_FILES:
        case _CAUSE_KIND_MAX:
                break;
        }
        text_append(text, "files of ");
        if (contained)
                append_container(text, c);
        else if (cause->name[0])
                text_append(text, cause->name);
        else
                append_process(text, cause);
}

void cause_text_append_details(Text *text, const EventCause *c) {
        const Cause *cause = &c->cause;
        char number[UNITS_TEXT_MAX];
        const char *comma = "";

        if (cause->path[0]) {
                text_append(text, cause->path);
                comma = ", ";
        }
        if (cause->pid > 0 && !names_process(cause)) {
                text_appendf(text, "%sby ", comma);
                append_process(text, cause);
                comma = ", ";
        }
        if (cause->held_bytes > 0) {
                text_appendf(text, "%s%s in all", comma, bytes_format(cause->held_bytes, number));
                comma = ", ";
        }
        if (c->growth_bps > 0)
                text_appendf(text, "%s%s", comma, bps_format(c->growth_bps, number));
}
