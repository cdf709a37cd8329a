# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watching the free space of a partition, closely, while a test does other things."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time


def avail_percent(st):
    """As df counts: what root alone may use is no part of the partition."""
    total = st.f_blocks - (st.f_bfree - st.f_bavail)
    return 100 * st.f_bavail / total if total > 0 else 0.0


class FreeWatch:
    """The least free space seen, and how well it was looked: a long gap between two looks may have hidden less.

    The numbers are there once the with-block has ended.
    """

    def __init__(self, path, interval_sec):
        self.min_avail_bytes = None
        self.max_used_percent = None
        self.samples = 0
        self.max_gap_sec = None
        self._argv = [sys.executable, __file__, path, str(interval_sec)]
        self._process = None

    def __enter__(self):
        # A process, since a thread would have to wait for the test's own Python code.
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         start_new_session=True)
        if not self._process.stdout.readline():     # it has looked for the first time
            raise RuntimeError(f'cannot watch {self._argv}')
        return self

    def __exit__(self, *exc):
        try:
            report, _ = self._process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        if exc[0] is None and self._process.returncode != 0:
            raise RuntimeError('the partition could not be watched to the end')
        for key, value in json.loads(report or '{}').items():
            setattr(self, key, value)


def _watch(path, interval_sec):
    """The process behind FreeWatch: looks until its stdin ends, then prints what it saw."""
    with contextlib.suppress(OSError):      # ahead of the floods, where that is allowed
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    seen = {'min_avail_bytes': 1 << 63, 'max_used_percent': 0.0, 'samples': 0, 'max_gap_sec': 0.0}
    last = None
    while True:
        st = os.statvfs(path)
        now = time.monotonic()
        seen['min_avail_bytes'] = min(seen['min_avail_bytes'], st.f_bavail * st.f_frsize)
        seen['max_used_percent'] = max(seen['max_used_percent'], 100 - avail_percent(st))
        seen['samples'] += 1
        if last is None:
            print('watching', flush=True)
        else:
            seen['max_gap_sec'] = max(seen['max_gap_sec'], now - last)
        last = now
        if select.select([sys.stdin], [], [], interval_sec)[0]:
            break
    print(json.dumps(seen))


if __name__ == '__main__':
    _watch(sys.argv[1], float(sys.argv[2]))
