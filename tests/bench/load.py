# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the guard costs while 1,000 logs are written to, a line at a time, and when twice as much is written; beside it, one
after the other in the same run, a plain watcher for changes and one that looks once a second."""

import subprocess
import time

from common import GIB, MIB, wake_ups
from shipped import Disk, Dockerd, Guard, cpu_seconds, make_containers, plain, program, scaled
from rig import Inside

WANTED = 1_000      # lines a second to each log
LOG_BYTES = MIB     # a log that has that many is emptied by its writer
LINE_BYTES = 170    # dockerd.c
SETTLE_SEC = 3
# The writers must leave some of the processors to who watches them.
SHARE_OF_MOST = 0.7
# Looks come the oftener the nearer the next threshold is.
NEAR_BYTES = 512 * MIB


class Nobody:
    """Watches nothing."""
    name = 'nobody'

    def start(self):
        pass

    def cpu_seconds(self):
        return 0

    def wake_ups(self):
        return 0

    def stop(self):
        pass


class Watcher:
    """One of the two yardsticks."""

    def __init__(self, bench, disk, what):
        self.program, self.disk, self.name = program(bench, what), disk, what

    def start(self):
        self.process = Inside(self.disk.rig, [self.program, self.disk.root], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.nsenter.stdout.readline() == 'ready\n', self.name

    def cpu_seconds(self):
        return cpu_seconds(self.process.pid)

    def wake_ups(self):
        return wake_ups(self.process.pid)

    def stop(self):
        out, _ = self.process.nsenter.communicate('\n', timeout=30)
        return out.strip()


class Watched:
    """What came of one rate: lines a second that were reached, processor of who watches, and of the writers for a line."""

    def __init__(self, seconds, cpu, woken, lines, failed, writers_cpu):
        self.rate, self.cpu, self.usec_a_line, self.failed = lines / seconds, cpu / seconds, writers_cpu / max(lines, 1) * 1e6, failed
        # Each look wakes the watcher twice: when it is due, and when it is told the time of the next one.
        self.look_sec = 2 * seconds / max(woken, 1)


def over(dockerd, who, seconds):
    def look():
        return (time.monotonic(), who.cpu_seconds(), who.wake_ups(), *dockerd.count())
    before = look()
    time.sleep(seconds)
    return Watched(*(b - a for a, b in zip(before, look())))


def most_lines(dockerd, n_logs):
    """A second, with nobody watching."""
    dockerd.tell('rate -1')
    time.sleep(1)
    most = over(dockerd, Nobody(), scaled(5))
    dockerd.tell('rate 0')
    dockerd.ask('spread')
    return most.rate, min(WANTED, int(most.rate * SHARE_OF_MOST / n_logs))


def go_near(disk, status):
    """A quiet file takes all but so much of what is free above the next threshold. While nobody looks: it is no fill."""
    below = max(level['below_bytes'] for level in status['levels'] if level['below_bytes'] < status['avail_bytes'])
    disk.rig.run('fallocate', '-l', status['avail_bytes'] - below - NEAR_BYTES, f'{disk.mount}/quiet')


def at_rates(dockerd, who, rates, seconds):
    """One after the other; the logs are never emptied all at once, which would be a change by itself."""
    found = []
    who.start()
    for rate in rates:
        dockerd.tell(f'rate {rate}')
        time.sleep(SETTLE_SEC)
        found.append(over(dockerd, who, seconds))
    dockerd.tell('rate 0')
    return found, who.stop()


def percent(share):
    return f'{plain(share * 100)} %'


class LoadedGuard(Guard):
    """It must have nothing to do but look."""
    name = 'guard'

    def start(self):
        super().start()
        self.all_known_seconds(self.n_logs)
        time.sleep(SETTLE_SEC)

    def wake_ups(self):
        return wake_ups(self.pids()[2])

    def stop(self):
        self.last_status = self.status()
        assert self.last_status['level'] == 'ok' and self.last_status['acts_total'] == 0, self.last_status
        super().stop()


def measure(bench):
    n, seconds = scaled(1_000), scaled(20, 11)   # several looks, of which the slowest pace has one in 5 s
    rig = bench.rig()
    disk = Disk(rig, 'load', 8 * GIB, 8 * n + 1000)
    make_containers(bench, disk, n)
    dockerd = Dockerd(bench, disk, LOG_BYTES)
    most, rate = most_lines(dockerd, n)
    rates = [rate // 2, rate]
    guard = LoadedGuard(rig, disk)
    guard.n_logs = n
    alone, _ = at_rates(dockerd, Nobody(), rates, seconds)
    guarded, _ = at_rates(dockerd, guard, rates, seconds)
    go_near(disk, guard.last_status)
    near, _ = at_rates(dockerd, guard, rates[1:], seconds)
    modify, said = at_rates(dockerd, Watcher(bench, disk, 'watch_modify'), rates, seconds)
    polled, _ = at_rates(dockerd, Watcher(bench, disk, 'poll_stat'), rates, seconds)
    dockerd.stop()
    assert not any(w.failed for w in alone + guarded + modify + polled), 'writes failed'

    reached = ' and '.join(f'{w.rate:,.0f}' for w in guarded)
    short = '' if rate == WANTED else f'{n * WANTED:,} would be too many for this machine. '
    bench.row(f'processor, {n:,} logs written to', 'under 2 % of a core', ' and '.join(percent(w.cpu) for w in guarded),
              all(w.cpu < 0.02 for w in guarded),
              f'At {reached} lines a second in all. {short}Two writers reach {most:,.0f} with nobody watching. Each line is one '
              f'write(2) of {LINE_BYTES} bytes with O_APPEND, to all logs in turns; a log that has 1 MiB is emptied, so that the partition '
              f'(ext4, {disk.size // GIB} GiB, the shipped configuration) stays as it is: a look every {plain(guarded[1].look_sec)} s.')
    bench.row('processor, when the write rate doubles', 'the same', f'{guarded[1].cpu / guarded[0].cpu:.2f} times',
              guarded[1].cpu < 1.2 * guarded[0].cpu)
    bench.row(f'processor, with {NEAR_BYTES // MIB} MiB left to the next threshold', 'under 2 % of a core', percent(near[0].cpu),
              near[0].cpu < 0.02, f'At {near[0].rate:,.0f} lines a second: a look every {plain(near[0].look_sec)} s.')
    bench.row('processor, a plain IN_MODIFY watcher', '', ' and '.join(percent(w.cpu) for w in modify), None,
              f'inotify on each log, an fstat for each event, at {" and ".join(f"{w.rate:,.0f}" for w in modify)} lines a second: '
              f'{modify[1].cpu / guarded[1].cpu:,.0f} times what the guard takes at the higher rate. Events, and how often some were lost: {said}.')
    bench.row('processor, a poller that looks once a second', '', ' and '.join(percent(w.cpu) for w in polled), None,
              f'statvfs, and stat by path of each log: {polled[1].cpu / guarded[1].cpu:.2g} times what the guard takes.')
    bench.row('what a line costs its writer', '', ', '.join(
        f'{what} {plain(w[1].usec_a_line)} us' for what, w in (('nobody watches', alone), ('guard', guarded), ('IN_MODIFY', modify),
                                                               ('poller', polled))), None, 'Processor time at the higher rate.')
