#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""`diskbrake logs -f` while its log is collapsed, punched, rotated, compressed, truncated and removed: every line once.

    follow_log.py DISKBRAKE FAKE_GUARD

Exit status 77 (skipped) where the filesystem of the temporary folder cannot collapse.
"""

import ctypes
import errno
import gzip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COLLAPSE, PUNCH = 8, 3      # FALLOC_FL_COLLAPSE_RANGE; FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]


def record(n, text):
    """Record n was written n milliseconds after 10 o'clock."""
    return (f'{{"log":"{text}\\n","stream":"stdout","time":"2026-11-27T{10 + n // 3600000:02}:{n // 60000 % 60:02}:'
            f'{n // 1000 % 60:02}.{n % 1000:03}000000Z"}}\n')


class Follower:
    def __init__(self, folder, diskbrake, fake_guard):
        self.log, self.out = folder / 'socket.log', folder / 'out'
        self.diskbrake = [diskbrake, '-s', str(folder / 'socket'), 'logs', 'web']
        self.guard = subprocess.Popen([fake_guard, folder / 'socket', 'calm'], stdout=subprocess.PIPE)
        self.guard.stdout.read(1)
        self.wanted = []
        self.start()

    def start(self):
        self.log.touch()
        self.process = subprocess.Popen([*self.diskbrake, '-f'], stdout=open(self.out, 'wb'))

    def stop(self):
        self.process.kill()
        self.process.wait()

    def write(self, numbers, text=None):
        lines = [text or f'line {n} {"x" * 100}' for n in numbers]
        with open(self.log, 'a', encoding='ascii') as f:
            f.writelines(record(n, line) for n, line in zip(numbers, lines))
        self.wanted += lines

    def cut(self, mode, offset, n_bytes):
        fd = os.open(self.log, os.O_RDWR)
        done, error = LIBC.fallocate(fd, mode, offset, n_bytes), ctypes.get_errno()
        os.close(fd)
        if done != 0 and error == errno.EOPNOTSUPP:
            sys.exit(77)
        assert done == 0, os.strerror(error)

    def check(self, what):
        deadline = time.monotonic() + 10
        while (got := self.out.read_text().splitlines()) != self.wanted and time.monotonic() < deadline:
            time.sleep(0.05)
        wrong = next((i for i, (a, b) in enumerate(zip(got, self.wanted)) if a != b), None)
        assert got == self.wanted, (what, len(got), len(self.wanted), wrong)
        print('ok:', what)

    def is_holding(self):
        folder = f'/proc/{self.process.pid}/fd'
        return any('socket.log' in os.readlink(f'{folder}/{fd}') for fd in os.listdir(folder))

    def wait_until_it_lets_go(self):
        deadline = time.monotonic() + 10
        while self.is_holding():
            assert time.monotonic() < deadline, 'a log at rest is held open'
            time.sleep(0.1)


def run(f):
    segment = {n: f.log.with_name(f'{f.log.name}.{n}') for n in ('1', '1.gz', '2')}
    f.write(range(20000))
    f.check('what was there')
    f.cut(COLLAPSE, 0, 1 << 20)
    f.write(range(20000, 40000))
    f.check('collapsed, and grown to more than it was')
    f.cut(PUNCH, 4096, 2 << 20)
    f.write(range(40000, 40010))
    f.check('punched')
    f.log.rename(segment['1'])
    f.write(range(40010, 40020))
    f.check('rotated')
    f.wait_until_it_lets_go()
    f.write(range(40020, 40030))
    f.check('written again after a while')
    f.wait_until_it_lets_go()
    f.write(range(40030, 40040))
    segment['1'].rename(segment['2'])
    with open(f.log, 'rb') as plain, gzip.open(segment['1.gz'], 'wb') as compressed:
        shutil.copyfileobj(plain, compressed)
    f.log.unlink()
    f.write(range(40040, 40050))
    f.check('rotated and compressed before it was read')
    os.truncate(f.log, 0)
    f.write(range(40050, 40060))
    f.check('truncated')
    f.write([40060])
    f.log.unlink()
    f.check('the last words')
    assert f.process.wait(10) == 0, 'a removed container is the end'

    # The pieces of one very long line are alike to the last byte.
    for path in segment.values():
        path.unlink(missing_ok=True)
    f.wanted = []
    f.write([1])
    f.write([7] * 20000, 'same')
    f.start()
    f.check('records that are alike')
    f.cut(COLLAPSE, 0, 1 << 20)
    time.sleep(0.5)
    f.check('the same, collapsed')
    f.write([8])
    f.check('and what comes then')


def main(diskbrake, fake_guard):
    with tempfile.TemporaryDirectory() as folder:
        f = Follower(Path(folder), diskbrake, fake_guard)
        try:
            run(f)
        finally:
            f.stop()
            f.guard.kill()
            f.guard.wait()


main(*sys.argv[1:])
