/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "console_line.h"

#include <inttypes.h>

#include "event_text.h"
#include "macros.h"
#include "text.h"

size_t console_line_format(const Event *event, uint64_t wall_usec, char buf[static CONSOLE_LINE_MAX + 1]) {
        static const char time_shape[] = " (00:00:00Z)\n";
        char message[EVENT_MESSAGE_MAX];
        uint64_t sec = wall_usec / USEC_PER_SEC % (USEC_PER_DAY / USEC_PER_SEC);
        /* The message is cut, never the time. */
        Text text = text_over(buf, CONSOLE_LINE_MAX + 1 - (sizeof(time_shape) - 1));

        (void) text_appendf(&text, "<%d>diskbrake: ", event_priority(event));
        (void) text_append(&text, event_message(event, message, sizeof(message)));
        text.capacity = CONSOLE_LINE_MAX + 1;
        (void) text_appendf(&text, " (%02" PRIu64 ":%02" PRIu64 ":%02" PRIu64 "Z)\n", sec / 3600, sec / 60 % 60, sec % 60);
        return text.used;
}
