/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What clients are shown, as JSON of io.diskbrake.varlink: each writes the whole object of a reply's
 * parameters. Errors are kept by the writer until json_writer_finish(). */

#include "json_writer.h"
#include "status.h"

/* [low, high] in seconds, 1e9 for no end in sight; null where it does not fill, or it is too early to tell. */
void status_json_range(JsonWriter *w, const char *key, const TimeToFull *full);
void status_json_guard(JsonWriter *w, const GuardStatus *status); /* of Status */
void status_json_event(JsonWriter *w, const StatusEvent *event);  /* of Events; NULL: null */
void status_json_alerts(JsonWriter *w, const StatusAlert *alerts, size_t n_alerts);
void status_json_trimmed(JsonWriter *w, const StatusTrimmed *trimmed);
/* Of FindLog. path: "" where there is no file that is Docker's alone; archives: "" where none are kept. */
void status_json_found(JsonWriter *w, const ContainerInfo *container, const char *path, const char *archives);
/* Of Repair. */
void status_json_repaired(JsonWriter *w, const char *name, const char *id, uint64_t repaired_bytes);
void status_json_mounts(JsonWriter *w, const char *const *mounts, size_t n_mounts); /* of Pause */
void status_json_config(JsonWriter *w, const char *text, const char *file);
