# SPDX-License-Identifier: LGPL-2.1-or-later
"""The supervisor and the launcher are killed, at rest, in a flood and at each stage of a trim: guarding goes on within a
second, with what was known; nothing is told twice, nothing is lost, nobody of before is left."""

import contextlib
import os
import signal
import time

import pytest

from client import SOCKET, Follower, arrived, call, raise_level
from matrix import BOUNDED, OTHERS, VALID, need
from rig import MIB, children_of, is_alive, name_of, state_of, wait_for
from tracing import injected, wait_held

BACK = 'guards again within a second'
# Given to a noisy machine, on top.
SLACK = 0.5
GONE = 'watchers and trimmers of the old one are gone'


@pytest.fixture
def sick(rig, well):
    p = rig.partition('sick')
    rig.start()
    p.start_writer()
    well.start_writer()
    return p


def kill_supervisor(row, rig, *partitions):
    """Until these partitions are guarded by the next one, whose uptime tells it from the one before."""
    old, = rig.pids('supervisor')
    parts = [pid for pid in children_of(rig.daemon.pid) if pid != old]
    begin = time.monotonic()
    os.kill(old, signal.SIGKILL)

    def guards():
        if old in rig.pids('supervisor') or is_alive(old):
            return False
        return all((p.status() or {}).get('state') == 'guarding' for p in partitions)
    wait_for(guards, 10, 0.01, rig.describe)
    took = time.monotonic() - begin
    row.recovered(max(took, row.recovered_sec or 0))
    assert took < 1 + SLACK, f'guarding again after {took:.2f} s'
    return old, parts


def assert_gone(rig, pids):
    wait_for(lambda: not any(map(is_alive, pids)), 5, 0.05, lambda: f'{pids}\n{rig.describe()}')


def raised(rig, p):
    """Level-raised entries by their number: the journal may have one twice, the guard tells it once."""
    return {i for i, e in arrived(rig) if e['DISKBRAKE_EVENT'] == 'level-raised' and e['DISKBRAKE_MOUNT'] == p.mount}


def alert_of(rig, p):
    return next((a for a in call(rig, 'Alerts')['alerts'] if a['mount'] == p.mount), None)


# ---- the supervisor -----------------------------------------------------------------------------------------------

def test_the_supervisor_is_killed_at_rest(row, rig, well, sick):
    row(injected='supervisor killed with SIGKILL at rest', holds=[BACK, GONE, OTHERS, VALID])
    _, parts = kill_supervisor(row, rig, sick, well)
    assert_gone(rig, parts)
    assert rig.wait_event('recovered')
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()


def test_the_supervisor_is_killed_while_an_alert_is_open(row, rig, well, sick):
    row(injected='supervisor killed with SIGKILL while an alert is open and acknowledged, and acts are paused',
        holds=[BACK, 'the alert keeps its number and is not repeated', 'acknowledgement and pause go on', GONE, OTHERS])
    raise_level(sick)
    wait_for(lambda: sick.status()['level'] in ('critical', 'emergency'), text=rig.describe)
    rig.wait_event('level-raised', sick)
    rig.diskbrake('pause', sick.mount, '--for', '1h')
    rig.diskbrake('ack')
    time.sleep(1)     # whatever the level still rises to
    alert, told = alert_of(rig, sick), raised(rig, sick)
    assert alert['acknowledged_by'] == 'root'
    _, parts = kill_supervisor(row, rig, sick, well)
    assert_gone(rig, parts)
    rig.wait_event('recovered')
    well.assert_guarded()
    time.sleep(1.5)   # whatever it might tell
    now = alert_of(rig, sick)
    assert (now['id'], now['level'], now['acknowledged_by']) == (alert['id'], alert['level'], 'root'), (alert, now)
    assert abs(now['since_usec'] - alert['since_usec']) < 1_000_000
    assert raised(rig, sick) == told, 'told twice'
    assert 3500 < sick.status()['paused_for_sec'] < 3600
    assert 'pause' in sick.trim().lower()


