# SPDX-License-Identifier: LGPL-2.1-or-later
"""`diskbrake logs` of archives, segments and the log that is written: each line once and in order, whatever was done to them
between archiving and freeing, and afterwards."""

import gzip
import os
import shutil
import signal
import subprocess
import time

import pytest

from archives import archive, archive_and_free, free
from lines import write_lines
from matrix import need
from test_archive import on, state  # noqa: F401  state is a fixture
from test_trim_matrix import ID, MIB, act, driver, log_of  # noqa: F401  driver is a fixture


def segment(log, name):
    return log.with_name(f'{log.name}.{name}')


def slow_lines(path, total, first):
    """A line each second. Returns the number of the next."""
    n = first
    with open(path, 'ab') as f:
        while f.tell() < total:
            f.write(b'{"log":"line %d %s\\n","stream":"stdout","time":"%s"}\n' % (n, b'x' * 1000, slow_time(n).encode()))
            n += 1
    return n


def slow_time(n):
    return f'2026-11-{1 + n // 86400:02}T{n // 3600 % 24:02}:{n // 60 % 60:02}:{n % 60:02}Z'


def check(reader, n, lost=()):
    """Each of n lines once and in order, however they are asked for."""
    wanted = [i for i in range(n) if i not in lost]
    assert reader.numbers() == wanted
    for last in (1, 500, 3000, 12000):
        assert reader.numbers('-n', str(last)) == wanted[-last:], last


def printed(reader, *options):
    """Numbers of the lines, and how many markers there are among them."""
    lines = reader.read(*options).stdout.splitlines()
    markers = [line for line in lines if line.startswith(b'diskbrake freed ')]
    return [int(line.split()[1]) for line in lines if line not in markers], len(markers)


# ---- order ---------------------------------------------------------------------------------------------------------

