# SPDX-License-Identifier: LGPL-2.1-or-later
"""Survival: four writers append to the logs of four containers on a small partition as fast as the page cache takes it. Nothing else
is configured than where Docker's data-root is. What is counted is writes that find no room. Beside it: the same without a guard, and with
a bare loop that punches holes and does nothing else."""

import json
import os
import shutil
import subprocess

from common import GIB, MIB, guard_pids, wait_until

SECONDS = int(os.environ.get('DISKBRAKE_BENCH_SECONDS', '60'))
STEP_SECONDS, CONFIRM_SECONDS = min(SECONDS, 6), min(SECONDS, 20)
N_WRITERS = 4
CHUNKS = (4096, 65536)
GOAL_BPS = 1e9
# Where the writers at full speed do not break it, others try: more of them, and larger writes.
HARDER = ((8, 65536), (4, 1 << 20), (2, 1 << 20))


def gb_per_s(bps):
    return f'{bps / 1e9:.2f} GB/s'


class Flood:
    """One partition, half full of something else, with its writers and perhaps the guard: what came of it."""

    def __init__(self, bench, guarded):
        self.rig = bench.rig()
        self.bench, self.guarded = bench, guarded
        self.p = self.rig.bare_partition('disk', size=GIB)
        self.rig.partitions['disk'] = self.p
        self.logs = []
        self.realtime = False

    def prepare(self, n_writers):
        for i in range(n_writers):
            self.p.add_container(f'app-{i}')
            self.logs.append(self.p.log(f'app-{i}'))
        st = os.statvfs(self.p.outside)
        used, total = (st.f_blocks - st.f_bfree) * st.f_frsize, st.f_blocks * st.f_frsize
        self.rig.run('fallocate', '-l', total // 2 - used, f'{self.p.mount}/images')
        for tool in ('writers', 'brake'):
            shutil.copy(self.bench.scratch / tool, self.rig.tools)
        if self.guarded:
            self.start_guard(n_writers)

    def start_guard(self, n_writers):
        (self.rig.scratch / 'diskbrake.conf').write_text(f'[Watchdog]\nDataRoot={self.p.root}\n')
        self.rig.start_journald()
        self.rig.start_daemon()
        self.rig.census.stop.set()      # it would take its part of a processor
        self.p.wait_state('guarding')
        # The ballast is made in the quiet before.
        wait_until(lambda: self.p.status()['logs_total'] == n_writers and self.p.status()['ballast_bytes'] > 0, 15, 0.1)
        self.realtime = all(os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO for pid in guard_pids(self.rig)[1:])

    def write(self, chunk, seconds, rate=0, options=()):
        done = self.rig.run(self.rig.tools / 'writers', '-c', chunk, '-s', seconds, '-r', int(rate), *options, *self.logs,
                            timeout=seconds + 60)
        found = json.loads(done.stdout)
        found['bps'] = found['bytes'] / found['seconds']
        found['realtime'] = self.realtime
        if self.guarded:
            status = self.p.status()
            found.update(acts=status['acts_total'], freed=status['freed_total_bytes'], turn=self.rig.status()['longest_turn_usec'])
        return found

    def brake(self, seconds, options):
        return self.rig.popen(self.rig.tools / 'brake', '-s', seconds, *options, *self.logs, stdout=subprocess.DEVNULL)


def flood(bench, chunk, seconds, rate=0, n_writers=N_WRITERS, guarded=True, options=(), brake=None):
    """brake: options of the bare loop, in the guard's place."""
    f = Flood(bench, guarded)
    try:
        f.prepare(n_writers)
        if brake is not None:
            f.brake(seconds + 1, brake)
        return f.write(chunk, seconds, rate, options)
    finally:
        bench.end_rig(f.rig)


def describe(found):
    return (f'{found["failed"]} ENOSPC at {gb_per_s(found["bps"])} ({found["bytes"] / 1e9:.0f} GB in {found["seconds"]:.0f} s), '
            f'least free {found["least_avail"] / MIB:.0f} MiB')


def bare_brakes(bench, chunk):
    """What the same system call can do that all others around it cannot take from it."""
    below = GIB // 10
    brakes = {'one thread from the beginning': (), 'one thread from 10 % free on': ('-b', below),
              'a thread for each log from 10 % free on': ('-j', '-b', below)}
    return {name: flood(bench, chunk, STEP_SECONDS, guarded=False, brake=options) for name, options in brakes.items()}


def measure_full_speed(bench):
    kept = {}
    for chunk in CHUNKS:
        alone = flood(bench, chunk, 30, guarded=False, options=['-e'])
        kept[chunk] = found = flood(bench, chunk, SECONDS)
        met = found['failed'] == 0 and found['bps'] >= GOAL_BPS
        note = (f'Without a guard it is full after {alone["first_failed_sec"]:.2f} s, at {gb_per_s(alone["bps"])}. '
                f'{found["acts"]} acts freed {found["freed"] / 1e9:.1f} GB; the longest write waited '
                f'{found["longest_write_usec"] / 1000:.0f} ms (without a guard {alone["longest_write_usec"] / 1000:.0f} ms). ')
        if found['failed']:
            note += f'The first write failed after {found["first_failed_sec"]:.1f} s, for {found["failing_sec"]:.3f} s in all. '
        note += 'In its place a bare loop of FALLOC_FL_PUNCH_HOLE: ' + '; '.join(
            f'{name}: {bare["failed"]} ENOSPC at {gb_per_s(bare["bps"])}' for name, bare in bare_brakes(bench, chunk).items()) + '. '
        note += 'The configuration is DataRoot= alone, all else are defaults. The guard had ' + (
            'its real-time priority.' if found['realtime'] else 'NO real-time priority here, which makes it slower.')
        bench.row(f'{N_WRITERS} writers of {chunk // 1024} KiB, as fast as it goes, {SECONDS} s from 50 % used on 1 GiB of ext4',
                  '0 ENOSPC at 1 GB/s and above', describe(found), met, note)
    return kept


def try_rate(bench, chunk, rate, n_writers=N_WRITERS, seconds=STEP_SECONDS):
    found = flood(bench, chunk, seconds, rate, n_writers)
    print(f'    {n_writers} x {chunk // 1024} KiB at {gb_per_s(rate) if rate else "full speed"}: {describe(found)}', flush=True)
    return found


class Search:
    """For the rate at which paced writers of one size break it, to within 10 %."""

    def __init__(self, bench, chunk):
        self.bench, self.chunk = bench, chunk
        self.holds = self.breaks = None
        self.is_all = False     # it holds all that these writers can do

    def step(self, rate):
        found = try_rate(self.bench, self.chunk, rate)
        if found['failed']:
            self.breaks = rate
        else:
            self.holds, self.is_all = rate, found['bps'] < 0.9 * rate
            if self.is_all:
                self.holds = found['bps']

    def run(self, rate):
        for _ in range(9):
            self.step(rate)
            if self.is_all or (self.holds and self.breaks and self.breaks / self.holds <= 1.1):
                break
            rate = (self.holds * self.breaks) ** 0.5 if self.holds and self.breaks else rate * 1.5 if self.holds else rate / 1.5
        self.confirm()

    def confirm(self):
        """What holds for a step must hold for longer."""
        for _ in range(4):
            if not self.holds or not try_rate(self.bench, self.chunk, self.holds, seconds=CONFIRM_SECONDS)['failed']:
                return
            self.holds, self.breaks, self.is_all = self.holds / 1.2, self.holds, False

    def describe(self):
        held = f'holds {gb_per_s(self.holds)}' if self.holds else 'holds nothing that was tried'
        return held + (', all that paced writers can do' if self.is_all else f', breaks at {gb_per_s(self.breaks)}' if self.breaks else '')


def measure_break(bench, kept):
    broken = [chunk for chunk, found in kept.items() if found['failed']]
    what = 'the rate at which it breaks'
    if broken:
        search = Search(bench, max(broken))
        search.run(GOAL_BPS)
        bench.row(what, 'found and published', search.describe(), None,
                  f'{N_WRITERS} paced writers of {max(broken) // 1024} KiB, {STEP_SECONDS} s a step from 50 % used; what holds was held '
                  f'for {CONFIRM_SECONDS} s. At full speed they are faster than their mean, between pauses that the filesystem makes.')
        return
    tried = [(N_WRITERS, chunk, found) for chunk, found in kept.items()]
    for n_writers, chunk in HARDER:
        tried.append((n_writers, chunk, try_rate(bench, chunk, 0, n_writers)))
    said = '; '.join(f'{n} writers of {chunk // 1024} KiB, {gb_per_s(found["bps"])}: {found["failed"]} ENOSPC' for n, chunk, found in tried)
    if not any(found['failed'] for _, _, found in tried):
        fastest = max(found['bps'] for _, _, found in tried)
        bench.row(what, 'found and published', f'not reached: holds {gb_per_s(fastest)}, all that these writers could do', None, said)
    else:
        least = min(found['bps'] for _, _, found in tried if found['failed'])
        bench.row(what, 'found and published', f'breaks at {gb_per_s(least)}', None, said)


def measure(bench):
    bench.compile('writers')
    bench.compile('brake')
    measure_break(bench, measure_full_speed(bench))
