# SPDX-License-Identifier: LGPL-2.1-or-later
"""strace's fault injection into a process that runs already."""

import contextlib
import os
import signal
import subprocess

from rig import state_of, wait_for


@contextlib.contextmanager
def injected(pid, *rules, children=False):
    """Until the end of the block, or of the process. rules: "pwritev:delay_enter=5s", "recvmsg:error=EINTR:when=1" ..."""
    calls = ','.join(rule.split(':')[0] for rule in rules)
    command = ['strace', '-qq', '-o', '/dev/null', '-p', str(pid), '-e', f'trace={calls}']
    for rule in rules:
        command += ['-e', f'inject={rule}']
    if children:
        command.append('-f')
    strace = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: tracer_of(pid) or strace.poll() is not None, 5, 0.002, 'strace does not attach')
        yield strace
    finally:
        if strace.poll() is None:
            # It lets go of the process, unless that is in a delay.
            strace.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                strace.wait(1)
        if strace.poll() is None:
            strace.kill()
            strace.wait()
        strace.stderr.close()


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