def test_the_supervisor_is_killed_under_a_flood(row, rig, well):
    row(injected='supervisor killed with SIGKILL 4 times while a container floods a partition that is critical',
        holds=[BACK, 'the partition never fills up', 'the newest lines are kept', OTHERS, VALID])
    sick = rig.partition('sick', size=256 * MIB)
    rig.start()
    well.start_writer()
    sick.start_writer(bytes_per_sec=20 * MIB, line_bytes=7000)
    least = []
    for _ in range(4):
        n = sick.status()['acts_total']
        wait_for(lambda: sick.status()['acts_total'] > n or rig.events('act-done', sick)[n:], 20, 0.02, rig.describe)
        kill_supervisor(row, rig, sick, well)
        least.append(sick.status()['avail_bytes'])
    n = len(rig.events('act-done', sick))
    wait_for(lambda: len(rig.events('act-done', sick)) > n, 20, 0.1, rig.describe)
    failed = sick.stop_writer()
    assert failed == 0, f'{failed} writes failed'
    assert min(least) > 0
    sick.assert_log_valid()
    well.assert_guarded()
    well.assert_log_valid()


# The calls of a punch and of a collapse (the container does not run), one after the other.
STAGES = {'punch': ['openat2', 'pread64', 'flock', 'pwritev', 'pwrite64', 'fallocate', 'sendto'],
          'collapse': ['fcntl', 'pwritev', 'fallocate', 'close']}


@pytest.mark.parametrize('method, stage', [(m, s) for m, stages in STAGES.items() for s in stages])
def test_the_supervisor_is_killed_in_a_trim(row, rig, well, sick, method, stage):
    row(injected=f'supervisor killed with SIGKILL while the trimmer enters {stage} of a {method}',
        holds=[BACK, GONE, 'the caller is told', 'the next trim works', OTHERS, VALID])
    need('strace')
    sick.stop_writer()
    if method == 'collapse':
        stop_container(rig, sick)
    trimmer, = sick.pids('trimmer')
    with injected(trimmer, f'{stage}:delay_enter=4s'):
        trim = sick.start_trim()
        wait_held(trimmer)
        # The tracer hears of the trimmer's end first, and lets it go only with the end of the block: until then it is
        # one that cannot be ended.
        _, parts = kill_supervisor(row, rig, well)
        sick.wait_state('guarding', 'degraded', timeout=1)
        assert trim.wait(5) != 0
    assert_gone(rig, parts)
    assert trimmer in parts
    sick.wait_state('guarding', timeout=2)
    well.assert_guarded()
    # What was begun is finished before anything else.
    answer = sick.trim()
    assert isinstance(answer, dict) and answer['result'] == 'done' or 'nothing' in answer, answer
    sick.fill_log(6 * MIB + len(sick.read_log()))
    sick.assert_log_valid()
    wait_for(lambda: any(log['allocated_bytes'] > 6 * MIB for log in sick.status()['logs']), 10, 0.1, rig.describe)
    answer = sick.trim()
    assert isinstance(answer, dict) and answer['result'] == 'done' and answer['freed_bytes'] > MIB, answer
    sick.assert_log_valid()


def stop_container(rig, p, container='web'):
    """As Docker describes one that has ended."""
    cid = p.container_id(container)
    folder = rig.path(f'{p.root}/containers/{cid}')
    text = (folder / 'config.v2.json').read_text().replace('"Running": true', '"Running": false')
    (folder / '.tmp').write_text(text)
    os.rename(folder / '.tmp', folder / 'config.v2.json')
    wait_for(lambda: not next(log for log in p.status()['logs'] if log['id'] == cid)['running'], 10, 0.05,
             rig.describe)


def test_a_hole_is_found_again(row, rig, well, sick):
    row(injected='supervisor, then the launcher, killed with SIGKILL when a log has a hole',
        holds=['the hole is known again, and healed once the container stops', BACK, OTHERS, VALID])
    answer = sick.trim()
    assert isinstance(answer, dict) and answer['method'] == 'punch', answer
    hole = wait_for(lambda: sick.status()['logs'][0]['hole_bytes'], text=rig.describe)
    kill_supervisor(row, rig, sick, well)
    wait_for(lambda: sick.status()['logs'] and sick.status()['logs'][0]['hole_bytes'] == hole, text=rig.describe)
    kill_launcher(row, rig)
    rig.start()
    wait_for(lambda: sick.status()['logs'] and sick.status()['logs'][0]['hole_bytes'] == hole, text=rig.describe)
    sick.stop_writer()
    stop_container(rig, sick)
    rig.wait_event('healed', sick)
    sick.assert_log_valid()
    well.assert_guarded()


