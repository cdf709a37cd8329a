#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The shipped configuration is understood by the command line as it is and with every default uncommented, and it shows
# the keys of the parser, all of them and in their sections. That the values are right is test_shipped_conf.c's.
# Usage: shipped_conf.sh DISKBRAKE SOURCE-ROOT

set -euo pipefail

diskbrake=$1
conf=$2/units/diskbrake.conf
table=$2/lib/codec/config_parse.c
failed=0

fail() { echo "shipped_conf: $*" >&2; failed=1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# Explanations begin with "# ", defaults with "#Key=": without its '#' each of these lines is a setting.
sed -E 's/^#([A-Z][A-Za-z]*=)/\1/' "$conf" >"$scratch/all.conf"
"$diskbrake" config check "$conf" || fail "the shipped configuration has a mistake"
"$diskbrake" config check "$scratch/all.conf" || fail "a default that it shows is not understood"
if grep -qE '^[A-Za-z]+=' "$conf"; then
    fail "a setting in it is not commented out"
fi

# Those of the rules are shown in examples only.
sed -nE 's/^ *\{ "(Watchdog|Levels|Trim|Ballast|Attribution|Deadlines)", "([A-Za-z]+)".*/\1.\2/p' "$table" | sort >"$scratch/keys"
awk -F= '/^\[/ { gsub(/[][]/, ""); section = $0; next } /^[A-Z][A-Za-z]*=/ { print section "." $1 }' \
    "$scratch/all.conf" | sort >"$scratch/shown"
[[ -s $scratch/keys ]] || fail "no key found in $table"
diff -u "$scratch/keys" "$scratch/shown" >&2 || fail "its keys are not those of the parser (-: parser, +: shown)"

if [[ $failed -eq 0 ]]; then
    echo "shipped_conf: $(wc -l <"$scratch/keys") keys, all shown"
fi
exit "$failed"
