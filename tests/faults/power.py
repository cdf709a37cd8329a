# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cuts: a partition whose every write is recorded in the order in which the disk got it, and that partition as it
would be found again after a cut behind any of these writes.

    image = power.make_image('ext4-4k', folder, fill=lambda mount: ...)
    with power.recorded(image, folder, tools) as disk:
        ... what is to be cut short happens in disk.mount ...
        disk.mark('begin')              # names a place among the writes
    for state in disk.recording.states(since='begin', seed=1):
        with state.mounted() as mount:  # a copy, on which the filesystem has recovered
            ... look at it, and change it at will ...

No device-mapper is needed: the disk is a loop device, with direct I/O, on the one file of a FUSE filesystem of ours
(record_fs.c). Nothing on that way keeps data back, so the order is the guest filesystem's own, flushes included.

Which states there are:

    after N             the first N writes arrived, all of them
    torn N              and of the next one only some sectors at its front
    lost N              the disk had a cache and lost what was not flushed, but for some of it, at random

A write that is not flushed may be lost or come to be before one that was sent earlier: that is what a disk's cache may
do. All chance comes from the seed.
"""

import contextlib
import json
import os
import random
import shutil
import struct
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from lines import MARKER_BYTES

HERE = Path(__file__).resolve().parent
MIB = 1 << 20
SECTOR = 512
HEADER = struct.Struct('<IIQQ')
WRITE, FLUSH, ZERO, MARK = 1, 2, 3, 4   # record_fs.c

# kind: what makes it, how large. The journal is as it comes. XFS wants 300 MiB.
KINDS = {
    'ext4-4k': (('mkfs.ext4', '-q', '-F', '-b', '4096'), 96 * MIB),
    'ext4-1k': (('mkfs.ext4', '-q', '-F', '-b', '1024'), 96 * MIB),
    'xfs': (('mkfs.xfs', '-q', '-f'), 300 * MIB),
}


class PowerError(Exception):
    pass


def build_tools(into):
    """record_fs, from its source. Returns its path."""
    flags = subprocess.run(['pkg-config', '--cflags', '--libs', 'fuse3'], capture_output=True, text=True, check=True)
    out = Path(into) / 'record_fs'
    subprocess.run(['cc', '-g', '-O2', '-std=c17', '-D_GNU_SOURCE', '-Wall', '-Wextra', HERE / 'record_fs.c',
                    *flags.stdout.split(), '-lpthread', '-o', out], check=True)
    return out


def _run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        raise PowerError(f'{" ".join(map(str, command))}: {done.stderr.strip()}')
    return done.stdout.strip()


def _unmount(mount):
    for _ in range(100):
        if subprocess.run(['umount', str(mount)], capture_output=True).returncode == 0:
            return
        time.sleep(0.05)
    raise PowerError(f'{mount} stays mounted')


@contextlib.contextmanager
def scratch():
    """A folder in memory: a disk that has to be read again for each of its writes is no place for these images."""
    folder = Path(tempfile.mkdtemp(prefix='diskbrake-power-', dir='/dev/shm' if os.path.isdir('/dev/shm') else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def loop_mounted(image, mount, *options):
    mount.mkdir(exist_ok=True)
    _run('mount', '-o', ','.join(('loop', *options)), image, mount)
    try:
        yield mount
    finally:
        _unmount(mount)


def make_image(kind, folder, fill=None, size=None):
    """A fresh filesystem in a file, and in it what fill(mount) puts there: all of that is on the disk."""
    make, usual_size = KINDS[kind]
    image = folder / f'{kind}.img'
    with open(image, 'wb') as f:
        f.truncate(size or usual_size)
    _run(*make, image)
    _run('fallocate', '--dig-holes', image)
    if fill:
        with loop_mounted(image, folder / 'fill') as mount:
            fill(mount)
    return image


def copy_image(source, target):
    """Data alone, holes stay holes."""
    with open(source, 'rb') as f, open(target, 'wb') as t:
        size, at = os.fstat(f.fileno()).st_size, 0
        t.truncate(size)
        while at < size:
            try:
                at = os.lseek(f.fileno(), at, os.SEEK_DATA)
            except OSError:     # no more of it
                break
            end = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            os.lseek(t.fileno(), at, os.SEEK_SET)
            while at < end:
                at += os.sendfile(t.fileno(), f.fileno(), at, end - at)
    return target


# ---- recording ------------------------------------------------------------------------------------------------

class _Server:
    def __init__(self, program, image, records, mount):
        mount.mkdir(exist_ok=True)
        self.mount = mount
        self.process = subprocess.Popen([program, image, records, mount], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != 'ready\n':
            self.end()
            raise PowerError('record_fs does not mount')

    def ask(self, command):
        self.process.stdin.write(command + '\n')
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        subprocess.run(['umount', '-l', str(self.mount)], capture_output=True)  # where it died


class RecordedDisk:
    def __init__(self, mount, server):
        self.mount, self.server, self.recording = mount, server, None

    def mark(self, text):
        self.server.ask(f'mark {text}')

    def count(self):
        """How many writes, flushes and marks there were by now."""
        return self.server.ask('count')


@contextlib.contextmanager
def recorded(image, folder, program, *options):
    """That image, mounted at disk.mount; what is written to it goes to disk.recording, there once this has ended. The
    image itself stays as it is."""
    live, records = copy_image(image, folder / 'live.img'), folder / 'records'
    server = _Server(program, live, records, folder / 'device')
    try:
        device = _run('losetup', '--find', '--show', '--direct-io=on', folder / 'device/disk')
        try:
            disk = RecordedDisk(folder / 'mnt', server)
            disk.mount.mkdir(exist_ok=True)
            _run('mount', *(('-o', ','.join(options)) if options else ()), device, disk.mount)
            try:
                yield disk
            finally:
                _unmount(disk.mount)
        finally:
            _run('losetup', '-d', device)
    finally:
        server.end()
    live.unlink()
    disk.recording = Recording(image, records, folder, options)


# ---- what was recorded ----------------------------------------------------------------------------------------

@dataclass
class Record:
    kind: int
    offset: int = 0
    length: int = 0
    at: int = 0         # where its data lies in the file of records
    text: str = ''

    def changes(self):
        return self.kind in (WRITE, ZERO)


class State:
    """The disk after one cut."""

    def __init__(self, recording, name, position, image):
        self.recording, self.name, self.position, self.image = recording, name, position, image

    def __str__(self):
        return f'{self.name} of {len(self.recording.records)}{self.recording.place(self.position)}'

    @contextlib.contextmanager
    def mounted(self):
        with loop_mounted(self.image, self.recording.folder / 'found', *self.recording.options) as mount:
            yield mount


class Recording:
    def __init__(self, image, file, folder, options=()):
        self.image, self.file, self.folder, self.options = image, file, folder, options
        self.records = []
        with open(file, 'rb') as f:
            while head := f.read(HEADER.size):
                kind, n_bytes, offset, length = HEADER.unpack(head)
                record = Record(kind, offset, length, f.tell())
                if kind == MARK:
                    record.text = f.read(n_bytes).decode()
                else:
                    f.seek(n_bytes, os.SEEK_CUR)
                self.records.append(record)

    def find(self, mark):
        """The place of a mark among the records."""
        return next(i for i, record in enumerate(self.records) if record.text == mark)

    def place(self, position):
        """In words: the mark before it."""
        marks = [record.text for record in self.records[:position] if record.kind == MARK]
        return f', behind "{marks[-1]}"' if marks else ''

    def _apply(self, image, data, record, length=None):
        length = record.length if length is None else length
        if record.kind == ZERO:
            os.pwrite(image, bytes(length), record.offset)
        else:
            os.pwrite(image, os.pread(data, length, record.at), record.offset)

    def _choose(self, first, end, most, chance):
        """Positions behind a write: all of them, or the first, the last, those near a flush and some of the others."""
        every = [i + 1 for i in range(first, end) if self.records[i].changes()]
        if most is None or len(every) <= most:
            return set(every)
        near = [p for p in every if any(r.kind == FLUSH for r in self.records[max(p - 2, 0):p + 2])]
        chosen = set(near if len(near) <= most else chance.sample(near, most))
        others = sorted(set(every) - chosen)
        return chosen | set(chance.sample(others, min(most - len(chosen), len(others)))) | {every[0], every[-1]}

    def states(self, since=None, until=None, seed=0, most=None, n_torn=0, n_lost=0):
        """A State for each write between these two marks (all of them where most is None, else as many), and n_torn and
        n_lost of the others at random places. One at a time: the next one takes its place."""
        chance = random.Random(seed)
        first, end = self.find(since) if since else 0, self.find(until) if until else len(self.records)
        whole = self._choose(first, end, most, chance)
        candidates = [i for i in range(first, end) if self.records[i].changes()]
        torn = sorted(chance.choices([i for i in candidates if self.records[i].length > SECTOR] or candidates, k=n_torn))
        lost = sorted(chance.choices(candidates, k=n_lost))
        # now: all that was written; safe: what was flushed, and since: what was not.
        now, safe, found = (self.folder / f'{name}.img' for name in ('now', 'safe', 'found'))
        copy_image(self.image, now)
        copy_image(self.image, safe)
        with open(self.file, 'rb') as f, open(now, 'r+b') as n, open(safe, 'r+b') as s:
            data, pending = f.fileno(), []
            for i, record in enumerate(self.records[:end]):
                for _ in range(torn.count(i)):
                    copy_image(now, found)
                    length = chance.randrange(max(record.length // SECTOR, 1)) * SECTOR
                    with open(found, 'r+b') as t:
                        self._apply(t.fileno(), data, record, length)
                    yield State(self, f'torn {i} ({length} of {record.length} bytes)', i, found)
                if record.kind == FLUSH:
                    for earlier in pending:
                        self._apply(s.fileno(), data, earlier)
                    pending = []
                elif record.changes():
                    self._apply(n.fileno(), data, record)
                    pending.append(record)
                for _ in range(lost.count(i)):
                    kept = [earlier for earlier in pending if chance.random() < 0.5]
                    copy_image(safe, found)
                    with open(found, 'r+b') as t:
                        for earlier in kept:
                            self._apply(t.fileno(), data, earlier)
                    yield State(self, f'lost {i + 1} ({len(pending) - len(kept)} of {len(pending)} writes)', i + 1, found)
                if i + 1 in whole:
                    copy_image(now, found)
                    yield State(self, f'after {i + 1}', i + 1, found)


# ---- around what is cut short ---------------------------------------------------------------------------------

@contextlib.contextmanager
def bystander(mount, every_sec=0.025):
    """Somebody who flushes a file of his own again and again, as databases do: with it the filesystem's transactions
    come to be on the disk, and what others have written, but not flushed, does not."""
    end = threading.Event()

    def run():
        with open(mount / 'bystander', 'ab', buffering=0) as f:
            while not end.wait(every_sec):
                f.write(b'x' * 100)
                os.fsync(f.fileno())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


# ---- what is found --------------------------------------------------------------------------------------------

class Torn(AssertionError):
    """Something in a log that is no line."""


@dataclass
class FoundLog:
    numbers: list       # of its lines
    hole_bytes: int     # behind our marker
    has_marker: bool
    tail: str           # what stands behind all that was flushed and is no line: the filesystem's own. '': nothing


def _describe_tail(data):
    words = ['part of a line'] if data[:1] != b'\0' else []
    if b'\0' in data:
        words.append('NULs')
    if b'\n' in data:
        words.append('lines')
    return ', '.join(words)


def read_log(data, n_flushed):
    """A log line by line, as lines.py makes them: lines, spaces, and at the front our marker and the hole behind it. What
    follows the line n_flushed - 1, the last one that somebody had flushed, may be anything. Raises Torn."""
    at, has_marker, hole_bytes = 0, data.startswith(b'{"log":"diskbrake freed '), 0
    if has_marker:
        try:
            json.loads(data[:MARKER_BYTES])
        except ValueError as error:
            raise Torn(f'the marker: {error}') from None
        at = len(data) - len(data[MARKER_BYTES:].lstrip(b'\0'))
        hole_bytes = at - MARKER_BYTES
    numbers, tail = [], ''
    while at < len(data):
        end = data.find(b'\n', at)
        line = data[at:end] if end >= 0 else data[at:]
        if line.strip(b' '):
            try:
                numbers.append(int(json.loads(line if end >= 0 else b'')['log'].split()[1]))
            except ValueError:
                if not numbers or numbers[-1] < n_flushed - 1:
                    raise Torn(f'at {at} of {len(data)}: {line[:40]} ... {line[-40:]}, {len(line)} bytes, '
                               f'{line.count(0)} of them NUL') from None
                tail = _describe_tail(data[at:])
                break
        at = end + 1 if end >= 0 else len(data)
    assert numbers == sorted(set(numbers)), 'repeated or out of order'
    return FoundLog(numbers, hole_bytes, has_marker, tail)


def check_flushed(found, keep_from, n_flushed):
    """What was flushed before, and is to be kept, is there; of what is not, lines are missing at the two blanked ones
    alone."""
    numbers = [n for n in found.numbers if n < n_flushed]
    kept = [n for n in numbers if n >= keep_from]
    assert kept == list(range(keep_from, n_flushed)), f'not all from {keep_from} to {n_flushed}: {kept[:3]}...{kept[-3:]}'
    gaps = [(a, b) for a, b in zip(numbers, numbers[1:]) if b != a + 1]
    assert all(b == a + 2 for a, b in gaps) and len(gaps) <= 2, f'gaps: {gaps}'
    new = [n for n in found.numbers if n >= n_flushed]
    assert new == list(range(n_flushed, n_flushed + len(new))), 'a gap among the newest'
