# SPDX-License-Identifier: LGPL-2.1-or-later
"""A trim of one large log, by hand, against logrotate's copytruncate and against the bare system call on files that were made in the same
way. In turns, so that whatever else the machine does meets all of them."""

import json
import mmap
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from statistics import median

from common import GIB, HERE, MIB, wait_until

# A trial is one of a few seconds.
TRIAL = int(os.environ.get('DISKBRAKE_BENCH_SECONDS', '300')) < 60
LOG_BYTES = 128 * MIB if TRIAL else GIB
TIMES = 3 if TRIAL else 5
KEEP_BYTES = 16 * MIB
# Right after it was written; flushed; flushed and read again by nobody, as most of a log that is large is.
CACHED = {'dirty': 'dirty in the page cache', 'clean': 'clean in the page cache', 'not': 'not in the page cache'}
LOGROTATE = Path('/var/cache/diskbrake-test/logrotate')
WRITER_BPS = 50e6
NUMBER = re.compile(rb'"log":"line (\d{12}) ')
GOAL_LOGROTATE, GOAL_BARE = 50, 1.5
METHODS = {'punch': 'punch', 'collapse-leased': 'collapse'}     # as the guard calls it, and as cut_bare does
TOLD = {'punch': 'punched while its container runs', 'collapse-leased': 'collapsed, its container stopped'}


def unpack_logrotate():
    """As the tests unpack rsyslog: it must not begin to work on this machine."""
    if not (LOGROTATE / 'usr/sbin/logrotate').exists():
        subprocess.run(['bash', '-c', f'. tests/dev/common.sh && dev_unpack {LOGROTATE} logrotate libpopt0'], cwd=HERE.parents[1],
                       check=True, stdout=subprocess.DEVNULL)


