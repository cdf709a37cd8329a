# SPDX-License-Identifier: LGPL-2.1-or-later
"""Survival with real parts: a host in a box, with systemd, journald and Docker, whose containers write as fast as Docker takes it. The
guard is installed there as a package would, and nothing is configured."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from common import HERE, MIB

sys.path.append(str(HERE.parent / 'host'))

import box as boxes         # noqa: E402
from guard import Guard, acts       # noqa: E402

SECONDS = int(os.environ.get('DISKBRAKE_BENCH_SECONDS', '600'))
SUITE = os.environ.get('DISKBRAKE_BENCH_SUITE', 'trixie')
N_FLOODS = 8
LINE_BYTES = 7000       # those of the outage that all began with
FAILED = r'no space left on device|failed to log m|error writing log message'
SUPPRESSED = re.compile(r'Suppressed (\d+) messages from docker\.service')


def install(bench):
    """The product in a folder, built for /usr. Its build folder stays for the next time."""
    given = os.environ.get('DISKBRAKE_DESTDIR')
    if given:
        return Path(given)
    build, destdir = bench.build.parent / f'{bench.build.name}-host', bench.scratch / 'destdir'
    commands = [['ninja', '-C', build, '-j1'], ['meson', 'install', '-C', build, '--quiet', '--no-rebuild', '--destdir', destdir]]
    if not (build / 'build.ninja').exists():
        commands.insert(0, ['meson', 'setup', build, HERE.parents[1], '--prefix=/usr', '--sysconfdir=/etc', '--localstatedir=/var',
                            '-Dbuildtype=release'])
    for command in commands:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f'{command} failed:\n{done.stdout[-3000:]}')
    return destdir


def written(box, names):
    """What Docker has written to the logs: cutting their heads with a hole leaves their sizes as they are."""
    return sum(box.logfile(name).stat().st_size for name in names)


def failed_writes(box):
    """By dockerd's own account. Where it says more than journald takes, what that leaves out counts as well."""
    said = box.sh(f"journalctl -u docker --no-pager -o cat | grep -ciE '{FAILED}'", check=False).stdout
    left_out = box.sh('journalctl SYSLOG_IDENTIFIER=systemd-journald --no-pager -o cat | grep Suppressed', check=False).stdout
    return int(said or 0) + sum(int(found[1]) for found in SUPPRESSED.finditer(left_out))


def give_realtime(box):
    """Where this machine may not raise RLIMIT_RTPRIO (no CAP_SYS_RESOURCE), LimitRTPRIO= of the unit has no effect in a box, as it has on
    every other host: then the guard is given what it would have taken itself. Says what came of it."""
    pids = box.sh("pgrep '^dbrk-(supervisor|watcher|trimmer)'").stdout.split()
    if all('SCHED_FIFO' in box.run('chrt', '-p', pid).stdout for pid in pids):
        return 'The guard had its real-time priority.'
    given = all([box.run('chrt', '-R', '-f', '-p', '1', pid, check=False).returncode == 0 for pid in pids])
    return ('The guard was given its real-time priority from outside, since this machine refuses it to services in a box.' if given else
            'The guard had NO real-time priority here, which makes it slower.')


class Flood:
    """What was written, in how long, and the least that was free meanwhile; from the start of the first container on."""

    def __init__(self, box):
        self.names, self.refused = [], []
        with box.watch_free() as self.free:
            begun = time.monotonic()
            for i in range(N_FLOODS):
                self.start(box, f'flood-{i}')
            time.sleep(max(0, begun + SECONDS - time.monotonic()))
            self.n_bytes, self.seconds = written(box, self.names), time.monotonic() - begun

    def start(self, box, name):
        try:
            box.flood(name, line_bytes=LINE_BYTES)
            self.names.append(name)
        except boxes.BoxError as error:     # as it is when the partition is full
            self.refused.append(str(error))


def broken_logs(box, names):
    """Those where what was kept is not whole: a line torn, or one missing between others. Their containers have stopped."""
    logs = [boxes.parse_json_log(box.logfile(name)) for name in names]
    return [log for log in logs if log.torn or log.gaps or log.partial_tail]


def measure_in(bench, box):
    guard = Guard(box, install(bench), config='# nothing is configured\n')
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'] and p['ballast_bytes'] > 0)
    realtime = give_realtime(box)
    flood = Flood(box)
    running = box.docker('inspect', '--format', '{{.State.Running}}', *flood.names).stdout.split().count('true')
    version = guard.partition()['docker_version']
    box.docker('stop', '-t', '10', *flood.names, timeout=120)
    failed, done = failed_writes(box), acts(guard.events())
    broken = broken_logs(box, flood.names)
    freed = sum(int(event.get('DISKBRAKE_FREED_BYTES', 0)) for event in done)
    methods = sorted({event['DISKBRAKE_METHOD'] for event in done})
    whole = f'NOT whole in {len(broken)} of them' if broken else 'whole and in sequence'
    met = flood.free.min_avail_bytes > 0 and failed == 0 and not broken and running == N_FLOODS
    note = (f'Nothing is configured; lines of {LINE_BYTES} bytes. {len(done)} acts ({", ".join(methods)}) freed {freed / 1e9:.1f} GB. '
            f'Free is what others than root may use; it was looked at {flood.free.samples} times, '
            f'{flood.free.max_gap_sec * 1000:.0f} ms apart at most. What each log kept is {whole}; {running} of {N_FLOODS} containers still '
            f'ran, {len(flood.refused)} could not be started. {realtime}')
    bench.row(f'Docker {version}, {N_FLOODS} containers that write as fast as it takes it, {flood.seconds:.0f} s, 1 GiB of {box.fs}',
              '0 ENOSPC, 0 lines dropped by Docker',
              f'least free {flood.free.min_avail_bytes / MIB:.0f} MiB, {failed} writes failed, at '
              f'{flood.n_bytes / flood.seconds / 1e6:.0f} MB/s ({flood.n_bytes / 1e9:.0f} GB)', met, note)


def measure(bench):
    reason = boxes.missing_prerequisite()
    if reason:
        bench.skip(f'boxes cannot run here: {reason}')
        return
    with boxes.Box(SUITE) as box:
        measure_in(bench, box)
