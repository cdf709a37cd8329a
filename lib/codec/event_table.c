/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every kind of event: its name, its message id and its priority. The names and ids are an interface:
 * filters, hooks and the journal's catalog go by them. They are never changed, and never used again for
 * something else. */

#include "event_text.h"
#include "macros.h"

enum { EMERG, ALERT, CRIT, ERR, WARNING, NOTICE, INFO }; /* syslog's numbers */

#define ANY METHOD_NONE

typedef struct EventKind {
        EventType type;
        Level level;   /* of EVENT_LEVEL_RAISED; else LEVEL_OK: any */
        Method method;
        int priority;
        const char *name;
        const char *message_id; /* of systemd-id128 new */
} EventKind;

static const EventKind kinds[] = {
        { EVENT_LEVEL_RAISED, LEVEL_NOTICE, ANY, NOTICE, "level-raised",
          "715b48d5392e44ff8a73a76856ce32fd" },
        { EVENT_LEVEL_RAISED, LEVEL_WARNING, ANY, WARNING, "level-raised",
          "cae7dff44e934685b0f538870e53a487" },
        { EVENT_LEVEL_RAISED, LEVEL_CRITICAL, ANY, CRIT, "level-raised",
          "14176f7e35b1405da3f6109a6c085aa2" },
        { EVENT_LEVEL_RAISED, LEVEL_EMERGENCY, ANY, EMERG, "level-raised",
          "d022e08d84814243b9dcf00789ea6e06" },
        { EVENT_LEVEL_CLEARED, LEVEL_OK, ANY, NOTICE, "level-cleared", "84a370130f0e4242a28f7b301dd513a3" },
        { EVENT_ACT_PLANNED, LEVEL_OK, ANY, NOTICE, "act-planned", "9e58da63266d4ab2b8423b6b2aa2bf1c" },
        { EVENT_ACT_DONE, LEVEL_OK, ANY, NOTICE, "act-done", "b54d6f5d6c634ec1b6df03e202e5009d" },
        { EVENT_ACT_DONE, LEVEL_OK, METHOD_BALLAST_MAKE, INFO, "ballast-made",
          "84152c92f96440f9b9e36bff61d06fd9" },
        { EVENT_ACT_INEFFECTIVE, LEVEL_OK, ANY, WARNING, "act-ineffective",
          "c109832611344bd287f3b6122ac7de43" },
        { EVENT_ACT_FAILED, LEVEL_OK, ANY, ERR, "act-failed", "2d5a826c95304c7ca2a71ac3d9d6cc8a" },
        { EVENT_ACT_FAILED, LEVEL_OK, METHOD_BALLAST_MAKE, WARNING, "ballast-failed",
          "794e6c16e40048a98a1b59a7af661fa9" },
        { EVENT_NOTHING_LEFT, LEVEL_OK, ANY, CRIT, "nothing-left", "1fd9efb0acad49008a41776b6a909af2" },
        { EVENT_HEALED, LEVEL_OK, ANY, INFO, "healed", "d8b029819825464c8ac2e1bf12f1c48b" },
        { EVENT_REPAIRED, LEVEL_OK, ANY, NOTICE, "repaired", "48797b8e59f245c2b6e79a2359e29c87" },
        { EVENT_DAMAGED, LEVEL_OK, ANY, WARNING, "damaged", "f6bac116e6bb49268cbb2a0e7191844c" },
        { EVENT_BLIND, LEVEL_OK, ANY, CRIT, "blind", "f4ceb7e958c147109d9cd03b2617eac5" },
        { EVENT_SIGHT, LEVEL_OK, ANY, NOTICE, "sight", "d76487c622c14ad58cfe127656e93b34" },
        { EVENT_CANNOT_ACT, LEVEL_OK, ANY, CRIT, "cannot-act", "387a8482dee943e79812787ee5136535" },
        { EVENT_CAN_ACT, LEVEL_OK, ANY, NOTICE, "can-act", "c9514f9afa4547c086e2cb8850bc24ab" },
        { EVENT_GUARDING, LEVEL_OK, ANY, INFO, "guarding", "00e22cf7d87b4735a1c079763941e27b" },
        { EVENT_PARTITION_GONE, LEVEL_OK, ANY, WARNING, "partition-gone",
          "96b0e6d4c939428aaff393d1b06c65c3" },
        { EVENT_READ_ONLY, LEVEL_OK, ANY, CRIT, "read-only", "33a882ceb88e49bba32b07aaa26bda5e" },
        { EVENT_WRITABLE, LEVEL_OK, ANY, NOTICE, "writable", "db10c37be0ae4cabab5e8c7beed5118a" },
        { EVENT_RESIZED, LEVEL_OK, ANY, NOTICE, "resized", "c5a00d4230fa41699cfcc06c8fe66067" },
        { EVENT_NOTICE, LEVEL_OK, ANY, WARNING, "notice", "a37fa0414544495bb01af1c689956236" },
        { EVENT_STARTED, LEVEL_OK, ANY, INFO, "started", "614917a111e84245a283edb7bdae0cc5" },
        { EVENT_RECOVERED, LEVEL_OK, ANY, WARNING, "recovered", "6fea91ca83bd41d391ce2a2f6ea24769" },
        { EVENT_STOPPING, LEVEL_OK, ANY, NOTICE, "stopping", "08e2a10df76e492182de0cc65218640b" },
        { EVENT_RELOADED, LEVEL_OK, ANY, INFO, "reloaded", "712cc31efbb54bb9a5b851a3726ee8b8" },
        { EVENT_RELOAD_FAILED, LEVEL_OK, ANY, ERR, "reload-failed", "37a43557a93a4ab3a20b66a7f55a838d" },
        { EVENT_REFUSED, LEVEL_OK, ANY, CRIT, "refused", "2c566e29cbab4246a9df3a99ab5217d2" },
        { EVENT_PAUSED, LEVEL_OK, ANY, NOTICE, "paused", "0730c26a57764f5995fe2245687864e5" },
        { EVENT_RESUMED, LEVEL_OK, ANY, NOTICE, "resumed", "6742c4379b1a4d65b4aa1d701e41888d" },
        { EVENT_DROPPED, LEVEL_OK, ANY, WARNING, "dropped", "81ed83e002ca44d393992fd59bb5975e" },
        { EVENT_ARCHIVE_STOPPED, LEVEL_OK, ANY, WARNING, "archive-stopped", "366aab1087d44ff09e6af3c80d3f735d" },
        { EVENT_ARCHIVE_GOES_ON, LEVEL_OK, ANY, NOTICE, "archive-goes-on", "19378b1cf91c4ce4bf54d81ee5189818" },
        { EVENT_CAUSE_FOUND, LEVEL_OK, ANY, WARNING, "cause-found", "3309c0de37c142448fabfe17e664835a" },
        { EVENT_ACKNOWLEDGED, LEVEL_OK, ANY, NOTICE, "acknowledged", "713587374e2943708156e366cde28805" },
};

