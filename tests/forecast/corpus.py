# SPDX-License-Identifier: LGPL-2.1-or-later
"""Traces of partitions as they live, fill up, or only seem to: families of them, each with its truth.

    for trace in corpus(seed=7, n=400): trace.family, trace.samples, trace.fills

Sizes, sampling steps, calm phases and the noise beneath are drawn from the same distributions for all families, so that
none of them gives a family away. Everything follows from the seed. Beside them what real Docker did to real partitions, as it
was recorded (record_drills).
"""

import dataclasses
import gzip
import json
import math
import random
from pathlib import Path

GB = 1e9
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
SAMPLES_MAX = 9000      # a trace: months are sampled more coarsely, floods end early
INODES_PER_BYTE = 1 / 16384


@dataclasses.dataclass
class Fill:
    onset: float
    full: float
    inodes: bool = False

    @property
    def deadline(self):
        """With half of the time left, or four hours, whichever is less."""
        return self.full - min((self.full - self.onset) / 2, 4 * HOUR)


@dataclasses.dataclass
class Trace:
    name: str
    family: str
    seed: int
    samples: list = dataclasses.field(default_factory=list)     # (seconds, total, avail, total inodes, avail inodes)
    fills: list = dataclasses.field(default_factory=list)

    def write_csv(self, path):
        with open(path, 'w', encoding='ascii') as file:
            file.write('seconds,total_bytes,avail_bytes,total_inodes,avail_inodes\n')
            for s in self.samples:
                file.write('%.3f,%d,%d,%d,%d\n' % s)

    @property
    def duration(self):
        return self.samples[-1][0] - self.samples[0][0]


def log_uniform(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))