def test_a_head_that_was_archived_before_an_older_segment(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n_oldest = slow_lines(segment(log, 3), MIB, 0)
        n_older = slow_lines(segment(log, 2), 2 * MIB, n_oldest)
        n = slow_lines(log, 20 * MIB, n_older)

        def look():
            check(reader, n)
            for at in (n_oldest // 2, n_oldest + 700, n_older + 1000, n_older + 9000):
                assert reader.numbers('--since', slow_time(at)) == list(range(at, n))
                assert reader.numbers('--since', slow_time(at), '-n', '300', '--until', slow_time(at + 900)) == \
                    list(range(at + 600, at + 900))

        assert archive_and_free(driver, mount, state, 'punch', 4 * MIB, MIB)[1]['result'] == 'done'
        look()
        assert archive_and_free(driver, mount, state, 'delete', MIB, 0)[1]['result'] == 'done'
        look()
        assert archive_and_free(driver, mount, state, 'punch', 4 * MIB, MIB)[1]['result'] == 'done'
        look()
        assert archive_and_free(driver, mount, state, 'delete', MIB, 0)[1]['result'] == 'done'
        look()


def test_a_renamed_container(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        n = write_lines(log_of(mount), 30 * MIB, line_bytes=1000)
        aside = tmp_path / 'aside'
        aside.mkdir()
        for name, rounds in (('web', 3), ('aaa', 2), ('zzz', 1)):
            for _ in range(rounds):
                archived = archive(driver, mount, state, 'punch', 3 * MIB, MIB, name=name)
                assert free(driver, mount, 'punch', archived['log_bytes'], MIB, archived)['result'] == 'done'
            # An archiver that found the older folder would go on in it: there may be several from before it did.
            folder, = (state / 'archive').iterdir()
            folder.rename(aside / folder.name)
        for folder in aside.iterdir():
            folder.rename(state / 'archive' / folder.name)
        assert len(list((state / 'archive').iterdir())) == 3
        check(reader, n)
        archive(driver, mount, state, 'punch', 3 * MIB, MIB, name='zzz')
        check(reader, n)


# ---- archived, and still there ---------------------------------------------------------------------------------------

def alike(log):
    """A line without an end: pieces of 16 KiB that are all alike, behind others and in front of others."""
    n = write_lines(log, 3 * MIB, line_bytes=1000)
    with open(log, 'ab') as f:
        for _ in range(1000):
            f.write(b'{"log":"line %d %s\\n","stream":"stdout","time":"2026-11-21T12:00:00.%09dZ"}\n' % (n, b'x' * 16384, n))
    return list(range(n)) + [n] * 1000


@pytest.mark.parametrize('how', ['healed', 'healed, cut by less', 'cut by less', 'cut by less, alike', 'alike', 'freed, alike',
                                 'compressed', 'freed in part, compressed'])
def test_what_is_in_an_archive_and_in_the_log_is_read_once(driver, tmp_path, state, how):  # noqa: F811
    """Also when the next round archives it again."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        if 'alike' in how:
            wanted = alike(log)
        else:
            wanted = list(range(write_lines(log, 20 * MIB, line_bytes=1000)))
        if 'healed' in how:
            assert archive_and_free(driver, mount, state, 'punch', 4 * MIB, MIB)[1]['result'] == 'done'
        archived = archive(driver, mount, state, 'punch', 8 * MIB, MIB)
        assert archived['result'] == 'done'
        assert reader.numbers() == wanted, 'archived'
        if 'freed,' in how:
            assert free(driver, mount, 'collapse-leased', 8 * MIB, MIB, archived)['cut'] == archived['log_bytes']
        if 'healed' in how:
            assert act(driver, mount, 'heal')['result'] == 'done'
        if 'cut by less' in how:
            assert act(driver, mount, 'collapse-leased', want=5 * MIB, keep=MIB)['result'] == 'done'
        if 'in part' in how:
            assert act(driver, mount, 'collapse-leased', want=2 * MIB, keep=MIB)['result'] == 'done'
        if 'compressed' in how:
            segment(log, '1.gz').write_bytes(gzip.compress(log.read_bytes(), 1))
            log.unlink()
            wanted = list(range(write_lines(log, 3 * MIB, line_bytes=1000, first=len(wanted))))
        assert reader.numbers() == wanted, how
        for last in (1, 400, 900, 2000):
            assert reader.numbers('-n', str(last)) == wanted[-last:], last
        if 'compressed' in how:
            os.utime(segment(log, '1.gz'), (1, 1))
            segment(log, '1.gz').rename(segment(log, '2.gz'))
            assert archive_and_free(driver, mount, state, 'delete', MIB, 0)[1]['result'] == 'done'
        elif 'alike' not in how:
            assert archive_and_free(driver, mount, state, 'punch', 4 * MIB, MIB)[1]['result'] == 'done'
        assert reader.numbers() == wanted, 'after the next round'
        for last in (1, 400, 900, 2000, 9000):
            assert reader.numbers('-n', str(last)) == wanted[-last:], last


def test_an_archive_that_is_cut_short_or_damaged(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 20 * MIB, line_bytes=1000)
        archived = archive(driver, mount, state, 'collapse-leased', 4 * MIB, MIB)
        path = next((state / 'archive').glob('*/*'))
        whole = path.read_bytes()
        damaged = [whole[:k] for k in (0, 3, 10, len(whole) // 2, len(whole) - 1)]
        damaged.append(whole[:len(whole) // 2] + b'damage' + whole[len(whole) // 2 + 6:])
        for data in damaged:
            path.write_bytes(data)
            check(reader, n)
        # A part of it is freed: what lies between is lost, and no more than that.
        assert act(driver, mount, 'collapse-leased', want=3 * MIB, keep=MIB)['result'] == 'done'
        path.write_bytes(whole)
        check(reader, n)
        first = int(next(x for x in log.read_bytes().split(b'\n') if x.strip()).split()[1])
        for data in damaged:
            path.write_bytes(data)
            found = reader.numbers()
            assert found == sorted(set(found)) and set(range(first, n)) <= set(found), len(data)
            assert reader.numbers('-n', '1000') == list(range(n - 1000, n))
        # The archiver has made another one of it.
        second = path.with_name(path.name.replace('00000001', '00000002'))
        for data in damaged:
            path.write_bytes(data)
            second.write_bytes(whole)
            check(reader, n)
        assert free(driver, mount, 'collapse-leased', MIB, MIB, archived)['result'] in ('done', 'nothing-to-do')


# ---- markers ---------------------------------------------------------------------------------------------------------

def test_the_marker_is_read_where_lines_are_missing_and_only_there(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 64 * MIB, line_bytes=1024)
        for _ in range(2):
            assert archive_and_free(driver, mount, state, 'punch', 8 * MIB, MIB)[1]['result'] == 'done'
            assert printed(reader) == (list(range(n)), 0)
        assert act(driver, mount, 'heal')['result'] == 'done'
        assert printed(reader) == (list(range(n)), 0), 'healed'
        assert archive_and_free(driver, mount, state, 'punch', 8 * MIB, MIB)[1]['result'] == 'done'
        assert printed(reader) == (list(range(n)), 0), 'and punched again'
        assert act(driver, mount, 'punch', want=4 * MIB, keep=MIB)['result'] == 'done'
        found, n_markers = printed(reader)
        assert len(found) < n - 1000 and n_markers == 1, 'not archived'
        assert archive_and_free(driver, mount, state, 'punch', 4 * MIB, MIB)[1]['result'] == 'done'
        assert printed(reader) == (found, 1), 'it counts what was lost before as well'


def test_the_marker_is_read_where_as_much_was_archived_before_it(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        n = 32 * 1024
        with open(log_of(mount), 'wb') as f:  # KiB by KiB: each cut goes between two lines
            for i in range(n):
                line = b'{"log":"line %08d %%s\\n","stream":"stdout","time":"%s"}\n' % (i, slow_time(i).encode())
                f.write(line % (b'x' * (1024 + 2 - len(line))))
        assert archive_and_free(driver, mount, state, 'collapse-leased', 8 * MIB, MIB)[1]['result'] == 'done'
        assert printed(reader) == (list(range(n)), 0)
        assert act(driver, mount, 'punch', want=8 * MIB, keep=MIB)['result'] == 'done'
        found, n_markers = printed(reader)
        assert len(found) == n - 8 * 1024 and n_markers == 1


def test_a_segment_with_its_hole(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 24 * MIB, line_bytes=1000)
        assert archive_and_free(driver, mount, state, 'punch', 12 * MIB, MIB)[1]['result'] == 'done'
        archive(driver, mount, state, 'punch', 4 * MIB, MIB)
        log.rename(segment(log, 2))
        n = write_lines(log, 2 * MIB, line_bytes=1000, first=n)
        check(reader, n)
        assert archive_and_free(driver, mount, state, 'delete', 4 * MIB, 0)[1]['result'] == 'done'
        check(reader, n)


# ---- meanwhile -------------------------------------------------------------------------------------------------------

def is_stopped(pid):
    """By a signal: the tracer has it then."""
    children = [int(p) for p in open(f'/proc/{pid}/task/{pid}/children').read().split()]
    for child in children:
        if open(f'/proc/{child}/stat').read().rpartition(')')[2].split()[0] in 'Tt':
            return child
    return None


@pytest.mark.parametrize('options', [[], ['-n', '2000']])
def test_a_reader_that_stands_still_at_any_system_call_while_the_head_is_freed(driver, tmp_path, state, options):  # noqa: F811
    need('strace')
    stops = 0
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        for calls in ('pread64', 'lseek', 'fstat,newfstatat'):
            for when in range(1, 60):
                log.unlink(missing_ok=True)
                shutil.rmtree(state / 'archive', ignore_errors=True)
                (tmp_path / 'trace').write_bytes(b'')
                n = write_lines(log, 4 * MIB, line_bytes=1000)
                slow = subprocess.Popen(['strace', '-qq', f'-o{tmp_path}/trace', f'-einject={calls}:signal=STOP:when={when}', *reader.command,
                                         *options], stdout=open(tmp_path / 'read', 'wb'))
                deadline, pid = time.monotonic() + 10, None
                while slow.poll() is None and not pid and time.monotonic() < deadline:
                    pid = b'stopped by SIGSTOP' in (tmp_path / 'trace').read_bytes() and is_stopped(slow.pid)
                    time.sleep(0.002)
                if not pid:
                    assert slow.wait(10) == 0
                    break
                stops += 1
                assert archive_and_free(driver, mount, state, 'punch', 2 * MIB, MIB)[1]['result'] == 'done'
                os.kill(pid, signal.SIGCONT)
                assert slow.wait(10) == 0
                found = [int(line.split()[1]) for line in (tmp_path / 'read').read_bytes().splitlines()]
                assert found == list(range(n))[-int(options[1]) if options else 0:], (calls, when)
    assert stops > 20


# ---- names, numbers, words -------------------------------------------------------------------------------------------

def test_what_is_said_where_nothing_was_archived(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), MIB)
        done = reader.read('--archives-only')
        assert done.returncode == 1 and done.stderr == b'diskbrake: nothing was archived of the log of web\n'


def test_a_removed_container_with_a_long_name(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 4 * MIB)
        name = 'a-name-that-compose-has-made-of-a-project-and-a-service-and-a-number-1'
        assert archive(driver, mount, state, 'punch', 2 * MIB, MIB, name=name)['result'] == 'done'
        done = subprocess.run([*reader.command[:-1], name, '-n', '1'], capture_output=True, timeout=60)
        assert done.returncode == 0 and done.stdout.startswith(b'line '), done.stderr
        assert subprocess.run([*reader.command[:-1], name[:-30]], capture_output=True, timeout=60).returncode == 1


def test_very_many_archives(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        folder = state / 'archive' / f'web-{ID[:12]}'
        folder.mkdir(parents=True)
        n, more = 16500, 100
        for i in range(n):
            data = gzip.compress(b'{"log":"line %d\\n","stream":"stdout","time":"%s"}\n' % (i, slow_time(i).encode()), 1)
            (folder / f'{i + 1:08}.inode-{i + 10}.bytes-0-{len(data)}.json.gz').write_bytes(data)
        with open(log_of(mount), 'wb') as f:
            for i in range(n, n + more):
                f.write(b'{"log":"line %d\\n","stream":"stdout","time":"%s"}\n' % (i, slow_time(i).encode()))
        assert reader.numbers() == list(range(n + more))
        begin = time.monotonic()
        assert reader.numbers('-n', '3') == list(range(n + more - 3, n + more))
        assert time.monotonic() - begin < 2, 'the newest lines do not take a look at each archive'
