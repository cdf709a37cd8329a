/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* May a path that was found, not configured, be believed? Only where nobody but root could have put
 * something else in its place: each folder on the way belongs to root and is writable by nobody else. A
 * sticky bit (/tmp) does not help: whoever comes first owns the name. */

#include <sys/stat.h>

#define FINDER_TRUST_WHY_MAX 160

/* The folders above path, seen from root_fd (a process's root; AT_FDCWD: ours). path is canonical. 0:
 * trusted; FINDER_TRUST_E_NO: ret_why is half a sentence ("/home/joe belongs to uid 1000"), not
 * sanitised; negative errno. */
#define FINDER_TRUST_E_NO 1
int finder_trust_check_parents(int root_fd, const char *path, char ret_why[static FINDER_TRUST_WHY_MAX]);

/* The thing itself: root's, and writable by nobody else. NULL: so it is, else why not. */
const char *finder_trust_find_fault(const struct stat *st);
