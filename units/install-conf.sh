#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Installs the shipped configuration, but never over one that somebody has changed: that one stays, and the new
# defaults are put beside it.

set -eu

from=$1 to=${DESTDIR:-}$2

if [ -e "$to" ] && ! cmp -s "$from" "$to"; then
        echo "Keeping $to; the shipped one is $to.new"
        to=$to.new
fi
mkdir -p "$(dirname "$to")"
install -m 0644 "$from" "$to"
