# SPDX-License-Identifier: LGPL-2.1-or-later
"""What somebody, or an error, makes of a partition while it is guarded: each is noticed, said, and handled."""

import contextlib
import os

import pytest

from matrix import ALERTED, OTHERS, RECOVERS, VALID
from rig import MIB, state_of, wait_for

NOTICED = ['noticed and said', OTHERS]
# The watcher is told by the kernel, or sees it with its next look; the finder then says what stands there now.
SOON = 20


@pytest.fixture
def guarded(rig, well):
    """Makes the sick partition of a kind, with an idle log: a writer's descriptor would keep it from being unmounted."""
    def make(kind='ext4', **kwargs):
        p = rig.partition('sick', kind, **kwargs)
        rig.start()
        well.start_writer()
        return p
    return make


def assert_gone(rig, sick, well, text=''):
    event = rig.wait_event('partition-gone', sick, text, timeout=SOON)
    assert int(event['PRIORITY']) <= 4
    wait_for(lambda: sick.status() is None, text=rig.describe)
    # Nobody is left who could pin what was unmounted.
    wait_for(lambda: len(rig.pids('watcher')) == len(rig.pids('trimmer')) == 1, text=rig.describe)
    well.assert_guarded()


def assert_guarded_again(row, rig, sick, mount):
    said = len(rig.events('guarding', sick))
    with row.recovery():
        mount()
        sick.wait_state('guarding', timeout=SOON + 10)
    rig.wait_event('guarding', sick, after=said)
    sick.assert_guarded()
    sick.assert_log_valid()


# ---- read-only --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['ext4', 'xfs', 'btrfs', 'tmpfs'])
def test_remounted_read_only_and_back(row, rig, well, guarded, kind):
    row(injected=f'{kind} remounted read-only, and back', holds=[ALERTED, 'status: cannot act', RECOVERS, *NOTICED, VALID])
    sick = guarded(kind)
    rig.run('mount', '-o', 'remount,ro', sick.mount)
    event = rig.wait_event('read-only', sick, timeout=SOON)
    assert int(event['PRIORITY']) <= 2
    sick.wait_state('degraded', detail='^cannot act: it is read-only')
    assert isinstance(sick.trim(), str)
    well.assert_guarded()
    with row.recovery():
        rig.run('mount', '-o', 'remount,rw', sick.mount)
        rig.wait_event('writable', sick, timeout=SOON)
        sick.wait_state('guarding')
    sick.assert_guarded()
    sick.assert_log_valid()


def test_read_only_after_an_error(row, rig, well, guarded):
    row(injected='error in ext4 mounted with errors=remount-ro', holds=[ALERTED, 'status: cannot act', *NOTICED, VALID])
    sick = guarded('ext4', options=['errors=remount-ro'])
    device = os.path.basename(sick.loop())
    trigger = rig.path(f'/sys/fs/ext4/{device}/trigger_fs_error')
    if not trigger.exists():
        pytest.skip('this kernel has no trigger_fs_error for ext4')
    trigger.write_text('1\n')
    # Some kernels show it as a read-only mount, others only refuse to write.
    assert rig.run('touch', f'{sick.mount}/probe', check=False).returncode != 0
    event = rig.wait_event('read-only', sick, timeout=SOON)
    assert int(event['PRIORITY']) <= 2
    sick.wait_state('degraded', detail='^cannot act')
    assert isinstance(sick.trim(), str)
    well.assert_guarded()
    # What was written before is still there to be read.
    sick.assert_log_valid(newest=False)


# ---- unmounted --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['ext4', 'xfs', 'btrfs', 'tmpfs', 'fuse'])
def test_unmounted_while_it_is_calm(row, rig, well, guarded, kind):
    row(injected=f'calm {kind} unmounted', holds=['umount succeeds: the guard does not pin it', *NOTICED])
    sick = guarded(kind)
    sick.assert_guarded()
    # The trimmer may hold on to the folders for a moment after an act.
    with row.recovery():
        wait_for(lambda: rig.run('umount', sick.mount, check=False).returncode == 0, 10, 0.2,
                 lambda: rig.run('umount', sick.mount, check=False).stderr + rig.describe())
        assert_gone(rig, sick, well)


