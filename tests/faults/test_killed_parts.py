# SPDX-License-Identifier: LGPL-2.1-or-later
"""Watchers and trimmers that are killed or stopped, at rest and in the middle of a trim: each is missed at once, said,
and replaced, and what a killed one began the next one finishes."""

import os
import signal

import pytest

from matrix import ALERTED, BOUNDED, OTHERS, RECOVERS, VALID, need, not_sanitized
from rig import children_of, is_alive, name_of, state_of, wait_for

REPLACED = [ALERTED, 'replaced', OTHERS, BOUNDED, VALID]


@pytest.fixture
def sick(rig, well):
    p = rig.partition('sick')
    rig.start()
    p.start_writer()
    well.start_writer()
    return p


def assert_replaced(row, rig, sick, well, role, old, event):
    with row.recovery():
        fresh = wait_for(lambda: [pid for pid in sick.pids(role) if pid != old], text=rig.describe)
        sick.wait_state('guarding')
    assert len(fresh) == 1
    wait_for(lambda: not is_alive(old), 5, text='not reaped')
    rig.wait_event(event, sick)
    others = rig.events('blind', well) + rig.events('cannot-act', well)
    assert not others, others
    well.assert_guarded()
    sick.assert_guarded()
    sick.assert_log_valid()


def test_a_watcher_that_is_killed(row, rig, well, sick):
    row(injected='watcher killed with SIGKILL', holds=REPLACED)
    old, = sick.pids('watcher')
    os.kill(old, signal.SIGKILL)
    event = rig.wait_event('blind', sick, 'the watcher is not running')
    assert int(event['PRIORITY']) <= 2
    assert_replaced(row, rig, sick, well, 'watcher', old, 'sight')


def test_a_watcher_that_is_stopped(row, rig, well, sick):
    row(injected='watcher stopped with SIGSTOP', holds=REPLACED)
    old, = sick.pids('watcher')
    os.kill(old, signal.SIGSTOP)
    rig.wait_event('blind', sick, 'the watcher')
    assert_replaced(row, rig, sick, well, 'watcher', old, 'sight')


def test_a_watcher_that_is_killed_again_and_again(row, rig, well, sick):
    row(injected='watcher killed as often as it comes back, 8 times',
        holds=['each replacement within about a second', 'told once', *REPLACED])
    seen = set()
    for _ in range(8):
        pid = wait_for(lambda: next(iter(set(sick.pids('watcher')) - seen), None), text=rig.describe)
        seen.add(pid)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not is_alive(pid), 5, text='not reaped')
        assert well.status()['state'] == 'guarding'
    assert_replaced(row, rig, sick, well, 'watcher', pid, 'sight')
    # The last pause, and the second that it lives before that counts as sight. For a hung one it would be half a minute.
    assert row.recovered_sec < 4, row.recovered_sec
    # Of the first, which had lived for long, and of those that were to follow it: not one for each.
    assert len(rig.events('blind', sick)) <= 2, rig.describe()


def test_finders_that_are_killed(row, rig, well):
    row(injected='each finder killed with SIGKILL in a start, three of them (strace)',
        holds=['status says that the search fails, the journal once', 'the next finder that lives is enough'])
    need('strace')
    rig.start_journald()
    rig.write_config()
    rig.path('/run/trace').touch()
    not_sanitized('it reads links, too')
    # Nobody else reads links.
    rig.start_daemon(wrapper=['strace', '-D', '-f', '-qq', '-o', '/run/trace', '-e', 'trace=readlink', '-e',
                              'inject=readlink:signal=KILL:when=1'])
    wait_for(lambda: rig.path('/run/trace').read_text().count('killed by SIGKILL') >= 3, 15, 0.05, rig.describe)
    assert any('search' in note and 'failed' in note for note in rig.status()['notes']), rig.status()
    assert len(rig.events('notice')) == 1, rig.describe()
    with row.recovery():
        tracer, = (pid for pid in children_of(rig.pid) if name_of(pid) == 'strace')
        os.kill(tracer, signal.SIGKILL)     # which lets go of them
        well.wait_state('guarding')
    rig.learn()
    assert not any('search' in note for note in rig.status()['notes']), rig.status()
    well.assert_guarded()


def test_an_idle_trimmer_that_is_killed(row, rig, well, sick):
    row(injected='idle trimmer killed with SIGKILL', holds=REPLACED)
    old, = sick.pids('trimmer')
    os.kill(old, signal.SIGKILL)
    event = rig.wait_event('cannot-act', sick, 'the trimmer is not running')
    assert int(event['PRIORITY']) <= 2
    assert_replaced(row, rig, sick, well, 'trimmer', old, 'can-act')


def test_an_idle_trimmer_that_is_stopped_is_missed_with_the_next_trim(row, rig, well, sick):
    row(injected='idle trimmer stopped with SIGSTOP, then a trim', holds=['the caller is told', *REPLACED])
    old, = sick.pids('trimmer')
    os.kill(old, signal.SIGSTOP)
    answer = sick.trim()
    assert isinstance(answer, str), answer
    rig.wait_event('cannot-act', sick, 'the trimmer does not answer')
    assert_replaced(row, rig, sick, well, 'trimmer', old, 'can-act')


