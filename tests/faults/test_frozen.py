# SPDX-License-Identifier: LGPL-2.1-or-later
"""A filesystem that is frozen, and a disk that died under it: reading goes on, every write hangs. The guard sees and
says what it cannot mend."""

import shutil
import subprocess

import pytest

from matrix import ALERTED, BOUNDED, OTHERS, RECOVERS, VALID
from rig import MIB, is_alive, state_of, wait_for

HELPLESS = [ALERTED, 'status: cannot act, with the call', 'the partition is still looked at', OTHERS, BOUNDED, RECOVERS,
            VALID]
# What a trimmer may hang in. On a dead disk it may be a read, too: of what is not cached, or on XFS behind a lock that a
# stuck writer holds.
CALLS = '(pwritev?|fallocate|ficlonerange|fiemap|ftruncate|sync_file_range|fsync|syncfs|close|pread)'


def looks_of(pid):
    """How often it has waited for something: a watcher waits between its looks."""
    with open(f'/proc/{pid}/status') as f:
        return int(next(line for line in f if line.startswith('voluntary_ctxt_switches')).split()[1])


def assert_looked_at(p):
    """Its watcher is the one from before, and is at work."""
    watcher, = p.pids('watcher')
    before = looks_of(watcher)
    wait_for(lambda: looks_of(watcher) > before + 1, 15, text=lambda: f'no looks\n{p.rig.describe()}')


def assert_helpless(rig, well, sick, trim, old):
    """What must hold while it cannot act, once a trim got stuck."""
    event = rig.wait_event('cannot-act', sick, f'stuck in {CALLS} .* since', timeout=25)
    assert int(event['PRIORITY']) <= 2
    assert trim.wait(20) != 0
    sick.wait_state('degraded', detail=f'^cannot act: the trimmer is stuck in {CALLS} .* since')
    well.assert_guarded()
    assert_looked_at(sick)
    # A replacement does not make it well while the old one hangs.
    wait_for(lambda: set(sick.pids('trimmer')) - set(old), text=rig.describe)
    sick.assert_stays('degraded')
    assert not rig.events('can-act', sick) and len(rig.events('cannot-act', sick)) == 1, rig.describe()
    assert not rig.events('blind')
    assert sick.status()['avail_bytes'] > 0


def assert_mended(row, rig, sick, end, old):
    with row.recovery():
        end()
        sick.wait_state('guarding', timeout=40)
    rig.wait_event('can-act', sick)
    wait_for(lambda: not any(map(is_alive, old)), 5, text='not reaped')
    sick.assert_guarded()
    sick.assert_log_valid()


@pytest.mark.parametrize('kind', ['ext4', 'xfs', 'btrfs'])
def test_a_frozen_filesystem_is_watched_and_said_to_be_out_of_reach(row, rig, well, kind):
    row(injected=f'fsfreeze of {kind}, and a trim', holds=HELPLESS)
    sick = rig.partition('sick', kind)
    rig.start()
    sick.start_writer()
    well.start_writer()
    old = sick.pids('trimmer')
    frozen = sick.freeze()
    # Nothing is wrong with looking.
    assert_looked_at(sick)
    assert sick.status()['state'] == 'guarding'
    trim = sick.start_trim()
    assert_helpless(rig, well, sick, trim, old)
    assert_mended(row, rig, sick, frozen.thaw, old)


def test_a_level_that_was_reached_is_still_alerted_on_while_frozen(row, rig, well):
    row(injected='fsfreeze of ext4 in the middle of a flood', holds=['still looked at', 'the level is kept and said', OTHERS, RECOVERS, VALID])
    sick = rig.partition('sick', 'ext4')
    rig.start(extra='[Container sick-*]\nPolicy=alert\n')
    sick.start_writer(bytes_per_sec=3_000_000)
    rig.run('fallocate', '-l', str(int(sick.status()['avail_bytes'] * 0.86)), f'{sick.mount}/image')
    rig.wait_event('level-raised', sick)
    frozen = sick.freeze()
    # No byte is written any more; what was reached stays reached, and new looks come.
    assert_looked_at(sick)
    status = sick.status()
    assert status['level'] in ('warning', 'critical', 'emergency') and status['state'] == 'guarding', status
    alerts = rig.diskbrake('alerts', '--json', check=False)
    assert sick.mount in alerts.stdout, alerts
    well.assert_guarded()
    with row.recovery():
        frozen.thaw()
        wait_for(lambda: sick.status()['avail_bytes'] < status['avail_bytes'], text=rig.describe)
    assert sick.status()['state'] == 'guarding'
    sick.assert_log_valid()


def test_a_long_freeze_is_no_storm_of_replacements(row, rig, well):
    row(injected='fsfreeze of ext4 that outlasts every replacement',
        holds=[ALERTED, 'said once', OTHERS, BOUNDED, RECOVERS, VALID])
    sick = rig.partition('sick', 'ext4')
    for container in 'abc':
        sick.add_container(container)
        sick.fill_log(container=container)
    rig.start(trimmer='1s')
    frozen = sick.freeze()
    trim = sick.start_trim()
    rig.wait_event('cannot-act', sick, 'stuck in')
    assert trim.wait() != 0
    # Each new one would be given something to get stuck in: a log that no other holds.
    for container in 'abc':
        assert isinstance(sick.trim(container), str)
    sick.assert_stays('degraded')
    all_of_them = {pid for pid, (role, stage) in rig.census.kinds.items()
                   if role == 'trimmer' and rig.roles.get(stage, (0, 0))[1] is sick}
    assert len(all_of_them) <= 2, f'{len(all_of_them)} trimmers, and none could be reaped\n{rig.describe()}'
    assert len(rig.events('cannot-act', sick)) == 1, rig.describe()
    well.assert_guarded()
    stuck = [pid for pid in sick.pids('trimmer') if state_of(pid) == 'D']
    assert stuck
    assert_mended(row, rig, sick, frozen.thaw, stuck)
    for container in 'abc':
        sick.assert_log_valid(container)


@pytest.mark.parametrize('kind', ['ext4', 'xfs'])
def test_a_dead_disk(row, rig, well, kind):
    row(injected=f'dead disk: {kind} on a loop file on a frozen ext4, with dirty pages and a trim', holds=HELPLESS)
    outer = rig.bare_partition('outer', 'ext4', 640 * MIB)
    sick = rig.partition('sick', kind, on=outer)
    rig.start()
    old = sick.pids('trimmer')
    sick.start_writer(bytes_per_sec=1_000_000)
    frozen = outer.freeze()
    # Whoever syncs waits, and the journal's commit with him.
    syncing = rig.popen('sync', '-f', sick.mount)
    trim = sick.start_trim()
    assert_helpless(rig, well, sick, trim, old)
    assert_mended(row, rig, sick, frozen.thaw, old)
    assert syncing.wait(20) == 0


def test_a_suspended_device(row, rig, well):
    row(injected='device-mapper device suspended without flushing', holds=HELPLESS)
    probe = subprocess.run(['dmsetup', 'version'], capture_output=True, text=True) if shutil.which('dmsetup') else None
    if probe is None or probe.returncode != 0:
        pytest.skip('this kernel has no device-mapper')
    sick = rig.partition('sick', 'ext4', dm=True)
    rig.start()
    old = sick.pids('trimmer')
    sick.start_writer(bytes_per_sec=1_000_000)
    sick.suspend()
    syncing = rig.popen('sync', '-f', sick.mount)
    trim = sick.start_trim()
    assert_helpless(rig, well, sick, trim, old)
    assert_mended(row, rig, sick, sick.resume, old)
    assert syncing.wait(20) == 0
