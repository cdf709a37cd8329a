# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: what can be checked without running anything.

dev_lint() {
        local failed=0
        dev_lint_check "an include that climbs out of its layer" \
                git grep -nE '#include "\.\./' -- 'lib/*' 'watchdogd/*' 'clients/*' || failed=1
        dev_lint_check "the engine reads a clock, does I/O, logs or knows libraries" \
                git grep -nE 'clock_gettime|time\(NULL\)|gettimeofday|fopen|[^sn]printf\(|sd_[a-z]|cJSON' -- 'lib/engine/*.c' 'lib/engine/*.h' || failed=1
        dev_lint_check "a library layer logs or exits" \
                git grep -nE '\b(exit|_exit|abort|perror|syslog)\(' -- 'lib/*.c' || failed=1
        dev_lint_check "white space at the end of a line" \
                git grep -nIE '[[:space:]]+$' -- . ':!*.patch' ':!LICENSE' ':!tests/fuzz/corpus' || failed=1
        dev_lint_check "a file without its licence line" dev_lint_licence || failed=1
        dev_lint_check "something was left open" \
                git grep -nE '\b(TODO|FIXME|XXX)\b' -- . ':!tests/dev/lint.sh' || failed=1
        [ $failed = 0 ] && echo "lint: clean"
        return $failed
}

# The command finds faults: no output is what is wanted.
dev_lint_check() {
        local what=$1 found
        shift
        found=$("$@" || true)
        [ -z "$found" ] && return 0
        printf 'lint: %s:\n%s\n' "$what" "$found" >&2
        return 1
}

dev_lint_licence() {
        git ls-files '*.c' '*.h' '*.sh' '*.py' 'meson.build' dev .ci/run |
                xargs grep -L 'SPDX-License-Identifier: LGPL-2.1-or-later' || true
}

dev_suite_lint() { dev_lint; }
