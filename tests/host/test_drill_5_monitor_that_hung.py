# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drill of outage 5. The monitoring process got stuck on a lock in the kernel that it could not time out, so that no
alert was sent at all. Here: the Docker partition hangs under a flood, and each of the guard's processes is stopped or
stuck in turn, two of them at once as well. The alert comes within seconds, the guard says itself that it is hurt and by
what, and it is back by itself."""

import contextlib
import time

import pytest

from guard import Guard, acts
from hurt import (Client, Follower, alive, assert_journal_has, assert_turns_short, entries_with, frozen, guard_pids,
                  is_guarding, partition_of, pid_in_box, seconds_until, state_of, status, stopped, until)

# The trimmer's own deadline is 10 s, since a cut may wait for a busy disk.
STUCK_TOLD_SEC = 13
BLIND_TOLD_SEC = 8
WATCHDOG_SEC = 10
LAUNCHER_SEC = 15
NOISE_SEC = 2


@pytest.fixture(scope='module', params=['bookworm', 'trixie'])
def both(request, make_box, destdir):
    """A guard that has a flood in check, with each version of Docker."""
    with make_box(request.param) as box:
        yield flooded(Guard(box, destdir))


@pytest.fixture(scope='module')
def host(make_box, destdir):
    with make_box('bookworm') as box:
        yield flooded(Guard(box, destdir))


def flooded(guard):
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
    guard.box.quiet('neighbour')
    guard.box.flood('app', line_bytes=7000)
    until(lambda: acts(guard.events()), 60, interval=0.3, why=guard.recent)
    return guard


def stuck_in_the_kernel(box, role):
    return [pid for pid in guard_pids(box)[role] if state_of(pid) == 'D']


@contextlib.contextmanager
def trimmer_stuck(guard):
    """In a cut, on the frozen partition; its pid."""
    box = guard.box
    # What is frozen does not grow, so that the next cut may be none of the guard's own.
    with frozen(box), Client(box) as somebody:
        somebody.send('Trim', name='app', keep_bytes=100 << 20)
        until(lambda: stuck_in_the_kernel(box, 'trimmer'), 10, why=guard.recent)
        yield stuck_in_the_kernel(box, 'trimmer')


def assert_acts_go_on(guard, timeout=30):
    before = partition_of(status(guard.box))['freed_total_bytes']
    until(lambda: partition_of(status(guard.box))['freed_total_bytes'] > before, timeout, why=guard.recent)


def test_a_partition_that_hangs_is_told_of_at_once_and_guarded_again_at_once(both):
    box = both.box
    pids = guard_pids(box)
    other = '/var/lib/containerd'
    with Follower(box) as follower:
        with trimmer_stuck(both) as stuck:
            begin = time.monotonic()
            told = until(lambda: follower.of('cannot-act', DISKBRAKE_MOUNT='/var/lib/docker'), 30, why=both.recent)[0]
            told_after = time.monotonic() - begin
            # In the status and on the socket: which call, on whose log, since when.
            seen = partition_of(status(box))
            assert seen['state'] == 'degraded' and 'stuck in' in seen['state_detail'], seen['state_detail']
            assert 'app' in seen['state_detail'] or box.container_id('app')[:12] in seen['state_detail'], seen
            # In the journal, at once.
            assert told['event_id'] in [int(e['DISKBRAKE_EVENT_ID']) for e in entries_with(both, [told], 5)]
            check = box.run('diskbrake', 'check', check=False)
            assert check.returncode == 2 and 'cannot act' in check.stdout, check
            # Still watched: the frozen partition is looked at and its level known; the other one is guarded.
            assert seen['level'] != 'ok' and seen['avail_bytes'] > 0
            assert is_guarding(box, other)
            # One replacement at most.
            assert len([p for p in guard_pids(box)['trimmer'] if p not in pids['trimmer']]) <= 1, guard_pids(box)
            assert stuck_in_the_kernel(box, 'trimmer') and not stuck_in_the_kernel(box, 'supervisor')
            # As long as it hangs: not calm, and not said again and again.
            first, end = follower.of('cannot-act'), time.monotonic() + 6
            while time.monotonic() < end:
                assert partition_of(status(box))['state'] == 'degraded', f'calm on a frozen partition: {both.recent()}'
                time.sleep(0.1)
            assert len(follower.of('cannot-act')) == len(first) and not follower.of('can-act')
        back_after = seconds_until(lambda: is_guarding(box), 60, why=both.recent)
        until(lambda: not alive(stuck) or set(stuck) <= set(pids['trimmer']) & set(guard_pids(box)['trimmer']), 20)
        assert_acts_go_on(both)
        until(lambda: follower.of('can-act', DISKBRAKE_MOUNT='/var/lib/docker'), 20, why=both.recent)
        events = list(follower.events)
    assert guard_pids(box)['supervisor'] == pids['supervisor']
    assert_turns_short(box)
    assert_journal_has(entries_with(both, events), events)
    print(f'{box.suite}: told {told_after:.1f} s after the trimmer got stuck, guarding {back_after:.1f} s after the hang')
    assert told_after < STUCK_TOLD_SEC + NOISE_SEC
    assert back_after < 5 + NOISE_SEC


def test_a_supervisor_that_hangs_is_replaced(host):
    assert_replaced(host, 'supervisor', WATCHDOG_SEC)


def test_a_launcher_that_hangs_is_replaced(host):
    assert_replaced(host, 'watchdogd', LAUNCHER_SEC)


def test_a_supervisor_that_hangs_is_replaced_while_a_trimmer_is_stuck_in_the_kernel(host):
    with trimmer_stuck(host):
        assert_replaced(host, 'supervisor', WATCHDOG_SEC, guarding=False)
    until(lambda: is_guarding(host.box), 60, why=host.recent)
    assert_acts_go_on(host)


def test_a_launcher_that_hangs_is_replaced_while_a_trimmer_is_stuck_in_the_kernel(host):
    with trimmer_stuck(host):
        assert_replaced(host, 'watchdogd', LAUNCHER_SEC, guarding=False)
    until(lambda: is_guarding(host.box), 60, why=host.recent)
    assert_acts_go_on(host)


def assert_replaced(guard, role, seconds, guarding=True):
    """guarding=False: its partition hangs as well; a new guard cannot act there, and says so, and watches."""
    box = guard.box
    old = guard_pids(box)
    n_stuck = len(stuck_in_the_kernel(box, 'trimmer'))

    def is_back():
        new = guard_pids(box)['supervisor']
        return new and new != old['supervisor'] and (is_guarding(box) if guarding else is_guarding(
            box, '/var/lib/containerd') and status(box)['uptime_sec'] < seconds + 5)
    with stopped(*old[role]):
        took = seconds_until(is_back, seconds + 15, interval=0.05, why=guard.recent)
    print(f'{box.suite}: a stopped {role}{"" if guarding else ", with a stuck trimmer"}: back after {took:.1f} s')
    assert took < seconds + NOISE_SEC
    left = [pid for pids in old.values() for pid in pids if state_of(pid) not in ('', 'Z', 'D')]
    until(lambda: not alive(left), 5, why=lambda: [(pid, state_of(pid)) for pid in left])
    until(lambda: len(guard_pids(box)['supervisor']) == len(guard_pids(box)['watchdogd']) == 1, 5,
          why=lambda: guard_pids(box))
    if guarding:
        assert_acts_go_on(guard)
    else:
        assert len(stuck_in_the_kernel(box, 'trimmer')) <= n_stuck + 1
        assert partition_of(status(box))['level'] != '' and partition_of(status(box))['avail_bytes'] > 0


def test_a_watcher_that_hangs_is_told_of_and_replaced(host):
    box = host.box
    old = guard_pids(box)
    numbers = {pid_in_box(pid) for pid in old['watcher']}
    with Follower(box) as follower, stopped(*old['watcher']):
        told_after = seconds_until(lambda: follower.of('blind', DISKBRAKE_MOUNT='/var/lib/docker'), 20, why=host.recent)
        took = told_after + seconds_until(lambda: is_guarding(box), 20, why=host.recent)
        until(lambda: follower.of('sight', DISKBRAKE_MOUNT='/var/lib/docker'), 20)
        until(lambda: not alive(old['watcher']), 5)
        assert_acts_go_on(host)
    assert numbers.isdisjoint({pid_in_box(pid) for pid in guard_pids(box)['watcher']})
    assert guard_pids(box)['supervisor'] == old['supervisor']
    assert_turns_short(box)
    print(f'stopped watchers: told after {told_after:.1f} s, guarding after {took:.1f} s')
    assert told_after < BLIND_TOLD_SEC + NOISE_SEC
