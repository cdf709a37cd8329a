# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: the main job in the foreground, on this host's Docker or on a scratch partition.

dev_run() {
        local enforce=no seconds=0
        while [ $# -gt 0 ]; do
                case $1 in
                --enforce) enforce=yes ;;
                --for) # seconds; for tests and for those who are in a hurry
                        seconds=${2:?--for wants a number of seconds}
                        shift
                        ;;
                *)
                        echo "./dev run: unknown option '$1'" >&2
                        return 2
                        ;;
                esac
                shift
        done
        dev_is_root || { echo "./dev run: must be root (sudo ./dev run): it reads Docker's logs" >&2; return 1; }
        dev_install_packages
        dev_install e2fsprogs mount
        dev_say "building"
        dev_build build
        if [ "${DISKBRAKE_DEMO:-}" != 1 ] && dev_has_docker; then
                dev_run_here $enforce "$seconds"
        else
                dev_run_demo "$seconds"
        fi
}

dev_has_docker() { [ -d /var/lib/docker/containers ] || [ -e /etc/docker/daemon.json ] || pgrep -x dockerd >/dev/null; }

# dev_guard SCRATCH SECONDS OPTION...: the daemon, until Ctrl-C or the time is over; then what it has to say.
dev_guard() {
        local scratch=$1 seconds=$2
        shift 2
        build/watchdogd/watchdogd --foreground --runtime-dir "$scratch/run" --state-dir "$scratch/state" "$@" &
        dev_pids+=($!)
        local guard=$! elapsed=0
        while kill -0 $guard 2>/dev/null; do
                sleep 1 &
                wait $! || true
                elapsed=$((elapsed + 1))
                if [ $((elapsed % 20)) = 5 ]; then
                        echo
                        build/clients/cli/diskbrake --socket "$scratch/run/diskbrake.socket" status || true
                        echo
                fi
                [ "$seconds" -gt 0 ] && [ $elapsed -ge "$seconds" ] && break
        done
        return 0
}

# Everything that was started or mounted goes again, whatever ended the run.
dev_clean_up() {
        local pid
        trap - EXIT INT TERM
        for pid in "${dev_pids[@]}"; do kill "$pid" 2>/dev/null || true; done
        for pid in "${dev_pids[@]}"; do wait "$pid" 2>/dev/null || true; done
        if [ -n "${dev_scratch:-}" ]; then
                if mountpoint -q "$dev_scratch/disk" 2>/dev/null; then
                        umount "$dev_scratch/disk" 2>/dev/null || { sleep 1; umount "$dev_scratch/disk" || umount -l "$dev_scratch/disk"; }
                fi
                rm -rf --one-file-system "$dev_scratch"
        fi
}

dev_prepare() {
        dev_pids=()
        dev_scratch=$(mktemp -d /tmp/diskbrake-run.XXXXXX)
        mkdir -p "$dev_scratch/run" "$dev_scratch/state"
        chmod 0755 "$dev_scratch" "$dev_scratch/run"
        trap dev_clean_up EXIT
        trap 'echo; echo "stopping"; exit 130' INT
        trap 'exit 143' TERM
}

# This host's configuration, but for the ballast: nothing may stay behind in a stranger's data-root.
dev_own_config() {
        local config=$dev_scratch/diskbrake.conf
        mkdir -p "$config.d"
        cp /etc/diskbrake/diskbrake.conf "$config" 2>/dev/null || : > "$config"
        cp /etc/diskbrake/diskbrake.conf.d/*.conf "$config.d/" 2>/dev/null || true
        printf '[Ballast]\nSize=0\n' > "$config.d/zz-run.conf"
}

dev_run_here() {
        dev_prepare
        dev_own_config
        if [ "$1" = yes ]; then
                dev_say "guarding this host's Docker. Ctrl-C ends it"
                dev_guard "$dev_scratch" "$2" --config "$dev_scratch/diskbrake.conf"
        else
                dev_say "observing this host's Docker: it tells what it would do, and touches nothing
    (--enforce lets it act). Ctrl-C ends it"
                dev_guard "$dev_scratch" "$2" --config "$dev_scratch/diskbrake.conf" --observe
        fi
}

# dev_demo_container NAME: a container as Docker's files describe it. Prints its log's path.
dev_demo_container() {
        local name=$1 id dir
        id=$(printf '%s' "$name" | sha256sum | cut -d' ' -f1)
        dir=$dev_scratch/disk/docker/containers/$id
        mkdir -p "$dir"
        cat > "$dir/hostconfig.json" <<EOF
{"LogConfig":{"Type":"json-file","Config":{}},"RestartPolicy":{"Name":"no"}}
EOF
        cat > "$dir/config.v2.json" <<EOF
{"ID":"$id","Name":"/$name","Driver":"overlay2","State":{"Running":true,"Pid":0},
 "Config":{"Image":"example/$name:1","Labels":{}},"LogPath":"$dir/$id-json.log"}
EOF
        install -m 0640 /dev/null "$dir/$id-json.log"
        echo "$dir/$id-json.log"
}

# Lines of 7 KB as Docker writes them, numbered; $2 a turn of 50 ms.
dev_demo_flood() {
        exec awk -v turn="$2" 'BEGIN {
                pad = sprintf("%6900s", ""); gsub(/ /, "x", pad)
                for (i = 1; ; i++) {
                        printf "{\"log\":\"line %d %s\\n\",\"stream\":\"stdout\",\"time\":\"2026-01-01T00:00:00Z\"}\n", i, pad
                        if (i % turn == 0) { fflush(); system("sleep 0.05") }
                }
        }' >> "$1"
}

dev_run_demo() {
        dev_prepare
        dev_say "no Docker on this host: showing the brake on a scratch partition of 1 GiB in $dev_scratch.
    The container 'web' floods it with 20 MB/s; 'api' is quiet; 'db' is protected. Ctrl-C ends it"
        mkdir -p "$dev_scratch/disk"
        truncate -s 1G "$dev_scratch/disk.img"
        mkfs.ext4 -q -F -m 0 "$dev_scratch/disk.img"
        mount -o loop "$dev_scratch/disk.img" "$dev_scratch/disk"
        mkdir -p "$dev_scratch/disk/docker/containers"
        fallocate -l 300M "$dev_scratch/disk/docker/volumes-and-images"
        local web api db
        web=$(dev_demo_container web)
        api=$(dev_demo_container api)
        db=$(dev_demo_container db)
        cat > "$dev_scratch/diskbrake.conf" <<EOF
[Watchdog]
Mode=enforce
DataRoot=$dev_scratch/disk/docker

[Container db]
Policy=alert
EOF
        (dev_demo_flood "$web" 150) &
        dev_pids+=($!)
        (while sleep 1; do echo '{"log":"all is well\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}' >> "$api"; done) &
        dev_pids+=($!)
        (while sleep 5; do echo '{"log":"checkpoint\n","stream":"stdout","time":"2026-01-01T00:00:00Z"}' >> "$db"; done) &
        dev_pids+=($!)
        dev_guard "$dev_scratch" "$1" --config "$dev_scratch/diskbrake.conf"
        echo
        df -h "$dev_scratch/disk"
}
