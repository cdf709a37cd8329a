/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>

#include "message.h"

#define UP_TO(member) (offsetof(Message, member) + sizeof(((Message *) NULL)->member))

size_t message_size(uint32_t type) {
        switch (type) {
        case MESSAGE_TARGET:
                return UP_TO(target);
        case MESSAGE_LOOK:
        case MESSAGE_LOOKED:
                return UP_TO(look);
        case MESSAGE_OBSERVATION:
                return UP_TO(observation);
        case MESSAGE_SAMPLES:
                return UP_TO(samples);
        case MESSAGE_INSPECT:
                return UP_TO(inspect);
        case MESSAGE_DOCKERD_GONE:
                return UP_TO(gone);
        case MESSAGE_ACT:
                return UP_TO(act);
        case MESSAGE_OUTCOME:
                return UP_TO(outcome);
        case MESSAGE_ALIVE:
                return UP_TO(alive);
        case MESSAGE_CONFIG:
                return UP_TO(config);
        case MESSAGE_SKIP:
                return UP_TO(skip);
        case MESSAGE_LOOKING:
                return UP_TO(looking);
        case MESSAGE_FOUND:
                return UP_TO(found);
        case MESSAGE_VERSION:
                return UP_TO(version);
        case MESSAGE_CRY:
                return UP_TO(cry);
        case MESSAGE_CRIED:
                return UP_TO(cried);
        case MESSAGE_ARCHIVE:
                return UP_TO(archive);
        case MESSAGE_SPOT:
                return UP_TO(spot);
        case MESSAGE_SPOTTED:
                return UP_TO(spotted);
        case MESSAGE_SURVEY:
                return UP_TO(survey);
        case MESSAGE_SURVEYED:
                return UP_TO(surveyed);
        }
        return 0;
}

int message_send(int fd, const Message *message, bool dont_wait) {
        ssize_t n;

        do
                n = send(fd, message, message_size(message->type), MSG_NOSIGNAL | (dont_wait ? MSG_DONTWAIT : 0));
        while (n < 0 && errno == EINTR);
        return n < 0 ? -errno : 0;
}

int message_receive(int fd, Message *ret_message, bool dont_wait) {
        ssize_t n;

        do
                n = recv(fd, ret_message, sizeof(*ret_message), MSG_TRUNC | (dont_wait ? MSG_DONTWAIT : 0));
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return errno == ECONNRESET ? -EPIPE : -errno;
        if (n == 0)
                return -EPIPE;
        if ((size_t) n < offsetof(Message, target) || message_size(ret_message->type) != (size_t) n ||
            (ret_message->type == MESSAGE_SAMPLES && ret_message->n > SAMPLES_PER_MESSAGE))
                return -EBADMSG;
        return 0;
}