class World:
    """One partition, from one sample to the next. What happens on it is a list of parts: functions of (t, dt) that give
    how many bytes are taken (less than 0: given back)."""

    def __init__(self, rng):
        self.rng = rng
        self.total = log_uniform(rng, 10 * GB, 8000 * GB)
        self.used = self.total * rng.uniform(0.1, 0.85)
        self.step = rng.choice([1, 2, 5, 10, 15, 30, 60, 60, 120, 300])
        self.calm = log_uniform(rng, 10 * MINUTE, 4 * DAY)
        self.t0 = rng.uniform(1.6e9, 1.8e9)
        self.inodes = self.total * INODES_PER_BYTE
        self.used_inodes = self.inodes * rng.uniform(0.02, 0.5)
        self.parts, self.inode_parts = [self.noise(), self.leavings(), self.rotation()], []
        self.jitter = rng.choice([0, 0, 0.02, 0.1])     # of the sampling step

    @property
    def free(self):
        return self.total - self.used

    # ---- what lives on every partition

    def noise(self):
        """Temporary files: they come and go about a mean."""
        rng, level = self.rng, [0.0]
        sigma, tau = self.total * log_uniform(rng, 1e-5, 4e-3), log_uniform(rng, MINUTE, 6 * HOUR)

        def part(t, dt):
            keep = math.exp(-dt / tau)
            new = level[0] * keep + sigma * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
            taken, level[0] = new - level[0], new
            return taken
        return part

    def leavings(self):
        """What every host gathers, slower than anybody counts in: full in years."""
        rate = self.free / log_uniform(self.rng, 1000 * DAY, 10000 * DAY)
        return lambda t, dt: rate * dt

    def rotation(self):
        """Logs that are rotated: a small saw."""
        height, period = self.total * log_uniform(self.rng, 1e-5, 2e-3), log_uniform(self.rng, HOUR, 2 * DAY)
        return self.saw(height, period)

    # ---- shapes

    def saw(self, height, period, begin=0.0):
        phase = [0.0]

        def part(t, dt):
            if t < begin:
                return 0
            before, phase[0] = phase[0], phase[0] + dt / period
            if phase[0] < 1:
                return height * dt / period
            phase[0] %= 1
            return height * (phase[0] - before)
        return part

    def ramp(self, begin, duration, amount, wobble=0.0):
        """amount within duration from begin on, straight but for wobble."""
        rng = self.rng

        def part(t, dt):
            a, b = max(t - dt, begin), min(t, begin + duration)
            if b <= a:
                return 0
            return amount * (b - a) / duration * max(0.0, 1 + wobble * rng.gauss(0, 1))
        return part

    def curve(self, begin, shape):
        """shape(seconds since begin): bytes in all."""
        return lambda t, dt: shape(t - begin) - shape(max(t - dt - begin, 0)) if t > begin else 0

    def step_at(self, when, amount):
        return lambda t, dt: amount if t - dt < when <= t else 0

    def bursts(self, begin, rate, on, off):
        """A writer that writes for a while and rests for a while."""
        rng, state = self.rng, [begin, True, begin]

        def part(t, dt):
            taken, at = 0.0, t - dt
            while at < t:
                if at < begin:
                    at = min(begin, t)
                    state[2] = begin + rng.expovariate(1 / on)
                    continue
                if state[2] <= at:
                    state[1] = not state[1]
                    state[2] = at + max(rng.expovariate(1 / (on if state[1] else off)), 1e-3)
                upto = min(state[2], t)
                if state[1]:
                    taken += rate * (upto - at)
                at = upto
            return taken
        return part

    # ---- the run

    def run(self, trace, until, onset=None, inodes=False, clock=None, gaps=(), resize=()):
        """Samples until then, or until it is full; onset: from there on a fill is under way."""
        rng, t, full = self.rng, 0.0, None
        step = max(self.step, until / SAMPLES_MAX)
        t += rng.uniform(0, step)
        after = 0
        resize = list(resize)
        last = None
        while t < until and after < 5:
            dt = step * max(0.2, 1 + self.jitter * rng.gauss(0, 1))
            t += dt
            while resize and resize[0][0] <= t:
                grown = self.total * (resize[0][1] - 1)
                self.total += grown
                resize.pop(0)
            before, self.used = self.used, self.used + sum(p(t, dt) for p in self.parts)
            self.used_inodes += sum(p(t, dt) for p in self.inode_parts)
            self.used = max(self.used, self.total * 0.01)
            if full is None and self.used >= self.total and not inodes:
                full = t - dt * (self.used - self.total) / max(self.used - before, 1)
            if full is None and inodes and self.used_inodes >= self.inodes:
                full = t
            shown = min(self.used, self.total)
            if self.used > self.total:
                self.used = self.total
            if full is not None:
                after += 1
            if any(a <= t < b for a, b in gaps):
                continue
            last = t
            at = self.t0 + t + (clock(t) if clock else 0)
            trace.samples.append((at, int(self.total), int(self.total - shown), int(self.inodes),
                                  int(max(0, self.inodes - self.used_inodes))))
        if full is not None:
            shift = self.t0 + (clock(full) if clock else 0)
            trace.fills.append(Fill(shift + (onset if onset is not None else 0), shift + full, inodes))
        return trace


# ---- the families -----------------------------------------------------------------------------------------------

FAMILIES = {}


def family(function):
    FAMILIES[function.__name__.replace('_', '-')] = function
    return function


@family
def flood(w, trace):
    rate = log_uniform(w.rng, 10e6, 2e9)
    w.parts.append(w.ramp(w.calm, 1e9, rate * 1e9, wobble=w.rng.choice([0, 0.1, 0.3])))
    w.step = min(w.step, max(0.25, w.free / rate / 4)) if w.rng.random() < 0.8 else w.step
    w.run(trace, w.calm + w.free / rate * 3, onset=w.calm)


@family
def linear_leak_fast(w, trace):
    lasts = log_uniform(w.rng, 10 * MINUTE, 8 * HOUR)
    w.parts.append(w.ramp(w.calm, 100 * lasts, 100 * w.free, wobble=w.rng.choice([0, 0.1, 0.5])))
    w.run(trace, w.calm + 1.5 * lasts, onset=w.calm)


@family
def linear_leak_slow(w, trace):
    lasts = log_uniform(w.rng, 8 * HOUR, 12 * DAY)
    w.parts.append(w.ramp(w.calm, 100 * lasts, 100 * w.free, wobble=w.rng.choice([0, 0.1, 0.5])))
    w.run(trace, w.calm + 1.5 * lasts, onset=w.calm)


