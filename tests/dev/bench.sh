# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: the benchmarks.

dev_bench() {
        local any=no b
        dev_install_packages
        dev_build build-bench -Dbuildtype=release
        for b in tests/bench/*; do
                [ -x "$b" ] || continue
                any=yes
                DISKBRAKE_BUILD="$PWD/build-bench" "$b"
        done
        [ $any = yes ] || { echo "./dev bench: there are no benchmarks in tests/bench yet" >&2; return 1; }
}
