# SPDX-License-Identifier: LGPL-2.1-or-later
"""A log of gigabytes is archived and freed while its container floods it: neither the log's partition nor the archive's gets
to its limit meanwhile, and no line is lost but the oldest ones, which the archive's budget has no room for.

$DISKBRAKE_ARCHIVE_GIB is the size of the log, 2 when not given. 10 take several minutes and 17 GiB of disk."""

import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from matrix import not_sanitized
from rig import Inside, Rig

MIB, GIB = 1 << 20, 1 << 30
LOG_BYTES = int(float(os.environ.get('DISKBRAKE_ARCHIVE_GIB', '2')) * GIB)
FLOOD_BPS = 20_000_000

# All in proportion to the log. Of what the partition has, critical is a tenth, and the guard frees until more than a half is
# free: most of the log.
DISK_BYTES = LOG_BYTES * 16 // 10
ARCHIVE_DISK_BYTES = LOG_BYTES * 3 // 10
# Less than all of it comes to, at a tenth: the oldest archives have to go.
BUDGET_BYTES = LOG_BYTES * 8 // 100
CHUNK_BYTES = 64 * MIB      # of a log; at a tenth in the archive
WARNING, EMERGENCY = 0.6, 0.05

CONFIG = f'''
[Levels]
NoticeFree=70%
WarningFree=60%
CriticalFree=10%
EmergencyFree=5%

[Trim]
ArchiveDirectory=/mnt/archive/kept
ArchiveSize=100% {BUDGET_BYTES}
ArchiveContainerSize=0
ArchiveRate=0
'''


@pytest.fixture(scope='module')
def log_flood(tools):
    subprocess.run(['cc', '-g', '-O2', '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra',
                    Path(__file__).with_name('log_flood.c'), '-o', tools / 'log_flood'], check=True)
    return tools / 'log_flood'


def avail_bytes(path):
    s = os.statvfs(path)
    return s.f_bavail * s.f_frsize


def total_bytes(path):
    s = os.statvfs(path)
    return s.f_blocks * s.f_frsize


def archived_bytes(folder):
    """What the archives take, and one that is being written."""
    found = 0
    for path in folder.glob('*/*'):
        with contextlib.suppress(FileNotFoundError):
            found += path.stat().st_blocks * 512
    return found


class Samples(threading.Thread):
    """Both partitions and the archive, every 50 ms."""

    def __init__(self, disk, archive):
        super().__init__(daemon=True)
        self.disk, self.archive = disk, archive
        self.least_avail = self.least_archive_avail = 1 << 62
        self.most_archived = self.n_samples = 0
        self.longest_pause_sec = 0.0
        self.ended = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *exc):
        self.ended.set()
        self.join()

    def run(self):
        before = time.monotonic()
        while not self.ended.wait(0.05):
            self.least_avail = min(self.least_avail, avail_bytes(self.disk))
            self.least_archive_avail = min(self.least_archive_avail, avail_bytes(self.archive))
            self.most_archived = max(self.most_archived, archived_bytes(self.archive / 'kept'))
            self.n_samples += 1
            self.longest_pause_sec = max(self.longest_pause_sec, time.monotonic() - before)
            before = time.monotonic()


