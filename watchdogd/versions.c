/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "text.h"
#include "versions.h"

/* Two seconds for dockerd to answer, one for all around it. */
#define TIMEOUT_USEC (3 * USEC_PER_SEC)
/* One that has just started answers within seconds; one that hangs is asked more and more rarely. */
#define PAUSE_MIN_USEC (2 * USEC_PER_SEC)
#define PAUSE_DOUBLINGS_MAX 5u

static void on_answer(const Message *answer, int error, void *userdata) {
        Versions *v = userdata;
        Partition *p = v->of[v->place].partition;
        bool known = answer && answer->type == MESSAGE_VERSION && answer->version.root == v->root;
        char text[32] = "";

        (void) error;
        if (!known) {
                v->of[v->place].again[v->root] = true;
                v->on_silent(PAUSE_MIN_USEC << v->n_silent, v->userdata);
        }
        v->n_silent = known ? 0 : MIN(v->n_silent + 1, PAUSE_DOUBLINGS_MAX);
        if (known)
                (void) text_sanitize(text, sizeof(text), answer->version.text,
                        strnlen(answer->version.text, sizeof(answer->version.text)));
        partition_set_docker(p, v->root, known ? answer->version.major : 0, text);
        versions_ask(v);
}

static void ask(Versions *v, size_t place, uint32_t root) {
        /* Too large for the stack; the errand copies them. */
        _cleanup_free_ Message *say = calloc(2, sizeof(*say));

        v->place = place;
        v->root = root;
        if (!say) {
                v->of[place].again[root] = true;
                return;
        }
        say[0].type = MESSAGE_TARGET;
        say[0].target = *partition_target(v->of[place].partition);
        say[1].type = MESSAGE_DOCKERD_GONE;
        say[1].gone.root = root;
        if (errand_start(v->world->children, v->world->event,
                    &(ErrandOrder){.role = ROLE_VERSION, .say = {say, say + 1}, .timeout_usec = TIMEOUT_USEC,
                                   .on_done = on_answer, .userdata = v},
                    &v->errand) < 0)
                v->of[place].again[root] = true;
}

void versions_ask(Versions *v) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++) {
                const PartitionTarget *target = v->of[i].partition ? partition_target(v->of[i].partition) : NULL;

                for (uint32_t k = 0; target && k < target->n_roots && !v->errand; k++) {
                        const DockerRoot *root = target->roots + k;

                        if (root->dockerd_pid == v->of[i].asked_pid[k] && root->dockerd_start == v->of[i].asked_start[k])
                                continue;
                        v->of[i].asked_pid[k] = root->dockerd_pid;
                        v->of[i].asked_start[k] = root->dockerd_start;
                        /* Another dockerd, or none: what is not known yet is unknown. */
                        partition_set_docker(v->of[i].partition, k, 0, "");
                        if (root->dockerd_pid != 0 && root->api_socket[0])
                                ask(v, i, k);
                }
        }
}

void versions_ask_again(Versions *v) {
        for (size_t i = 0; i < PARTITIONS_MAX; i++)
                for (size_t k = 0; k < PARTITION_ROOTS_MAX; k++)
                        if (v->of[i].again[k]) {
                                v->of[i].again[k] = false;
                                v->of[i].asked_pid[k] = -1;
                        }
        versions_ask(v);
}

void versions_set_partition(Versions *v, size_t place, Partition *partition) {
        if (v->errand && v->place == place)
                v->errand = errand_free(v->errand);
        memset(&v->of[place], 0, sizeof(v->of[place]));
        v->of[place].partition = partition;
}

void versions_done(Versions *v) { v->errand = errand_free(v->errand); }