@pytest.mark.parametrize('signo', [signal.SIGKILL, signal.SIGSTOP], ids=['SIGKILL', 'SIGSTOP'])
def test_a_trimmer_in_the_middle_of_a_trim(row, rig, well, sick, signo):
    row(injected=f'trimmer gets {signo.name} in the middle of a cut (it waits in pwritev on a frozen ext4)',
        holds=['the caller is told', *REPLACED])
    old, = sick.pids('trimmer')
    frozen = sick.freeze()
    trim = sick.start_trim()
    wait_for(lambda: state_of(old) == 'D', 5, 0.01, rig.describe)
    os.kill(old, signo)
    frozen.thaw()
    if signo == signal.SIGSTOP:
        wait_for(lambda: state_of(old) in ('T', None), 5, 0.005, rig.describe)
    rig.wait_event('cannot-act', sick, 'the trimmer')
    assert trim.wait(20) != 0
    assert_replaced(row, rig, sick, well, 'trimmer', old, 'can-act')
    # The next one has finished what it began, and cuts the same log.
    answer = sick.trim()
    assert isinstance(answer, dict) and answer['result'] == 'done', answer
    sick.assert_log_valid()


def test_both_parts_of_one_partition_are_killed_at_once(row, rig, well, sick):
    row(injected='watcher and trimmer of one partition killed at once', holds=REPLACED)
    old, trimmer = sick.pids('watcher')[0], sick.pids('trimmer')[0]
    os.kill(old, signal.SIGKILL)
    os.kill(trimmer, signal.SIGKILL)
    rig.wait_event('blind', sick)
    rig.wait_event('cannot-act', sick)
    assert_replaced(row, rig, sick, well, 'watcher', old, 'sight')
    rig.wait_event('can-act', sick)


def test_a_frozen_partition_and_a_killed_watcher(row, rig, well, sick):
    row(injected='fsfreeze of ext4, a stuck trimmer, and the watcher killed meanwhile',
        holds=['blind, then cannot act again', *REPLACED])
    old, trimmer = sick.pids('watcher')[0], sick.pids('trimmer')[0]
    frozen = sick.freeze()
    sick.start_trim()
    rig.wait_event('cannot-act', sick, 'stuck in pwritev')
    os.kill(old, signal.SIGKILL)
    rig.wait_event('blind', sick, 'not running')
    rig.wait_event('sight', sick)
    sick.wait_state('degraded', detail='stuck in pwritev')
    well.assert_guarded()
    with row.recovery():
        frozen.thaw()
        sick.wait_state('guarding')
    wait_for(lambda: not is_alive(trimmer), 5, text='not reaped')
    sick.assert_guarded()
    sick.assert_log_valid()


def test_the_supervisor_is_killed_while_a_trimmer_hangs(row, rig, well, sick):
    row(injected='supervisor killed with SIGKILL while a trimmer hangs on a frozen ext4',
        holds=['back within a second', 'the other partition is guarded', 'cannot act is still said', BOUNDED, RECOVERS,
               VALID])
    frozen = sick.freeze()
    sick.start_trim()
    rig.wait_event('cannot-act', sick, 'stuck in pwritev')
    supervisor, = rig.pids('supervisor')
    os.kill(supervisor, signal.SIGKILL)
    with row.recovery():
        wait_for(lambda: (well.status() or {}).get('state') == 'guarding', 10, 0.02, rig.describe)
    assert row.recovered_sec < 1.5
    well.assert_guarded()
    answer = sick.trim()
    assert isinstance(answer, str), answer
    sick.wait_state('degraded')
    frozen.thaw()
    sick.wait_state('guarding')
    sick.assert_guarded()
    sick.assert_log_valid()


def test_the_supervisor_is_killed_in_the_middle_of_a_trim(row, rig, well, sick):
    row(injected='supervisor killed with SIGKILL in the middle of a cut (the trimmer waits in pwritev)',
        holds=['back within a second', 'the caller sees the connection end', OTHERS, BOUNDED, VALID])
    old, = sick.pids('trimmer')
    frozen = sick.freeze()
    trim = sick.start_trim()
    wait_for(lambda: state_of(old) == 'D', 5, 0.01, rig.describe)
    supervisor, = rig.pids('supervisor')
    os.kill(supervisor, signal.SIGKILL)
    with row.recovery():
        wait_for(lambda: (well.status() or {}).get('state') == 'guarding', 10, 0.02, rig.describe)
    assert row.recovered_sec < 1.5
    assert trim.wait(10) != 0
    frozen.thaw()
    sick.wait_state('guarding')
    wait_for(lambda: not is_alive(old), 5, text=rig.describe)
    sick.assert_guarded()
    answer = sick.trim()
    assert isinstance(answer, dict) or 'nothing to free' in answer, answer
    sick.assert_log_valid()


def test_an_idle_trimmer_that_is_stopped_with_the_shipped_deadline(row, rig, well):
    row(injected='idle trimmer stopped with SIGSTOP, Trimmer=10s as shipped', holds=['missed without any trim', *REPLACED])
    sick = rig.partition('sick')
    rig.start(watcher='2s', trimmer='10s')
    well.start_writer()
    old, = sick.pids('trimmer')
    os.kill(old, signal.SIGSTOP)
    # It is asked with each quiet look, and the question does not move its own deadline.
    rig.wait_event('cannot-act', sick, 'the trimmer does not answer since', timeout=25)
    assert_replaced(row, rig, sick, well, 'trimmer', old, 'can-act')
