# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors that a healthy system never returns, put by strace into the N-th call of each kind, for all N until one is not
reached any more: of an act of the trimmer, of a round of requests to the supervisor, watcher and launcher, of a start.
Left out are close(), whose error is one of an earlier write (and strace would leave the descriptor open), and calls that
fail only for what a caller does wrong, such as rt_sigprocmask(). Whatever fails: the log stays valid, nothing that is
kept is lost, the next trim works; and the guard goes on, or is started again and goes on then. No point is chosen at random, but what a process does by its own clock counts among its calls."""

import contextlib
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from client import Refused, call
from lines import check_valid
from matrix import OTHERS, SANITIZED, VALID, need, not_sanitized
from rig import MIB, RigError, children_of, is_alive, name_of, wait_for
from test_trim_matrix import act, driver, log_of, mounted, sweep_setup  # noqa: F401  driver is a fixture
from tracing import injected

# ---- the trimmer ------------------------------------------------------------------------------------------------

WRITES = ['ENOSPC', 'EIO', 'EROFS', 'EINTR']
TRIMMER_CALLS = {
    'openat2': ['EIO', 'EINTR', 'EMFILE', 'ENOMEM'],
    'fstat,newfstatat': ['EIO', 'ENOMEM'],
    'flock': ['EINTR', 'ENOMEM'],
    'fcntl': ['EINTR', 'ENOMEM'],
    'pread64': ['EIO', 'EINTR'],
    'lseek': ['EIO'],
    'pwritev': WRITES,
    'pwrite64': WRITES,
    'fallocate': WRITES,
    'ftruncate': WRITES,
    'ioctl': [*WRITES, 'EOPNOTSUPP', 'EINVAL', 'EXDEV'],
    'unlinkat': ['EIO', 'EROFS'],
    'getdents64': ['EIO', 'ENOMEM'],
    'sync_file_range': ['EIO', 'ENOSPC'],
    'fsync,syncfs': ['EIO', 'ENOSPC'],
    'sendto': ['EINTR', 'ENOMEM'],
    'recvfrom': ['EINTR', 'ENOMEM'],
}
SWEEPS = {'collapse': 'collapse-leased', 'punch': 'punch', 'second punch': 'punch', 'heal': 'heal', 'fill': 'fill',
          'truncate': 'truncate', 'delete': 'delete'}
MOST_CALLS = 40
TWO_MIB = 2 * MIB


def make_log(log, name, driver, mount):
    n = sweep_setup(log, 4 * MIB, driver, mount, name)
    if name == 'delete':
        for i in (1, 2, 3):
            log.with_name(f'{log.name}.{i}').write_bytes(b'x' * MIB)
    return n


def segments(log):
    return sorted(p.name for p in log.parent.iterdir() if p.name != log.name)


def inject_into_act(driver, mount, name, calls, error, when):
    """Returns whether there was such a call at all."""
    log, page, trace = log_of(mount), mount.parent / 'page', mount.parent / 'trace'
    where = (name, calls, error, when)
    n = make_log(log, name, driver, mount)
    page.unlink(missing_ok=True)
    before = segments(log)
    options = {'want': 0 if name == 'heal' else TWO_MIB, 'keep': 0 if name in ('truncate', 'delete') else MIB}
    r = act(driver, mount, SWEEPS[name], wrapper=['strace', '-qq', '-o', str(trace), '-e', f'trace={calls}', '-e',
                                                  f'inject={calls}:error={error}:when={when}'], **options)
    hit = '(INJECTED)' in trace.read_text()
    if r['result'] == 'failed':
        assert r['error'] < 0 and r['stage'], (where, r)
    if name == 'delete':
        assert segments(log) == before[:len(segments(log))], (where, 'not the oldest first')
    data = log.read_bytes()
    if not (name == 'truncate' and not data):
        everything = check_valid(data)
        assert everything[-1] == n - 1, where
        assert sum(1 for a, b in zip(everything, everything[1:]) if b != a + 1) <= 2, where
    # What failed can be done right after.
    assert act(driver, mount, 'none')['pending'] == 0, where
    again = act(driver, mount, SWEEPS[name], **options)
    assert again['result'] in ('done', 'nothing-to-do'), (where, r, again)
    if name != 'truncate':
        everything = check_valid(log.read_bytes())
        assert everything[-1] == n - 1, where
    return hit


@pytest.mark.parametrize('name', list(SWEEPS))
def test_errors_in_any_call_of_the_trimmer(row, driver, tmp_path, name):  # noqa: F811
    points = 0
    need('strace', 'mkfs.ext4')
    with mounted('xfs' if name == 'fill' else 'ext4-4k', tmp_path) as mount:
        for calls, errors in TRIMMER_CALLS.items():
            # It differs from the first punch in what it finds, not in what it does with errors.
            for error in errors[:2] if name == 'second punch' else errors:
                for when in range(1, MOST_CALLS):
                    if not inject_into_act(driver, mount, name, calls, error, when):
                        break
                    points += 1
                else:
                    pytest.fail(f'{calls} has no end')
    row(injected=f'{", ".join(sorted({e for es in TRIMMER_CALLS.values() for e in es}))} in the N-th call of each kind of '
        f'the trimmer in a {name}, all N (strace): {points} points',
        holds=['the error is told with its stage', 'no line that is kept is lost', 'the next trim works', VALID])
    assert points > 40


# ---- the guard as a whole ------------------------------------------------------------------------------------------

# Each wait after a death is twice the one before, up to a second, a fork that fails costs another one, and one that
# follows others that died early must live a second until it counts: many deaths in a row are the worst case.
AGAIN_SEC = 4
AGAIN = f'goes on, or is started again and goes on, within {AGAIN_SEC} s after many deaths in a row'

ROLES = {
    'supervisor': {
        'epoll_wait': ['EINTR'],
        'recvfrom': ['EINTR', 'ENOMEM', 'EIO'],
        'recvmsg': ['EINTR', 'ENOMEM', 'EMFILE'],
        'sendto': ['EINTR', 'ENOMEM', 'EIO'],
        'sendmsg': ['EINTR', 'ENOMEM'],
        'accept4': ['EINTR', 'EMFILE', 'ENOMEM'],
        'getsockopt': ['ENOMEM'],
        'read': ['EINTR', 'EIO'],
        'openat': ['EMFILE', 'EIO'],
        'timerfd_settime': ['ENOMEM'],
        'epoll_ctl': ['ENOMEM', 'ENOSPC'],
        'mmap': ['ENOMEM'],
        'ioctl': ['EIO'],
    },
    'watcher': {
        'openat2': ['EINTR', 'EMFILE', 'ENOMEM', 'EIO'],
        'fstat,newfstatat': ['ENOMEM', 'EIO'],
        'fstatfs': ['EINTR', 'ENOMEM', 'EIO'],
        'read': ['EINTR', 'EIO'],
        'inotify_add_watch': ['ENOSPC', 'ENOMEM'],
        'getdents64': ['EIO', 'ENOMEM'],
        'fcntl': ['EINTR', 'ENOMEM'],
        'poll,ppoll': ['EINTR', 'ENOMEM'],
        'recvfrom': ['EINTR', 'ENOMEM'],
        'sendto': ['EINTR', 'ENOMEM'],
    },
    'launcher': {
        'poll': ['EINTR', 'ENOMEM'],
        'recvmsg': ['EINTR', 'ENOMEM', 'EMFILE'],
        'recvfrom': ['EINTR', 'ENOMEM'],
        'socketpair': ['EMFILE', 'ENOMEM'],
        'read': ['EINTR', 'EIO'],
        'wait4': ['EINTR'],
        'clone': ['EAGAIN', 'ENOMEM'],
        'sendmsg': ['EINTR', 'ENOMEM'],
    },
}
# Rounds are over within a hundredth of a second; what comes after this is the guard's own pace.
SETTLE_SEC = 0.15
# About half of what there was when this was written: that the sweep does not shrink unnoticed.
FEWEST_POINTS = {'supervisor': 130, 'watcher': 120, 'launcher': 35}
# Where a reload, which forks, is not enough: whose death makes the call.
PROVOKED = {('launcher', 'clone'): 'watcher', ('launcher', 'sendmsg'): 'watcher', ('supervisor', 'mmap'): 'trimmer'}


@pytest.fixture
def sick(rig, well):
    need('strace')
    p = rig.partition('sick')
    rig.start()
    p.start_writer()
    return p


NEW = 'new'


def stir(rig, p, role, calls, injection):
    """One round in which each part does something."""
    # Seldom: one that is killed again and again comes back more and more slowly.
    post = PROVOKED.get((role, calls))
    old = p.pids(post) if post else []
    if role == 'watcher':
        p.add_container(NEW)
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    for ask in (lambda: call(rig, 'Pause', {'mount': p.mount, 'for_usec': 0}, timeout=1),
                lambda: call(rig, 'Reload', timeout=1), lambda: rig.diskbrake('check', check=False, timeout=1)):
        with contextlib.suppress(OSError, Refused, subprocess.TimeoutExpired):
            ask()
    with contextlib.suppress(AssertionError):
        if post:
            wait_for(lambda: set(p.pids(post)) - set(old), 3, 0.02)
        wait_for(injection.look, SETTLE_SEC, 0.02)


def pid_of(rig, role, p):
    if role == 'launcher':
        return rig.daemon.pid
    pids = rig.pids(role, p if role == 'watcher' else None)
    return pids[-1] if pids else 0


@pytest.mark.parametrize('role', list(ROLES))
def test_errors_in_the_calls_of(row, rig, well, sick, role):
    row(injected=f'{", ".join(sorted({e for es in ROLES[role].values() for e in es}))} in the N-th call of each kind of the '
        f'{role}, all N of a round of requests (strace)', holds=[AGAIN, OTHERS, VALID])
    slow, points, slowest = [], {}, 0
    # A sanitizer's own mmap() that fails is the end.
    kinds = {calls: errors for calls, errors in ROLES[role].items() if not (SANITIZED and calls == 'mmap')}
    for calls, errors in kinds.items():
        # What a round is without errors: after one that failed there is more to be done, again and again.
        n_calls = max(calls_of_a_round(rig, sick, role, calls) for _ in range(2))
        for error in errors:
            for when in range(1, n_calls + 1):
                rule = f'{calls}:error={error}:when={when}'
                # One that was not reached may have come too late for once.
                hit, took = meet(rig, sick, well, role, rule)
                if not hit:
                    hit, took = meet(rig, sick, well, role, rule)
                slowest = max(slowest, took)
                if took > AGAIN_SEC:
                    slow.append((rule, round(took, 1)))
                if not hit:
                    break
                points[calls, error] = when
    missed = [(calls, error) for calls, errors in kinds.items() for error in errors if (calls, error) not in points]
    row.recovered(slowest)
    row.injected += f': {sum(points.values())} points'
    print(points)
    # Those that have met all this, and then, because what a tracer costs is no turn of the guard's own, new ones.
    sick.assert_guarded()
    well.assert_guarded()
    restart_supervisor(rig, sick, well)
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()
    assert not slow, slow
    assert not missed and sum(points.values()) >= FEWEST_POINTS[role], f'not hit: {missed}, of {points}'


def calls_of_a_round(rig, sick, role, calls):
    with injected(pid_of(rig, role, sick), f'{calls}:error=EIO:when=60000') as injection:
        stir(rig, sick, role, calls, injection)
    if role == 'watcher':
        sick.remove_container(NEW)
    wait_for(lambda: sick.status()['state'] == 'guarding', 15, 0.02, rig.describe)
    return injection.n_calls


def meet(rig, sick, well, role, rule):
    """Returns whether the error was met, and how many seconds it took from then until all was guarded."""
    pid = wait_for(lambda: pid_of(rig, role, sick), 5, 0.02, rig.describe)
    injection = injected(pid, rule)
    begin = time.monotonic()
    with injection:
        stir(rig, sick, role, rule.split(':')[0], injection)
    if role == 'watcher':
        sick.remove_container(NEW)
    assert rig.daemon.is_running, rule
    wait_for(lambda: all((p.status() or {}).get('state') == 'guarding' for p in (sick, well)), 15, 0.02,
             lambda: f'{rule}\n{rig.describe()}')
    return injection.was_hit, time.monotonic() - begin


def restart_supervisor(rig, *partitions):
    old, = rig.pids('supervisor')
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: rig.pids('supervisor') not in ([], [old]), 5, 0.01, rig.describe)
    for p in partitions:
        p.wait_state('guarding')


# Of all processes of a start, however often one of them is started again: the N-th such call of each fails. Without brk():
# where it fails it returns the break as it was, never an error, and libc crashes on one.
STARTS = {
    'memory': {
        'mmap': ['ENOMEM'], 'mprotect': ['ENOMEM'], 'memfd_create': ['ENOMEM', 'EMFILE'],
        'ftruncate': ['ENOMEM'], 'mlockall': ['ENOMEM', 'EPERM'],
    },
    'descriptors': {
        'openat': ['EMFILE'], 'openat2': ['EMFILE', 'EIO'], 'socket': ['EMFILE'], 'socketpair': ['EMFILE'],
        'epoll_create1': ['EMFILE'], 'timerfd_create': ['EMFILE'], 'signalfd4': ['EMFILE'], 'inotify_init1': ['EMFILE'],
        'fcntl': ['EMFILE', 'EINTR'],
    },
    'files': {
        'newfstatat': ['EIO'], 'read': ['EIO', 'EINTR'], 'pread64': ['EIO'], 'pwrite64': ['ENOSPC'], 'pwritev2': ['EIO'],
        'getdents64': ['EIO'], 'readlink,readlinkat': ['EIO'], 'fstatfs': ['EIO'], 'mkdir': ['ENOSPC', 'EROFS'],
        'unlink': ['EROFS'], 'chown': ['EPERM'], 'faccessat2': ['EIO'], 'inotify_add_watch': ['ENOSPC'],
    },
    'processes': {
        'clone': ['EAGAIN'], 'wait4': ['EINTR'], 'setpgid': ['EPERM'], 'sched_setscheduler': ['EPERM'], 'prctl': ['EPERM'],
        'prlimit64': ['EPERM'], 'setgroups': ['ENOMEM'], 'setresgid': ['EPERM'], 'setresuid': ['EAGAIN'],
        'capset': ['EPERM'], 'close_range': ['ENOMEM'],
    },
    'messages': {
        'poll,ppoll': ['EINTR', 'ENOMEM'], 'epoll_wait': ['EINTR'], 'epoll_ctl': ['ENOMEM'], 'timerfd_settime': ['EINVAL'],
        'recvmsg': ['ENOMEM'], 'sendmsg': ['ENOMEM'], 'recvfrom': ['EINTR', 'ENOMEM'], 'sendto': ['ENOMEM'],
        'connect': ['EAGAIN'], 'bind': ['ENOSPC'], 'listen': ['EADDRINUSE'], 'accept4': ['EMFILE'], 'getsockopt': ['ENOMEM'],
        'setsockopt': ['ENOMEM'], 'ioctl': ['EIO'],
    },
}
# The most is about 140: a capability of the kernel after the other.
MOST_IN_A_START = 300
# (its user is root, its capabilities), of those that have answered when a partition is guarded.
RIGHTS = {'supervisor': (False, 0), 'watcher': (False, 1 << 2 | 1 << 19), 'trimmer': (True, 1 << 1 | 1 << 19 | 1 << 28)}


# Not "the first look is still under way".
WHY_NOT = 'is not running|does not answer|is stuck|ended soon|looking at .* failed|may not write|the search .* fail|DataRoot='
# What kills a process by a fault of its own.
CRASHED = re.compile(r'ended \(signal (?!9\))\d+|SIG(?:SEGV|ABRT|BUS|ILL|FPE|TRAP)|\w+Sanitizer')


def guards_or_says_why_not(rig, p):
    """Returns which, None for neither. Each process of a kind meets the error, also the next one: a finder, say, fails for ever."""
    said = re.search(r'the supervisor (failed|could not .*|ended.*)', (rig.scratch / 'stderr').read_text())
    if said:
        return said[0]
    try:
        status = call(rig, 'Status', timeout=0.5)['status']
    except (OSError, Refused):  # nobody is there, or nobody answers
        return None
    state = next((q for q in status['partitions'] if q['mount'] == p.mount), None)
    if state and state['state'] == 'guarding':
        return 'guarding'
    detail = state['state_detail'] if state else ''
    return next((text for text in [detail, *status.get('notes', [])] if re.search(WHY_NOT, text)), None)


def wrong_rights(rig):
    """Of the guard's processes now: [(role, what is wrong)], and how many were looked at."""
    wrong, n = [], 0
    for pid in children_of(rig.daemon.pid):
        role = name_of(pid).removeprefix('dbrk-')
        if role not in RIGHTS:
            continue
        with contextlib.suppress(OSError):
            status = dict(line.split(':', 1) for line in Path(f'/proc/{pid}/status').read_text().splitlines())
            root, capabilities = RIGHTS[role]
            n += 1
            if status['NoNewPrivs'].strip() != '1' or status['Groups'].split():
                wrong.append((role, status['NoNewPrivs'], status['Groups']))
            wrong += [(role, ids, status[ids]) for ids in ('Uid', 'Gid') if not root and '0' in status[ids].split()]
            wrong += [(role, kind, status[kind]) for kind in ('CapEff', 'CapPrm', 'CapBnd')
                      if int(status[kind], 16) != capabilities]
    return wrong, n


