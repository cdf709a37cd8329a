/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What went wrong, in a sentence that says what to do. */

#include "varlink.h"

#define EXPLAIN_MAX 1024

/* Of a negative return of client_connect(), client_call(), client_next(). Returns buf. */
char *explain_failure(int r, const char *socket_path, char *buf, size_t buf_bytes);

/* Of an answer with an error. */
char *explain_error(const VarlinkReply *reply, char *buf, size_t buf_bytes);
