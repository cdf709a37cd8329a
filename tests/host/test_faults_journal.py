# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of the fault matrix: a sick journal. Whatever it has, the guard frees space as if nothing were, and everything
that it told is in the journal afterwards, in order, with the time at which it happened."""

import contextlib
import signal
import socket
import time

import pytest

from guard import Guard, acts
from hurt import (Follower, KernelLog, alert_of, assert_journal_has, assert_turns_short, entries_with, guard_pids,
                  is_guarding, kill, partition_of, pids_of, status, stopped, until, versions)

JOURNAL = ['systemd-journald.service', 'systemd-journald.socket', 'systemd-journald-dev-log.socket']
SERVICE, *SOCKETS = JOURNAL
TOLD = 'everything told is in the journal, in order'
ON = 'acts go on'
LOOP = 'the loop never waits'
UP = 'service up and not restarted'


@pytest.fixture(scope='module')
def host(make_box, destdir):
    """A guard that has a flood in check, and the box's kernel log."""
    with make_box('bookworm') as box:
        box.kernel_log = KernelLog(box)
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.flood('app', line_bytes=7000)
        until(lambda: acts(guard.events()), 60, interval=0.3, why=guard.recent)
        yield guard
        box.kernel_log.close()


def start_journal(box):
    box.systemctl('reset-failed', *JOURNAL, check=False)
    box.systemctl('start', *SOCKETS)
    box.systemctl('start', SERVICE)


def stop_journal(box):
    box.systemctl('stop', *SOCKETS, SERVICE)
    assert not pids_of(box, 'systemd-journald')


def journald(box):
    return until(lambda: pids_of(box, 'systemd-journald'), why=lambda: 'no journald')


@contextlib.contextmanager
def sick(guard, row, injected, holds=()):
    """The journal is made sick and well again in the block; then all that was told meanwhile is looked for."""
    box = guard.box
    row(injected=injected, holds=[*holds, TOLD, ON, LOOP, UP])
    row.ran_with(**versions(box))
    pids, since_usec = guard_pids(box), time.time() * 1e6
    with Follower(box) as follower, box.watch_free() as free:
        until(lambda: [e for e in follower.of('act-done') if e['time_usec'] >= since_usec], 20, why=guard.recent)
        follower.since_usec = since_usec
        yield follower
        assert is_guarding(box)
        begin = time.monotonic()
        events = [e for e in follower.events if e['time_usec'] >= follower.since_usec]
        entries = entries_with(guard, events, 30)
        row.recovered(time.monotonic() - begin)
    assert free.min_avail_bytes > 0
    assert len([e for e in events if e['type'] == 'act-done']) > 1
    assert_turns_short(box)
    now = guard_pids(box)
    assert all(now[role] == pids[role] for role in ('watchdogd', 'supervisor', 'watcher', 'trimmer')), (pids, now)
    assert_journal_has(entries, events)


