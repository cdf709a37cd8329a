# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: the test suites. Each prints the summary of its runner; nothing is skipped where CI is set.

# dev_pytest NAME BUILD TESTS...: They run in real time on machines that may be busy with something else: what fails is run
# once more. What fails twice has failed; what failed once is still there to read.
dev_pytest() {
        local name=$1 run=(/usr/bin/python3 -m pytest -q -rs --durations=5 -o cache_dir="$PWD/$2/pytest-cache-$1")
        shift 2
        "${run[@]}" "$@" && return 0
        dev_say "what failed in $name is run once more"
        "${run[@]}" --last-failed --last-failed-no-failures none "$@"
}

# Unit and simulator tests, and the layers that must not compile, under gcc with warnings as errors.
dev_suite_unit() {
        dev_build build-test -Dwerror=true &&
                meson test -C build-test --print-errorlogs --no-suite slow
}

# The same with clang, under AddressSanitizer and UndefinedBehaviourSanitizer.
dev_suite_sanitize() {
        CC=clang dev_build build-sanitize -Dwerror=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false &&
                ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                        meson test -C build-sanitize --print-errorlogs --timeout-multiplier 4 --no-suite shell
}

dev_suite_fuzz() { tests/fuzz/run "${FUZZ_SECONDS:-20}"; }

# Those of tests/faults that drive a trimmer or an archiver alone: nothing in them depends on how long anything takes.
dev_cuts=(test_archive test_archive_reader test_archive_store test_filesystems test_fill test_power_cut test_repairs test_shippers test_trim_matrix)

# Those of the others that take longest; most of it is waiting, as in the rest, so that both run side by side.
dev_waits=(test_injected_errors test_sick_journal)

# The whole daemon while what it stands on is broken.
dev_suite_faults() {
        local name others=() failed=0
        for name in "${dev_cuts[@]}" "${dev_waits[@]}"; do others+=("--ignore=tests/faults/$name.py"); done
        dev_build build-test -Dwerror=true && rm -f build-test/fault-rows.jsonl || return 1
        export DISKBRAKE_BUILD="$PWD/build-test" DISKBRAKE_FAULT_RESULTS="$PWD/build-test/fault-rows.jsonl"
        # shellcheck disable=SC2046
        dev_pytest faults-2 build-test $(printf "tests/faults/%s.py " "${dev_waits[@]}") >build-test/faults-2.log 2>&1 &
        dev_pytest faults-1 build-test tests/faults "${others[@]}" || failed=1
        wait $! || failed=1
        cat build-test/faults-2.log
        unset DISKBRAKE_BUILD DISKBRAKE_FAULT_RESULTS
        return $failed
}

# Cutting, archiving and repairing on real filesystems.
dev_suite_cuts() {
        dev_build build-test -Dwerror=true && rm -f build-test/cut-rows.jsonl build-test/filesystem-rows.jsonl &&
                DISKBRAKE_BUILD="$PWD/build-test" DISKBRAKE_FAULT_RESULTS="$PWD/build-test/cut-rows.jsonl" \
                        dev_pytest cuts build-test $(printf "tests/faults/%s.py " "${dev_cuts[@]}")
}

# The forecast over a corpus of traces: what must hold in every run. The others' rules take longer and change nothing.
dev_suite_forecast() {
        dev_build build-release -Dbuildtype=release -Dwerror=true &&
                DISKBRAKE_BUILD="$PWD/build-release" tests/forecast/evaluate --check --no-peers
}

# The same with the daemon under the sanitizers; not among the suites of every run. No leaks: strace has the processes.
dev_suite_faults-sanitized() {
        CC=clang dev_build build-sanitize -Dwerror=true -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false &&
                DISKBRAKE_BUILD="$PWD/build-sanitize" ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 \
                        UBSAN_OPTIONS=halt_on_error=1:abort_on_error=1:print_stacktrace=1 dev_pytest faults build-sanitize tests/faults
}

