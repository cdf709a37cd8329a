/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "process.h"
#include "survey_internal.h"

static bool is_same(const Cause *a, const Cause *b) {
        if (a->kind != b->kind || !streq(a->container, b->container) || !streq(a->name, b->name))
                return false;
        return a->kind == CAUSE_DELETED || (a->kind == CAUSE_FILES && !a->name[0] && !a->container[0]) ? a->pid == b->pid : true;
}

/* What grows comes first; what is only held, after all that. */
static bool is_less(const Cause *a, const Cause *b) {
        return a->grown_bytes != b->grown_bytes ? a->grown_bytes < b->grown_bytes : a->held_bytes < b->held_bytes;
}

/* The place of the cause that it is in now, from 1 on; 0: there are so many that it was left out. */
static uint16_t gather(Survey *s, const Cause *one) {
        Cause *into = NULL, *smallest = s->causes;

        for (uint32_t i = 0; i < s->n_causes && !into; i++) {
                if (is_same(s->causes + i, one))
                        into = s->causes + i;
                if (is_less(s->causes + i, smallest))
                        smallest = s->causes + i;
        }
        if (!into && s->n_causes == SURVEY_GATHERED_MAX) {
                if (!is_less(smallest, one))
                        return 0;
                *smallest = *one;
                return (uint16_t) (smallest - s->causes + 1);
        }
        if (!into) {
                s->causes[s->n_causes++] = *one;
                return (uint16_t) s->n_causes;
        }
        /* The path and the process are those of the file that grows most. */
        uint64_t grown = into->grown_bytes + one->grown_bytes, held = into->held_bytes + one->held_bytes;
        if (one->grown_bytes > into->grown_bytes)
                *into = *one;
        into->grown_bytes = grown;
        into->held_bytes = held;
        return (uint16_t) (into - s->causes + 1);
}

static void learn_command(SurveySubject *p) {
        if (!p->command[0])
                process_read_command(p->process_fd, p->command, sizeof(p->command));
}

void survey_causes_learn_cgroup(SurveySubject *p) {
        char text[4096];

        if (p->cgroup_known)
                return;
        p->cgroup_known = true;
        if (process_read(p->process_fd, "cgroup", text, sizeof(text)) > 0)
                survey_place_read_cgroup(text, p->container, p->service);
}

/* Who it is, where the place alone does not tell. */
static void name_writer(SurveySubject *p, Cause *cause) {
        learn_command(p);
        memcpy(cause->command, p->command, sizeof(cause->command));
        cause->pid = p->process->pid;
        if (cause->kind != CAUSE_FILES || cause->container[0])
                return;
        survey_causes_learn_cgroup(p);
        memcpy(cause->name, p->service, sizeof(cause->name));
}

/* By the mounts of its namespace, or by its cgroup: that is named by who made it, so the host's own processes are asked for
 * theirs alone. */
static const char *container_of(SurveySubject *p, const SurveyMount *mount) {
        const SurveySpace *space = p->s->mounts.spaces + mount->space;

        if (space->container[0] || space->is_host)
                return space->container;
        survey_causes_learn_cgroup(p); /* of another runtime than Docker, whose mounts do not tell */
        return p->container;
}

SurveyPlace survey_causes_place(SurveySubject *p, const SurveyMount *mount, const char *link, const struct statx *stx) {
        SurveySight sight = {.folder = mount->folder, .point = mount->point, .is_layer = mount->is_layer,
                             .container = container_of(p, mount), .link = link, .deleted = stx->stx_nlink == 0};

        return survey_place_find(p->s->order, &sight);
}

void survey_causes_add_file(SurveySubject *p, const SurveyMount *mount, const char *link, const struct statx *stx, uint64_t grown_bytes,
                SurveyFile *file) {
        SurveyPlace place = survey_causes_place(p, mount, link, stx);

        if (place.is_log) {
                p->s->logs_bytes += grown_bytes;
                return;
        }
        place.cause.grown_bytes = grown_bytes;
        place.cause.held_bytes = stx->stx_nlink == 0 ? stx->stx_blocks * 512 : 0;
        name_writer(p, &place.cause);
        file->cause = gather(p->s, &place.cause);
        file->writer_pid = p->process->pid;
        file->writer_bytes = p->process->written;
}

void survey_causes_rename_writer(SurveySubject *p, SurveyFile *file) {
        Cause *cause = file->cause > 0 ? p->s->causes + file->cause - 1 : NULL;

        if (p->s->look != 2 || !cause || cause->pid != file->writer_pid || cause->kind == CAUSE_DELETED ||
            p->process->written <= file->writer_bytes)
                return;
        file->writer_pid = p->process->pid;
        file->writer_bytes = p->process->written;
        learn_command(p);
        memcpy(cause->command, p->command, sizeof(cause->command));
        cause->pid = p->process->pid;
}

void survey_causes_add(SurveySubject *p, Cause *cause) {
        name_writer(p, cause);
        gather(p->s, cause);
}

void survey_causes_give(Survey *s, SurveyFound *found) {
        for (; found->n < SURVEY_CAUSES_MAX && s->n_causes > 0; found->n++) {
                uint32_t best = 0;

                for (uint32_t i = 1; i < s->n_causes; i++)
                        if (is_less(s->causes + best, s->causes + i))
                                best = i;
                if (s->causes[best].grown_bytes == 0 && s->causes[best].held_bytes < s->held_least_bytes)
                        return;
                found->causes[found->n] = s->causes[best];
                s->causes[best] = s->causes[--s->n_causes];
        }
}
