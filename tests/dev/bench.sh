# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: the benchmark.

dev_bench() {
        dev_install_test_packages
        dev_build build-bench -Dbuildtype=release
        DISKBRAKE_BUILD="$PWD/build-bench" tests/bench/bench --report docs/PERFORMANCE.md "$@"
}