# Real Docker 20.10 and 26.1, real systemd, real journald, in boxes: two at a time, since most of it is waiting. One half
# are those with 20.10, and some with either, so that both take about as long. It runs in the background, where a shell has
# SIGINT ignored: test_box sends it.
dev_suite_host() {
        local failed=0 half="bookworm or (not trixie and not test_box)"
        dev_build build-host --prefix=/usr -Dwerror=true &&
                DESTDIR="$PWD/build-host/destdir" meson install -C build-host --quiet --no-rebuild &&
                rm -f build-host/fault-rows.jsonl build-host/reader-rows.jsonl || return 1
        export DISKBRAKE_DESTDIR="$PWD/build-host/destdir" DISKBRAKE_FAULT_RESULTS="$PWD/build-host/fault-rows.jsonl"
        dev_pytest host-1 build-host tests/host -k "$half" >build-host/first.log 2>&1 &
        dev_pytest host-2 build-host tests/host -k "not ($half)" || failed=1
        wait $! || failed=1
        cat build-host/first.log
        unset DISKBRAKE_DESTDIR DISKBRAKE_FAULT_RESULTS
        return $failed
}

# docs/FAULTS.md, of what the rows of the fault matrix came to in the last runs of the suites faults and host.
dev_faults_table() {
        local table
        table=$(/usr/bin/python3 tests/faults/report build-test/fault-rows.jsonl build-test/cut-rows.jsonl build-host/fault-rows.jsonl) &&
                printf '%s\n' "$table" > docs/FAULTS.md && echo "docs/FAULTS.md is written"
}

# docs/FILESYSTEMS.md, of what the last run of the suite faults came to.
dev_filesystems_table() {
        local table
        table=$(/usr/bin/python3 tests/faults/report-filesystems build-test/filesystem-rows.jsonl) &&
                printf '%s\n' "$table" > docs/FILESYSTEMS.md && echo "docs/FILESYSTEMS.md is written"
}

# docs/FORECAST.md and its plots, of a run over a corpus.
dev_forecast_table() {
        dev_install_packages && dev_build build-release -Dbuildtype=release -Dwerror=true &&
                DISKBRAKE_BUILD="$PWD/build-release" tests/forecast/evaluate --seed 7 --count 630 --report docs
}

# docs/READERS.md, of what the last run of the suite host came to.
dev_readers_table() {
        local table
        table=$(/usr/bin/python3 tests/faults/report-readers build-host/reader-rows.jsonl) &&
                printf '%s\n' "$table" > docs/READERS.md && echo "docs/READERS.md is written"
}

# Runs one suite; its name goes into the list of those that failed.
dev_run_suite() {
        dev_say "suite $1"
        "dev_suite_$1" && return 0
        echo "suite $1 FAILED" >&2
        return 1
}

dev_test() {
        local suite beside="" beside_pid failed=() suites=("$@")
        # The boxes of "host" wait most of their time, and "cuts" depends on no time: these two run side by side.
        [ ${#suites[@]} -eq 0 ] && suites=(lint unit sanitize fuzz forecast faults host) && beside=cuts
        dev_install_test_packages || [ "${CI:-}" != true ] || return 1
        for suite in "${suites[@]}"; do
                declare -F "dev_suite_$suite" >/dev/null || { echo "./dev test: no suite '$suite'" >&2; return 2; }
                if [ "$suite" = host ] && [ "$beside" ]; then
                        (renice -n 10 "$BASHPID" >/dev/null; dev_run_suite "$beside") >build-test/beside.log 2>&1 &
                        beside_pid=$!
                fi
                dev_run_suite "$suite" || failed+=("$suite")
        done
        if [ "$beside" ]; then
                wait "$beside_pid" || failed+=("$beside")
                cat build-test/beside.log
                suites+=("$beside")
        fi
        echo
        echo "suites: $((${#suites[@]} - ${#failed[@]})) passed, ${#failed[@]} failed"
        [ ${#failed[@]} -eq 0 ]
}
