# SPDX-License-Identifier: LGPL-2.1-or-later
"""The readers of a container's log, Docker's and our own: what one of them shows, and how that compares with what the file
holds. Whatever a reader does, it is over within a time."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time

FREED = b'diskbrake freed '     # a filler line, or the marker in front of a hole
NUMBERED = re.compile(rb'line (\d+)(?: x*)?\n')


class Reader:
    """One that runs: the numbers it has shown, in their order, and what else it said."""

    def __init__(self, box, *argv):
        self.numbers = []
        self.n_freed = 0        # lines that stand for what was freed
        self.strange = []
        self.newest = -1
        self.process = box.popen(*argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=self._read, args=(stream,), daemon=True)
                        for stream in (self.process.stdout, self.process.stderr)]
        for thread in self.threads:
            thread.start()

    def _read(self, stream):
        for line in stream:
            number = NUMBERED.fullmatch(line)
            if number:
                self.numbers.append(int(number[1]))
                self.newest = max(self.newest, int(number[1]))
            elif line.startswith(FREED):
                self.n_freed += 1
            else:
                self.strange.append(line.decode(errors='replace').strip())

    def wait_for(self, number, timeout):
        """Whether it has shown that number, or a later one, in time."""
        deadline = time.monotonic() + timeout
        while self.newest < number and time.monotonic() < deadline and not self.has_ended:
            time.sleep(0.02)
        return self.newest >= number

    @property
    def has_ended(self):
        """By itself, and all that it has shown was read."""
        return self.process.poll() is not None and not any(thread.is_alive() for thread in self.threads)

    def wait_end(self, timeout):
        """Whether it has ended by itself in time, and all that it has shown was read."""
        deadline = time.monotonic() + timeout
        while not self.has_ended and time.monotonic() < deadline:
            time.sleep(0.02)
        return self.has_ended

    def end(self):
        if self.process.poll() is None:
            # With what nsenter started: a client that goes on keeps the log open, and dockerd busy.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()


def numbers_in(log):
    """All that the file holds (jsonlog.JsonLog), in its order."""
    steps = [*log.gaps, (log.last + 1, None)]
    found, begin = [], log.first
    for expected, after in steps:
        found += range(begin, expected)
        begin = after
    return found


def outcome(reader, wanted, whole, hangs=False):
    """What a reader has shown beside what it should have: all of `wanted`, once, in that order, and nothing older. Returns a few
    words, `whole` where all is well, and whether it is."""
    seen, shown, said = reader.numbers, set(reader.numbers), []
    missing = [number for number in wanted if number not in shown]
    if missing == wanted:
        said.append('shows none of the lines that are kept')
    elif missing:
        said += ['the oldest lines are missing'] * (wanted[0] not in shown)
        said += ['stops early'] * (wanted[-1] not in shown)
        said += ['skips lines'] * (said == [])
    if len(shown) < len(seen):
        said.append('repeats lines')
    elif seen != sorted(seen):
        said.append('out of order')
    if seen and seen[0] < wanted[0]:
        said.append('shows older lines')
    if hangs:
        said.append('hangs')
    is_whole = said == []
    said = said or [whole]
    if reader.n_freed:
        said.append(f'{reader.n_freed} for what was freed')
    if reader.strange:
        said.append(f'says "{reader.strange[0][:80]}"')
    return ', '.join(said), is_whole
