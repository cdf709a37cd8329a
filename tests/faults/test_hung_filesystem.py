# SPDX-License-Identifier: LGPL-2.1-or-later
"""A filesystem that stops answering, one operation after the other. It is said at once and with the call that hangs,
the other partition goes on being guarded, processes do not pile up, and what ends by itself mends itself."""

import signal

import pytest

from matrix import ALERTED, BOUNDED, OTHERS, RECOVERS, VALID
from rig import is_alive, wait_for

BLIND = [ALERTED, 'status: blind, with the call', OTHERS, BOUNDED, RECOVERS, VALID]
HELPLESS = [ALERTED, 'status: cannot act, with the call', 'forecast and alerts go on', OTHERS, BOUNDED, RECOVERS, VALID]


@pytest.fixture
def sick(rig, well):
    """A partition on FUSE, with a writer on each of the two, guarded."""
    p = rig.partition('sick', 'fuse')
    rig.start()
    p.start_writer()
    well.start_writer()
    well.assert_guarded()
    return p


def replace_config(p, container='web'):
    """As Docker writes a container's state anew: the watcher will read it. prepare_config() was before."""
    folder = p.log(container).rsplit('/', 1)[0]
    p.rig.run('mv', f'{folder}/.tmp', f'{folder}/config.v2.json')


def prepare_config(p, container='web'):
    folder = p.log(container).rsplit('/', 1)[0]
    p.rig.run('cp', f'{folder}/config.v2.json', f'{folder}/.tmp')


def assert_recovers(row, rig, p, end, event, old):
    """end() ends the fault. The partition is guarded again, it was said, and the old processes are gone."""
    with row.recovery():
        end()
        p.wait_state('guarding')
    rig.wait_event(event, p)
    wait_for(lambda: not any(map(is_alive, old)), 5, text=lambda: f'{old} not reaped\n{rig.describe()}')
    p.assert_guarded()
    p.assert_log_valid()


# What the watcher is stuck in, told from what hangs; and what makes it go there.
READS = {
    'statfs': ('statvfs', None),
    'getattr': ('openat2|statvfs|fstatat', None),
    'readdir': ('openat2|readdir', lambda p: p.rig.run('mkdir', f'{p.root}/containers/{"e" * 64}')),
    'open': ('openat2|read', replace_config),
    'read': ('read', replace_config),
}


@pytest.mark.parametrize('operation', list(READS))
def test_a_filesystem_that_never_answers(row, rig, well, sick, operation):
    row(injected=f'FUSE server reads {operation} requests and never answers', holds=BLIND)
    calls, provoke = READS[operation]
    old = sick.pids('watcher')
    prepare_config(sick)
    sick.hang(operation)
    if provoke:
        provoke(sick)
    event = rig.wait_event('blind', sick, f'stuck in ({calls}) on .* since')
    assert int(event['PRIORITY']) <= 2
    sick.wait_state('blind', detail=f'^blind: the watcher is stuck in ({calls}) on .* since')
    well.assert_guarded()
    # A replacement is tried, which gets stuck as well: that is no reason to be calm, nor to say all of it again.
    wait_for(lambda: set(sick.pids('watcher')) - set(old), text=rig.describe)
    sick.assert_stays('blind', 'degraded')
    well.assert_guarded()
    assert len(rig.events('blind', sick)) == 1, rig.describe()
    assert not rig.events('blind', well) and not rig.events('cannot-act', well)
    assert_recovers(row, rig, sick, sick.release, 'sight', old)


@pytest.mark.parametrize('operation, call', [('fallocate', 'fallocate'), ('write', 'pwritev?')])
def test_a_filesystem_that_hangs_in_a_trim(row, rig, well, sick, operation, call):
    row(injected=f'FUSE server never answers {operation} during a trim', holds=HELPLESS)
    old, watchers = sick.pids('trimmer'), sick.pids('watcher')
    if operation == 'write':
        sick.stop_writer()
    sick.hang(operation)
    trim = sick.start_trim()
    event = rig.wait_event('cannot-act', sick, f'stuck in {call} on the log of .* since')
    assert int(event['PRIORITY']) <= 2
    assert trim.wait() != 0     # the caller gets an answer, too: it was not done
    status = sick.wait_state('degraded', detail=f'^cannot act: the trimmer is stuck in {call} on the log of .* since')
    # It goes on being looked at, and a level is raised all the same.
    rig.run('fallocate', '-l', str(int(status['avail_bytes'] * 0.97)), f'{sick.base}/ballast')
    rig.wait_event('level-raised', sick)
    assert sick.pids('watcher') == watchers
    well.assert_guarded()
    # A replacement does not make it well while the old one hangs.
    wait_for(lambda: set(sick.pids('trimmer')) - set(old), text=rig.describe)
    sick.assert_stays('degraded')
    assert not rig.events('can-act', sick), rig.describe()
    rig.run('rm', f'{sick.base}/ballast')
    assert_recovers(row, rig, sick, sick.release, 'can-act', old)


def test_a_server_that_is_stopped(row, rig, well, sick):
    row(injected='FUSE server stopped with SIGSTOP', holds=BLIND)
    sick.server.signal(signal.SIGSTOP)
    rig.wait_event('blind', sick, 'stuck in')
    sick.wait_state('blind')
    well.assert_guarded()
    assert_recovers(row, rig, sick, lambda: sick.server.signal(signal.SIGCONT), 'sight', [])


