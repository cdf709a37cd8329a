# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long it takes until the guard names the one file that grows among a million of images' files, and what that costs,
against `du -s` of the same tree."""

import subprocess
import sys
import time

from common import GIB, MIB
from rig import Inside
from shipped import Disk, Guard, children_usage, make_containers, plain, program, scaled

GROWS_BPS = 20_000_000


def du(disk):
    """Wall-clock seconds, processor seconds, and bytes read from the disk."""
    before, begun = children_usage(), time.monotonic()
    disk.rig.run('du', '-s', f'{disk.root}/overlay2', timeout=600)
    took = time.monotonic() - begun
    cpu, read = (b - a for a, b in zip(before, children_usage()))
    return took, cpu, read


def grow(disk, path):
    process = Inside(disk.rig, [sys.executable, disk.rig.tools / 'growers.py', 'hold', path, GROWS_BPS, 'postgres'],
                     stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert process.nsenter.stdout.readline() == 'ready\n', 'it does not grow'
    return process


def wait_found(guard, path, timeout=120):
    """The survey that names it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        survey = guard.status()['survey']
        cause = survey['causes'][0] if survey and survey['causes'] else None
        if cause and path.endswith(cause['path']):
            return survey
        time.sleep(0.05)
    raise TimeoutError(f'{path} is not found: {guard.status()}')


def measure(bench):
    n = scaled(1_000_000)
    rig = bench.rig()
    disk = Disk(rig, 'images', 16 * GIB, n + n // 50 + 20_000)
    make_containers(bench, disk, 100)
    rig.run(program(bench, 'make_files'), 'tree', disk.root, n, timeout=300)
    volume = f'{disk.root}/volumes/pgdata/_data'
    rig.run('mkdir', '-p', volume)
    disk.make_cold()
    cold = du(disk)
    warm = du(disk)
    disk.make_cold()
    guard = Guard(rig, disk)
    guard.start()
    guard.all_known_seconds(100)
    time.sleep(scaled(10, 5))
    process, begun = grow(disk, f'{volume}/base.sst'), time.monotonic()
    survey = wait_found(guard, f'{volume}/base.sst')
    found = time.monotonic() - begun
    process.signal(9)
    process.wait()
    guard.stop()

    cause = survey['causes'][0]
    what = f'the file that grows among {n:,}'
    bench.row(what, 'found', f'{found:.1f} s after it began', cause['cause'] == 'volume' and cause['name'] == 'pgdata',
              f'{GROWS_BPS // 1_000_000} MB/s into a volume on an ext4 of {disk.size // GIB} GiB; named as "{cause["says"]}", {cause["share"]:.0%} of the '
              f'growth. The survey looked for {survey["window_sec"]:.2g} s; nothing of the tree was in memory.')
    bench.row(f'what the survey read from disks, {n:,} files', 'within the budget: 1 MiB', f'{survey["read_bytes"]:,} bytes',
              survey['read_bytes'] <= MIB)
    bench.row(f'what the survey took of the processor, {n:,} files', '', f'{survey["cpu_usec"] / 1000:.1f} ms', None,
              'At the shipped 1 % of a core, so much is earned in ' f'{plain(survey["cpu_usec"] / 1e6 * 100)} s: the next one comes not before.')
    for (took, cpu, read), caches in ((cold, 'nothing in memory'), (warm, 'all in memory')):
        bench.row(f'`du -s` of the same tree, {caches}', '', f'{took:.2f} s', None,
                  f'{cpu:.2f} s of processor time, {read / MIB:,.0f} MiB read; it tells what is large, not what grows.')
