# SPDX-License-Identifier: LGPL-2.1-or-later
"""Archive, then free: killed at any system call, and whatever else happens, each line is read exactly once by `diskbrake
logs`. On real filesystems, with the real archiver and trimmer."""

import contextlib
import errno
import gzip
import os
import subprocess
import time

import pytest

from archives import archive, archive_and_free, archived_numbers, free, keep_house, reading
from lines import write_lines
from matrix import VALID, need
from test_trim_matrix import ID, MIB, Writer, act, driver, log_of, mounted, wait_until  # noqa: F401  driver is a fixture

EACH_ONCE = 'each line is read exactly once, from log or archive'


@pytest.fixture
def state(tmp_path):
    path = tmp_path / 'state'
    path.mkdir(mode=0o700)
    return path


@contextlib.contextmanager
def on(kind, tmp_path, state):
    """A mounted filesystem, and a reader of the log on it."""
    with mounted(kind, tmp_path) as mount, reading(tmp_path, mount, state) as reader:
        yield mount, reader


def clear(log, state):
    for path in [*log.parent.iterdir(), *(state / 'archive').glob('*/*')]:
        path.unlink()
    for path in (state / 'archive').glob('*'):
        path.rmdir()


# ---- killed at any system call -------------------------------------------------------------------------------------

CALLS = {
    'archiver': ['openat2,openat', 'fstat,newfstatat', 'fstatfs,statfs', 'mkdirat', 'getdents64', 'unlinkat', 'pread64',
                 'write', 'fsync', 'fadvise64', 'renameat2', 'lseek', 'close', 'sendto', 'recvfrom'],
    'trimmer': ['openat2', 'fstat,newfstatat', 'flock', 'pread64', 'lseek', 'pwritev', 'pwrite64', 'sync_file_range', 'fcntl',
                'fallocate', 'ioctl', 'unlinkat', 'getdents64', 'close', 'sendto', 'recvfrom'],
}
METHODS = {'collapse': 'collapse-leased', 'punch': 'punch', 'second punch': 'punch', 'delete': 'delete', 'fill': 'fill',
           'second fill': 'fill'}
WANT, KEEP = 3 * MIB, MIB


def make_log(log, state, name, driver, mount):  # noqa: F811
    """Returns how many lines there are, in all that a reader is to see."""
    clear(log, state)
    n = 0
    if name == 'delete':
        for i, packed in ((3, True), (2, False)):
            segment = log.with_name(f'{log.name}.{i}')
            n = write_lines(segment, MIB, line_bytes=3000, first=n)
            if packed:
                segment.with_name(segment.name + '.gz').write_bytes(gzip.compress(segment.read_bytes(), 1))
                segment.unlink()
    n = write_lines(log, 6 * MIB, line_bytes=3000, first=n)
    if name.startswith('second'):
        archived, freed = archive_and_free(driver, mount, state, METHODS[name], MIB, KEEP)
        assert (archived['result'], freed['result']) == ('done', 'done')
    return n


def one_round(driver, mount, state, name, who, wrapper):  # noqa: F811
    """Returns whether somebody was killed in it."""
    then = METHODS[name]
    archived = archive(driver, mount, state, then, WANT, KEEP, wrapper=wrapper if who == 'archiver' else ())
    if archived['result'] != 'done':
        return archived['status'] != 0
    freed = free(driver, mount, then, archived['log_bytes'], KEEP, archived, wrapper=wrapper if who == 'trimmer' else ())
    return archived['status'] != 0 or freed['status'] != 0


