# SPDX-License-Identifier: LGPL-2.1-or-later
"""The drill of outage 3. journald used too much CPU, so it was restarted: on all machines, within minutes. The restart
took Docker and every container down with it, since nobody had known of that dependency. Here: journald is restarted,
killed, stopped with its sockets and hung, again and again, under a flood. The guard and the containers do not notice,
and what was told meanwhile is in the journal afterwards. Restarting the guard itself restarts nothing else."""

import time

import pytest

from guard import Guard
from hurt import (Follower, KernelLog, assert_journal_has, assert_turns_short, entries_with, first_of_each, guard_pids,
                  is_guarding, kill, pids_of, stopped, until)

# To which units systemd passes a stop or a restart on, by the unit's own properties.
CARRIES_STOP = ('RequiredBy', 'RequisiteOf', 'BoundBy', 'ConsistsOf', 'PropagatesStopTo')
JOURNAL = ['systemd-journald.service', 'systemd-journald.socket', 'systemd-journald-dev-log.socket',
           'systemd-journald-audit.socket']
# It would start the guard again through its socket.
RECORDER = 'diskbrake-record.service'
# Between two acts of a flood that goes on; without a fault it is a third of a second, and the machine is noisy.
ACT_GAP_MAX_SEC = 3


@pytest.fixture(scope='module', params=['bookworm', 'trixie'])
def host(request, make_box, destdir):
    """A box with a kernel log, a guard and a quiet container."""
    with make_box(request.param) as box:
        box.kernel_log = KernelLog(box)
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.quiet('neighbour')
        yield guard
        box.kernel_log.close()


def closures(box):
    """{unit: all units that are stopped with it}, of everything that is loaded."""
    text = box.systemctl('show', '--all', '-p', ','.join(('Id', *CARRIES_STOP)), '*').stdout
    direct = {}
    for block in text.strip().split('\n\n'):
        fields = dict(line.split('=', 1) for line in block.splitlines())
        direct[fields['Id']] = {unit for kind in CARRIES_STOP for unit in fields.get(kind, '').split()}

    def closure(unit):
        found, todo = set(), [unit]
        while todo:
            for other in direct.get(todo.pop(), ()):
                if other not in found:
                    found.add(other)
                    todo.append(other)
        return found
    return {unit: closure(unit) for unit in direct}


def lives(box):
    """{unit: its invocation} of all that run, and {container: its start} of Docker's."""
    text = box.systemctl('show', '-p', 'Id,InvocationID,ActiveState', '--type=service', '*').stdout
    units = {}
    for block in text.strip().split('\n\n'):
        fields = dict(line.split('=', 1) for line in block.splitlines())
        if fields['ActiveState'] == 'active':
            units[fields['Id']] = fields['InvocationID']
    ids = box.docker('ps', '-q', '--no-trunc').stdout.split()
    return units, box.docker('inspect', '--format', '{{.Name}} {{.State.Pid}} {{.State.StartedAt}}', *ids).stdout


def start_journal(box):
    box.systemctl('reset-failed', *JOURNAL, check=False)
    box.systemctl('start', *JOURNAL[1:], check=False)   # there is no audit socket in a box
    box.systemctl('start', JOURNAL[0])


def journald(box):
    return until(lambda: pids_of(box, 'systemd-journald'), why=lambda: 'no journald')


def restarted(box):
    for _ in range(3):
        box.systemctl('restart', JOURNAL[0])
        time.sleep(0.5)


def killed(box):
    """Every 100 ms, so that systemd gives it up: its start limit leaves it failed, with its sockets."""
    end = time.monotonic() + 4
    while time.monotonic() < end:
        kill(pids_of(box, 'systemd-journald'))
        time.sleep(0.1)
    start_journal(box)


def stopped_with_sockets(box):
    box.systemctl('stop', *reversed(JOURNAL), check=False)
    assert not pids_of(box, 'systemd-journald')
    time.sleep(3)
    start_journal(box)


def without_its_socket(box):
    box.run('rm', '/run/systemd/journal/socket')
    time.sleep(2)
    box.systemctl('stop', *reversed(JOURNAL), check=False)
    start_journal(box)


def hung(box):
    with stopped(*journald(box)):
        time.sleep(5)


