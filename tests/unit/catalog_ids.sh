#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every message id of the code has its entry in the journal's catalog, and the other way round; each entry is complete;
# and journalctl, where it is there, takes the catalog. Usage: catalog_ids.sh SOURCE-ROOT

set -euo pipefail

table=$1/lib/codec/event_table.c
catalog=$1/units/diskbrake.catalog
fields=$1/lib/codec/journal_entry.c
failed=0

fail() { echo "catalog_ids: $*" >&2; failed=1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

grep -oE '"[0-9a-f]{32}"' "$table" | tr -d '"' | sort >"$scratch/code"
sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' "$catalog" | sort >"$scratch/catalog"
[[ -s $scratch/code ]] || fail "no message id found in $table"

for list in code catalog; do
    twice=$(uniq -d "$scratch/$list")
    [[ -z $twice ]] || fail "more than once in the $list: $twice"
done
missing=$(comm -23 <(sort -u "$scratch/code") <(sort -u "$scratch/catalog"))
[[ -z $missing ]] || fail "in the code, not in the catalog: $missing"
stray=$(comm -13 <(sort -u "$scratch/code") <(sort -u "$scratch/catalog"))
[[ -z $stray ]] || fail "in the catalog, not in the code: $stray"

# A blank line ends the headers; what follows is the text.
awk '
    function check() {
        if (id != "" && (!subject || !by || !support || !documentation || !text))
            { print id ": a header or the text is missing"; bad = 1 }
    }
    /^#/ { next }
    /^-- / { check(); id = $2; head = 1; subject = by = support = documentation = text = 0; next }
    head && /^$/ { head = 0; next }
    head && /^Subject: ./ { subject = 1 }
    head && /^Defined-By: diskbrake$/ { by = 1 }
    head && /^Support: ./ { support = 1 }
    head && /^Documentation: ./ { documentation = 1 }
    !head && /./ { text = 1 }
    END { check(); exit bad }
' "$catalog" || fail "entries are not complete"

# A field that no entry has would be shown by its name to everybody.
for field in $(grep -oE '@[A-Z_]+@' "$catalog" | tr -d @ | sort -u); do
    grep -q "\"$field\"" "$fields" || fail "@$field@ in the catalog is no field of $fields"
done

if command -v journalctl >/dev/null; then
    mkdir -p "$scratch/root/usr/lib/systemd/catalog" "$scratch/root/var/lib/systemd/catalog"
    cp "$catalog" "$scratch/root/usr/lib/systemd/catalog/"
    journalctl --root="$scratch/root" --update-catalog 2>"$scratch/errors" || fail "journalctl: $(cat "$scratch/errors")"
    n=$(journalctl --root="$scratch/root" --list-catalog | wc -l)
    [[ $n -eq $(wc -l <"$scratch/catalog") ]] || fail "journalctl lists $n entries of $(wc -l <"$scratch/catalog")"
fi

if [[ $failed -eq 0 ]]; then
    echo "catalog_ids: $(wc -l <"$scratch/code") message ids, each with its entry"
fi
exit "$failed"
