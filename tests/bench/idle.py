# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the guard costs while nothing happens: 10,000 quiet containers whose dockerd has all logs open."""

import time
from pathlib import Path

from common import GIB, MIB, pss_bytes, wake_ups
from shipped import Disk, Dockerd, Guard, cpu_seconds, make_containers, scaled

ROLES = ('launcher', 'supervisor', 'watcher', 'trimmer')


def watches_left():
    """Each folder and each log needs one; the limit is one user's on the whole machine."""
    return int(Path('/proc/sys/fs/inotify/max_user_watches').read_text())


def inotify_watches(pid):
    """That a process has."""
    return sum(line.startswith('inotify ') for info in Path(f'/proc/{pid}/fdinfo').iterdir()
               for line in info.read_text().splitlines())


def locks_all(pid):
    return 'Max locked memory         unlimited' in Path(f'/proc/{pid}/limits').read_text()


def look(guard):
    pids = dict(zip(ROLES, guard.pids()))
    return {'cpu': {role: cpu_seconds(pid) for role, pid in pids.items()}, 'all_cpu': guard.cpu_seconds(),
            'wake_ups': {role: wake_ups(pid) for role, pid in pids.items()}}


def over(guard, seconds):
    """Processor seconds and wake-ups by role, within that time, and what its one-shot children took."""
    before, begun = look(guard), time.monotonic()
    time.sleep(seconds)
    after, took = look(guard), time.monotonic() - begun
    cpu = {role: after['cpu'][role] - before['cpu'][role] for role in ROLES}
    woken = {role: after['wake_ups'][role] - before['wake_ups'][role] for role in ROLES}
    all_cpu = after['all_cpu'] - before['all_cpu']
    return all_cpu / took, {r: c / took for r, c in cpu.items()}, {r: n * 60 / took for r, n in woken.items()}


def by_role(values, show):
    return ', '.join(f'{role} {show(value)}' for role, value in values.items())


def measure(bench):
    n, seconds = scaled(10_000), scaled(60)
    rig = bench.rig()
    disk = Disk(rig, 'quiet', 8 * GIB, 8 * n + 1000)
    make_containers(bench, disk, n)
    dockerd = Dockerd(bench, disk)
    guard = Guard(rig, disk)
    guard.start()
    guard.all_known_seconds(n)
    # The ballast, the first looks, Docker's version; and what somebody has just looked at is looked at again, ever more rarely.
    time.sleep(scaled(30))
    status = guard.status()
    assert status['level'] == 'ok' and status['state'] == 'guarding' and status['docker_version'] == '26.1.5', status
    share, cpu, woken = over(guard, seconds)
    memory = {role: pss_bytes(pid) for role, pid in zip(ROLES, guard.pids())}
    n_watches = inotify_watches(guard.pids()[2])
    locked = 'Supervisor, watcher and trimmer have all of theirs locked' if locks_all(guard.pids()[1]) else \
        'Less memory may be locked here than the unit asks for: room that was reserved and is not used yet does not count'
    status = guard.status()
    assert status['level'] == 'ok' and status['logs_total'] == n, status

    what = f'{n:,} quiet containers'
    bench.row(f'processor, {what}', 'under 0.1 % of a core', f'{share:.4%}', share < 0.001,
              f'Over {seconds} s, all processes that the guard started in that time with it; ' +
              by_role(cpu, lambda c: f'{c:.4%}') + f'. The guard as it ships, with systemd\'s watchdog, on an ext4 of {disk.size // GIB} GiB; '
              f'a stand-in for dockerd has all logs open. The watcher has {n_watches:,} inotify watches, one for each folder and each '
              f'log, of fs.inotify.max_user_watches = {watches_left():,}; a host with more than half as many containers '
              'has to raise that, or the rest is looked at in turns.')
    total = sum(woken.values())
    bench.row(f'wake-ups, {what}', 'under 30 a minute', f'{total:.1f} a minute', total < 30,
              by_role(woken, lambda w: f'{w:.1f}') + ' (voluntary context switches).')
    limit, total = 8 * MIB + 1024 * n, sum(memory.values())
    bench.row(f'memory, {what}', f'under 8 MB + 1 KB a container: {limit / MIB:.1f} MiB', f'{total / MIB:.1f} MiB', total < limit,
              'Proportional set size: ' + by_role(memory, lambda m: f'{m / MIB:.2f} MiB') + f'. {locked}.')
    guard.stop()
    dockerd.stop()