@family
def bursty_leak(w, trace):
    lasts = log_uniform(w.rng, HOUR, 5 * DAY)
    on = lasts * log_uniform(w.rng, 0.003, 0.05)
    off = on * log_uniform(w.rng, 0.5, 4)
    w.parts.append(w.bursts(w.calm, w.free / lasts * (on + off) / on, on, off))
    w.run(trace, w.calm + 3 * lasts, onset=w.calm)


@family
def accelerating_leak(w, trace):
    lasts, free = log_uniform(w.rng, 20 * MINUTE, 4 * DAY), w.free
    if w.rng.random() < 0.5:
        power = w.rng.uniform(1.3, 3)
        w.parts.append(w.curve(w.calm, lambda s: free * (min(s, 3 * lasts) / lasts) ** power))
    else:
        k = w.rng.uniform(2, 6)
        w.parts.append(w.curve(w.calm, lambda s: free * math.expm1(k * min(s / lasts, 2)) / math.expm1(k)))
    w.run(trace, w.calm + 1.5 * lasts, onset=w.calm)


@family
def saw_tooth(w, trace):
    height = w.free * w.rng.uniform(0.05, 0.9)
    period = log_uniform(w.rng, 10 * MINUTE, 2 * DAY)
    w.parts.append(w.saw(height, period, begin=w.calm))
    w.run(trace, w.calm + max(log_uniform(w.rng, DAY, 20 * DAY), 4 * period))


@family
def saw_tooth_rising(w, trace):
    lasts = log_uniform(w.rng, 3 * HOUR, 8 * DAY)
    period = lasts / w.rng.uniform(4, 40)
    height = w.free * w.rng.uniform(0.05, 0.4)
    before = w.rng.random() < 0.5       # the saw was there before it began to rise, or began with it
    w.parts.append(w.saw(height, period, begin=0 if before else w.calm))
    rising = w.calm + (6 * period if before else 0)
    w.parts.append(w.ramp(rising, 100 * lasts, 100 * (w.free - height), wobble=0.1))
    w.run(trace, rising + 1.5 * lasts, onset=rising)


@family
def nightly_job(w, trace):
    """A backup, a report, an update: takes space every night, and gives it back."""
    days, hour = w.rng.uniform(3, 25), w.rng.uniform(0, 24)
    height = w.free * w.rng.uniform(0.1, 0.8)
    lasts, holds = log_uniform(w.rng, 5 * MINUTE, 3 * HOUR), log_uniform(w.rng, MINUTE, 4 * HOUR)
    keeps = w.rng.random() < 0.3        # until the next night
    varies = w.rng.uniform(0, 0.15)
    for day in range(int(days) + 1):
        begin = day * DAY + hour * HOUR + w.rng.gauss(0, 5 * MINUTE)
        if begin < 0:
            continue
        amount = height * max(0.2, 1 + varies * w.rng.gauss(0, 1))
        amount = min(amount, 0.93 * w.free)
        end = begin + lasts + (DAY * 0.9 - lasts if keeps else holds)
        w.parts.append(w.ramp(begin, lasts, amount, wobble=0.1))
        w.parts.append(w.step_at(end, -amount))
    w.run(trace, days * DAY)


@family
def nightly_job_then_leak(w, trace):
    days, hour = w.rng.uniform(3, 12), w.rng.uniform(0, 24)
    height, lasts = w.free * w.rng.uniform(0.1, 0.4), log_uniform(w.rng, 5 * MINUTE, 2 * HOUR)
    leak_lasts = log_uniform(w.rng, 30 * MINUTE, 3 * DAY)
    leak = days * DAY + w.rng.uniform(0, DAY)
    for day in range(int(days) + 6):
        begin = day * DAY + hour * HOUR
        w.parts.append(w.ramp(begin, lasts, height, wobble=0.1))
        w.parts.append(w.step_at(begin + 1.5 * lasts, -height))
    w.parts.append(w.ramp(leak, 100 * leak_lasts, 100 * w.free, wobble=0.1))
    w.run(trace, leak + 2 * leak_lasts, onset=leak)


