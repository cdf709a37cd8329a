# SPDX-License-Identifier: LGPL-2.1-or-later
"""strace's fault injection into a process that runs already."""

import contextlib
import os
import signal
import subprocess
import tempfile

from rig import RigError, state_of, wait_for


class injected:
    """A context: until its end, or the end of the process. rules: "pwritev:delay_enter=5s", "recvmsg:error=EINTR:when=1"."""

    def __init__(self, pid, *rules):
        calls = ','.join(rule.split(':')[0] for rule in rules)
        self.pid, self.trace, self.was_hit, self.n_calls = pid, tempfile.NamedTemporaryFile('r'), False, 0
        self.command = ['strace', '-qq', '-o', self.trace.name, '-p', str(pid), '-e', f'trace={calls}']
        for rule in rules:
            self.command += ['-e', f'inject={rule}']

    def __enter__(self):
        self.strace = subprocess.Popen(self.command, stderr=subprocess.PIPE)
        wait_for(lambda: tracer_of(self.pid) or self.strace.poll() is not None, 5, 0.002, 'strace does not attach')
        if self.strace.poll() is not None:
            raise RigError(f'{self.command}: {self.strace.stderr.read()}')
        return self

    def __exit__(self, *exc):
        if self.strace.poll() is None:
            # It lets go of the process, unless that is in a delay.
            self.strace.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.strace.wait(1)
        if self.strace.poll() is None:
            self.strace.kill()
            self.strace.wait()
        self.strace.stderr.close()
        self.look()
        self.trace.close()

    def look(self):
        """Whether there was such a call by now."""
        new = self.trace.read()
        self.was_hit = self.was_hit or '(INJECTED)' in new
        self.n_calls += new.count('\n')
        return self.was_hit


def tracer_of(pid):
    with contextlib.suppress(OSError):
        with open(f'/proc/{pid}/status') as f:
            return next((int(line.split()[1]) for line in f if line.startswith('TracerPid:')), 0)
    return 0


def wait_held(pid, timeout=5):
    """Until it is in the delay of a call: stopped by its tracer, and staying so."""
    def held():
        return all(state_of(pid) == 't' for _ in range(20) if not os.sched_yield())
    wait_for(held, timeout, 0.005, f'{pid} does not get there: {state_of(pid)}')
