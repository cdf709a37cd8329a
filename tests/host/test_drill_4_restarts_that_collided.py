# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drill of outage 4. Three restart commands arrived within a minute and ran at the same time; the last one failed
and left the service down, and since "running" was not told apart from "available", nobody saw it. Here: restarts,
reloads and trims by hand collide. Afterwards the guard is up and guards, and everybody was told what really came of
what they had asked for."""

import json
import signal
import subprocess
import time

import pytest

from guard import Guard
from hurt import (Client, Refused, assert_turns_short, guard_pids, is_guarding, kill, partition_of, seconds_until, status,
                  stopped, until)


@pytest.fixture(scope='module')
def host(make_box, destdir):
    """A guard, and two containers whose large logs can be trimmed by hand again and again."""
    with make_box('bookworm') as box:
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        for name in 'web', 'db':
            box.big_log(name, 200_000_000)
        until(lambda: len([l for l in partition_of(status(box))['logs'] if l['allocated_bytes'] > 150_000_000]) == 2)
        yield guard


class Command:
    """Somebody's command, under way."""

    def __init__(self, box, *argv):
        self.argv = argv
        self.begin = time.monotonic()
        self.process = box.popen(*argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def end(self, timeout=30):
        stdout, stderr = self.process.communicate(timeout=timeout)
        self.stdout, self.stderr, self.code = stdout.decode(), stderr.decode(), self.process.returncode
        self.seconds = time.monotonic() - self.begin
        return self

    def __repr__(self):
        return f'{" ".join(self.argv)}: {self.code} {self.stdout[-300:]!r} {self.stderr[-300:]!r}'


def trim(box, name, keep_mib):
    return Command(box, 'diskbrake', 'trim', name, f'--keep={keep_mib}M', '--json')


def invocation(box):
    return box.systemctl('show', '-p', 'InvocationID', '--value', 'diskbrake').stdout.strip()


def assert_true_results(guard, commands):
    """A command that succeeded did what it says, by the journal; one that failed says why."""
    acts = [(e['CONTAINER_NAME'], int(e['DISKBRAKE_FREED_BYTES'])) for e in guard.events('act-done')
            if e.get('DISKBRAKE_REASON') == 'request']
    for command in commands:
        if command.code != 0:
            assert command.code in (1, 3) and (command.stderr + command.stdout).strip(), command
            assert 'diskbrake' in command.stderr + command.stdout, command
        elif command.argv[1] == 'trim':
            said = json.loads(command.stdout)
            assert said['result'] == 'done' and (said['name'], said['freed_bytes']) in acts, (command, acts)
    reloads = [c for c in commands if c.argv[:2] == ('diskbrake', 'reload') and c.code == 0]
    if reloads:
        assert guard.events('reloaded'), commands


def assert_up_and_guarding(guard):
    box = guard.box
    assert box.systemctl('is-active', 'diskbrake.service', 'diskbrake.socket').stdout.split() == ['active'] * 2
    check = box.run('diskbrake', 'check', check=False)
    assert is_guarding(box) and check.returncode < 3, check
    assert 'blind' not in check.stdout and 'cannot act' not in check.stdout, check
    n = len(status(box)['partitions'])
    roles = 'watchdogd', 'supervisor', 'watcher', 'trimmer'
    until(lambda: [len(guard_pids(box)[role]) for role in roles] == [1, 1, n, n], 5, why=lambda: guard_pids(box))


def test_ten_restarts_in_a_loop_amid_reloads_and_trims(host):
    box = host.box
    others, seen = [], {invocation(box)}
    slowest = 0
    for i in range(10):
        restart = Command(box, 'systemctl', 'restart', 'diskbrake')
        others += [trim(box, ('web', 'db')[i % 2], 180 - 4 * i), Command(box, 'diskbrake', 'reload'),
                   Command(box, 'systemctl', 'reload', 'diskbrake')]
        assert restart.end().code == 0, restart
        slowest = max(slowest, restart.seconds)
        # Systemd calls it started when it guards, not when there is a process.
        assert is_guarding(box), f'restart {i}: {host.recent()}'
        seen.add(invocation(box))
    for command in others:
        command.end()
    assert len(seen) == 11, 'each of them started it anew'
    assert_true_results(host, [c for c in others if c.argv[0] == 'diskbrake'])
    assert_up_and_guarding(host)
    done = sum(c.code == 0 for c in others)
    print(f'ten restarts, the slowest {slowest:.2f} s; {done} of {len(others)} other commands done')


def test_six_restarts_at_once_amid_reloads_and_trims(host):
    box = host.box
    restarts = [Command(box, 'systemctl', 'restart', 'diskbrake') for _ in range(6)]
    others = [trim(box, 'web', 130), Command(box, 'diskbrake', 'reload'), trim(box, 'web', 130), trim(box, 'db', 130),
              Command(box, 'systemctl', 'reload', 'diskbrake'), Command(box, 'diskbrake', 'status', '--json')]
    for restart in restarts:
        assert restart.end().code == 0, restart
    assert is_guarding(box)
    assert_true_results(host, [c.end() for c in others if c.argv[0] == 'diskbrake'])
    assert_up_and_guarding(host)
    print(f'six restarts at once, the last done after {max(c.seconds for c in restarts):.2f} s')


def test_two_trims_of_one_log_at_once_are_one_act(host):
    box = host.box
    before = len(host.events('act-done'))
    with Client(box) as one, Client(box) as two, Client(box) as three:
        clients = one, two, three
        for client in clients:
            client.send('Trim', name='web', keep_bytes=100 << 20)
        answers = []
        for client in clients:
            try:
                answers.append(client.receive()['trimmed'])
            except Refused as e:
                answers.append(e.error)
    acts = host.events('act-done')[before:]
    assert len(acts) == 1, [a['MESSAGE'] for a in acts]
    done = [a for a in answers if isinstance(a, dict)]
    assert done and all(a == done[0] for a in done), answers
    assert done[0]['freed_bytes'] == int(acts[0]['DISKBRAKE_FREED_BYTES']) > 0
    # One that came a moment too late for that is told so.
    assert all(a in ('NothingToFree', 'Busy') for a in answers if not isinstance(a, dict)), answers


def test_ten_commands_that_collide_all_get_their_own_answer(host):
    box = host.box
    commands = [
        trim(box, 'web', 60), trim(box, 'web', 60), trim(box, 'db', 60), Command(box, 'diskbrake', 'reload'),
        Command(box, 'diskbrake', 'status', '--json'), Command(box, 'diskbrake', 'reload'),
        Command(box, 'diskbrake', 'pause', '--for=1min'), Command(box, 'diskbrake', 'pause', '--off'),
        Command(box, 'diskbrake', 'trim', 'web', '--dry-run', '--json'), Command(box, 'diskbrake', 'alerts', '--json'),
    ]
    for command in commands:
        command.end()
        assert command.seconds < 15, command
    box.run('diskbrake', 'pause', '--off')
    assert_true_results(host, [c for c in commands if '--dry-run' not in c.argv])
    assert any(c.code == 0 for c in commands if c.argv[:2] == ('diskbrake', 'reload')), commands
    refused = [c for c in commands if c.code != 0]
    for command in refused:
        assert command.argv[1] in ('trim', 'reload'), command
        assert any(word in command.stderr for word in ('busy', 'paused', 'nothing to free')), command
    assert json.loads(commands[4].stdout)['partitions'] and isinstance(json.loads(commands[9].stdout), (list, dict))
    assert_up_and_guarding(host)
    assert_turns_short(box)
    print(f'{len(refused)} of 10 refused: {refused}')


def test_running_is_told_from_guarding(host):
    """The unit is active in both cases."""
    box = host.box
    with stopped(*guard_pids(box)['supervisor']):
        assert box.systemctl('is-active', 'diskbrake').stdout.strip() == 'active'
        check = Command(box, 'diskbrake', 'check').end()
    assert check.code == 3 and 'does not answer' in check.stdout and check.seconds < 8, check
    until(lambda: is_guarding(box))
    pid, held = host.main_pid(), set()

    def says_blind():
        new = set(guard_pids(box)['watcher']) - held    # each replacement is stopped as well
        kill(new, signal.SIGSTOP)
        held.update(new)
        return 'blind' in box.systemctl('show', '-p', 'StatusText', '--value', 'diskbrake').stdout
    try:
        until(lambda: says_blind() and partition_of(status(box))['state'] == 'blind', 20)
        assert box.systemctl('is-active', 'diskbrake').stdout.strip() == 'active'
        check = Command(box, 'diskbrake', 'check').end()
        assert check.code == 2 and 'blind' in check.stdout, check
    finally:
        kill(held, signal.SIGCONT)
    took = seconds_until(lambda: is_guarding(box), 40)
    until(lambda: 'blind' not in box.systemctl('show', '-p', 'StatusText', '--value', 'diskbrake').stdout, 8)
    assert host.main_pid() == pid
    print(f'blind watchers went on: guarding again after {took:.2f} s')