def acts_go_on(guard, seconds, gap=3):
    """For so long, at least one in `gap` seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = partition_of(status(guard.box))['acts_total']
        until(lambda: partition_of(status(guard.box))['acts_total'] > before, gap, why=guard.recent)


def test_the_journal_hangs(host, row):
    with sick(host, row, 'SIGSTOP of journald for 5 s'), stopped(*journald(host.box)):
        acts_go_on(host, 5)


def test_the_journal_hangs_and_is_then_killed_and_its_sockets_made_anew(host, row):
    box = host.box
    with sick(host, row, 'SIGSTOP of journald for 4 s, then SIGKILL and new sockets'):
        pids = journald(box)
        kill(pids, signal.SIGSTOP)
        acts_go_on(host, 4)
        box.systemctl('stop', '--no-block', *SOCKETS, SERVICE)
        kill(pids)
        until(lambda: not pids_of(box, 'systemd-journald'))
        until(lambda: box.systemctl('is-active', *SOCKETS, check=False).stdout.split() == ['inactive'] * 2)
        start_journal(box)


def test_the_journal_is_killed_every_100_ms(host, row):
    box = host.box
    with sick(host, row, 'journald killed every 100 ms for 10 s, and started again whenever systemd gave it up'):
        end = time.monotonic() + 10
        while time.monotonic() < end:
            kill(pids_of(box, 'systemd-journald'))
            time.sleep(0.1)
            if box.systemctl('is-failed', SERVICE, check=False).returncode == 0:
                start_journal(box)
        start_journal(box)


def test_the_journal_is_stopped_with_its_sockets(host, row):
    with sick(host, row, 'journald and its sockets stopped for 4 s'):
        stop_journal(host.box)
        acts_go_on(host, 4)
        start_journal(host.box)


def test_the_socket_of_the_journal_is_removed(host, row):
    with sick(host, row, 'the socket of journald removed for 3 s'):
        host.box.run('rm', '/run/systemd/journal/socket')
        acts_go_on(host, 3)
        stop_journal(host.box)
        start_journal(host.box)


def test_the_socket_of_the_journal_is_stale(host, row):
    box = host.box
    with sick(host, row, 'a socket of journald that nobody is bound to, for 3 s'):
        stop_journal(box)
        box.run('rm', '-f', '/run/systemd/journal/socket')
        path = box.host_path('/run/systemd/journal/socket')
        make_stale(path)
        acts_go_on(host, 3)
        start_journal(box)


def make_stale(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
        s.bind(str(path))


def test_the_journal_takes_one_entry_in_30_s(host, row):
    """The limit is lifted for the unit; without that, the journal would have one of these."""
    box = host.box
    try:
        with sick(host, row, 'RateLimitBurst=1 in journald.conf'):
            box.sh('printf "[Journal]\\nRateLimitIntervalSec=30s\\nRateLimitBurst=1\\n" '
                   '>/etc/systemd/journald.conf.d/rate.conf')
            box.systemctl('restart', SERVICE)
            acts_go_on(host, 5)
    finally:
        box.run('rm', '/etc/systemd/journald.conf.d/rate.conf')
        box.systemctl('restart', SERVICE)


def test_the_disk_of_the_journal_is_full(host, row):
    """It falls back to the volatile journal; what matters most reaches the kernel log in any case."""
    box = host.box
    try:
        with sick(host, row, 'the disk of the journal at 100 %', ['entries in the volatile journal']) as follower:
            box.sh('''mkdir -p /var/log/journal && mount -t tmpfs -o size=16m tmpfs /var/log/journal
                      dd if=/dev/zero of=/var/log/journal/fill bs=64k 2>/dev/null; sync''', check=False)
            # What was told before lies on the disk that the journal does not see now.
            follower.since_usec = time.time() * 1e6
            box.systemctl('restart', SERVICE)
            acts_go_on(host, 4)
    finally:
        box.sh('umount -l /var/log/journal', check=False)
        box.systemctl('restart', SERVICE)


def test_standard_output_and_error_are_gone(host, row):
    """A stream to a journal that was stopped is EPIPE for ever. The launcher says there that its supervisor ended."""
    box = host.box
    row(injected='standard error of the service broken (EPIPE), then SIGKILL of the supervisor', holds=[UP, ON])
    row.ran_with(**versions(box))
    stop_journal(box)
    start_journal(box)
    launcher, old = guard_pids(box)['watchdogd'], guard_pids(box)['supervisor']
    begin = time.monotonic()
    kill(old)
    until(lambda: is_guarding(box) and guard_pids(box)['supervisor'] != old)
    row.recovered(time.monotonic() - begin)
    acts_go_on(host, 3)
    assert guard_pids(box)['watchdogd'] == launcher


def test_critical_alerts_reach_the_kernel_log_while_the_journal_hangs(host, row):
    """And nothing of that is told to the kernel when the journal is well."""
    box, log = host.box, host.box.kernel_log
    row(injected='SIGSTOP of journald for 10 s, with critical events',
        holds=['critical and worse in the kernel log, in time', 'within its quota of 10 lines in 5 s, 976 bytes a line',
               TOLD, ON])
    row.ran_with(**versions(box))
    with Follower(box) as follower:
        with stopped(*journald(box)):
            begin = time.monotonic()
            n_lines = len(log.of_guard())
            # A watcher that is stopped makes its partition blind: critical, whatever the level is just then.
            with stopped(*guard_pids(box)['watcher']):
                told = until(lambda: follower.of('blind', DISKBRAKE_MOUNT='/var/lib/docker'), 15)[0]
                at = time.monotonic()
                found = until(lambda: [l for l in log.of_guard()[n_lines:] if l[2] == told['message']], 10,
                              why=lambda: f'{told["message"]} is not in {log.lines[-5:]}')
                row.recovered(time.monotonic() - at)
            until(lambda: is_guarding(box))
            acts_go_on(host, max(1, begin + 10 - time.monotonic()))
        events = list(follower.events)
    lines = log.of_guard()[n_lines:]
    assert found[0][1] == 2
    assert all(priority <= 2 and len(message) < 976 for _, priority, message in lines), lines
    for when, _, _ in lines:
        assert len([1 for t, _, _ in lines if when <= t < when + 5]) <= 10, lines
    assert_journal_has(entries_with(host, events), events)
    # Well again: nothing more goes there.
    n_lines = len(log.of_guard())
    acts_go_on(host, 2)
    assert len(log.of_guard()) == n_lines
    assert alert_of(box)