@pytest.mark.parametrize('kind', ['ext4', 'xfs'])
def test_unmounted_and_mounted_again(row, rig, well, guarded, kind):
    row(injected=f'{kind} unmounted, and mounted again once that was said',
        holds=['guarded again', *NOTICED, VALID])
    sick = guarded(kind)
    sick.detach()
    assert_gone(rig, sick, well)
    assert_guarded_again(row, rig, sick, sick.attach)


def test_mounted_again_at_once(row, rig, well, guarded):
    row(injected='ext4 unmounted and mounted again in the same second', holds=['goes on being guarded', OTHERS, VALID])
    sick = guarded('ext4')
    with row.recovery():
        sick.detach()
        sick.attach()
        sick.assert_guarded()
    wait_for(lambda: len(rig.pids('watcher')) == len(rig.pids('trimmer')) == 2, text=rig.describe)
    well.assert_guarded()
    sick.assert_log_valid()


def test_lazily_unmounted_with_a_writer(row, rig, well, guarded):
    row(injected='ext4 lazily unmounted while a container writes there', holds=[*NOTICED, VALID])
    sick = guarded('ext4')
    sick.start_writer()
    sick.detach('-l')
    assert_gone(rig, sick, well)
    sick.stop_writer()
    assert_guarded_again(row, rig, sick, sick.attach)


def test_unmounted_in_the_middle_of_a_trim(row, rig, well, guarded):
    row(injected='ext4 lazily unmounted in the middle of a cut (the trimmer waits in pwritev)',
        holds=['the caller gets a true answer', *NOTICED, VALID])
    sick = guarded('ext4')
    trimmer, = sick.pids('trimmer')
    frozen = sick.freeze()
    trim = sick.start_trim()
    wait_for(lambda: state_of(trimmer) == 'D', 5, 0.01, rig.describe)
    sick.detach('-l')
    frozen.thaw()
    out, _ = trim.nsenter.communicate(timeout=20)
    assert trim.nsenter.returncode != 0 or '"done"' in out, out
    assert_gone(rig, sick, well)
    assert_guarded_again(row, rig, sick, sick.attach)
    sick.assert_log_valid()


# ---- something else in its place ----------------------------------------------------------------------------------

@pytest.mark.parametrize('has_docker', [True, False], ids=['a data-root', 'nothing'])
def test_another_filesystem_is_mounted_on_top(row, rig, well, guarded, has_docker):
    row(injected='a tmpfs mounted on top of a guarded ext4, with ' + ('a data-root' if has_docker else 'nothing on it'),
        holds=['the one below is said to be gone', *NOTICED, RECOVERS, VALID])
    sick = guarded('ext4')
    below = dict(sick.n_lines)
    rig.run('mount', '-t', 'tmpfs', '-o', 'size=64m', 'top', sick.mount)
    if has_docker:
        sick.n_lines = {}
        sick.add_container('web')
        sick.fill_log()
        rig.wait_event('partition-gone', sick, 'another', timeout=SOON)
        wait_for(lambda: (sick.status() or {}).get('total_bytes') == 64 * MIB, SOON, text=rig.describe)
        sick.wait_state('guarding')
        sick.assert_guarded()
        sick.assert_log_valid()
        sick.n_lines = dict(below)
    else:
        rig.wait_event('partition-gone', sick, timeout=SOON)
        wait_for(lambda: sick.status() is None, text=rig.describe)
    well.assert_guarded()
    with row.recovery():
        wait_for(lambda: rig.run('umount', sick.mount, check=False).returncode == 0, 10, 0.2, rig.describe)
        wait_for(lambda: (sick.status() or {}).get('total_bytes', 0) > 64 * MIB, SOON + 10, text=rig.describe)
        sick.wait_state('guarding')
    sick.assert_guarded()
    sick.assert_log_valid()


# ---- another size -------------------------------------------------------------------------------------------------

