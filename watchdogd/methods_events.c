/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "methods_internal.h"
#include "status_json.h"

static void event_write(JsonWriter *w, const StatusEvent *event, const char **ret_text) {
        json_writer_init(w, KIB(64));
        status_json_event(w, event);
        if (json_writer_finish(w, ret_text) < 0)
                *ret_text = NULL;
}

static void methods_drop_follower(Methods *m, const VarlinkCall *call) {
        for (size_t i = 0; i < FOLLOWERS_MAX; i++)
                if (m->followers[i] == call)
                        m->followers[i] = NULL;
}

static void follower_on_gone(VarlinkCall *call, void *userdata) {
        methods_drop_follower(userdata, call);
        varlink_call_release(call);
}

void methods_on_event(const Event *event, uint64_t wall_usec, void *userdata) {
        Methods *m = userdata;
        StatusEvent e = {event, wall_usec};
        _cleanup_json_writer_ JsonWriter w = {};
        const char *text = NULL;

        for (size_t i = 0; i < FOLLOWERS_MAX; i++) {
                if (!m->followers[i])
                        continue;
                if (!text)
                        event_write(&w, &e, &text);
                /* A client that is gone is told of by its on_gone. */
                if (text)
                        (void) varlink_call_continue(m->followers[i], text);
        }
}

/* Half of the places: who follows must not keep others from following. */
static bool may_follow(const Methods *m, const VarlinkCall *call) {
        size_t n = 0;

        for (size_t i = 0; i < FOLLOWERS_MAX; i++)
                n += m->followers[i] && varlink_call_peer(m->followers[i])->uid == varlink_call_peer(call)->uid;
        return n < FOLLOWERS_MAX / 2;
}

void method_events(Methods *m, VarlinkCall *call) {
        StatusEvent last[TELLER_LAST_MAX];
        size_t n = teller_get_last(supervisor_teller(m->supervisor), last, ELEMENTS(last)), free_one = 0;

        if (!varlink_call_wants_more(call)) {
                _cleanup_json_writer_ JsonWriter w = {};
                const char *text = NULL;

                event_write(&w, n > 0 ? last + n - 1 : NULL, &text);
                varlink_call_reply(call, text);
                return;
        }
        while (free_one < FOLLOWERS_MAX && m->followers[free_one])
                free_one++;
        if (free_one == FOLLOWERS_MAX || !may_follow(m, call)) {
                varlink_call_error(call, "io.diskbrake.TooManyRequests", NULL);
                return;
        }
        m->followers[free_one] = call;
        varlink_call_set_on_gone(call, follower_on_gone, m);
        for (size_t i = 0; i < n; i++) {
                _cleanup_json_writer_ JsonWriter w = {};
                const char *text = NULL;

                event_write(&w, last + i, &text);
                if (text && varlink_call_continue(call, text) < 0)
                        return;
        }
}
