/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The record that stands at the front of a log that was punched (or emptied by others, and repaired): valid JSON in Docker's own form, followed by spaces up to a
 * newline that ends the page, so that the hole behind it begins between two lines. Pure. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exactly one page: written in one go, a reader sees the old one or the new one. */
#define MARKER_BYTES 4096u

/* Docker puts the time last in a record: that many bytes of its end hold it, with room for odd zones. */
#define MARKER_LINE_END_BYTES 96u

/* line_end: the last bytes of the newest line that is freed; its time becomes the marker's, so that the times in the
 * log still ascend (readers with --until stop at the first later one). */
void marker_make(char *ret_head, uint64_t freed_bytes, const char *line_end, size_t n);

/* The same in front of a head that somebody's truncate has emptied while Docker wrote on. */
void marker_make_emptied(char *ret_head, const char *line_end, size_t n);

/* Whether the first MARKER_BYTES of a log are a marker. No container can forge one: what it logs stays inside a JSON
 * string, and Docker pads no record with spaces. ret_freed_bytes may be NULL. */
bool marker_read(const char *head, uint64_t *ret_freed_bytes);