def may_resize_ext4():
    """Of all of these, ext4 alone asks for CAP_SYS_RESOURCE, which root has not got everywhere."""
    with open('/proc/self/status') as f:
        effective = next(line for line in f if line.startswith('CapEff'))
    return int(effective.split()[1], 16) & 1 << 24 != 0


def grow_ext4(sick):
    rig, loop = sick.rig, sick.loop()
    rig.run('truncate', '-s', 2 * sick.size, sick.image)
    rig.run('losetup', '-c', loop)
    rig.run('resize2fs', loop)


def grow_xfs(sick):
    rig = sick.rig
    rig.run('truncate', '-s', 2 * sick.size, sick.image)
    rig.run('losetup', '-c', sick.loop())
    rig.run('xfs_growfs', sick.mount)


def grow_btrfs(sick):
    rig = sick.rig
    rig.run('truncate', '-s', 2 * sick.size, sick.image)
    rig.run('losetup', '-c', sick.loop())
    rig.run('btrfs', 'filesystem', 'resize', 'max', sick.mount)


def grow_tmpfs(sick):
    sick.rig.run('mount', '-o', f'remount,size={2 * sick.size}', sick.mount)


GROW = {'ext4': grow_ext4, 'xfs': grow_xfs, 'btrfs': grow_btrfs, 'tmpfs': grow_tmpfs}


@pytest.mark.parametrize('kind', list(GROW))
def test_grown_under_it(row, rig, well, guarded, kind):
    row(injected=f'{kind} grown to twice its size', holds=['no alert by mistake', 'levels follow the new size', *NOTICED,
                                                          VALID])
    if kind == 'ext4' and not may_resize_ext4():
        pytest.skip('root has no CAP_SYS_RESOURCE here, which resize2fs needs')
    sick = guarded(kind)
    sick.start_writer()
    before = sick.status()
    with row.recovery():
        GROW[kind](sick)
        event = rig.wait_event('resized', sick, timeout=SOON)
    assert 3 <= int(event['PRIORITY']) <= 5
    status = sick.status()
    assert status['total_bytes'] > 1.6 * before['total_bytes']
    assert status['act_below_bytes'] > before['act_below_bytes']
    assert status['state'] == 'guarding' and status['level'] == 'ok', status
    assert not rig.events('level-raised', sick)
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()


def test_shrunk_under_it_until_it_is_nearly_full(row, rig, well, guarded):
    row(injected='tmpfs shrunk until it is 97 % full', holds=[ALERTED, 'no rate is made of it', *NOTICED, VALID])
    sick = guarded('tmpfs')
    used = sick.status()['total_bytes'] - sick.status()['avail_bytes']
    with row.recovery():
        rig.run('mount', '-o', f'remount,size={int(used / 0.97)}', sick.mount)
        rig.wait_event('resized', sick, timeout=SOON)
        wait_for(lambda: sick.status()['level'] == 'emergency' or rig.events('act-done', sick), text=rig.describe)
    assert rig.events('level-raised', sick)
    status = sick.status()
    assert status['state'] == 'guarding' and status['time_to_full_sec'] is None, status
    well.assert_guarded()
    with contextlib.suppress(AssertionError):
        sick.trim()
    sick.assert_log_valid()


def test_read_only_for_the_guard_alone(row, rig, well):
    """A sandbox that was not opened for this data-root: others can write there, and the remedy is another one."""
    row(injected='data-root bind-mounted read-only for the guard, the filesystem is not', holds=[
        'cannot act, with the drop-in that mends it', 'not said to be read-only', OTHERS])
    sick = rig.partition('sick')
    rig.run('mount', '--bind', sick.mount, sick.mount)
    rig.run('mount', '-o', 'remount,bind,ro', sick.mount)
    rig.undo.callback(rig.run, 'umount', sick.mount, check=False)
    rig.start_journald()
    rig.write_config()
    rig.start_daemon()
    event = rig.wait_event('cannot-act', sick, 'ReadWritePaths=')
    assert int(event['PRIORITY']) <= 2
    sick.wait_state('degraded', detail='^cannot act: .*ReadWritePaths=')
    assert not rig.events('read-only')
    well.wait_state('guarding')
    rig.learn()
    well.start_writer()
    well.assert_guarded()
