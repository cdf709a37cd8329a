# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: the test suites. Each prints the summary of its runner; nothing is skipped where CI is set.

# dev_pytest FOLDER BUILD: its tests. They run in real time on machines that may be busy with something else: what fails
# is run once more, alone. What fails twice has failed; what failed once is still there to read.
dev_pytest() {
        local run=(/usr/bin/python3 -m pytest -q -rs --durations=5 -o cache_dir="$PWD/$2/pytest-cache")
        "${run[@]}" "$1" && return 0
        dev_say "what failed in $1 is run once more, alone"
        "${run[@]}" --last-failed --last-failed-no-failures none "$1"
}

# Unit and simulator tests, and the layers that must not compile, under gcc with warnings as errors.
dev_suite_unit() {
        dev_build build-test -Dwerror=true &&
                meson test -C build-test --print-errorlogs --no-suite slow
}

# The same with clang, under AddressSanitizer and UndefinedBehaviourSanitizer.
dev_suite_sanitize() {
        CC=clang dev_build build-sanitize -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false &&
                ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                        meson test -C build-sanitize --print-errorlogs --timeout-multiplier 4 --no-suite shell
}

dev_suite_fuzz() { tests/fuzz/run "${FUZZ_SECONDS:-20}"; }

# The daemon and its parts on real filesystems.
dev_suite_faults() {
        dev_build build-test -Dwerror=true && rm -f build-test/fault-rows.jsonl build-test/filesystem-rows.jsonl &&
                DISKBRAKE_BUILD="$PWD/build-test" DISKBRAKE_FAULT_RESULTS="$PWD/build-test/fault-rows.jsonl" \
                        dev_pytest tests/faults build-test
}

# The same with the daemon under the sanitizers; not among the suites of every run. No leaks: strace has the processes.
dev_suite_faults-sanitized() {
        CC=clang dev_build build-sanitize -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false &&
                DISKBRAKE_BUILD="$PWD/build-sanitize" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 \
                        UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1 dev_pytest tests/faults build-sanitize
}

# Real Docker 20.10 and 26.1, real systemd, real journald, in boxes.
dev_suite_host() {
        dev_build build-host --prefix=/usr -Dwerror=true &&
                DESTDIR="$PWD/build-host/destdir" meson install -C build-host --quiet --no-rebuild &&
                rm -f build-host/fault-rows.jsonl &&
                DISKBRAKE_DESTDIR="$PWD/build-host/destdir" DISKBRAKE_FAULT_RESULTS="$PWD/build-host/fault-rows.jsonl" \
                        dev_pytest tests/host build-host
}

# docs/FAULTS.md, of what the rows of the fault matrix came to in the last runs of the suites faults and host.
dev_faults_table() {
        local table
        table=$(/usr/bin/python3 tests/faults/report build-test/fault-rows.jsonl build-host/fault-rows.jsonl) &&
                printf '%s\n' "$table" > docs/FAULTS.md && echo "docs/FAULTS.md is written"
}

# docs/FILESYSTEMS.md, of what the last run of the suite faults came to.
dev_filesystems_table() {
        local table
        table=$(/usr/bin/python3 tests/faults/report-filesystems build-test/filesystem-rows.jsonl) &&
                printf '%s\n' "$table" > docs/FILESYSTEMS.md && echo "docs/FILESYSTEMS.md is written"
}

dev_test() {
        local suite failed=() suites=("$@")
        [ ${#suites[@]} -eq 0 ] && suites=(lint unit sanitize fuzz faults host)
        dev_install_test_packages || [ "${CI:-}" != true ] || return 1
        for suite in "${suites[@]}"; do
                declare -F "dev_suite_$suite" >/dev/null || { echo "./dev test: no suite '$suite'" >&2; return 2; }
                dev_say "suite $suite"
                if ! "dev_suite_$suite"; then
                        failed+=("$suite")
                        echo "suite $suite FAILED" >&2
                fi
        done
        echo
        echo "suites: $((${#suites[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
        [ ${#failed[@]} -eq 0 ]
}
