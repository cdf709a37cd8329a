# SPDX-License-Identifier: LGPL-2.1-or-later
"""What an archive holds, where it lies and how long, when something is in the way: half an archive, two archivers, a clock
that jumps, a rotation or a rename in the middle. On real filesystems, with the real archiver and trimmer."""

import errno
import gzip
import os
import subprocess
import time
from pathlib import Path

import pytest

from archives import archive, archive_and_free, free, keep_house, wait_until_true
from lines import write_lines
from rig import MIB
from test_archive import on, state  # noqa: F401  state is a fixture
from test_trim_matrix import ID, driver, log_of, mounted  # noqa: F401  driver is a fixture

DAY = 24 * 3600


def archives(state):  # noqa: F811
    return sorted((state / 'archive').glob('*-*/*'))


def start(driver, mount, state, then, want, rate, **options):  # noqa: F811
    """An archiver that takes its time."""
    command = [driver, 'archive', state, mount, ID, then, str(want), str(MIB), f'rate={rate}']
    command += [f'{k}={v}' for k, v in options.items()]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def answer_of(process):
    return dict(line.split('=', 1) for line in process.communicate(timeout=60)[0].splitlines() if '=' in line)


# ---- what counts as archived ---------------------------------------------------------------------------------------

def test_half_an_archive_is_none(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 20 * MIB, line_bytes=1000)
        assert archive(driver, mount, state, 'punch', 4 * MIB, MIB)['result'] == 'done'
        path, = archives(state)
        whole = path.read_bytes()
        assert archive(driver, mount, state, 'punch', 4 * MIB, MIB)['file_bytes'] == 0, 'it is there already'
        for n in (len(whole) - 1, len(whole) // 2, 10, 0):
            path.write_bytes(whole[:n])
            again = archive(driver, mount, state, 'punch', 4 * MIB, MIB)
            assert again['result'] == 'done' and again['file_bytes'] > 0, n
            archives(state)[-1].unlink()


def test_only_one_archiver_is_at_it(driver, tmp_path, state):  # noqa: F811
    """A second guard, or one that is stuck: neither removes what the other is writing."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        n = write_lines(log_of(mount), 40 * MIB, line_bytes=1000)
        first = start(driver, mount, state, 'punch', 16 * MIB, 4 * MIB)
        wait_until_true(lambda: list((state / 'archive').glob('*/incomplete')), 10, str)
        second = archive(driver, mount, state, 'punch', 4 * MIB, MIB)
        assert (second['result'], second['error'], second['stage']) == ('failed', -errno.EBUSY, 'flock')
        first = answer_of(first)
        assert first['result'] == 'done'
        assert len(archives(state)) == 1 and reader.numbers() == list(range(n))
        assert archive_and_free(driver, mount, state, 'punch', 16 * MIB, MIB)[1]['result'] == 'done'
        assert reader.numbers() == list(range(n))


def test_one_that_nobody_waits_for_ends(driver, tmp_path, state):  # noqa: F811
    """Its supervisor was killed: the archiver of the next one gets the folder."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 40 * MIB, line_bytes=1000)
        first = start(driver, mount, state, 'punch', 32 * MIB, 4 * MIB)
        wait_until_true(lambda: list((state / 'archive').glob('*/incomplete')), 10, str)
        first.kill()
        first.communicate()
        assert archive(driver, mount, state, 'punch', 4 * MIB, MIB)['result'] == 'done'
        assert len(archives(state)) == 1


# ---- rotated, renamed, compressed ----------------------------------------------------------------------------------

def test_a_log_that_is_rotated_meanwhile_is_not_archived(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 32 * MIB, line_bytes=1000)
        slow = start(driver, mount, state, 'punch', 16 * MIB, 8 * MIB)
        wait_until_true(lambda: list((state / 'archive').glob('*/incomplete')), 10, str)
        log.rename(log.with_name(log.name + '.1'))
        n = write_lines(log, MIB, line_bytes=1000, first=n)
        assert answer_of(slow)['result'] == 'changed'
        assert not archives(state) and reader.numbers() == list(range(n))


def test_a_renamed_container_keeps_its_folder(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        n = write_lines(log_of(mount), 30 * MIB, line_bytes=1000)
        for name in ('web', 'web', 'web2', 'web2', 'a'):
            a = archive(driver, mount, state, 'punch', 4 * MIB, MIB, name=name)
            assert free(driver, mount, 'punch', a['log_bytes'], MIB, a)['result'] == 'done'
        # What is archived and not freed yet is found again under any name.
        archive(driver, mount, state, 'punch', 4 * MIB, MIB, name='a')
        assert archive(driver, mount, state, 'punch', 4 * MIB, MIB, name='b')['file_bytes'] == 0
        assert [p.parent.name for p in archives(state)] == ['web-' + ID[:12]] * 6
        assert [int(p.name[:8]) for p in archives(state)] == [1, 2, 3, 4, 5, 6]
        assert reader.numbers() == list(range(n))


@pytest.mark.parametrize('then', ['punch', 'fill'])
def test_a_log_that_was_cut_and_then_rotated_is_archived_from_where_it_begins(driver, tmp_path, state, then):  # noqa: F811
    with on('xfs' if then == 'fill' else 'ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        n = write_lines(log, 64 * MIB, line_bytes=1000)
        assert archive_and_free(driver, mount, state, then, 48 * MIB, MIB)[1]['result'] == 'done'
        # Some of the rest is archived and not freed any more: it is not archived again.
        twice = archive(driver, mount, state, then, 4 * MIB, MIB)
        segment = log.with_name(log.name + '.2')
        log.rename(segment)
        n = write_lines(log, MIB, line_bytes=1000, first=n)
        archived = archive(driver, mount, state, 'delete', 4 * MIB, 0)
        assert archived['result'] == 'done' and 14 * MIB < archived['log_bytes'] < 18 * MIB, archived
        assert archives(state)[-1].name.split('.')[2] == f"bytes-{twice['to_offset']}-{segment.stat().st_size}"
        assert free(driver, mount, 'delete', archived['log_bytes'], 0, archived)['result'] == 'done'
        assert not segment.exists() and reader.numbers() == list(range(n))


def test_what_a_killed_dockerd_left_half_compressed_holds_up_nothing(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        plain, half = log.with_name(log.name + '.1'), log.with_name(log.name + '.1.gz')
        n = write_lines(plain, 4 * MIB, line_bytes=1000)
        half.write_bytes(gzip.compress(plain.read_bytes(), 1)[:MIB // 8])
        n = write_lines(log, MIB, line_bytes=1000, first=n)
        time.sleep(3.1)     # it is not rotated just now
        assert archive(driver, mount, state, 'delete', MIB, 0)['result'] == 'busy'
        for shift in (-540, 540):
            os.utime(half, (time.time() + shift, time.time() + shift))
            assert archive(driver, mount, state, 'delete', MIB, 0)['result'] == 'busy'
        os.utime(half, (time.time() - 700, time.time() - 700))
        archived, freed = archive_and_free(driver, mount, state, 'delete', MIB, 0)
        assert (archived['result'], freed['result']) == ('done', 'done')
        assert not plain.exists() and not half.exists()
        assert reader.numbers() == list(range(n))


def test_a_compressed_segment_that_fits_nowhere_is_not_copied(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        write_lines(log, MIB)
        segment = log.with_name(log.name + '.2.gz')
        segment.write_bytes(os.urandom(8 * MIB))
        begin = time.monotonic()
        r = archive(driver, mount, state, 'delete', MIB, 0, container_size=4 * MIB, rate=MIB)
        assert (r['result'], r['error']) == ('failed', -errno.EDQUOT) and time.monotonic() - begin < 2
        assert not archives(state)


# ---- housekeeping --------------------------------------------------------------------------------------------------

def make_archive(state, folder, number, n_bytes, age=0):  # noqa: F811
    path = state / 'archive' / folder / f'{number:08}.inode-7.bytes-{number}-{number + 1}.json.zst'
    path.parent.mkdir(parents=True, exist_ok=True)
    (state / 'archive').chmod(0o700)
    path.write_bytes(os.urandom(n_bytes))
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def test_a_smaller_budget_is_kept_by_housekeeping(driver, tmp_path, state):  # noqa: F811
    with mounted('tmpfs', tmp_path) as mount:
        a = [make_archive(state, 'a-0123456789ab', i, MIB, age=100 - i) for i in range(8)]
        b = [make_archive(state, 'b-ba9876543210', i, MIB, age=50 - i) for i in range(4)]
        assert keep_house(driver, mount, state, size=20 * MIB)['result'] == 'done'
        assert archives(state) == a + b
        keep_house(driver, mount, state, size=20 * MIB, container_size=6 * MIB)
        assert archives(state) == a[2:] + b
        keep_house(driver, mount, state, size=6 * MIB)
        assert archives(state) == a[6:] + b
        # Nothing is archived any more: what is there stays, in its time.
        keep_house(driver, mount, state, size=0)
        assert archives(state) == a[6:] + b


def test_the_number_tells_which_is_older_and_between_folders_the_time(driver, tmp_path, state):  # noqa: F811
    """The clock was ahead by a year while one was written; it must not push out what is younger."""
    with mounted('tmpfs', tmp_path) as mount:
        a = [make_archive(state, 'a-0123456789ab', i, MIB, age=100 - i) for i in range(4)]
        b = [make_archive(state, 'b-ba9876543210', i, MIB, age=50 - i) for i in range(4)]
        os.utime(a[1], (time.time() + 365 * DAY,) * 2)
        keep_house(driver, mount, state, size=6 * MIB + MIB // 2)
        assert archives(state) == a[2:] + b
        os.utime(b[0], (time.time() + 365 * DAY,) * 2)
        keep_house(driver, mount, state, size=3 * MIB + MIB // 2)
        assert archives(state) == b[1:]


def test_a_clock_that_jumps_does_not_make_everything_old_at_once(driver, tmp_path, state):  # noqa: F811
    with mounted('tmpfs', tmp_path) as mount:
        old = make_archive(state, 'a-0123456789ab', 1, 1000, age=2 * DAY)
        future = make_archive(state, 'a-0123456789ab', 2, 1000, age=-2 * DAY)
        keep_house(driver, mount, state, age=DAY)
        assert archives(state) == [old, future], 'the first one does not know whether the clock is right'
        stamp = state / 'archive' / '.house'
        os.utime(stamp, (time.time() - 365 * DAY,) * 2)     # as if it had jumped
        keep_house(driver, mount, state, age=DAY)
        assert archives(state) == [old, future]
        os.utime(stamp, (time.time() - 3600,) * 2)
        keep_house(driver, mount, state, age=DAY)
        assert archives(state) == [future]
        assert stamp.stat().st_mode & 0o777 == 0o600


def test_house_is_kept_anew_each_time(driver, tmp_path, state):  # noqa: F811
    """Also of an archiver that has the folder open, as in a long flood."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 40 * MIB, line_bytes=1000)
        keep_house(driver, mount, state)
        slow = start(driver, mount, state, 'punch', 16 * MIB, 8 * MIB, age=500, house=2)
        wait_until_true(lambda: list((state / 'archive').glob('*/incomplete')), 10, str)
        old = make_archive(state, 'a-0123456789ab', 1, 1000, age=1000)
        assert answer_of(slow)['result'] == 'done'
        assert not old.exists() and len(archives(state)) == 1


def test_housekeeping_makes_nothing(driver, tmp_path, state):  # noqa: F811
    with mounted('tmpfs', tmp_path) as mount:
        assert keep_house(driver, mount, state, age=DAY)['result'] == 'done'
        assert not list(state.iterdir())


# ---- where it lies -------------------------------------------------------------------------------------------------

def test_a_configured_folder_is_not_made(driver, tmp_path, state):  # noqa: F811
    """It may lie below a mount point, with nothing mounted."""
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 4 * MIB)
        there = tmp_path / 'archives'
        r = archive(driver, mount, state, 'punch', MIB, MIB, directory=there)
        assert (r['result'], r['error']) == ('failed', -errno.ENOENT)
        assert not there.exists()
        there.mkdir(mode=0o700)
        assert archive(driver, mount, state, 'punch', MIB, MIB, directory=there)['result'] == 'done'
        assert list(there.glob('*/*')) and not list(state.iterdir())


# A root of its own, which is root's alone, so that nothing but its being the root speaks against it.
IN_A_ROOT_OF_ITS_OWN = """
set -e
mount -t tmpfs -o mode=0700 none /mnt
ln -s usr/lib usr/lib64 usr/bin /mnt
for folder in $FOLDERS; do mkdir /mnt$folder; mount --rbind $folder /mnt$folder; done
chroot /mnt "$@"
stat -c 'root=%a' /mnt
ls /mnt | sed 's/^/there=/'
"""


def test_the_root_of_all_is_no_archive(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        write_lines(log_of(mount), 4 * MIB)
        folders = {'/usr', '/proc', '/' + tmp_path.parts[1], '/' + Path(driver).parts[1]}
        done = subprocess.run(['unshare', '-m', 'sh', '-c', IN_A_ROOT_OF_ITS_OWN, 'sh', driver, 'archive', state, mount, ID,
                               'punch', str(MIB), str(MIB), 'directory=/'], env={**os.environ, 'FOLDERS': ' '.join(folders)},
                              capture_output=True, text=True)
        assert f'result=failed\nerror={-errno.EBADFD}\nstage=fstat\n' in done.stdout, (done.stdout, done.stderr)
        assert 'root=700\n' in done.stdout and 'there=web-' not in done.stdout


def test_the_archiver_stands_behind_everyone_else(driver, tmp_path, state):  # noqa: F811
    """Nice, and in the idle class: asked of the kernel while one is at work."""
    with on('ext4-4k', tmp_path, state) as (mount, _):
        write_lines(log_of(mount), 16 * MIB)
        process = start(driver, mount, state, 'punch', 12 * MIB, 4 * MIB)
        children = Path(f'/proc/{process.pid}/task/{process.pid}/children')

        def standing():
            return [(os.getpriority(os.PRIO_PROCESS, int(pid)),
                     subprocess.run(['ionice', '-p', pid], capture_output=True, text=True).stdout.strip())
                    for pid in children.read_text().split()]

        wait_until_true(lambda: any(nice == 10 and io.startswith('idle') for nice, io in standing()), 3, standing)
        assert answer_of(process)['result'] == 'done'


def test_what_is_refused_is_said_in_words(driver, tmp_path, state):  # noqa: F811
    with on('ext4-4k', tmp_path, state) as (mount, reader):
        log = log_of(mount)
        write_lines(log, 4 * MIB)
        os.link(log, log.with_name('x'))
        r = archive(driver, mount, state, 'punch', MIB, MIB)
        assert (r['result'], r['stage']) == ('refused', "not Docker's own file")
        log.with_name('x').unlink()
        log.write_bytes(b'x' * 40 * MIB)
        r = archive(driver, mount, state, 'punch', 32 * MIB, MIB)
        assert (r['result'], r['stage']) == ('refused', 'no line ends there')
