#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a distribution's package does by triggers: makes the user and the folders, and lets journalctl -x know the
# catalog. Without root or without systemd there is nothing to do. The guard is neither enabled nor started here.

set -u

[ "$(id -u)" -eq 0 ] || exit 0
command -v systemd-sysusers >/dev/null && systemd-sysusers diskbrake.conf
command -v systemd-tmpfiles >/dev/null && systemd-tmpfiles --create diskbrake.conf
command -v journalctl >/dev/null && journalctl --update-catalog
[ -d /run/systemd/system ] && systemctl daemon-reload
exit 0