@family
def pulls_and_builds(w, trace):
    """Images are pulled and built, at network or disk speed; some of it is pruned again."""
    days, t = log_uniform(w.rng, 0.5 * DAY, 15 * DAY), w.calm * 0.2
    room = w.free * 0.9
    while t < days:
        amount = min(w.free * w.rng.uniform(0.01, 0.3), log_uniform(w.rng, 0.2 * GB, 40 * GB))
        amount = min(amount, room * 0.5)
        lasts = amount / log_uniform(w.rng, 5e6, 300e6)
        w.parts.append(w.ramp(t, lasts, amount, wobble=0.4))
        room -= amount
        if w.rng.random() < 0.5 or room < w.free * 0.35:
            w.parts.append(w.step_at(t + lasts + log_uniform(w.rng, MINUTE, DAY), -amount))
            room += amount
        t += lasts + log_uniform(w.rng, 10 * MINUTE, 2 * DAY)
    w.run(trace, days)


@family
def steps(w, trace):
    days, room = log_uniform(w.rng, 0.5 * DAY, 20 * DAY), w.free
    for _ in range(w.rng.randint(1, 6)):
        amount = room * w.rng.uniform(0.03, 0.45)
        room -= amount
        w.parts.append(w.step_at(w.rng.uniform(0.05, 1) * days, amount))
    w.run(trace, days)


@family
def noise(w, trace):
    days = log_uniform(w.rng, 0.5 * DAY, 25 * DAY)
    for _ in range(2):
        rng, level = w.rng, [0.0]
        sigma, tau = w.free * log_uniform(rng, 0.01, 0.12), log_uniform(rng, 5 * MINUTE, 12 * HOUR)

        def part(t, dt, level=level, sigma=sigma, tau=tau):
            keep = math.exp(-dt / tau)
            new = level[0] * keep + sigma * math.sqrt(1 - keep * keep) * rng.gauss(0, 1)
            taken, level[0] = new - level[0], new
            return taken
        w.parts.append(part)
    w.run(trace, days)


@family
def near_full_and_stable(w, trace):
    w.used = w.total * w.rng.uniform(0.86, 0.985)
    w.parts = [lambda t, dt, p=p: 0.1 * p(t, dt) for p in (w.noise(), w.rotation())]
    w.run(trace, log_uniform(w.rng, 5 * DAY, 60 * DAY))


@family
def shrinking(w, trace):
    days = log_uniform(w.rng, DAY, 20 * DAY)
    w.parts.append(w.ramp(0, days, -w.used * w.rng.uniform(0.1, 0.7), wobble=0.3))
    w.run(trace, days)


@family
def inode_leak(w, trace):
    lasts, free = log_uniform(w.rng, 10 * MINUTE, 5 * DAY), w.inodes - w.used_inodes
    w.inode_parts.append(w.ramp(w.calm, 100 * lasts, 100 * free, wobble=0.2))
    w.run(trace, w.calm + 1.5 * lasts, onset=w.calm, inodes=True)


@family
def resized(w, trace):
    """Grown while it leaks: the leak goes on; or grown, shrunk in calm."""
    if w.rng.random() < 0.6:
        lasts = log_uniform(w.rng, HOUR, 4 * DAY)
        rate = w.free / lasts
        grow = w.rng.uniform(1.1, 2)
        w.parts.append(w.ramp(w.calm, 1e9, rate * 1e9, wobble=0.1))
        w.run(trace, w.calm + 20 * lasts, onset=w.calm, resize=[(w.calm + lasts * w.rng.uniform(0.2, 0.8), grow)])
    else:
        days = log_uniform(w.rng, DAY, 10 * DAY)
        w.used = min(w.used, 0.5 * w.total)
        w.run(trace, days, resize=[(days * 0.3, w.rng.uniform(0.8, 1.5)), (days * 0.6, w.rng.uniform(1, 1.5))])