@pytest.mark.parametrize('kind', ['ext4-4k', 'xfs'])
@pytest.mark.parametrize('name', list(METHODS))
@pytest.mark.parametrize('who', list(CALLS))
def test_killed_at_any_system_call_each_line_is_read_once(row, driver, tmp_path, state, kind, name, who):  # noqa: F811
    need('strace')
    if METHODS[name] == 'fill' and (kind != 'xfs' or who == 'archiver'):
        pytest.skip('ext4 cannot share blocks' if kind != 'xfs' else 'the archiver does not see what is to follow')
    kills = 0
    with on(kind, tmp_path, state) as (mount, reader):
        log = log_of(mount)
        for calls in CALLS[who]:
            for when in range(1, 100):
                where = (calls, when)
                n = make_log(log, state, name, driver, mount)
                (mount.parent / 'page').unlink(missing_ok=True)
                killed = one_round(driver, mount, state, name, who,
                                   ['strace', '-qq', '-o/dev/null', '-e', f'inject={calls}:signal=KILL:when={when}'])
                kills += killed
                # A line that was blank when it was cut has no time that the marker could be known by: then it is shown.
                assert reader.numbers(marker=True) == list(range(n)), (where, 'right after')
                assert reader.numbers('-n', '5') == list(range(n - 5, n)), where
                assert act(driver, mount, 'none')['pending'] == 0, where
                assert reader.numbers(marker=True) == list(range(n)), (where, 'finished by the next trimmer')
                assert not one_round(driver, mount, state, name, who, []), where
                assert reader.numbers(marker=True) == list(range(n)), (where, 'after the next round')
                if not killed:
                    break
            else:
                pytest.fail(f'{calls} has no end')
    row(injected=f'the {who} killed at its N-th system call of an archive-and-free by {name} on {kind}, all N (strace): '
        f'{kills} kills', holds=[EACH_ONCE, VALID])
    assert kills > 15


# ---- a busy writer -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('kind', ['ext4-4k', 'xfs', 'btrfs'])
@pytest.mark.parametrize('method', ['punch', 'collapse'])
def test_under_a_busy_writer_no_line_is_lost(driver, tmp_path, state, kind, method):  # noqa: F811
    if (kind, method) == ('btrfs', 'collapse'):
        pytest.skip('btrfs cannot collapse')
    rounds = 0
    with on(kind, tmp_path, state) as (mount, reader):
        log = log_of(mount)
        writer = Writer(driver, log, line_bytes=300)
        facts = {'pid': writer.pid, 'fd': writer.fd, 'dockerd': writer.pid}
        try:
            for _ in range(12):
                wait_until(log, 8 * MIB)
                archived = archive(driver, mount, state, method, 4 * MIB, MIB)
                assert archived['result'] == 'done', archived
                freed = free(driver, mount, method, archived['log_bytes'], MIB, archived, **facts)
                assert freed['result'] == 'done' and freed['cut'] == archived['log_bytes'], freed
                rounds += 1
        finally:
            n, failed = writer.stop()
        assert failed == 0 and rounds == 12
        assert reader.numbers() == list(range(n))
        assert archived_numbers(state) == reader.numbers('--archives-only')