class Trims:
    def __init__(self, bench):
        self.rig = bench.rig()
        self.p = self.rig.bare_partition('disk', size=8 * GIB)
        self.p.add_container('other')       # a guard without a log has nothing to wait for
        self.rig.partitions['disk'] = self.p
        for tool in ('writers', 'cut_bare'):
            shutil.copy(bench.scratch / tool, self.rig.tools)
        (self.rig.scratch / 'diskbrake.conf').write_text(f'[Watchdog]\nDataRoot={self.p.root}\n')
        self.rig.start_journald()
        self.rig.start_daemon()
        self.rig.census.stop.set()
        self.p.wait_state('guarding')
        wait_until(lambda: self.p.status()['ballast_bytes'] > 0, 15, 0.1)
        self.rig.popen(*self.rig.cli, 'record', '/run/rig/trace', stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (self.rig.path('/run/rig') / 'logrotate.conf').write_text(
            f'{self.p.mount}/rotated/app-json.log {{\n    copytruncate\n    rotate 1\n    size 1\n    nocompress\n}}\n')
        self.n = 0

    # logs

    def fill(self, path, cached):
        self.rig.run(self.rig.tools / 'writers', '-c', MIB, '-s', 300, '-t', LOG_BYTES, path, timeout=300)
        if cached != 'dirty':
            self.rig.run('sync', path, timeout=300)
        if cached == 'not':
            for file in (path, self.p.image):       # the loop device reads by way of the cache, too
                self.rig.run('dd', f'if={file}', 'iflag=nocache', 'count=0', 'status=none')

    def make_bare(self, cached):
        path = f'{self.p.mount}/bare.log'
        self.fill(path, cached)
        return path

    def make_container(self, cached, running=True):
        self.n += 1
        name = f'app-{self.n}'
        self.p.add_container(name)
        if not running:
            config = self.rig.path(self.p.log(name)).parent / 'config.v2.json'
            config.write_text(config.read_text().replace('"Running": true', '"Running": false'))
        self.fill(self.p.log(name), cached)
        # Until the guard has seen the last of it.
        wait_until(lambda: any(log['name'] == f'disk-{name}' and log['allocated_bytes'] >= LOG_BYTES and log['running'] == running
                               for log in self.p.status()['logs']), 20)
        return name

    # cuts: microseconds, from the beginning of the command to its end

    def run(self, *argv):
        out = self.rig.run(self.rig.tools / 'cut_bare', 'run', *argv, timeout=120).stdout
        said, _, usec = out.rstrip('\n').rpartition('\n')
        return int(usec), said

    def guard(self, name, method):
        usec, said = self.run(*self.rig.cli, 'trim', f'disk-{name}', '--keep', KEEP_BYTES, '--method', method, '--json')
        done = json.loads(said)
        if done['result'] != 'done' or done['freed_bytes'] < LOG_BYTES - KEEP_BYTES - 2 * MIB:
            raise RuntimeError(f'not trimmed: {done}')
        return usec

    def bare(self, path, call):
        first = 4096 if call == 'punch' else 0
        return int(self.rig.run(self.rig.tools / 'cut_bare', call, path, first, LOG_BYTES - KEEP_BYTES - first, timeout=120).stdout)

    def rotated_path(self, cached):
        self.rig.run('mkdir', '-p', f'{self.p.mount}/rotated')
        path = f'{self.p.mount}/rotated/app-json.log'
        self.rig.run('rm', '-f', path, f'{path}.1')
        self.fill(path, cached)
        return path

    def logrotate(self):
        library = LOGROTATE / 'usr/lib' / f'{os.uname().machine}-linux-gnu'
        return self.run('/usr/bin/env', f'LD_LIBRARY_PATH={library}', LOGROTATE / 'usr/sbin/logrotate', '-f',
                        '-s', '/run/rig/logrotate.state', '/run/rig/logrotate.conf')[0]

    # one of each

    def turn(self, cached, took):
        for method, call in METHODS.items():
            name = self.make_container(cached, running=method == 'punch')
            took[method].append(self.guard(name, method))
            self.p.remove_container(name)
            path = self.make_bare(cached)
            took[call + ' alone'].append(self.bare(path, call))
            self.rig.run('rm', path)
        path = self.rotated_path(cached)
        took['logrotate'].append(self.logrotate())
        self.rig.run('rm', path, f'{path}.1')

    def act_usecs(self):
        """Of the acts by hand: from where the trimmer takes one up until it has done it."""
        lines = [json.loads(line) for file in sorted(self.rig.path('/run/rig/trace').glob('*.jsonl'))
                 for line in file.read_text().splitlines()]
        planned = {line['act'] for line in lines if line['kind'] == 'act'}      # by the guard itself
        return {method: [line['end_usec'] - line['begin_usec'] for line in lines
                         if line['kind'] == 'outcome' and line['method'] == method and line['act'] not in planned] for method in METHODS}

    # lines

    def start_writer(self, path):
        """It goes on where the log ends. Another process, that is told to end."""
        argv = [*self.rig.enter, self.rig.tools / 'writers', '-c', 4096, '-s', 0, '-r', int(WRITER_BPS), '-n', LOG_BYTES // 1024, path]
        return subprocess.Popen([str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def cut_under_writer(self, path, cut):
        """How many lines were written in all, and the numbers of those that are left of them."""
        with self.start_writer(path) as writer:
            time.sleep(1)
            cut()
            time.sleep(0.5)
            out, _ = writer.communicate()
        found = json.loads(out)
        if found['failed'] or found['others']:
            raise RuntimeError(f'writes failed: {found}')
        return LOG_BYTES // 1024 + found['lines'][0]

    def lost_by_guard(self):
        name = self.make_container('dirty')
        n = self.cut_under_writer(self.p.log(name), lambda: self.guard(name, 'punch'))
        left = numbers(self.rig.path(self.p.log(name)))
        self.p.remove_container(name)
        # What the cut takes is the oldest. Behind it, every line must be there, up to the newest.
        return n - left[0] - len(set(left))

    def lost_by_logrotate(self):
        path = self.rotated_path('dirty')
        n = self.cut_under_writer(path, self.logrotate)
        left = set(numbers(self.rig.path(path))) | set(numbers(self.rig.path(f'{path}.1')))
        self.rig.run('rm', path, f'{path}.1')
        return n - len(left)


def numbers(path):
    with open(path, 'rb') as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data:
        first = os.lseek(file.fileno(), 4096, os.SEEK_DATA) if len(data) > 4096 else 0
        first = 0 if first == 4096 else first
        return [int(found[1]) for found in NUMBER.finditer(data, first)]


def time_of(usec):
    return f'{usec / 1e6:.2f} s' if usec >= 1e6 else f'{usec / 1000:.1f} ms' if usec >= 1000 else f'{usec / 1000:.2f} ms'


def add_rows(bench, cached, took, acts):
    size = f'{LOG_BYTES // MIB} MiB log'
    slow = median(took['logrotate'])
    for method, call in METHODS.items():
        usec, bare = median(took[method]), median(took[call + ' alone'])
        bench.row(f'a {size}, {CACHED[cached]}, {TOLD[method]}, against logrotate copytruncate', f'{GOAL_LOGROTATE} times faster',
                  f'{slow / usec:.0f} times ({time_of(usec)} against {time_of(slow)})', slow / usec >= GOAL_LOGROTATE)
        # Without pages to drop the call takes microseconds: then a ratio says nothing.
        is_call = bare >= 1000
        bench.row(f'the same, against {"FALLOC_FL_PUNCH_HOLE" if call == "punch" else "FALLOC_FL_COLLAPSE_RANGE"} alone',
                  f'within {GOAL_BARE} times' if is_call else '',
                  f'{usec / bare:.2f} times ({time_of(bare)} the call)' if is_call else f'{time_of(usec)} against {time_of(bare)}',
                  usec / bare <= GOAL_BARE if is_call else None,
                  f'From the start of `diskbrake trim` to its end, of which the trimmer\'s act is {time_of(median(acts[method]))}. '
                  f'Single ones: {", ".join(map(time_of, sorted(took[method])))}; the call: '
                  f'{", ".join(map(time_of, sorted(took[call + " alone"])))}; logrotate: '
                  f'{", ".join(map(time_of, sorted(took["logrotate"])))}.')


def measure(bench):
    unpack_logrotate()
    bench.compile('writers')
    bench.compile('cut_bare')
    trims = Trims(bench)
    took = {kind: {what: [] for what in (*METHODS, 'punch alone', 'collapse alone', 'logrotate')} for kind in CACHED}
    for _ in range(TIMES):
        for kind in CACHED:
            trims.turn(kind, took[kind])
    acts = trims.act_usecs()
    for i, kind in enumerate(CACHED):
        add_rows(bench, kind, took[kind], {method: acts[method][i::len(CACHED)] for method in METHODS})
    guard, rotated = trims.lost_by_guard(), trims.lost_by_logrotate()
    bench.row('lines lost while it is cut and somebody writes', '0', f'{guard}; logrotate copytruncate: {rotated}', guard == 0,
              f'A writer appends lines of 1 KiB to the log at {WRITER_BPS / 1e6:.0f} MB/s meanwhile. Lost: neither left in the log (or in '
              'logrotate\'s copy), nor older than what is left. copytruncate loses what is written between the end of its copy, which it '
              'flushes to the disk, and its truncation.')
