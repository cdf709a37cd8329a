# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the parts of the benchmark share."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from rig import Rig, build_tools

HERE = Path(__file__).resolve().parent
MIB, GIB = 1 << 20, 1 << 30


def clock_ticks():
    return os.sysconf('SC_CLK_TCK')


def cpu_seconds(pid):
    """Of a process, user and system."""
    fields = Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / clock_ticks()


def wake_ups(pid):
    """How often it gave up the processor by itself: each of those is a wake-up."""
    for line in Path(f'/proc/{pid}/status').read_text().splitlines():
        if line.startswith('voluntary_ctxt_switches:'):
            return int(line.split()[1])
    raise ValueError(pid)


def pss_bytes(pid):
    for line in Path(f'/proc/{pid}/smaps_rollup').read_text().splitlines():
        if line.startswith('Pss:'):
            return int(line.split()[1]) * 1024
    raise ValueError(pid)


def quantile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(part * len(values)))]


def make_containers(root, n, first=0):
    """Docker's folders of so many quiet json-file containers, as root sees them: a log of a few lines each."""
    for i in range(first, first + n):
        cid = f'{i:064x}'
        folder = Path(root) / 'containers' / cid
        folder.mkdir(parents=True)
        (folder / 'hostconfig.json').write_text('{"LogConfig":{"Type":"json-file","Config":{}},"RestartPolicy":{"Name":"no"}}')
        (folder / 'config.v2.json').write_text(json.dumps({
            'ID': cid, 'Name': f'/app-{i}', 'Driver': 'overlay2', 'State': {'Running': True, 'Pid': 0},
            'Config': {'Image': 'example/app:1', 'Labels': {}}, 'LogPath': f'{root}/containers/{cid}/{cid}-json.log'}))
        log = folder / f'{cid}-json.log'
        log.write_text('{"log":"ready\\n","stream":"stdout","time":"2026-01-01T00:00:00.000000000Z"}\n')
        log.chmod(0o640)
        folder.chmod(0o710)
    (Path(root) / 'containers').chmod(0o710)
    Path(root).chmod(0o710)


class Bench:
    """One part: its rows, and what is undone at its end."""

    def __init__(self, build, part):
        self.build, self.part = build, part
        self.rows, self.skipped = [], []
        self.scratch = Path(tempfile.mkdtemp(prefix=f'diskbrake-bench-{part}-'))
        self.rigs = []

    def row(self, what, goal, measured, met=None, note=''):
        """met: whether the goal is met; None: there is none. All are texts but met."""
        self.rows.append({'what': what, 'goal': goal, 'measured': measured, 'met': met, 'note': note})

    def skip(self, why):
        self.skipped.append(why)

    def compile(self, name):
        """A C program of this folder."""
        out = self.scratch / name
        subprocess.run(['cc', '-O2', '-std=gnu17', '-Wall', '-Wextra', '-Werror', '-o', out, HERE / f'{name}.c', '-lpthread'], check=True)
        return out

    def rig(self):
        """The daemon on partitions of its own, in namespaces of its own: tests/faults/rig.py."""
        tools = self.scratch / 'tools'
        if not tools.exists():
            tools.mkdir()
            build_tools(self.build, tools)
        scratch = Path(tempfile.mkdtemp(prefix='rig-', dir=self.scratch))   # another one each time: some end before
        rig = Rig(scratch, tools)
        rig.__enter__()
        self.rigs.append(rig)
        return rig

    def end_rig(self, rig):
        self.rigs.remove(rig)
        rig.close()

    def close(self):
        for rig in self.rigs:
            rig.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


def guard_pids(rig):
    """Of the launcher, the supervisor, and each watcher and trimmer."""
    return [rig.daemon.pid] + [pid for role in ('supervisor', 'watcher', 'trimmer') for pid in rig.pids(role)]


def wait_until(what, timeout, every=0.01):
    deadline = time.monotonic() + timeout
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(every)
