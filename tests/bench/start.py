# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long the guard takes from its start until it is ready, and until it knows all logs, against a bare loop that opens and
reads the same files."""

from statistics import median

from common import GIB, MIB
from shipped import Disk, Guard, make_containers, program, scaled

# Containers, and how often each thing is measured.
SIZES = ((1_000, 5), (10_000, 5), (100_000, 2))
GOAL_FROM = scaled(10_000)


def bare(bench, disk, mode):
    """Seconds."""
    done = disk.rig.run('chrt', '-f', 1, program(bench, 'bare_loop'), mode, disk.root, timeout=300)
    return int(done.stdout.split()[0]) / 1e6


def start(guard, n):
    guard.start()
    known = guard.all_known_seconds(n)
    ready = guard.ready_seconds()
    guard.stop()
    return ready, known


def measure_warm(bench, disk, guard, n, times):
    bare(bench, disk, 'watch')  # so that all of it is in memory
    runs = [(*start(guard, n), bare(bench, disk, 'read'), bare(bench, disk, 'watch')) for _ in range(times)]
    return [median(of_one) for of_one in zip(*runs)]


def measure_cold(bench, disk, guard, n):
    took = []
    # The first one may find a disk that remembers less than what comes later: it does not count.
    for what in ('read', 'read', 'guard', 'watch'):
        disk.make_cold()
        took.append(start(guard, n) if what == 'guard' else bare(bench, disk, what))
    _, read, (ready, known), watch = took
    return ready, known, read, watch


def msec(seconds):
    return f'{seconds * 1000:,.0f} ms' if seconds >= 0.01 else f'{seconds * 1000:.1f} ms'


def against(seconds, yardstick):
    return f'{seconds / yardstick:.2f} times ({msec(seconds)})'


def add_rows(bench, n, warm, cold):
    # What the start of a few processes takes is no matter of containers.
    goal = 'within 1.5 times the bare loop' if n >= GOAL_FROM else ''

    ready, _, read, _ = warm
    bench.row(f'READY=1, {n:,} containers', goal, against(ready, read), ready <= 1.5 * read if goal else None,
              f'It says so after its first look at the partition, before it has seen all logs. With nothing in memory: {msec(cold[0])}.')
    for caches, (_, known, read, watch) in (('in memory', warm), ('on disk', cold)):
        bench.row(f'all logs known, {n:,} containers, {caches}', goal, against(known, read), known <= 1.5 * read if goal else None,
                  f'The bare loop takes {msec(read)}. With the two inotify watches for each container and the look for rotated segments, '
                  f'which a guard cannot do without, it takes {msec(watch)}: the guard takes {known / watch:.2f} times that.')


def measure(bench):
    sizes = [(scaled(n), times) for n, times in SIZES]
    rig = bench.rig()
    most = sizes[-1][0]
    disk = Disk(rig, 'start', 2 * GIB + most * 20 * 1024 // MIB * MIB, 8 * most + 1000)
    guard = Guard(rig, disk)
    made, known = 0, {}
    for n, times in sizes:
        make_containers(bench, disk, n - made, made)
        made = n
        warm = measure_warm(bench, disk, guard, n, times)
        known[n] = warm[1]
        add_rows(bench, n, warm, measure_cold(bench, disk, guard, n))
    (least, _), *_, (most, _) = sizes
    factor = known[most] / most / (known[least] / least)
    bench.row(f'all logs known, for each container, from {least:,} to {most:,}', 'grows linearly', f'{factor:.2f} times as long for each',
              factor <= 1.2, ', '.join(f'{n:,}: {seconds / n * 1e6:.1f} us each' for n, seconds in known.items()) + '; in memory.')
