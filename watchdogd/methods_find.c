/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <stdio.h>

#include "methods_internal.h"
#include "status_json.h"

bool methods_find_log(Methods *m, VarlinkCall *call, const char *name, Partition **ret_partition,
                             EngineLog *ret_log) {
        size_t n_found = 0;

        for (size_t i = 0; i < supervisor_n_partitions(m->supervisor); i++) {
                Partition *p = supervisor_partition(m->supervisor, i);
                EngineLog log;
                int r = engine_find_log(partition_engine(p), name, &log);

                if (r == -ENOTUNIQ)
                        n_found += 2;
                if (r != 0)
                        continue;
                n_found++;
                *ret_partition = p;
                *ret_log = log;
        }
        if (n_found != 1)
                varlink_call_error_text(call, n_found ? "io.diskbrake.AmbiguousName" : "io.diskbrake.NoSuchContainer",
                        "name", name);
        return n_found == 1;
}

void method_find_log(Methods *m, VarlinkCall *call) {
        struct In {
                const char *name;
        } in = {};
        static const VarlinkField fields[] = {
                {"name", VARLINK_STRING, true, offsetof(struct In, name)},
        };
        _cleanup_json_writer_ JsonWriter w = {};
        char path[CONFIG_PATH_MAX + 256] = "";
        const ContainerInfo *container;
        Partition *p = NULL;
        EngineLog log;

        if (!methods_read(call, fields, ELEMENTS(fields), &in) || !methods_find_log(m, call, in.name, &p, &log))
                return;
        container = &log.info->container;
        if (log.info->root < partition_target(p)->n_roots && !log.info->odd)
                (void) snprintf(path, sizeof(path), "%s/containers/%s/%s-json.log",
                        partition_target(p)->roots[log.info->root].path, container->id, container->id);
        json_writer_init(&w, KIB(64));
        status_json_found(&w, container, path, supervisor_archive_directory(m->supervisor));
        methods_reply(call, &w);
}

void method_archive_directory(Methods *m, VarlinkCall *call) {
        _cleanup_json_writer_ JsonWriter w = {};

        if (!methods_read(call, NULL, 0, NULL))
                return;
        json_writer_init(&w, KIB(4));
        json_writer_begin_object(&w, NULL);
        json_writer_add_string(&w, "path", supervisor_archive_directory(m->supervisor));
        json_writer_end_object(&w);
        methods_reply(call, &w);
}
