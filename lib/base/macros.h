/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What C lacks for writing constructors that cannot leak: a cleanup attribute, handing over of ownership,
 * and a few constants. Everything here is usable from every layer. */

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((__cleanup__(f)))
#define _printf_(fmt, args) __attribute__((__format__(__printf__, fmt, args)))
#define _unused_ __attribute__((__unused__))

#define TAKE_PTR(p)                                                                                         \
        __extension__({                                                                                     \
                __typeof__(p) *_pp = &(p);                                                                  \
                __typeof__(p) _p = *_pp;                                                                    \
                *_pp = NULL;                                                                                \
                _p;                                                                                         \
        })

#define TAKE_FD(fd)                                                                                         \
        __extension__({                                                                                     \
                int *_fdp = &(fd);                                                                          \
                int _fd = *_fdp;                                                                            \
                *_fdp = -EBADF;                                                                             \
                _fd;                                                                                        \
        })

#define ELEMENTS(a) (sizeof(a) / sizeof((a)[0]))

/* Each evaluates its arguments once; the counter keeps the names of nested ones apart. */
#define MIN(a, b) _MIN_NAMED(a, b, __COUNTER__)
#define _MIN_NAMED(a, b, n) _MIN_PASTED(a, b, n)
#define _MIN_PASTED(a, b, n)                                                                                \
        __extension__({                                                                                     \
                __typeof__(a) _a##n = (a);                                                                  \
                __typeof__(b) _b##n = (b);                                                                  \
                _a##n < _b##n ? _a##n : _b##n;                                                              \
        })
#define MAX(a, b) _MAX_NAMED(a, b, __COUNTER__)
#define _MAX_NAMED(a, b, n) _MAX_PASTED(a, b, n)
#define _MAX_PASTED(a, b, n)                                                                                \
        __extension__({                                                                                     \
                __typeof__(a) _a##n = (a);                                                                  \
                __typeof__(b) _b##n = (b);                                                                  \
                _a##n > _b##n ? _a##n : _b##n;                                                              \
        })
#define CLAMP(x, low, high) MIN(MAX((x), (low)), (high))

/* Defines x_freep() for _cleanup_(x_freep), from x_free() that accepts NULL. */
#define DEFINE_CLEANUP(type, function)                                                                      \
        _unused_ static inline void function##p(type **p) {                                                 \
                if (*p)                                                                                     \
                        *p = function(*p);                                                                  \
        }

#define USEC_PER_MSEC UINT64_C(1000)
#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MINUTE (60 * USEC_PER_SEC)
#define USEC_PER_HOUR (60 * USEC_PER_MINUTE)
#define USEC_PER_DAY (24 * USEC_PER_HOUR)
#define USEC_INFINITY UINT64_MAX

#define KIB(n) ((uint64_t) (n) << 10)
#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

static inline bool streq(const char *a, const char *b) { return strcmp(a, b) == 0; }

static inline void closep(int *fd) {
        if (*fd >= 0)
                (void) close(*fd);
        *fd = -EBADF;
}
#define _cleanup_close_ _cleanup_(closep)

static inline int close_safe(int fd) {
        if (fd >= 0)
                (void) close(fd);
        return -EBADF;
}

static inline void free_ptrp(void *p) { free(*(void **) p); }
#define _cleanup_free_ _cleanup_(free_ptrp)
