# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of the fault matrix: processes of the guard are killed under a flood, the service is stopped, the host rebooted,
and systemd hangs. Docker 26.1, whose logs get holes that have to be healed once their container has stopped."""

import time

import pytest

from guard import Guard, acts
from hurt import (Client, alert_of, alive, assert_no_alert_twice, assert_turns_short, frozen, guard_pids, holes_in,
                  is_guarding, kill, partition_of, seconds_until, state_of, status, stopped, until, versions)
from jsonlog import parse_json_log

# A second is what it must be; twice that, since two cores are busy with the flood, and with other tests.
BACK_SEC = 2
ALERT, HOLES, GONE, VALID = ('no alert is repeated', 'holes are healed once the container has stopped',
                             'nothing of the old one is left', 'log valid line by line')


@pytest.fixture
def flood(make_box, destdir, row):
    """A flood that is held: an alert of level critical or worse is open, and there is a hole in the log."""
    with make_box('trixie') as box:
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        row.ran_with(**versions(box))
        # There is less to write and to read afterwards.
        box.run('fallocate', '-l', '600M', '/var/lib/docker/images-of-the-test')
        box.flood('app', line_bytes=1000, rate_bps=60_000_000)
        until(lambda: len(acts(guard.events())) > 1 and holes_in(box.logfile('app')) > 0, 60, interval=0.2,
              why=guard.recent)
        guard.alert = alert_of(box)
        assert guard.alert and guard.alert['level'] in ('critical', 'emergency')
        yield guard


def back(box, old):
    """A new supervisor guards."""
    new = guard_pids(box)['supervisor']
    return new and not set(new) & set(old['supervisor']) and is_guarding(box)


def assert_acts_go_on(guard):
    def freed():
        found = partition_of(status(guard.box))
        assert found, f'not guarded any more: {status(guard.box)}\n{guard.recent()}'
        return found['freed_total_bytes']
    before = freed()
    until(lambda: freed() > before, 30, why=guard.recent)


def assert_same_alert(guard):
    now = alert_of(guard.box)
    assert now and now['id'] == guard.alert['id'], (guard.alert, now, guard.recent())
    assert_no_alert_twice(guard.events())


def assert_healed(guard, lines_lost=0):
    """Of a container that has stopped; and its log is whole. A cut that was killed may cost the line it went through."""
    box = guard.box
    box.docker('stop', '-t', '5', 'app')
    until(lambda: holes_in(box.logfile('app')) == 0, 40, interval=0.2, why=guard.recent)
    log = parse_json_log(box.logfile('app'))
    assert not log.torn and not log.nul_ranges and log.count, log
    assert sum(found - expected for expected, found in log.gaps) <= lines_lost, log


def killed(guard, row, roles, injected):
    """Kills these, and follows what comes of it up to the healed log."""
    box = guard.box
    row(injected=injected, holds=['service up', ALERT, HOLES, GONE, VALID])
    old = guard_pids(box)
    all_old = [pid for pids in old.values() for pid in pids]
    n_recovered = len(guard.events('recovered'))
    with box.watch_free() as free:
        kill([pid for role in roles for pid in old[role]])
        took = seconds_until(lambda: back(box, old), 30, why=guard.recent)
        row.recovered(took)
        assert_acts_go_on(guard)
    until(lambda: not alive(all_old) or roles == ['supervisor'] and alive(all_old) == old['watchdogd'], 5,
          why=lambda: guard_pids(box))
    assert_same_alert(guard)
    until(lambda: len(guard.events('recovered')) == n_recovered + 1, 5,
          why=lambda: f'{n_recovered} before: {[e["MESSAGE"] for e in guard.events("recovered")]}\n{guard.recent()}')
    assert free.min_avail_bytes > 0
    assert_turns_short(box)
    assert_healed(guard)
    assert took < BACK_SEC, f'{took:.2f} s'


def test_the_supervisor_is_killed(flood, row):
    killed(flood, row, ['supervisor'], 'SIGKILL of the supervisor under a flood')


def test_the_launcher_is_killed(flood, row):
    killed(flood, row, ['watchdogd'], 'SIGKILL of the launcher under a flood')


def test_all_processes_are_killed_at_once(flood, row):
    killed(flood, row, ['watchdogd', 'supervisor', 'watcher', 'trimmer', 'finder', 'version', 'reader'],
           'SIGKILL of all processes at once under a flood')


def test_the_watchers_are_killed(flood, row):
    workers_killed(flood, row, 'watcher')


def test_the_trimmers_are_killed(flood, row):
    workers_killed(flood, row, 'trimmer')


def workers_killed(guard, row, role):
    box = guard.box
    row(injected=f'SIGKILL of the {role}s under a flood, five times',
        holds=['service up', ALERT, HOLES, 'supervisor not restarted', VALID])
    old = guard_pids(box)
    slowest = 0
    with box.watch_free() as free:
        for _ in range(5):
            victims = guard_pids(box)[role]
            kill(victims)
            took = seconds_until(lambda: not alive(victims) and len(guard_pids(box)[role]) == 2 and is_guarding(box), 30,
                                 why=guard.recent)
            slowest = max(slowest, took)
            assert_acts_go_on(guard)
    row.recovered(slowest)
    assert guard_pids(box)['supervisor'] == old['supervisor']
    assert free.min_avail_bytes > 0
    assert_same_alert(guard)
    assert_turns_short(box)
    assert_healed(guard)


@pytest.mark.parametrize('role', ['supervisor', 'watchdogd'])
def test_killed_while_a_trimmer_is_stuck_in_the_kernel(flood, row, role):
    box = flood.box
    row(injected=f'SIGKILL of the {"launcher" if role == "watchdogd" else role} while a trimmer is stuck in the kernel '
                 '(fsfreeze)', holds=['the other partition is guarded at once', ALERT, GONE, HOLES, VALID])
    other = '/var/lib/containerd'
    with frozen(box), Client(box) as somebody:
        somebody.send('Trim', name='app', keep_bytes=20 << 20)
        stuck = until(lambda: [p for p in guard_pids(box)['trimmer'] if state_of(p) == 'D'], 10, why=flood.recent)
        old = guard_pids(box)
        kill(old[role])
        took = seconds_until(lambda: set(guard_pids(box)['supervisor']).isdisjoint(old['supervisor'])
                             and is_guarding(box, other), 30, why=flood.recent)
        # It is watched, too, though nothing can be written there.
        until(lambda: partition_of(status(box))['avail_bytes'] > 0, 5)
        assert partition_of(status(box))['level'] != 'ok'
        assert [state_of(p) for p in stuck] == ['D'] * len(stuck), 'it is the kernel that holds it'
    back_after = seconds_until(lambda: is_guarding(box) and not alive(stuck), 30, why=flood.recent)
    row.recovered(took + back_after)
    assert_acts_go_on(flood)
    assert_same_alert(flood)
    assert_healed(flood, lines_lost=1)
    print(f'{role} killed with a stuck trimmer: up after {took:.2f} s, guarding {back_after:.2f} s after the hang')
    assert took < BACK_SEC, f'{took:.2f} s'


def test_the_service_is_stopped_and_started(flood, row):
    box = flood.box
    row(injected='systemctl stop, then start', holds=['guarding at once', ALERT, HOLES, VALID])
    box.systemctl('stop', 'diskbrake.service')
    until(lambda: not [pid for pids in guard_pids(box).values() for pid in pids], 5, why=lambda: guard_pids(box))
    # The flood ends before it could fill the partition: nobody guards.
    box.docker('stop', '-t', '5', 'app')
    assert holes_in(box.logfile('app')) > 0
    begin = time.monotonic()
    box.systemctl('start', 'diskbrake.service')
    assert is_guarding(box)
    row.recovered(time.monotonic() - begin)
    assert_healed(flood)


def test_a_container_goes_on_while_the_service_is_down_and_is_healed_later(flood, row):
    box = flood.box
    row(injected='systemctl stop, then start, of a container that runs on', holds=[HOLES, VALID])
    box.systemctl('stop', 'diskbrake.service')
    box.sh('pkill -STOP -x awk')    # it writes nothing while nobody guards
    box.systemctl('start', 'diskbrake.service')
    row.recovered(seconds_until(lambda: is_guarding(box)))
    assert holes_in(box.logfile('app')) > 0
    box.sh('pkill -CONT -x awk')
    assert_acts_go_on(flood)
    assert_healed(flood)


def test_systemd_hangs(flood, row):
    box = flood.box
    row(injected='SIGSTOP of PID 1 for 20 s under a flood',
        holds=['acts go on', 'loop never waits', 'unit active and not restarted afterwards', VALID])
    pids, n_restarts = guard_pids(box), box.systemctl('show', '-p', 'NRestarts', '--value', 'diskbrake').stdout
    with stopped(box.leader), box.watch_free() as free:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            before = partition_of(status(box, timeout=1))['freed_total_bytes']
            until(lambda: partition_of(status(box, timeout=1))['freed_total_bytes'] > before, 10, interval=0.1)
        assert guard_pids(box) == pids
    took = seconds_until(lambda: box.systemctl('is-active', 'diskbrake', check=False).stdout.strip() == 'active', 20)
    row.recovered(took)
    time.sleep(1)   # for what PID 1 might make of the pings that it has missed
    assert box.systemctl('show', '-p', 'NRestarts', '--value', 'diskbrake').stdout == n_restarts
    assert guard_pids(box)['watchdogd'] == pids['watchdogd'] and guard_pids(box)['supervisor'] == pids['supervisor']
    assert free.min_avail_bytes > 0
    assert_turns_short(box)
    assert_same_alert(flood)
    assert_healed(flood)


def test_the_host_is_rebooted_hard(flood, row):
    box = flood.box
    row(injected='all of the host killed at once, and booted again', holds=['guarding after the boot', HOLES, VALID])
    box.run('sync')
    assert holes_in(box.logfile('app')) > 0
    box.reboot(clean=False)
    took = seconds_until(lambda: is_guarding(box), 30)
    row.recovered(took)
    until(lambda: holes_in(box.logfile('app')) == 0, 40, interval=0.2, why=flood.recent)
    log = parse_json_log(box.logfile('app'))
    assert not log.torn and not log.gaps and not log.nul_ranges and log.count, log
