/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a record of a container's log is printed. */

#include <stdio.h>

#include "log_record.h"

typedef enum LogFormat {
        LOG_FORMAT_PLAIN,    /* what the container wrote, byte by byte */
        LOG_FORMAT_TERMINAL, /* the same, without what a terminal would obey; colours stay */
        LOG_FORMAT_JSON,     /* one object a line: time, stream, log, and attrs where there are any */
} LogFormat;

/* -ENOMEM; what the stream says is left to its owner. */
int log_output_print(FILE *f, LogFormat format, const LogRecord *record);