/* The first row of a type stands for the levels and methods that have none of their own; a type that is none
 * is seen as a notice. */
static const EventKind *kind_find(const Event *event) {
        const EventKind *found = NULL;

        for (size_t i = 0; i < ELEMENTS(kinds); i++) {
                bool own_level = kinds[i].level != LEVEL_OK && kinds[i].level == event->level;
                bool own_method = kinds[i].method != METHOD_NONE && kinds[i].method == event->method;

                if (kinds[i].type == event->type && (!found || own_level || own_method))
                        found = &kinds[i];
        }
        return found ? found : kind_find(&(Event){ .type = EVENT_NOTICE });
}

const char *event_name(const Event *event) { return kind_find(event)->name; }

const char *event_message_id(const Event *event) { return kind_find(event)->message_id; }

int event_priority(const Event *event) {
        /* Lines were lost for good, which nobody asked for: to be seen by those who only look at
         * warnings. */
        bool lost = event->method == METHOD_TRUNCATE || event->lost_bytes > 0;

        if (event->type == EVENT_ACT_DONE && lost && event->asker.pid == 0)
                return WARNING;
        if (event->type == EVENT_ACT_DONE && event->reason == REASON_LIMIT)
                return INFO; /* as it was asked for in the configuration */
        return kind_find(event)->priority;
}