def test_read_while_it_is_archived_and_freed_each_line_comes_once(driver, tmp_path, state):  # noqa: F811
    """A reader that stands still meanwhile, and one that follows."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 24 * MIB, line_bytes=1000)
        for method in ('punch', 'collapse-leased'):
            slow = subprocess.Popen(reader.command, stdout=subprocess.PIPE)
            first = slow.stdout.read(1000)
            follower = subprocess.Popen([*reader.command, '-f'], stdout=open(tmp_path / 'followed', 'wb'))
            time.sleep(1)
            if method == 'punch':  # the other one needs it to be open nowhere
                for _ in range(4):
                    archived, freed = archive_and_free(driver, mount, state, method, 2 * MIB, MIB)
                    assert freed['result'] == 'done'
            text = first + slow.stdout.read()
            slow.wait()
            assert [int(line.split()[1]) for line in text.splitlines()] == list(range(n))
            n = write_lines(log, log.stat().st_size + MIB, line_bytes=1000, first=n)
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline and len((tmp_path / 'followed').read_bytes().splitlines()) < n:
                time.sleep(0.2)
            follower.kill()
            follower.wait()
            assert [int(line.split()[1]) for line in (tmp_path / 'followed').read_bytes().splitlines()] == list(range(n))
            if method != 'punch':
                archived, freed = archive_and_free(driver, mount, state, method, 2 * MIB, MIB)
                assert freed['result'] == 'done'
                assert reader.numbers() == list(range(n))


# ---- what is archived is only what may be --------------------------------------------------------------------------

def test_what_changes_meanwhile_is_not_archived(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 32 * MIB, line_bytes=1000)
        slow = subprocess.Popen([driver, 'archive', state, mount, ID, 'punch', str(16 * MIB), str(MIB), f'rate={8 * MIB}'],
                                stdout=subprocess.PIPE, text=True)
        time.sleep(0.7)
        os.truncate(log, 0)
        answer = slow.communicate(timeout=30)[0]
        assert 'result=changed' in answer
        n = write_lines(log, 32 * MIB, line_bytes=1000)
        assert reader.numbers() == list(range(n))
        assert not list((state / 'archive').glob('*/*'))
        # Another file under that name, one with a second link, none.
        assert archive(driver, mount, state, 'punch', MIB, MIB, inode=7)['result'] == 'changed'
        os.link(log, log.with_name('x'))
        assert archive(driver, mount, state, 'punch', MIB, MIB)['result'] == 'refused'
        log.with_name('x').unlink()
        assert archive(driver, mount, state, 'punch', MIB, MIB)['result'] == 'done'


def test_a_segment_that_docker_compresses_is_left_alone(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log.with_name(log.name + '.1'), MIB)
        n = write_lines(log, MIB, first=n)
        assert archive(driver, mount, state, 'delete', MIB, 0)['result'] == 'busy', 'rotated just now'
        log.with_name(log.name + '.1').rename(log.with_name(log.name + '.2'))
        log.with_name(log.name + '.2.gz').write_bytes(b'half of it')
        assert archive(driver, mount, state, 'delete', MIB, 0)['result'] == 'busy'
        log.with_name(log.name + '.2.gz').unlink()
        archived, freed = archive_and_free(driver, mount, state, 'delete', MIB, 0)
        assert (archived['result'], freed['result']) == ('done', 'done')
        assert reader.numbers() == list(range(n))


# ---- budgets and room ----------------------------------------------------------------------------------------------

def used(state):
    return sum(p.stat().st_blocks * 512 for p in (state / 'archive').glob('*/*'))


def noise(log, n_bytes):
    """Lines that cannot be compressed much."""
    with open(log, 'wb') as f:
        for i in range(n_bytes // 1000):
            f.write(b'{"log":"line %d %s\\n","stream":"stdout","time":"2026-11-21T12:00:00.%09dZ"}\n'
                    % (i, os.urandom(450).hex().encode(), i))


def test_the_oldest_go_first_when_a_budget_is_spent(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        noise(log, 64 * MIB)
        for i in range(8):
            assert archive_and_free(driver, mount, state, 'punch', 2 * MIB, MIB)[1]['result'] == 'done'
            os.sync()
        names = sorted(p.name for p in (state / 'archive').glob('*/*'))
        assert len(names) == 8
        budget = used(state) * 3 // 8
        assert archive(driver, mount, state, 'punch', 2 * MIB, MIB, size=budget)['result'] == 'done'
        left = sorted(p.name for p in (state / 'archive').glob('*/*'))
        assert used(state) <= budget and left[:-1] == names[-len(left) + 1:], 'the oldest went'
        # Another container's are not touched for the budget of one.
        before = [p.name for p in (state / 'archive').glob('web-*/*')]
        another = 'f' * 64
        (mount / 'containers' / another).mkdir()
        noise(mount / 'containers' / another / f'{another}-json.log', 8 * MIB)
        other = archive(driver, mount, state, 'punch', 2 * MIB, MIB, container=another, name='other',
                        container_size=2 * MIB)
        assert other['result'] == 'done' and list((state / 'archive').glob('other-*/*'))
        assert sorted(before) == sorted(p.name for p in (state / 'archive').glob('web-*/*'))
        # One that fits nowhere removes nothing, and nothing of it stays.
        r = archive(driver, mount, state, 'punch', 8 * MIB, MIB, container_size=MIB, known=1)
        assert (r['result'], r['error']) == ('failed', -122)    # EDQUOT
        assert sorted(before) == sorted(p.name for p in (state / 'archive').glob('web-*/*'))
        assert not list((state / 'archive').glob('*/incomplete'))


def test_what_is_too_old_goes_also_of_removed_containers(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        write_lines(log, 8 * MIB)
        assert archive_and_free(driver, mount, state, 'punch', MIB, MIB)[1]['result'] == 'done'
        old = next((state / 'archive').glob('*/*'))
        gone = state / 'archive' / 'gone-0123456789ab'
        gone.mkdir()
        for path in (old, gone / old.name):
            path.exists() or path.write_bytes(b'x')
            os.utime(path, (time.time() - 1000, time.time() - 1000))
        (gone / 'incomplete').write_bytes(b'of a killed one')
        assert keep_house(driver, mount, state, times=2, age=2000)['result'] == 'done'
        assert old.exists() and (gone / old.name).exists() and not (gone / 'incomplete').exists()
        # Also while nothing is archived.
        assert keep_house(driver, mount, state, age=500, size=0)['result'] == 'done'
        assert not old.exists() and not gone.exists()


def test_it_stops_before_a_partition_is_in_trouble(driver, tmp_path):  # noqa: F811
    """On the log's own partition before the emergency (5 %), elsewhere before the warning (15 %)."""
    with mounted('ext4-4k', tmp_path, 128 * MIB) as mount:
        log = log_of(mount)
        noise(log, 40 * MIB)
        here = mount / 'state'
        here.mkdir(mode=0o700)
        with open(mount / 'filler', 'wb') as f:
            s = os.statvfs(mount)
            os.posix_fallocate(f.fileno(), 0, s.f_bavail * s.f_frsize - int(s.f_blocks * s.f_frsize * 0.05) - 6 * MIB)
        r = archive(driver, mount, here, 'punch', 16 * MIB, MIB)
        s = os.statvfs(mount)
        assert (r['result'], r['error'], r['elsewhere']) == ('failed', -28, 0), r
        assert s.f_bavail * s.f_frsize > s.f_blocks * s.f_frsize * 0.05 and not list(here.glob('archive/*/*'))
        assert archive(driver, mount, here, 'punch', 2 * MIB, MIB)['result'] == 'done'
        (tmp_path / 'b').mkdir()
        with mounted('ext4-4k', tmp_path / 'b', 128 * MIB) as other:
            there = other / 'state'
            there.mkdir(mode=0o700)
            assert archive(driver, mount, there, 'punch', 2 * MIB, MIB)['elsewhere'] == 1
            with open(other / 'filler', 'wb') as f:
                s = os.statvfs(other)
                os.posix_fallocate(f.fileno(), 0, s.f_bavail * s.f_frsize - int(s.f_blocks * s.f_frsize * 0.15) - 6 * MIB)
            r = archive(driver, mount, there, 'punch', 16 * MIB, MIB, known=1)
            s = os.statvfs(other)
            assert (r['result'], r['error']) == ('failed', -28), r
            assert s.f_bavail * s.f_frsize > s.f_blocks * s.f_frsize * 0.15