def test_the_parts_of_a_dead_supervisor_end_even_when_stopped(row, rig, well, sick):
    row(injected='watchers and trimmers stopped with SIGSTOP, then the supervisor killed with SIGKILL',
        holds=[BACK, GONE, VALID])
    parts = sick.pids('watcher') + sick.pids('trimmer') + well.pids('watcher') + well.pids('trimmer')
    for pid in parts:
        os.kill(pid, signal.SIGSTOP)
    kill_supervisor(row, rig, sick, well)
    assert_gone(rig, parts)
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()


@pytest.mark.parametrize('stuck', ['watcher', 'trimmer'])
def test_the_supervisor_is_killed_ten_times_while_a_partition_hangs(row, rig, well, stuck):
    row(injected=f'supervisor killed with SIGKILL 10 times while the {stuck} of a partition hangs in FUSE',
        holds=['the other partition is guarded again, each time', BOUNDED, 'recovers by itself', VALID])
    # Three places may hang for a finder at once, and one more finds the rest.
    rig.bounds['finder'] = 4
    sick = rig.partition('sick', 'fuse')
    rig.start()
    well.start_writer()
    if stuck == 'watcher':
        sick.hang('statfs')
        rig.wait_event('blind', sick)
    else:
        sick.hang('fallocate')
        sick.start_trim()
        rig.wait_event('cannot-act', sick)
    for _ in range(10):
        old, = rig.pids('supervisor')
        os.kill(old, signal.SIGKILL)
        begin = time.monotonic()
        wait_for(lambda: rig.pids('supervisor') not in ([], [old]), 5, 0.01, rig.describe)
        wait_for(lambda: (well.status() or {}).get('state') == 'guarding', 5, 0.01, rig.describe)
        # Each wait of the launcher is twice the one before, up to a second.
        assert time.monotonic() - begin < 2 + SLACK
        # No one-shot process is left of it, whatever it was about to do.
        assert len(children_of(rig.daemon.pid)) < 14, rig.describe()
    well.assert_guarded()
    state = 'blind' if stuck == 'watcher' else 'degraded'
    if stuck == 'trimmer':
        sick.start_trim()
    sick.wait_state(state)
    sick.assert_stays('blind', 'degraded', seconds=1)
    with row.recovery():
        sick.release()
        sick.wait_state('guarding', timeout=35)
    sick.assert_guarded()
    sick.assert_log_valid()
    well.assert_log_valid()


def test_a_stuck_trimmer_is_taken_back_by_the_next_supervisor(row, rig, well, sick):
    row(injected='supervisor killed with SIGKILL after it has said of a frozen partition that it cannot act; then thawed, '
        'then frozen again', holds=['can act again is said', 'cannot act is said of the second time', OTHERS, VALID])
    frozen = sick.freeze()
    sick.start_trim()
    rig.wait_event('cannot-act', sick)
    kill_supervisor(row, rig, well)
    frozen.thaw()
    sick.wait_state('guarding')
    sick.assert_guarded()
    rig.wait_event('can-act', sick)
    frozen = sick.freeze()
    sick.start_trim()
    rig.wait_event('cannot-act', sick, after=1)
    frozen.thaw()
    sick.wait_state('guarding')
    well.assert_guarded()
    sick.assert_log_valid()


# ---- the launcher -------------------------------------------------------------------------------------------------

def kill_launcher(row, rig, stuck=()):
    """All of its processes end with it, but those that the kernel does not let go. Returns them."""
    everybody = children_of(rig.daemon.pid)
    assert len(everybody) > 4
    rig.daemon.signal(signal.SIGKILL)
    rig.daemon.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in everybody if pid not in stuck), 2, 0.01,
             lambda: [(pid, name_of(pid), state_of(pid)) for pid in everybody if is_alive(pid)])
    return everybody


