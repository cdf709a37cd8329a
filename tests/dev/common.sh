# SPDX-License-Identifier: LGPL-2.1-or-later
# Sourced by ./dev: packages and builds.

# What building and testing needs, as Debian 12 and 13 name it.
dev_packages_build="gcc meson ninja-build pkg-config libsystemd-dev libcjson-dev libinih-dev zlib1g-dev libzstd-dev libcmocka-dev scdoc"
dev_packages_test="clang libclang-rt-dev python3 python3-pytest debootstrap systemd-container busybox-static
        xfsprogs btrfs-progs e2fsprogs strace iproute2 procps mandoc util-linux
        libfuse3-dev"

dev_say() { printf '\n==> %s\n' "$*"; }

dev_is_root() { [ "$(id -u)" = 0 ]; }

# Installs those of the packages named that are missing. Without root: says which, and goes on.
dev_install() {
        local missing=() p
        for p in "$@"; do
                dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
        done
        [ ${#missing[@]} -eq 0 ] && return 0
        if ! dev_is_root; then
                echo "./dev: missing packages: ${missing[*]} (run it with sudo, and they are installed)" >&2
                return 1
        fi
        dev_say "installing ${missing[*]}"
        # A package that starts a service must not do so on this machine.
        local policy=/usr/sbin/policy-rc.d made=no
        if [ ! -e $policy ] && [ ! -d /run/systemd/system ]; then
                printf '#!/bin/sh\nexit 101\n' > $policy && chmod +x $policy && made=yes
        fi
        export DEBIAN_FRONTEND=noninteractive
        local ok=yes
        { apt-get install -y -q --no-install-recommends "${missing[@]}" ||
                { apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; }; } || ok=no
        [ $made = yes ] && rm -f $policy
        [ $ok = yes ]
}

# dev_unpack FOLDER PACKAGE...: unpacks them there, without installing them: a log daemon that is only to be tested with
# must not begin to work on this machine.
dev_unpack() {
        local folder=$1 deb
        shift
        [ -e "$folder" ] && return 0
        dev_say "unpacking $*"
        rm -rf "$folder.tmp" && mkdir -p "$folder.tmp" &&
                { (cd "$folder.tmp" && apt-get download -q "$@") ||
                        { apt-get update -q && (cd "$folder.tmp" && apt-get download -q "$@"); }; } &&
                for deb in "$folder.tmp"/*.deb; do dpkg-deb -x "$deb" "$folder.tmp" || return 1; done &&
                rm -f "$folder.tmp"/*.deb && mv "$folder.tmp" "$folder"
}

dev_install_packages() {
        # shellcheck disable=SC2086
        dev_install $dev_packages_build
}

dev_install_test_packages() {
        # Debian 12 has no unversioned package of clang's runtime.
        local packages=$dev_packages_test
        if [ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ]; then
                packages=${packages/libclang-rt-dev/libclang-rt-14-dev}
        fi
        # shellcheck disable=SC2086
        dev_install $dev_packages_build $packages || return 1
        # Debian has no fluent-bit (bookworm, trixie); the log shipper it has is rsyslog, with imfile.
        dev_is_root || return 0
        dev_unpack /var/cache/diskbrake-test/rsyslog rsyslog libestr0 libfastjson4
}

# dev_build [FOLDER [MESON OPTION...]]
dev_build() {
        local folder=${1:-build}
        shift || true
        if [ ! -e "$folder/build.ninja" ]; then
                meson setup "$folder" "$@" > "$folder.log" 2>&1 || { cat "$folder.log" >&2; return 1; }
                rm -f "$folder.log"
        fi
        ninja -C "$folder" | tail -n 3
        return "${PIPESTATUS[0]}"
}
