# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archive, then free, by the guard as a whole: what is read of it afterwards, and an archiver that dies, hangs or is told
something else in the middle."""

import contextlib
import os
import time

from archives import wait_until_true
from matrix import VALID
from rig import MIB
from test_archive import EACH_ONCE


def make_nearly_full(p, left):
    with open(p.outside / 'filler', 'wb') as f:
        s = os.statvfs(p.outside)
        os.posix_fallocate(f.fileno(), 0, s.f_bavail * s.f_frsize - left)


def read_all(rig, p, *options):
    done = rig.diskbrake('logs', f'{p.name}-web', *options)
    return [int(line.split()[1]) for line in done.stdout.splitlines() if not line.startswith('diskbrake freed ')]


def archived_cuts(rig, p):
    return [e for e in rig.events('act-done', p) if e.get('DISKBRAKE_ARCHIVED') == 'yes']


def test_the_guard_archives_what_it_frees_and_logs_reads_it_all(row, rig, well):
    """Also once the container was removed, and by the archives alone."""
    p = rig.partition('sick', size=256 * MIB)
    row(injected='a log grows at 2 MB/s on a partition that is nearly full', holds=[EACH_ONCE, VALID])
    p.fill_log(40 * MIB)
    make_nearly_full(p, 28 * MIB)
    rig.start()
    p.start_writer(bytes_per_sec=2_000_000)
    wait_until_true(lambda: len(archived_cuts(rig, p)) >= 3, 40, rig.describe)
    p.stop_writer()
    n = p.n_lines['web']
    cut = archived_cuts(rig, p)[0]
    assert 'archived before, no line is lost' in cut['MESSAGE']
    assert not [e for e in rig.events('act-done', p) if e.get('DISKBRAKE_ARCHIVED') == 'no']
    # What was written before the act that is under way now has ended.
    assert read_all(rig, p) == list(range(n))
    assert read_all(rig, p, '-n', '3') == [n - 3, n - 2, n - 1]
    kept = read_all(rig, p, '--archives-only')
    assert kept == list(range(len(kept))) and len(kept) > 1000
    assert rig.run('find', '/run/rig/state/archive', '-perm', '/077').stdout == ''
    p.remove_container('web')
    wait_until_true(lambda: p.status()['logs'] == [], 10, rig.describe)
    assert read_all(rig, p) == list(range(len(read_all(rig, p)))) and len(read_all(rig, p)) >= len(kept)
    assert rig.diskbrake('logs', 'nobody', check=False).returncode == 1


def test_an_archiver_that_is_killed_or_stopped_holds_nobody_up(row, rig, well):
    p = rig.partition('sick', size=256 * MIB)
    row(injected='the archiver is killed again and again, then stopped for good, while a log grows at 2 MB/s',
        holds=['never full', EACH_ONCE + ', or said to be lost', VALID])
    p.fill_log(40 * MIB)
    make_nearly_full(p, 28 * MIB)
    rig.start(extra='[Trim]\nArchiveRate=4M\n')
    p.start_writer(bytes_per_sec=2_000_000)
    for _ in range(5):
        wait_until_true(lambda: rig.pids('archiver'), 30, rig.describe)
        for pid in rig.pids('archiver'):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        time.sleep(0.3)
    wait_until_true(lambda: rig.pids('archiver'), 30, rig.describe)
    for pid in rig.pids('archiver'):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, 19)
    wait_until_true(lambda: rig.events('archive-stopped', p), 30, rig.describe)
    n_acts = len(rig.events('act-done', p))
    wait_until_true(lambda: len(rig.events('act-done', p)) > n_acts, 30, rig.describe)
    assert p.stop_writer() == 0, 'no write failed'
    lost = [e for e in rig.events('act-done', p) if e.get('DISKBRAKE_ARCHIVED') == 'no']
    assert lost and all(int(e['DISKBRAKE_LOST_LINES']) > 0 and 'are lost' in e['MESSAGE'] for e in lost)
    found = read_all(rig, p)
    assert found == sorted(set(found)) and found[-1] == p.n_lines['web'] - 1


def test_a_new_configuration_is_taken_in_the_middle_of_a_flood(rig, well):
    """The archiver is never idle then, and goes by what it was told when it was started."""
    p = rig.partition('sick', size=512 * MIB)
    trim = '[Trim]\nMaxLogSize=8M\nArchiveRate=1M\n'
    rig.run('mkdir', '-m', '0700', '/mnt/archives')
    rig.start(extra=trim)
    p.start_writer(bytes_per_sec=8_000_000)
    wait_until_true(lambda: rig.run('find', '/run/rig/state/archive', '-name', 'incomplete', check=False).stdout, 30, rig.describe)
    first, = rig.pids('archiver')
    rig.write_config(extra=trim + 'ArchiveDirectory=/mnt/archives\n')
    rig.diskbrake('reload')
    # Not idle for ten seconds, which would end it as well.
    wait_until_true(lambda: rig.run('find', '/mnt/archives', '-name', '*.zst').stdout, 8, rig.describe)
    assert first not in rig.pids('archiver')
    assert p.stop_writer() == 0


def size_of(p):
    return next(log['allocated_bytes'] for log in p.status()['logs'] if log['name'].endswith('web'))


def test_a_stuck_archiver_holds_up_nobody(row, rig, well):
    """It was killed and does not end: who wants something archived is told so at once, instead of waiting for its end."""
    p = rig.partition('sick', size=512 * MIB)
    row(injected="the archive's filesystem is frozen while a log grows at 2 MB/s; MaxLogSize=8M",
        holds=['what the log gives is freed unarchived', 'no process piles up'])
    store = rig.partition('store', size=256 * MIB)
    rig.run('mkdir', '-m', '0700', f'{store.mount}/archive')
    rig.start(extra=f'[Trim]\nMaxLogSize=8M\nArchiveDirectory={store.mount}/archive\n')
    p.start_writer(bytes_per_sec=2_000_000)
    wait_until_true(lambda: rig.run('find', store.mount, '-name', '*.zst').stdout, 30, rig.describe)
    frozen = store.freeze()
    stopped = rig.wait_event('archive-stopped', p, timeout=30)
    assert 'takes too long' in stopped['MESSAGE'] or 'still has' in stopped['MESSAGE']
    time.sleep(4)
    # How much it grew until then depends on how long archiving was thought to take.
    first = most = size_of(p)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        most = max(most, size_of(p))
        assert len(rig.pids('archiver')) <= 1, rig.describe()
        time.sleep(0.2)
    assert most < first + 8 * MIB
    with row.recovery():
        frozen.thaw()
        rig.wait_event('archive-goes-on', p, timeout=60)
    assert p.stop_writer() == 0