# ---- who may, and hostile names ------------------------------------------------------------------------------------

@pytest.mark.parametrize('mode', [0o770, 0o707, 0o755, 0o1777, 0o710])
def test_a_folder_that_is_not_roots_alone_is_refused_and_left_as_it_is(driver, tmp_path, state, mode):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 4 * MIB)
        (state / 'archive').mkdir()
        (state / 'archive').chmod(mode)
        r = archive(driver, mount, state, 'punch', MIB, MIB)
        assert (r['result'], r['error']) == ('failed', -errno.EBADFD)
        assert not list((state / 'archive').iterdir()) and (state / 'archive').stat().st_mode & 0o7777 == mode
        (state / 'archive').chmod(0o700)
        os.chown(state / 'archive', 1000, 0)
        assert archive(driver, mount, state, 'punch', MIB, MIB)['error'] == -errno.EBADFD


def test_links_in_the_way_are_not_followed(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 4 * MIB)
        elsewhere = tmp_path / 'elsewhere'
        elsewhere.mkdir(mode=0o700)
        (state / 'archive').mkdir(mode=0o700)
        (state / 'archive' / ('web-' + ID[:12])).symlink_to(elsewhere)
        assert archive(driver, mount, state, 'punch', MIB, MIB)['result'] == 'failed'
        assert not list(elsewhere.iterdir())


@pytest.mark.parametrize('name', ['../../../../tmp/x', '..', '.', '/etc/cron.d/x', 'a\nb', 'x' * 4000, '', ' ', '-rf', '.hidden',
                                  'web;rm', 'caf\u00e9', '\udcff\udcfe'])
def test_no_name_leads_out_of_the_archive(driver, tmp_path, state, name):  # noqa: F811
    with mounted('ext4-4k', tmp_path) as mount:
        write_lines(log_of(mount), 4 * MIB)
        before = {p for p in tmp_path.rglob('*')}
        r = archive(driver, mount, state, 'punch', MIB, MIB, name=name)
        assert r['result'] == 'done', r
        made = {p for p in tmp_path.rglob('*')} - before
        assert all(p.is_relative_to(state / 'archive') for p in made), made
        folder, = (state / 'archive').iterdir()
        assert folder.name.endswith('-' + ID[:12]) and len(folder.name) < 64 and folder.name[0] not in '.-'
        assert folder.name.isascii() and '/' not in folder.name and folder.stat().st_mode & 0o777 == 0o700
