#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every breach of the layers fails to compile: for each layer, each header of a layer that it may not use. The include
# paths are those of its meson.build. Usage: layers.sh SOURCE-ROOT

set -euo pipefail
root=$1
failed=0 tried=0

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# The paths that a layer's own library is compiled with.
paths_of() {
    grep -ozP "(?s)static_library\(.*?\n  include_directories: \[\K[^]]*" "$1/meson.build" | tr -d '\0' | tr ',' '\n' |
        sed -n 's/^ *inc_//p'
}
folder_of() { [ "$1" = watchdogd ] && echo "$root/watchdogd" || echo "$root/lib/$1"; }

layers="base model engine codec client watchdogd"
for layer in base model engine codec client; do
    allowed=$(paths_of "$root/lib/$layer")
    [ -n "$allowed" ] || { echo "layers: no include paths found for $layer" >&2; exit 1; }
    flags=()
    for a in $allowed; do flags+=("-I$(folder_of "$a")"); done
    for other in $layers; do
        grep -qx "$other" <<<"$allowed" && continue
        for header in "$(folder_of "$other")"/*.h; do
            tried=$((tried + 1))
            printf '#include "%s"\n' "$(basename "$header")" >"$scratch/breach.c"
            if ${CC:-cc} -std=c17 -D_GNU_SOURCE -fsyntax-only "${flags[@]}" "$scratch/breach.c" 2>/dev/null; then
                echo "layers: $layer may include $(basename "$header") of $other" >&2
                failed=1
            fi
        done
    done
    # And what it may use does compile, or the test above would prove nothing.
    for a in $allowed; do
        [ "$a" = "$layer" ] && continue
        for header in "$(folder_of "$a")"/*.h; do
            printf '#include "%s"\n' "$(basename "$header")" >"$scratch/use.c"
            ${CC:-cc} -std=c17 -D_GNU_SOURCE -fsyntax-only "${flags[@]}" -I/usr/include/cjson "$scratch/use.c" || failed=1
        done
    done
done
# The engine may not even see the libraries.
grep -q 'dep_cjson\|dep_systemd\|dep_inih' "$root/lib/engine/meson.build" && { echo "layers: the engine has a library" >&2; failed=1; }
echo "layers: $tried breaches tried"
exit $failed