@family
def gaps_and_clock_jumps(w, trace):
    jump_at, jump = w.calm * w.rng.uniform(0.2, 0.9), w.rng.choice([-1, 1]) * log_uniform(w.rng, 5, 2 * HOUR)
    clock = (lambda t: jump if t >= jump_at else 0.0) if w.rng.random() < 0.5 else None
    if w.rng.random() < 0.6:
        lasts = log_uniform(w.rng, HOUR, 4 * DAY)
        w.parts.append(w.ramp(w.calm, 100 * lasts, 100 * w.free, wobble=0.1))
        begin = w.calm + lasts * w.rng.uniform(0, 0.3)
        w.run(trace, w.calm + 1.5 * lasts, onset=w.calm, clock=clock, gaps=[(begin, begin + lasts * w.rng.uniform(0.02, 0.15))])
    else:
        days = log_uniform(w.rng, DAY, 10 * DAY)
        gaps = []
        for _ in range(3):
            begin = w.rng.uniform(0, days)
            gaps.append((begin, begin + log_uniform(w.rng, 10 * MINUTE, 12 * HOUR)))
        w.run(trace, days, clock=clock, gaps=gaps)


@family
def two_leaks(w, trace):
    lasts = log_uniform(w.rng, HOUR, 5 * DAY)
    first, free = w.rng.uniform(0.3, 0.8), w.free
    w.parts.append(w.ramp(w.calm, 100 * lasts, 100 * first * free, wobble=0.1))
    w.parts.append(w.ramp(w.calm + lasts * w.rng.uniform(0, 0.3), 100 * lasts, 100 * (1.1 - first) * free, wobble=0.1))
    w.run(trace, w.calm + 3 * lasts, onset=w.calm)


@family
def pull_then_leak(w, trace):
    amount = min(w.free * w.rng.uniform(0.05, 0.3), 60 * GB)
    lasts = log_uniform(w.rng, 20 * MINUTE, 3 * DAY)
    w.parts.append(w.ramp(w.calm * w.rng.uniform(0.1, 0.9), amount / log_uniform(w.rng, 5e6, 300e6), amount, wobble=0.3))
    w.parts.append(w.ramp(w.calm, 100 * lasts, 100 * (w.free - amount), wobble=0.2))
    w.run(trace, w.calm + 1.5 * lasts, onset=w.calm)


@family
def flood_that_ends(w, trace):
    """Somebody copies something large, once; there is enough room."""
    rate, days = log_uniform(w.rng, 5e6, 500e6), log_uniform(w.rng, 0.3 * DAY, 10 * DAY)
    w.parts.append(w.ramp(min(w.calm, days * 0.8), w.free * w.rng.uniform(0.05, 0.4) / rate, w.free * 0.4 * w.rng.uniform(0.2, 1),
                          wobble=0.1))
    w.run(trace, days)


@family
def weekly_backup(w, trace):
    height, lasts = w.free * w.rng.uniform(0.2, 0.7), log_uniform(w.rng, 30 * MINUTE, 6 * HOUR)
    for week in range(5):
        begin = w.rng.uniform(0, 7) * DAY if week == 0 else begin + 7 * DAY
        w.parts.append(w.ramp(begin, lasts, height, wobble=0.2))
        w.parts.append(w.step_at(begin + lasts + 2 * HOUR, -height))
    w.run(trace, w.rng.uniform(14, 33) * DAY)


# ---- what was recorded: record_drills

FOLDER = Path(__file__).resolve().parent / 'recorded'
TRUTH = json.loads((FOLDER / 'truth.json').read_text())
RECORDED = sorted(TRUTH)


def recorded(index):
    name = RECORDED[index]
    trace = Trace(f'recorded-{name}', 'recorded', index)
    lines = gzip.decompress((FOLDER / f'{name}.csv.gz').read_bytes()).decode().splitlines()[1:]
    trace.samples = [tuple(float(field) for field in line.split(',')) for line in lines]
    trace.fills = [Fill(*fill) for fill in TRUTH[name]]
    return trace


def make(name, seed):
    """seed: of the family 'recorded', which one of them."""
    if name == 'recorded':
        return recorded(seed)
    rng = random.Random(f'{name}/{seed}')
    trace = Trace(f'{name}-{seed}', name, seed)
    FAMILIES[name](World(rng), trace)
    return trace


def corpus(seed, n):
    names = list(FAMILIES)
    for i in range(n):
        yield make(names[i % len(names)], seed * 100000 + i // len(names))
    for i in range(len(RECORDED)):
        yield recorded(i)
