# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clocks that are set and time that goes missing: no false alert, the same forecasts. The wall clock is faked for the
guard alone (wall_clock.c); the machine's is not touched."""

import datetime
import os
import signal
import struct
import subprocess
import time

import pytest

from client import Follower, call, clear_level, raise_level
from matrix import OTHERS, VALID
from rig import HERE, MIB, children_of, wait_for

DAY = 86400
CLOCK_FILE = '/run/rig/clock'


def set_clock(rig, offset):
    """For the guard: so many seconds off, from now on."""
    with rig.path(CLOCK_FILE).open('r+b') as f:
        f.write(struct.pack('=q', offset))


@pytest.fixture(scope='session')
def wall_clock(tools):
    """The library that fakes it."""
    library = tools / 'wall_clock.so'
    subprocess.run(['cc', '-g', '-O2', '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-shared', '-fPIC',
                    HERE / 'wall_clock.c', '-o', library], check=True)
    return library


@pytest.fixture
def sick(rig, well, wall_clock):
    p = rig.partition('sick', size=512 * MIB)
    rig.path(CLOCK_FILE).write_bytes(bytes(8))
    rig.start(wrapper=['env', f'LD_PRELOAD={wall_clock}', f'WALL_CLOCK_FILE={CLOCK_FILE}'])
    return p


def forecast(p):
    return p.status()['time_to_full_sec']


def told_since(follower, mark):
    return [e for i, e in sorted(follower.told.items()) if i > mark]


JUMPS = {'a day forward': DAY, 'a day back': -DAY, 'to 1970': None}


@pytest.mark.parametrize('jump', list(JUMPS))
def test_a_wall_clock_that_is_set(row, rig, well, sick, jump):
    row(injected=f"the wall clock set {jump} while a partition fills steadily",
        holds=['no alert comes of it', 'the forecast stays', "times are the new clock's", 'pauses go on', OTHERS, VALID])
    sick.start_writer(bytes_per_sec=MIB)
    follower = Follower(rig)
    rig.diskbrake('pause', sick.mount, '--for', '1h')
    before = wait_for(lambda: forecast(sick), 15, 0.1, rig.describe)
    time.sleep(2)      # the forecast settles
    before, began = forecast(sick), time.monotonic()
    level, mark = sick.status()['level'], max(follower.told)
    offset = JUMPS[jump] if JUMPS[jump] is not None else 100_000 - int(time.time())
    set_clock(rig, offset)
    time.sleep(3)      # what follows of it follows of a look, each of which comes within a second here
    after, went = forecast(sick), time.monotonic() - began
    assert before[0] - went - 20 < after[1] and after[0] < before[1] + 20, (before, after)
    assert all(p.status()['state'] == 'guarding' and p.status()['level'] == level for p in (sick, well)), rig.describe()
    said = told_since(follower, mark)
    assert not said, said
    assert 3580 < sick.status()['paused_for_sec'] < 3600
    # From here on with the new time.
    rig.diskbrake('pause', sick.mount, '--off')
    event = wait_for(lambda: next((e for e in told_since(follower, mark) if e['type'] == 'resumed'), None))
    assert abs(event['time_usec'] / 1e6 - time.time() - offset) < 5, event
    shown = datetime.datetime.fromtimestamp(time.time() + offset).strftime('%H:%M')
    assert shown in rig.diskbrake('status').stdout or event['time_usec'] % 60_000_000 < 5_000_000
    raise_level(well)
    wait_for(lambda: call(rig, 'Alerts')['alerts'], text=rig.describe)
    alert = call(rig, 'Alerts')['alerts'][0]
    assert abs(alert['since_usec'] / 1e6 - time.time() - offset) < 5, alert
    clear_level(well)
    with row.recovery():
        set_clock(rig, 0)
        wait_for(lambda: well.status()['level'] == 'ok', text=rig.describe)
    mark = max(follower.told)
    well.assert_guarded()
    sick.assert_guarded()
    assert not [e for e in told_since(follower, mark) if e['priority'] <= 4], 'a false alert'
    follower.ended = True
    sick.assert_log_valid()


def test_all_processes_are_stopped_for_a_while(row, rig, well):
    row(injected='all processes of the guard stopped with SIGSTOP for 15 s while one partition fills, and continued',
        holds=['no alert comes of it', 'guards again within a second', OTHERS, VALID])
    sick = rig.partition('sick', size=512 * MIB)
    rig.start()
    sick.start_writer(bytes_per_sec=MIB)
    wait_for(lambda: forecast(sick), 15, 0.1, rig.describe)
    follower = Follower(rig)
    mark = max(follower.told)
    everybody = [rig.daemon.pid, *children_of(rig.daemon.pid)]
    for pid in everybody[1:]:
        os.kill(pid, signal.SIGSTOP)
    rig.daemon.signal(signal.SIGSTOP)
    time.sleep(15)
    with row.recovery():
        rig.daemon.signal(signal.SIGCONT)
        for pid in everybody[1:]:
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: all((p.status() or {}).get('state') == 'guarding' for p in (sick, well)), 10, 0.02, rig.describe)
    assert row.recovered_sec < 1.5
    time.sleep(2)
    assert all(p.status()['state'] == 'guarding' for p in (sick, well)), rig.describe()
    false = [e for e in told_since(follower, mark) if e['type'] not in ('blind', 'sight', 'cannot-act', 'can-act')]
    assert not false, false
    troubles = [e['type'] for e in told_since(follower, mark)]
    assert troubles.count('blind') == troubles.count('sight'), troubles
    assert troubles.count('cannot-act') == troubles.count('can-act'), troubles
    follower.ended = True
    # Whoever was asked before may answer now.
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()
    assert not troubles, f'a false alert: {troubles}'
