# SPDX-License-Identifier: LGPL-2.1-or-later
"""A power cut behind each write of a trim: the log is readable line by line, what was on the disk before the trim and is
to be kept is there, once and in sequence, and the next trimmer goes on. power.py says how. Needs root, loop devices and
FUSE. $POWER_SEED takes back the seed of a failure; the order of the writes is the kernel's, and never quite the same."""

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

import power
from lines import numbers, write_lines
from matrix import VALID, missing, need
from power import MIB
from test_trim_matrix import ID, act, driver, log_of  # noqa: F401  driver is a fixture

HERE = Path(__file__).resolve().parent
KEPT = 'what was flushed and is to be kept is there, once and in sequence'
NEXT = 'the next trimmer goes on, without the intent'

# Between the calls of a trim others flush, and the filesystem commits what it has.
SLOW = ['strace', '-qq', '-o/dev/null',
        '-e', 'inject=pwritev,pwrite64,sync_file_range:delay_enter=25ms',
        '-e', 'inject=fallocate,ftruncate,unlinkat:delay_enter=25ms:delay_exit=50ms']

# trim: the act (None: none), whether a container writes, whether the log has a hole before, the trimmer's pace
TRIMS = {
    'no trim': (None, True, False, []),
    'collapse': ('collapse', True, False, SLOW),
    'collapse under a lease': ('collapse-leased', False, False, SLOW),
    'punch': ('punch', True, False, SLOW),
    'second punch': ('punch', True, True, SLOW),
    'emergency punch': ('punch', True, False, SLOW),
    'emergency punch at full speed': ('punch', True, False, []),
    'heal': ('heal', False, True, SLOW),
    'truncate': ('truncate', True, False, SLOW),
    'delete': ('delete', True, False, SLOW),
}
ON_1K = ('no trim', 'collapse', 'punch', 'emergency punch', 'heal')
CASES = [(kind, trim) for kind in power.KINDS for trim in TRIMS if kind != 'ext4-1k' or trim in ON_1K]


@pytest.fixture(scope='session')
def record_fs(tmp_path_factory):
    need('losetup', 'pkg-config', 'cc', 'strace', *(make[0] for make, _ in power.KINDS.values()))
    if not Path('/dev/fuse').exists():
        missing('no FUSE in this kernel')
    return power.build_tools(tmp_path_factory.mktemp('power'))


@pytest.fixture
def folder():
    with power.scratch() as folder:
        yield folder


@pytest.fixture
def seed():
    return int(os.environ.get('POWER_SEED', random.randrange(1 << 32)))


