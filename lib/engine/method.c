/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The choice of the method: contract in method.h. */

#include "method.h"

/* Docker 23 and later keep the size of the log in memory: shrinking the file under them breaks `logs -f` and
 * `--tail`. */
#define DOCKER_KEEPS_SIZE 23

static bool is_barred(const MethodFacts *facts, Method method) {
        return facts->barred & (UINT32_C(1) << method);
}

/* Nobody writes to it, as far as is known. Where the catalog could not be read, it may well be running. */
static bool is_at_rest(const MethodFacts *facts) {
        return facts->driver == LOG_DRIVER_JSON_FILE && !facts->running && !facts->held_open &&
                        facts->writer.pid == 0;
}

/* The file may shrink under its writer: the next write lands at the new end, and the readers look at the
 * real size. */
static bool may_shrink(const MethodFacts *facts) {
        return facts->docker_major > 0 && facts->docker_major < DOCKER_KEEPS_SIZE && facts->writer.pid > 0 &&
                        facts->writer.append == YES && facts->driver == LOG_DRIVER_JSON_FILE;
}

bool method_may_cut(const MethodFacts *facts) {
        return !facts->odd && (facts->driver == LOG_DRIVER_JSON_FILE || facts->driver == LOG_DRIVER_UNKNOWN);
}

bool method_may_delete(const MethodFacts *facts) {
        return method_may_cut(facts) && !is_barred(facts, METHOD_DELETE);
}

static bool fits(const MethodFacts *facts, Method method, bool offsets_stay) {
        return !is_barred(facts, method) && (!offsets_stay || method_keeps_offsets(method));
}

static Method choose_among(const MethodFacts *facts, bool offsets_stay) {
        if (is_at_rest(facts) && facts->can_collapse && fits(facts, METHOD_COLLAPSE_LEASED, offsets_stay))
                return METHOD_COLLAPSE_LEASED;
        /* Also where the file might shrink: no reader repeats or skips. */
        if (facts->can_reflink && fits(facts, METHOD_FILL, offsets_stay))
                return METHOD_FILL;
        if (may_shrink(facts) && facts->can_collapse && fits(facts, METHOD_COLLAPSE, offsets_stay))
                return METHOD_COLLAPSE;
        if (facts->can_punch && fits(facts, METHOD_PUNCH, offsets_stay))
                return METHOD_PUNCH;
        return METHOD_NONE;
}

/* Shrinking the file moves what a log shipper has not read yet to before where it reads, or makes it ship again what it
 * has shipped; both last for good. That `docker logs` stops at a hole lasts until the log is healed, and `diskbrake logs`
 * reads across. So who keeps offsets comes first then, with an old Docker as well; a lease is refused anyhow. */
Method method_choose(const MethodFacts *facts) {
        Method method = METHOD_NONE;

        if (!method_may_cut(facts))
                return METHOD_NONE;
        if (facts->has_offset_reader)
                method = choose_among(facts, true);
        return method != METHOD_NONE ? method : choose_among(facts, false);
}

bool method_is_safe(const MethodFacts *facts, Method method, uint64_t keep_bytes) {
        if (!method_may_cut(facts))
                return false;
        switch (method) {
        case METHOD_DELETE:
                return true;
        case METHOD_COLLAPSE:
                return facts->can_collapse && may_shrink(facts) && !facts->has_offset_reader;
        case METHOD_COLLAPSE_LEASED:
        case METHOD_HEAL:
                return facts->can_collapse && is_at_rest(facts);
        case METHOD_PUNCH:
                return facts->can_punch;
        case METHOD_FILL:
                return facts->can_reflink;
        case METHOD_TRUNCATE: /* keeps nothing: only for who asked to keep nothing */
                return keep_bytes == 0 && (is_at_rest(facts) || may_shrink(facts));
        default:
                return false;
        }
}
