# SPDX-License-Identifier: LGPL-2.1-or-later
"""How long `diskbrake status` takes with 1,000 containers, from before its start to its end, against a program that does
nothing."""

from statistics import median

from common import GIB, quantile
from shipped import Disk, Guard, make_containers, program, scaled

RUNS = 100
GOAL_MSEC = 10


def measure(bench):
    n = scaled(1_000)
    rig = bench.rig()
    disk = Disk(rig, 'cli', 4 * GIB, 8 * n + 1000)
    make_containers(bench, disk, n)
    guard = Guard(rig, disk)
    guard.start()
    guard.all_known_seconds(n)
    commands = {'status': [*rig.cli, 'status'], 'status --json': [*rig.cli, 'status', '--json'], 'check': [*rig.cli, 'check'],
                '/bin/true': ['/bin/true']}
    argv = [word for command in commands.values() for word in [*command, '--']][:-1]
    done = rig.run(program(bench, 'time_commands'), RUNS, *argv, timeout=120)
    took = {name: [] for name in commands}
    for line in done.stdout.splitlines():
        number, usec = map(int, line.split())
        took[list(commands)[number]].append(usec / 1000)
    guard.stop()

    nothing = took.pop('/bin/true')
    for name, msec in took.items():
        middle, most = median(msec), quantile(msec, 0.99)
        bench.row(f'`diskbrake {name}`, {n:,} containers', f'under {GOAL_MSEC} ms', f'{middle:.1f} ms; 99 %: {most:.1f} ms',
                  most < GOAL_MSEC, f'{RUNS} runs in turns with the others; `/bin/true`: {median(nothing):.1f} ms; 99 %: '
                  f'{quantile(nothing, 0.99):.1f} ms. What they print is read through a pipe.')