@contextlib.contextmanager
def container(log, first):
    """Writes lines to the log, and flushes nothing, as dockerd does. Yields its pid."""
    process = subprocess.Popen([sys.executable, HERE / 'lines.py', log, '2e6', '300', str(first)],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == 'writing\n'
        yield process.pid
    finally:
        process.stdin.close()
        answer = process.stdout.read().split()
        process.stdout.close()
        process.wait(timeout=30)
    assert answer[1] == '0', 'a write of the container failed'


def wait_grown(log, n_bytes):
    target, end = log.stat().st_size + n_bytes, time.monotonic() + 30
    while log.stat().st_size < target:
        assert time.monotonic() < end, 'the container does not come on'
        time.sleep(0.005)


class Trim:
    """One trim on a recorded disk, and what has to be found of its log after a cut."""

    def __init__(self, kind, trim, folder, driver, record_fs, fill=write_lines):
        self.method, self.writes, self.has_hole, self.pace = TRIMS[trim]
        self.trim, self.folder, self.driver = trim, folder, driver
        self.result = None
        image = power.make_image(kind, folder, lambda mount: self.prepare(mount, fill))
        with power.recorded(image, folder, record_fs) as disk:
            self.flush_some(log_of(disk.mount))
            with power.bystander(disk.mount), contextlib.ExitStack() as stack:
                log = log_of(disk.mount)
                pid = stack.enter_context(container(log, self.n_flushed)) if self.writes else 0
                if pid:
                    wait_grown(log, 200_000)
                disk.mark('begin')
                self.act(disk.mount, pid)
                disk.mark('acted')
                if pid:
                    wait_grown(log, 300_000)
            subprocess.run(['sync', '-f', disk.mount], check=True)
            disk.mark('end')
        self.recording = disk.recording
        self.keep_from = self.find_keep_from()

    def prepare(self, mount, fill):
        (mount / 'containers' / ID).mkdir(parents=True)
        log = log_of(mount)
        self.n_flushed = fill(log, 6 * MIB, line_bytes=3000)
        if self.has_hole:
            assert self.run(mount, 'punch', want=2 * MIB)['result'] == 'done'
        if self.method == 'delete':
            for number in (1, 2, 3):
                Path(f'{log}.{number}').write_bytes(os.urandom(MIB))

    def flush_some(self, log):
        self.n_flushed = write_lines(log, log.stat().st_size + MIB // 2, line_bytes=3000, first=self.n_flushed)
        with open(log, 'rb') as f:
            os.fsync(f.fileno())
        self.before = log.read_bytes()

    def run(self, mount, method, want=0, **options):
        return act(self.driver, mount, method, want=want, keep=MIB, page=self.folder / 'page', **options)

    def act(self, mount, pid):
        if not self.method:
            time.sleep(0.3)
            return
        self.result = self.run(mount, self.method, want=3 * MIB if self.method != 'heal' else 0, pid=pid, fd=0,
                               wrapper=self.pace, emergency=int(self.trim.startswith('emergency')))
        assert self.result['result'] == 'done', self.result

    def find_keep_from(self):
        """The first line behind the cut."""
        hole_end = 2 * MIB if self.has_hole else 0
        if self.method == 'truncate':
            return self.n_flushed
        cut_bytes = self.result['cut'] if self.method in ('collapse', 'collapse-leased', 'punch') else 0
        return numbers(self.before[hole_end + cut_bytes:])[0]

    def check(self, data):
        found = power.read_log(data, self.n_flushed if self.method != 'truncate' else 0)
        if self.method == 'truncate' and (not found.numbers or found.numbers[0] >= self.n_flushed):
            return found    # the old log is gone
        power.check_flushed(found, self.keep_from if self.method != 'truncate' else 0, self.n_flushed)
        return found

    def check_segments(self, log):
        there = [n for n in (1, 2, 3) if Path(f'{log}.{n}').exists()]
        assert there == list(range(1, len(there) + 1)), f'not the oldest first: {there} are left'
        assert all(Path(f'{log}.{n}').stat().st_size == MIB for n in there)
        return len(there)

    def go_on(self, mount):
        """What the next trimmer does, that knows nothing."""
        (self.folder / 'page').unlink(missing_ok=True)
        found = self.check(log_of(mount).read_bytes())
        assert self.run(mount, 'none')['pending'] == 0
        healed = self.run(mount, 'heal')
        assert healed['result'] == ('done' if found.hole_bytes else 'nothing-to-do'), healed
        self.check(log_of(mount).read_bytes())
        result = self.run(mount, 'punch', want=MIB)
        assert result['result'] in ('done', 'nothing-to-do'), result
        power.read_log(log_of(mount).read_bytes(), self.n_flushed if self.method != 'truncate' else 0)


def cut_power(trim, seed, most=80, n_lost=18):
    """Looks at the states. Returns what was found in them: pairs of state and log."""
    looked, seen = [], set()
    for state in trim.recording.states('begin', 'end', seed=seed, most=most, n_lost=n_lost):
        with state.mounted() as mount:
            log = log_of(mount)
            data = log.read_bytes()
            try:
                found = trim.check(data)
                n_segments = trim.check_segments(log) if trim.method == 'delete' else 0
                if (what := (hash(data), n_segments)) not in seen:
                    seen.add(what)
                    trim.go_on(mount)
            except AssertionError as error:
                raise AssertionError(f'{state}, POWER_SEED={seed}: {error}') from error
        looked.append((found, n_segments))
    return looked


@pytest.mark.parametrize('kind,name', CASES)
def test_the_power_is_cut(row, folder, driver, record_fs, seed, kind, name):  # noqa: F811
    row(f'the power is cut behind each write of a {name} on {kind}, and with some unflushed writes lost'
        if name != 'no trim' else f'the power is cut behind each write, without any trim, on {kind}',
        holds=[VALID, KEPT, NEXT])
    trim = Trim(kind, name, folder, driver, record_fs)
    looked = cut_power(trim, seed)
    first = {found.numbers[0] if found.numbers else None for found, _ in looked}
    print(f'{kind}, {name}: {len(looked)} states, first lines {first}, tails', {found.tail for found, _ in looked})

    # The trim is among what was cut short: both ends of it were seen.
    if name in ('collapse', 'collapse under a lease', 'truncate') or 'punch' in name:
        assert len(first) >= 2
    if name == 'heal':
        assert {found.hole_bytes > 0 for found, _ in looked} == {True, False}
    if name == 'delete':
        assert {0, 3} <= {n_segments for _, n_segments in looked}
    # What is no line behind all that was flushed comes without any trim: ext4 makes a file longer before its new
    # blocks are written.
    if (kind, name) == ('ext4-4k', 'no trim'):
        assert any('NULs' in found.tail for found, _ in looked)


def scattered(log, total, line_bytes):
    """A log in more than a thousand pieces on XFS; on ext4, which puts blocks together, its first 64 KiB are in pieces
    of one block, as those of a slow log are."""
    whole = log.with_suffix('.whole')
    n_lines, block = write_lines(whole, total, line_bytes=line_bytes), 4096
    data = whole.read_bytes()
    whole.unlink()
    at = list(range(0, len(data), block))
    tail = at[16:]
    random.Random(1).shuffle(tail)
    with open(log, 'wb', buffering=0) as f, open(log.with_suffix('.other'), 'wb', buffering=0) as other:
        for offset in at[:16] + tail:
            f.seek(offset)
            f.write(data[offset:offset + block])
            os.fsync(f.fileno())
            other.write(b'x' * block)
            os.fsync(other.fileno())
    return n_lines


@pytest.mark.parametrize('kind,name', [('ext4-4k', 'punch'), ('xfs', 'collapse under a lease')])
def test_the_power_is_cut_over_a_log_in_pieces(row, folder, driver, record_fs, seed, kind, name):  # noqa: F811
    """What no order of writes can mend: a line that lies in two places of the disk needs two writes to become spaces,
    and XFS moves each piece of a file in a transaction of its own."""
    row(f'the power is cut behind each write of a {name} on {kind}, of a log that lies in many pieces',
        holds=['a line may be found torn, while the trim lasts and no longer', 'the next trim makes the log valid', KEPT])
    trim = Trim(kind, name, folder, driver, record_fs, fill=scattered)
    torn = []
    for state in trim.recording.states('begin', 'end', seed=seed, n_lost=10):
        with state.mounted() as mount:
            try:
                trim.check(log_of(mount).read_bytes())
            except power.Torn:
                torn.append(state.position)
                (folder / 'page').unlink(missing_ok=True)
                assert trim.run(mount, 'punch', want=4 * MIB)['result'] == 'done'
                found = power.read_log(log_of(mount).read_bytes(), trim.n_flushed)
                assert found.numbers[-1] >= trim.n_flushed - 1, str(state)
    print(f'{kind}, {name}: torn behind {torn}')
    assert len(torn) <= 12 and all(position <= trim.recording.find('acted') for position in torn)
