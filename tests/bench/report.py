# SPDX-License-Identifier: LGPL-2.1-or-later
"""docs/PERFORMANCE.md: the goals, what was measured, and on what."""

import os
import platform
import subprocess
from pathlib import Path

HEAD = '''# Performance

Written by `./dev bench`; not by hand. Each thing is measured beside its yardstick in the same run: the ratios are what counts, times
say what this machine could do at that moment. What can be counted (wake-ups, system calls, allocations, instructions) is asserted in
the tests as well.

{machine}

| | what | goal | measured | |
|---|---|---|---|---|
'''


def machine():
    model = next((line.split(':', 1)[1].strip() for line in Path('/proc/cpuinfo').read_text().splitlines()
                  if line.startswith('model name')), platform.machine())
    memory = next(int(line.split()[1]) for line in Path('/proc/meminfo').read_text().splitlines() if line.startswith('MemTotal'))
    where = subprocess.run(['findmnt', '-no', 'FSTYPE,SOURCE', '-T', '/tmp'], capture_output=True, text=True, check=False).stdout.split()
    return (f'{len(os.sched_getaffinity(0))} processors ({model}), {memory >> 20} GiB of memory, Linux {platform.release()}; '
            f'partitions are loop devices over {" ".join(where[:1]) or "unknown"}.')


def write(results):
    lines, notes = [HEAD.format(machine=machine())], []
    for part, result in results.items():
        for row in result['rows']:
            mark = {True: 'met', False: '**missed**', None: ''}[row['met']]
            number = ''
            if row['note']:
                notes.append(row['note'])
                number = f' [{len(notes)}]'
            lines.append(f'| {part.replace("_", " ")} | {row["what"]} | {row["goal"]} | {row["measured"]} | {mark}{number} |\n')
        for why in result['skipped']:
            lines.append(f'| {part.replace("_", " ")} | not measured | | {why} | |\n')
    if notes:
        lines.append('\n' + ''.join(f'{i}. {note}\n' for i, note in enumerate(notes, 1)))
    return ''.join(lines)