def test_a_server_that_is_killed_and_mounted_again(row, rig, well, sick):
    row(injected='FUSE server killed (ENOTCONN), later mounted again at the same place',
        holds=[ALERTED, 'status: blind', OTHERS, BOUNDED, RECOVERS, VALID])
    sick.stop_writer()
    sick.server.signal(signal.SIGKILL)
    rig.wait_event('blind', sick)
    sick.wait_state('blind')
    well.assert_guarded()
    with row.recovery():
        rig.run('umount', '-l', sick.mount)
        sick.attach()
        sick.wait_state('guarding')
    sick.assert_guarded()
    sick.assert_log_valid()


def test_a_connection_that_is_aborted(row, rig, well, sick):
    row(injected='FUSE connection aborted while the watcher hangs in statfs', holds=BLIND)
    old = sick.pids('watcher')
    sick.hang('statfs')
    rig.wait_event('blind', sick, 'stuck in statvfs')
    wait_for(lambda: len(sick.pids('watcher')) == 2, text=rig.describe)
    well.assert_guarded()
    sick.stop_writer()

    def end():
        sick.abort()
        rig.run('umount', '-l', sick.mount)
        sick.server.signal(signal.SIGKILL)
        sick.attach()
    with row.recovery():
        end()
        sick.wait_state('guarding')
    wait_for(lambda: not is_alive(old[0]), 5, text='not reaped')
    sick.assert_guarded()
    sick.assert_log_valid()


def test_an_unrelated_mount_that_hangs_is_not_noticed(row, rig, well):
    row(injected='an unrelated FUSE mount hangs', holds=['not noticed at all', OTHERS])
    rig.start()
    other = rig.partition('unrelated', 'fuse')
    for operation in ('statfs', 'getattr', 'open', 'readdir'):
        other.hang(operation)
    before = rig.events()
    watchers, trimmers = rig.pids('watcher'), rig.pids('trimmer')
    well.start_writer(bytes_per_sec=2_000_000)
    well.assert_guarded()
    # The finder goes through all mounts once more.
    rig.daemon.signal(signal.SIGHUP)
    rig.wait_event('reloaded')
    wait_for(lambda: not rig.pids('finder'), text='the finder hangs')
    well.assert_guarded()
    assert (rig.pids('watcher'), rig.pids('trimmer')) == (watchers, trimmers)
    said = [e for e in rig.events()[len(before):] if e['DISKBRAKE_EVENT'] not in ('reloaded', 'act-done')
            and e['DISKBRAKE_EVENT'][:5] != 'level']
    assert not said, said
    assert other.tell('count') == 0
    assert len(rig.status()['partitions']) == 1


def test_a_start_beside_a_filesystem_that_hangs(row, rig, well):
    """What is found is guarded, whatever else cannot be looked at; and that is looked for again once it answers."""
    row(injected='FUSE server that never answers getattr, before the guard starts',
        holds=['the other partition is found and guarded', 'said in the journal and in status, with the path', BOUNDED,
               'found and guarded once it answers'])
    sick = rig.partition('sick', 'fuse')
    sick.hang('getattr')
    rig.start_journald()
    rig.write_config()
    rig.start_daemon()
    # The finder is given 5 s, then another one leaves that path out.
    wait_for(lambda: (well.status() or {}).get('state') == 'guarding', 12, 0.1, rig.describe)
    said = rig.wait_event('notice', text='/mnt/sick.* hangs')
    assert int(said['PRIORITY']) <= 4
    assert any('/mnt/sick' in note and 'hangs' in note for note in rig.status()['notes']), rig.status()['notes']
    assert sick.status() is None
    well.start_writer()
    assert len(rig.pids('finder')) <= 1
    with row.recovery():
        sick.release()
        wait_for(lambda: (sick.status() or {}).get('state') == 'guarding', 75, 0.2, rig.describe)
    rig.learn()
    sick.assert_guarded()
    well.assert_guarded()


def test_a_data_root_behind_a_link_hangs(row, rig, well):
    """What a finder had to leave out is not taken for unmounted, whatever the configuration calls it."""
    row(injected='FUSE server that never answers getattr, under a data-root that is configured by a symbolic link',
        holds=['blind, and not taken for unmounted', OTHERS, BOUNDED, RECOVERS])
    sick = rig.partition('sick', 'fuse')
    rig.run('ln', '-s', sick.root, '/run/link')
    rig.start_journald()
    rig.write_config()
    config = rig.scratch / 'diskbrake.conf'
    config.write_text(config.read_text().replace(f'DataRoot={sick.root}\n', 'DataRoot=/run/link\n'))
    rig.start_daemon()
    for p in (sick, well):
        p.wait_state('guarding')
    rig.learn()
    sick.hang('getattr')
    rig.wait_event('blind', sick)
    rig.wait_event('notice', text='/run/link hangs', timeout=30)
    # The finders that leave it out come back again and again.
    rig.diskbrake('reload')
    rig.diskbrake('reload')
    sick.assert_stays('blind', seconds=6)
    assert not rig.events('partition-gone')
    well.assert_guarded()
    with row.recovery():
        sick.release()
        sick.wait_state('guarding', timeout=35)
    rig.wait_event('sight', sick)
    sick.assert_guarded()