class Flood:
    """A log that is that large, and then grows."""

    def __init__(self, rig, p):
        self.process = Inside(rig, [rig.tools / 'log_flood', 'write', p.log(), LOG_BYTES, FLOOD_BPS],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.n_filled = int(self.process.nsenter.stdout.readline())

    def begin(self):
        self.process.nsenter.stdin.write('\n')
        self.process.nsenter.stdin.flush()

    def stop(self):
        """How many lines were written, and how many writes failed."""
        out, _ = self.process.nsenter.communicate(timeout=30)
        return [int(word) for word in out.split()]


def read_back(rig, p):
    """Of what `diskbrake logs` shows: first number, last, how many, how many do not follow, how many are no lines."""
    done = rig.run('sh', '-c', f'{" ".join(map(str, rig.cli))} logs {p.name}-web | {rig.tools}/log_flood check', timeout=600)
    return [int(word) for word in done.stdout.split()]


def freed_bytes(rig, p):
    return sum(int(e['DISKBRAKE_FREED_BYTES']) for e in rig.events('act-done', p))


def make_nearly_critical(p):
    """So much is left that the flood needs a few seconds."""
    left = total_bytes(p.outside) // 10 + 5 * FLOOD_BPS
    with open(p.outside / 'filler', 'wb') as f:
        os.posix_fallocate(f.fileno(), 0, avail_bytes(p.outside) - left)


def test_a_huge_log_is_archived_under_a_flood(row, log_flood, rig: Rig):
    not_sanitized('as fast as what is shipped')
    p = rig.bare_partition('sick', 'ext4', DISK_BYTES)
    p.add_container('web')
    rig.partitions['sick'] = p
    archive = rig.bare_partition('archive', 'ext4', ARCHIVE_DISK_BYTES).outside
    (archive / 'kept').mkdir(mode=0o700)

    begin = time.monotonic()
    flood = Flood(rig, p)
    make_nearly_critical(p)
    os.sync()
    filled_sec = time.monotonic() - begin
    rig.start(extra=CONFIG)

    with Samples(p.outside, archive) as seen:
        begin = time.monotonic()
        flood.begin()
        while avail_bytes(p.outside) < 0.5 * total_bytes(p.outside):
            assert time.monotonic() - begin < 60 + LOG_BYTES / 20e6, rig.describe()
            time.sleep(0.5)
        flooded_sec = time.monotonic() - begin
        n_written, n_failed = flood.stop()

    cuts = rig.events('act-done', p)
    assert not [e['MESSAGE'] for e in cuts if e.get('DISKBRAKE_ARCHIVED') == 'no']
    assert not rig.events('archive-stopped'), rig.describe()
    # Not an alert for each chunk: one, or another one where writing pauses and comes back.
    assert [e['DISKBRAKE_LEVEL'] for e in rig.events('level-raised', p)].count('critical') <= 3, rig.describe()
    assert freed_bytes(rig, p) > 0.6 * LOG_BYTES
    assert n_failed == 0
    assert seen.least_avail > EMERGENCY * total_bytes(p.outside)
    assert seen.least_archive_avail > WARNING * total_bytes(archive)
    assert seen.most_archived < BUDGET_BYTES + CHUNK_BYTES / 4

    begin = time.monotonic()
    first, last, n, n_steps, n_others = read_back(rig, p)
    read_sec = time.monotonic() - begin
    assert (last, n, n_steps) == (n_written - 1, n_written - first, 0), 'lost, twice or out of order'
    assert n_others == 0
    # Nothing went that there was room for: the archive is as full as whole archives make it.
    assert first == 0 or archived_bytes(archive / 'kept') > BUDGET_BYTES - 2 * CHUNK_BYTES / 4

    freed = freed_bytes(rig, p)
    text = (f'a log of {LOG_BYTES / GIB:.0f} GiB that grows at {FLOOD_BPS // 10**6} MB/s is archived and freed: {freed / GIB:.1f} GiB in '
            f'{len(cuts)} cuts within {flooded_sec:.0f} s; at least {100 * seen.least_avail / total_bytes(p.outside):.1f} % were free, of '
            f'the archive\'s partition {100 * seen.least_archive_avail / total_bytes(archive):.0f} %')
    print(f'{text}; archive {seen.most_archived / MIB:.0f} of {BUDGET_BYTES / MIB:.0f} MiB, {first} of {n_written} lines pushed '
          f'out, {seen.n_samples} samples, longest pause {seen.longest_pause_sec:.2f} s, filled in {filled_sec:.0f} s, read in '
          f'{read_sec:.0f} s')
    row(injected=text, holds=['neither partition gets to its limit', 'no line is lost but by the archive\'s budget'])