def test_no_unit_that_is_stopped_takes_the_guard_with_it_and_the_guard_takes_none(host):
    stops = closures(host.box)
    assert {'docker.service', *JOURNAL[:2], 'sysinit.target', 'basic.target'} <= set(stops), sorted(stops)
    for unit, others in stops.items():
        # A slice is the cgroup that it is in; nobody stops system.slice on a host that is to live.
        if not unit.endswith('.slice'):
            assert 'diskbrake.service' not in others, unit
    assert stops['diskbrake.service'] <= {RECORDER}, 'only itself, and what only listens to it'
    assert stops['diskbrake.socket'] <= {'diskbrake.service', RECORDER}
    assert not stops.get(RECORDER)
    assert not stops['systemd-journald.service']


def test_restarting_the_guard_restarts_nothing_else(host):
    box = host.box
    before, containers = lives(box)
    box.systemctl('restart', 'diskbrake')
    after, containers_after = lives(box)
    assert before.pop('diskbrake.service') != after.pop('diskbrake.service')
    before.pop(RECORDER, None), after.pop(RECORDER, None)
    assert {u: i for u, i in after.items() if u in before} == before
    assert containers_after == containers
    assert is_guarding(box)


def test_the_journal_may_be_restarted_killed_stopped_and_hung_while_the_guard_guards(host):
    box, log = host.box, host.box.kernel_log
    pids = guard_pids(box)
    seen = 'not yet'
    with Follower(box) as follower, box.watch_free() as free:
        # It hangs already when the flood begins: all alerts of it are told to nobody but the kernel.
        hung_at = time.time()
        with stopped(*journald(box)):
            box.flood('app', line_bytes=7000)
            emergency = until(lambda: follower.of('level-raised', DISKBRAKE_LEVEL='emergency')
                              or follower.of('level-raised', DISKBRAKE_LEVEL='critical'), 40)[0]
            begin = time.monotonic()
            until(lambda: follower.of('act-done'), 20, why=lambda: [e['message'] for e in follower.events])
            in_kernel_log = False
            while not in_kernel_log and time.monotonic() < begin + 8:
                in_kernel_log = [l for l in log.of_guard() if l[2] == emergency['message'] and l[1] <= 2]
                time.sleep(0.05)
            seen = f'{in_kernel_log[0][0] - begin:.1f} s' if in_kernel_log else 'never'
            assert is_guarding(box)
        hung_until = time.time()
        containers = lives(box)[1]
        for sickness in (restarted, killed, stopped_with_sockets, hung, without_its_socket):
            sickness(box)
            assert is_guarding(box), sickness.__name__
        events = list(follower.events)
        n_acts = len(follower.of('act-done'))
    turn = assert_turns_short(box)
    assert guard_pids(box)['watchdogd'] == pids['watchdogd']
    for role in 'supervisor', 'watcher', 'trimmer':
        assert guard_pids(box)[role] == pids[role], 'none of it was started again'
    assert lives(box)[1] == containers, 'the containers run on'
    box.docker('kill', 'app')

    # No act was late.
    assert free.min_avail_bytes > 0
    times = [e['time_usec'] / 1e6 for e in events if e['type'] == 'act-done']
    gap = max(b - a for a, b in zip(times, times[1:]))
    assert gap < ACT_GAP_MAX_SEC, f'{gap:.1f} s without an act'

    # And all of it is in the journal.
    entries = entries_with(host, events)
    assert_journal_has(entries, events)
    while_hung = [e for e in first_of_each(entries) if e['DISKBRAKE_EVENT'] == 'level-raised'
                  and hung_at < int(e['DISKBRAKE_TIME_USEC']) / 1e6 < hung_until]
    assert emergency['event_id'] in [int(e['DISKBRAKE_EVENT_ID']) for e in while_hung]
    for entry in while_hung:
        # Journald stamps what it receives when it receives it; the guard says when it was.
        assert int(entry['__REALTIME_TIMESTAMP']) / 1e6 > hung_until - 0.5
    print(f'{box.suite}: {n_acts} acts, at most {gap:.2f} s apart; {len(events)} events, '
          f'{len(entries) - len(first_of_each(entries))} repeated; longest turn {turn} us; in the kernel log: {seen}')
    assert in_kernel_log, f'not in the kernel log: {emergency["message"]}; there: {log.lines[-5:]}'
