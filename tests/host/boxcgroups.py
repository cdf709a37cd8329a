# SPDX-License-Identifier: LGPL-2.1-or-later
"""The control groups that a box runs in."""

import contextlib
import os
import time
from pathlib import Path


def _parents():
    """In each mounted cgroup hierarchy the group below which a box gets its own."""
    paths = {}
    for line in Path('/proc/self/cgroup').read_text().splitlines():
        _, controllers, path = line.split(':', 2)
        paths[controllers] = path
    for line in Path('/proc/self/mountinfo').read_text().splitlines():
        mount, _, rest = line.partition(' - ')
        fstype, _, options = rest.split(' ', 2)
        mountpoint = Path(mount.split(' ')[4])
        if fstype == 'cgroup2':
            # The root, since a group with processes in it (ours) cannot pass controllers on to groups below it.
            yield mountpoint
        elif fstype == 'cgroup':
            path = next((path for controllers, path in paths.items()
                         if controllers and set(controllers.split(',')) <= set(options.split(','))), '/')
            own = mountpoint / path.lstrip('/')
            yield own if own.is_dir() else mountpoint


def make_cgroups(name):
    """Groups for a box, so that two boxes, or a box and the machine, do not meet in /docker or /init.scope."""
    made = []
    for parent in _parents():
        group = parent / name
        group.mkdir()
        made.append(group)
        for setting in ('cpuset.cpus', 'cpuset.mems'):      # empty in a new group, which then takes no process
            if (group / setting).exists():
                (group / setting).write_text((parent / setting).read_text())
        if (group / 'cpu.rt_runtime_us').exists():          # 0 in a new group, which then takes no real-time process
            with contextlib.suppress(OSError):              # three boxes at once exhaust it
                (group / 'cpu.rt_runtime_us').write_text('250000')
    return made


def remove_cgroups(name, timeout=5):
    deadline = time.monotonic() + timeout
    while True:
        left = [parent / name for parent in _parents() if (parent / name).is_dir()]
        for group in left:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):          # busy until its last process is reaped
                    os.rmdir(folder)
        if not left or time.monotonic() > deadline:
            return
        time.sleep(0.02)