def check_rights(rig, rule, guarding):
    """Nobody works with more than it should have, whatever failed on the way. One that has just been forked is there in a
    moment, or is gone."""
    wait_for(lambda: not wrong_rights(rig)[0], 2, 0.02, lambda: (rule, wrong_rights(rig)))
    # Without their names, which the first prctl gives, they are not known.
    assert not guarding or rule.endswith('prctl:error=EPERM:when=1') or wrong_rights(rig)[1] >= 2, rule


def calls_before_main(rig, calls):
    """What the dynamic loader does: it may crash where memory is short, and is not the guard's."""
    rig.run('strace', '-qq', '-o', '/run/trace', '-e', f'trace={calls}', rig.tools / 'watchdogd', '--version')
    return len(rig.path('/run/trace').read_text().splitlines())


def start_with(rig, p, rule):
    """Returns whether there was such a call, and the seconds it took to guard or to say why not, None for a start that
    ended."""
    stderr, trace = rig.scratch / 'stderr', rig.path('/run/trace')
    stderr.write_text('')
    trace.write_text('')
    begin, took = time.monotonic(), None
    try:
        rig.start_daemon(wrapper=['strace', '-D', '-f', '-qq', '-o', '/run/trace', '-e', f'trace={rule.split(":")[0]}',
                                  '-e', f'inject={rule}'])
    except RigError as error:
        assert not str(error).endswith(' with 0'), (rule, error)
    else:
        took = wait_for_word(rig, p, rule, trace, begin)
    # Only then has it written everything down.
    wait_for(lambda: 'strace' not in map(name_of, children_of(rig.pid)), 5, 0.01, 'strace is not gone')
    traced = trace.read_text(errors='replace')
    crashed = CRASHED.search(traced + stderr.read_text(errors='replace'))
    calls, _, when = rule.split(':')
    assert not crashed or int(when.split('=')[1]) <= calls_before_main(rig, calls), (rule, crashed[0])
    return '(INJECTED)' in traced, took


