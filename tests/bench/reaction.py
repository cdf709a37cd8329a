# SPDX-License-Identifier: LGPL-2.1-or-later
"""Reaction: from the write that takes what is available below the threshold until the log's blocks are fewer. The partition is so large
that the threshold is that of `critical` (10 %) all the time, and not where the guard begins by its rate: there the moment at which it
should begin would not be known. `warning` is set close above it, so that the guard frees 2.5 % at a time and crossings come often; with
the shipped 15 % more than half of what is free would be dirty pages, and ext4 then has each write wait until all of them are on the disk:
no writer would be steady."""

import json
import os
import shutil
import subprocess
import time

from common import GIB, MIB, guard_pids, quantile, wait_until

SECONDS = int(os.environ.get('DISKBRAKE_BENCH_SECONDS', '60'))
N_CROSSINGS = 100
# rate: size of the partition
RATES = ((200e6, 2 * GIB), (1e9, 8 * GIB))
CHUNK = 65536
GOAL_MEDIAN_USEC, GOAL_MOST_USEC = 5000, 20000


class Run:
    def __init__(self, bench, size):
        self.bench, self.rig = bench, bench.rig()
        self.p = self.rig.bare_partition('disk', size=size)
        self.p.add_container('app')
        self.rig.partitions['disk'] = self.p
        shutil.copy(bench.scratch / 'writers', self.rig.tools)
        st = os.statvfs(self.p.outside)
        used, total = (st.f_blocks - st.f_bfree) * st.f_frsize, st.f_blocks * st.f_frsize
        # The log has room for what the guard keeps of it, and for what it frees at a time.
        self.rig.run('fallocate', '-l', total // 100 * 82 - used, f'{self.p.mount}/images')
        (self.rig.scratch / 'diskbrake.conf').write_text(f'[Watchdog]\nDataRoot={self.p.root}\n[Levels]\nWarningFree=10.5% 40G\n')
        self.rig.start_journald()
        self.rig.start_daemon()
        self.rig.census.stop.set()
        self.p.wait_state('guarding')
        wait_until(lambda: self.p.status()['ballast_bytes'] > 0, 15, 0.1)
        self.realtime = all(os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO for pid in guard_pids(self.rig)[1:])

    def write(self, rate):
        """As the service that is shipped does, a recorder runs beside: it says when the guard decided, and when the trimmer began."""
        threshold = self.p.status()['act_below_bytes']
        trace = self.rig.path('/run/rig/trace')
        recorder = self.rig.popen(*self.rig.cli, 'record', '/run/rig/trace', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: list(trace.glob('*.jsonl')), 10)
        argv = [*self.rig.enter, self.rig.tools / 'writers', '-c', CHUNK, '-s', SECONDS, '-r', int(rate), '-b', threshold,
                self.p.log('app')]
        below = [threshold]
        with subprocess.Popen([str(word) for word in argv], stdout=subprocess.PIPE, text=True) as writers:
            while writers.poll() is None and time.sleep(1) is None:
                if writers.poll() is None:
                    below.append(self.p.status()['act_below_bytes'])
            found = json.loads(writers.stdout.read())
        recorder.signal(15)
        recorder.wait()
        found['below'] = below
        found['lines'] = [json.loads(line) for file in sorted(trace.glob('*.jsonl')) for line in file.read_text().splitlines()]
        return found


def split(found):
    """For each crossing: from it to fewer blocks, to the guard's decision, to the trimmer's beginning. And how many acts were decided
    before it came to one."""
    begun = {line['act']: line['begin_usec'] for line in found['lines'] if line['kind'] == 'outcome'}
    acts = sorted((line['time_usec'], begun.get(line['act'])) for line in found['lines']
                  if line['kind'] == 'act' and not line['method'].startswith('ballast') and line['act'] in begun)
    rows, before = [], 0
    for crossed, shrunk, _ in found['crossings']:
        own = [act for act in acts if act[1] <= shrunk]
        if own and own[-1][0] < crossed:
            before += 1
        else:
            rows.append((shrunk - crossed, *((own[-1][0] - crossed, own[-1][1] - crossed) if own else (None, None))))
    return rows, before


def milliseconds(values, part):
    values = [value for value in values if value is not None]
    return f'{quantile(values, part) / 1000:.1f}' if values else '?'


def measure_rate(bench, rate, size):
    run = Run(bench, size)
    try:
        found = run.write(rate)
    finally:
        bench.end_rig(run.rig)
    rows, before = split(found)
    what = f'from crossing the threshold to fewer blocks, one writer at {rate / 1e6:.0f} MB/s, {size // GIB} GiB of ext4'
    goal = f'median {GOAL_MEDIAN_USEC // 1000} ms, 99 % under {GOAL_MOST_USEC // 1000} ms'
    if not rows:
        bench.row(what, goal, 'nothing crossed it', None, f'{before} acts were decided before, {len(found["early"])} ended before.')
        return
    total, decided, began = zip(*rows)
    met = quantile(total, 0.5) <= GOAL_MEDIAN_USEC and quantile(total, 0.99) < GOAL_MOST_USEC
    steady = max(found['below']) == min(found['below'])
    stayed = 'which stayed the threshold' if steady else f'while the threshold went up to {max(found["below"]) // MIB} MiB'
    freed = [line['freed_bytes'] for line in found['lines'] if line['kind'] == 'outcome' and line['method'] == 'punch']
    note = (f'{len(rows)} crossings (of {N_CROSSINGS} wanted) of {found["below"][0] / MIB:.0f} MiB, {stayed}. Measured from the beginning '
            'of the write that crosses, by what statvfs says after it, to the first look (each 50 us) at which the log has fewer blocks. '
            f'Of that, to the decision: median {milliseconds(decided, 0.5)} ms, 99 % {milliseconds(decided, 0.99)} ms; to where the trimmer '
            f'begins: {milliseconds(began, 0.5)} ms, {milliseconds(began, 0.99)} ms. The rest is the cut: the kernel drops the pages of all '
            f'that is cut ({quantile(freed, 0.5) / MIB:.0f} MiB) before it frees the first block. '
            f'Not among them: {before} crossings where the act was decided before, {len(found["early"])} acts that freed before it came to '
            f'a crossing. The writer did {found["bytes"] / found["seconds"] / 1e6:.0f} MB/s, its longest write waited '
            f'{found["longest_write_usec"] / 1000:.0f} ms; {found["failed"]} ENOSPC. WarningFree= is 10.5 %. ')
    note += 'The guard had its real-time priority.' if run.realtime else 'The guard had NO real-time priority here.'
    bench.row(what, goal, f'median {milliseconds(total, 0.5)} ms, 99 % {milliseconds(total, 0.99)} ms', met, note)


def measure(bench):
    bench.compile('writers')
    for rate, size in RATES:
        measure_rate(bench, rate, size)