def start_again(row, rig, *partitions, within=1):
    assert rig.path(SOCKET).is_socket(), 'not stale: it was tidied away'
    begin = time.monotonic()
    rig.start_daemon()
    for p in partitions:
        wait_for(lambda p=p: (p.status() or {}).get('state') == 'guarding', 10, 0.01, rig.describe)
    row.recovered(time.monotonic() - begin)
    assert row.recovered_sec < within + SLACK
    rig.learn()


def test_the_launcher_is_killed(row, rig, well, sick):
    row(injected='launcher killed with SIGKILL, its children stopped with SIGSTOP, and a new start on the stale socket',
        holds=['nobody outlives it', 'the new one guards within a second', OTHERS, VALID])
    for role in ('watcher', 'trimmer'):
        for pid in sick.pids(role):
            os.kill(pid, signal.SIGSTOP)
    os.kill(rig.pids('supervisor')[0], signal.SIGSTOP)
    kill_launcher(row, rig)
    start_again(row, rig, sick, well)
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()


def test_the_launcher_is_killed_in_a_trim(row, rig, well, sick):
    row(injected='launcher killed with SIGKILL while the trimmer enters fallocate',
        holds=['nobody outlives it', 'the new one guards within a second', OTHERS, VALID])
    need('strace')
    sick.stop_writer()
    trimmer, = sick.pids('trimmer')
    with injected(trimmer, 'fallocate:delay_enter=4s'):
        sick.start_trim()
        wait_held(trimmer)
        kill_launcher(row, rig, stuck=[trimmer])    # strace would hear of its end first
    wait_for(lambda: not is_alive(trimmer), 2, 0.01, 'it outlives the launcher')
    start_again(row, rig, sick, well)
    answer = sick.trim()
    assert isinstance(answer, dict) and answer['result'] == 'done', answer
    sick.assert_log_valid()
    well.assert_guarded()


def test_the_launcher_is_killed_while_a_partition_hangs(row, rig, well):
    row(injected='launcher killed with SIGKILL while the watcher of a partition hangs in FUSE, and a new start',
        holds=['nobody but the stuck ones outlives it', 'the new one, which nothing was left to, guards the other '
               'partition as soon as its finder has given up the sick one (5 s)', 'the stuck ones end with the hang',
               'recovers by itself', VALID])
    sick = rig.partition('sick', 'fuse')
    rig.start()
    well.start_writer()
    sick.hang('statfs')
    rig.wait_event('blind', sick)
    stuck = sick.pids('watcher')
    kill_launcher(row, rig, stuck)
    start_again(row, rig, well, within=6)
    well.assert_guarded()
    begin = time.monotonic()
    sick.release()
    wait_for(lambda: not any(map(is_alive, stuck)), 5, 0.05, 'not gone')
    sick.wait_state('guarding', timeout=35)
    row.recovered(time.monotonic() - begin)
    sick.assert_guarded()
    sick.assert_log_valid()


def test_everything_is_killed_and_started_three_times(row, rig, well, sick):
    row(injected='all processes of the guard killed with SIGKILL at once, and started again, 3 times',
        holds=['guards within a second, each time', VALID])
    follower = Follower(rig)
    for _ in range(3):
        for pid in [rig.daemon.pid, *children_of(rig.daemon.pid)]:
            with contextlib.suppress(ProcessLookupError):   # they end with the launcher
                os.kill(pid, signal.SIGKILL)
        rig.daemon.wait()
        start_again(row, rig, sick, well)
        sick.assert_guarded()
    follower.ended = True
    well.assert_guarded()
    sick.assert_log_valid()


def test_a_second_one_does_not_take_over(row, rig, well, sick):
    row(injected='a second guard started on the same socket', holds=['it ends and says why', OTHERS])
    done = rig.run(rig.tools / 'watchdogd', '--config', rig.scratch / 'diskbrake.conf', '--runtime-dir', '/run/rig',
                   check=False)
    assert done.returncode == 1 and 'another watchdogd answers there' in done.stderr
    sick.assert_guarded()
    well.assert_guarded()