def wait_for_word(rig, p, rule, trace, begin):
    def word():
        return wait_for(lambda: guards_or_says_why_not(rig, p) or not rig.daemon.is_running, 15, 0.02,
                        lambda: f'{rule}\n{rig.describe()}')
    word()
    took = time.monotonic() - begin
    # What the others do right after, and what came of that.
    settled = time.monotonic() + SETTLE_SEC
    while time.monotonic() < settled and '(INJECTED)' not in trace.read_text(errors='replace'):
        time.sleep(0.01)
    time.sleep(0.03)
    said = word()
    if not rig.daemon.is_running:
        assert rig.daemon.wait() != 0, rule
        return None
    check_rights(rig, rule, said == 'guarding')
    everybody = [rig.daemon.pid, *children_of(rig.daemon.pid)]
    rig.daemon.signal(signal.SIGKILL)
    rig.daemon.wait()
    wait_for(lambda: not any(map(is_alive, everybody)), 5, 0.01, 'not gone')
    return took


@pytest.mark.parametrize('kind', list(STARTS))
def test_errors_in_a_start(row, rig, well, kind):
    errors = {error for errors in STARTS[kind].values() for error in errors}
    row(injected=f'{", ".join(sorted(errors))} in the N-th call of each kind that has to do with {kind} in each process of '
        'a start, all N (strace)',
        holds=['guards, says why it cannot, or ends with an error, within 15 s', 'nobody has more rights than it should',
               'guards with the next start', VALID])
    need('strace')
    not_sanitized('its own calls would fail')
    rig.start_journald()
    rig.write_config()
    points, n_ended, slowest = {}, 0, 0
    for calls, errors in STARTS[kind].items():
        for error in errors:
            for when in range(1, MOST_IN_A_START):
                hit, took = start_with(rig, well, f'{calls}:error={error}:when={when}')
                if not hit:
                    break
                points[calls, error] = when
                n_ended += took is None
                slowest = max(slowest, took or 0)
            else:
                pytest.fail(f'{calls} has no end')
    row.injected += f': {sum(points.values())} points'
    print(f'{n_ended} ended: {points}')
    rig.start()
    row.recovered(slowest)
    well.assert_guarded()
    well.assert_log_valid()
    missed = [(calls, error) for calls, errors in STARTS[kind].items() for error in errors if (calls, error) not in points]
    assert not missed, f'not hit: {missed}'


@pytest.mark.parametrize('which, when', [('of the death', 1), ('of the new one', 2)])
def test_a_message_of_the_launcher_is_lost(row, rig, well, sick, which, when):
    row(injected=f'watcher killed, and ENOMEM in the sendmsg that tells the supervisor {which} (strace)',
        holds=['every request has a deadline: sees again within 5 s', OTHERS, VALID])
    pid, = sick.pids('watcher')
    with injected(rig.daemon.pid, f'sendmsg:error=ENOMEM:when={when}') as injection:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: is_alive(pid) is False, 5, 0.01)
        time.sleep(1)   # both messages are under way within 0.3 s
    assert injection.was_hit
    with row.recovery():
        wait_for(lambda: sick.status()['state'] == 'guarding' and sick.pids('watcher') not in ([], [pid]), 5, 0.05,
                 rig.describe)
    restart_supervisor(rig, sick, well)     # what a tracer costs is no turn of its own
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()
