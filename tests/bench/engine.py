# SPDX-License-Identifier: LGPL-2.1-or-later
"""How many instructions the engine takes for a sample and for a decision, by the number of logs it knows: counted by callgrind,
as the difference of two runs of unlike length."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from shipped import scaled

TREE = Path(__file__).resolve().parents[2]
UNPACKED = Path('/var/cache/diskbrake-test/valgrind')
SIZES = (10, 100, 1_000, 10_000, 100_000)
FEW, MANY = 100, 1_100

# What a step is, in engine_steps.c, and in words; the steps of the shorter and of the longer run; whether it must not depend on
# the number of logs.
STEPS = (
    ('grown', 'a sample of a log that has grown', (FEW, MANY), True),
    ('same', 'a sample of a log that has not', (FEW, MANY), True),
    ('partition', 'a sample of the partition', (FEW, MANY), True),
    ('calm', 'a decision, all quiet', (FEW, MANY), True),
    ('calm-grew', 'a decision, all logs have just grown', (FEW, MANY), True),
    ('acting', 'a decision, nearly full and all logs grow', (10, 30), False),
)


def find_valgrind():
    """Its command, and what it needs in its environment; None: it cannot be had."""
    if shutil.which('valgrind'):
        return 'valgrind', {}
    got = subprocess.run(['bash', '-c', f'. tests/dev/common.sh && dev_unpack {UNPACKED} valgrind'], cwd=TREE, check=False,
                         stdout=subprocess.DEVNULL)
    return (UNPACKED / 'usr/bin/valgrind', {'VALGRIND_LIB': str(UNPACKED / 'usr/libexec/valgrind')}) if got.returncode == 0 else None


class Counter:
    def __init__(self, program, valgrind):
        self.program = program
        self.command, self.environment = valgrind

    def instructions(self, n_logs, what, steps):
        done = subprocess.run([self.command, '--tool=callgrind', '--callgrind-out-file=/dev/null', self.program, str(n_logs), what,
                               str(steps)], capture_output=True, text=True, check=True, env={**os.environ, **self.environment})
        return int(re.search(r'Collected : (\d+)', done.stderr).group(1))

    def a_step(self, n_logs, what, steps):
        few, many = (self.instructions(n_logs, what, n) for n in steps)
        return (many - few) / (steps[1] - steps[0])


def measure(bench):
    valgrind = find_valgrind()
    if not valgrind:
        bench.skip('valgrind is not there, and could not be had')
        return
    counter = Counter(bench.build / 'tests/engine_steps', valgrind)
    sizes = [n for n in SIZES if n <= scaled(SIZES[-1])]
    for what, text, steps, constant in STEPS:
        found = {n: counter.a_step(n, what, steps) for n in sizes}
        values = list(found.values())
        measured = f'{min(values):,.0f} to {max(values):,.0f} instructions' if round(min(values)) != round(max(values)) \
            else f'{values[0]:,.0f} instructions'
        if not constant:
            measured = f'{values[0]:,.0f} to {values[-1]:,.0f} instructions, {(values[-1] - values[-2]) / (sizes[-1] - sizes[-2]):,.0f} a log'
        bench.row(f'{text}, {sizes[0]:,} to {sizes[-1]:,} logs', 'constant' if constant else '', measured,
                  max(values) <= 1.05 * min(values) if constant else None,
                  '; '.join(f'{n:,} logs: {value:,.0f}' for n, value in found.items()) + '.')
