# SPDX-License-Identifier: LGPL-2.1-or-later
"""Errors that a healthy system never returns, put by strace into the N-th call of each kind: of the trimmer for all N
until an act runs through without; of the supervisor, watchers and launcher once a kind; of a start at chosen N. Whatever
fails: the log stays valid, nothing that is kept is lost, the next trim works; and the guard
goes on, or is started again and goes on then. Fixed points, nothing is random."""

import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from client import Refused, call
from lines import check_valid
from matrix import OTHERS, VALID, need
from rig import MIB, RigError, children_of, is_alive, wait_for
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
    'unlinkat': ['EIO', 'EROFS'],
    'getdents64': ['EIO', 'ENOMEM'],
    'sync_file_range': ['EIO', 'ENOSPC'],
    'fsync,syncfs': ['EIO', 'ENOSPC'],
    'sendto': ['EINTR', 'ENOMEM'],
    'recvfrom': ['EINTR', 'ENOMEM'],
}
SWEEPS = {'collapse': 'collapse-leased', 'punch': 'punch', 'second punch': 'punch', 'heal': 'heal',
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
    with mounted('ext4-4k', tmp_path) as mount:
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

AGAIN = 'goes on, or is started again and goes on within a second'
# Each wait of the launcher is twice the one before, up to a second: many deaths in a row are the worst case.
AGAIN_SEC = 2.5

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
        'poll,ppoll': ['EINTR', 'ENOMEM'],
        'recvfrom': ['EINTR', 'ENOMEM'],
        'sendto': ['EINTR', 'ENOMEM'],
    },
    'launcher': {
        'poll': ['EINTR', 'ENOMEM'],
        'recvmsg': ['EINTR', 'ENOMEM', 'EMFILE'],
        'socketpair': ['EMFILE', 'ENOMEM'],
        'read': ['EINTR', 'EIO'],
        'wait4': ['EINTR'],
        'clone': ['EAGAIN', 'ENOMEM'],
        'sendmsg': ['EINTR', 'ENOMEM'],
    },
}
# Where a reload, which forks, is not enough: whose death makes the call.
PROVOKED = {('launcher', 'clone'): 'watcher', ('launcher', 'sendmsg'): 'watcher', ('supervisor', 'mmap'): 'trimmer'}


@pytest.fixture
def sick(rig, well):
    need('strace')
    p = rig.partition('sick')
    rig.start()
    p.start_writer()
    return p


def stir(rig, p, role, rule, injection):
    """Has each part do something, until the error has been met."""
    # Seldom: one that is killed again and again comes back more and more slowly.
    post = PROVOKED.get((role, rule.split(':')[0]))
    old = p.pids(post) if post else []
    if role == 'watcher':
        p.add_container(f'c{len(p.n_lines)}')
    for pid in old:
        os.kill(pid, signal.SIGKILL)
    for ask in (lambda: call(rig, 'Pause', {'mount': p.mount, 'for_usec': 0}, timeout=1),
                lambda: call(rig, 'Reload', timeout=1), lambda: rig.diskbrake('check', check=False, timeout=1)):
        with contextlib.suppress(OSError, Refused, subprocess.TimeoutExpired):
            ask()
    wait_for(lambda: injection.look() and (not post or set(p.pids(post)) - set(old)), 3, 0.02)


def pid_of(rig, role, p):
    if role == 'launcher':
        return rig.daemon.pid
    pids = rig.pids(role, p if role == 'watcher' else None)
    return pids[-1] if pids else 0


@pytest.mark.parametrize('role', list(ROLES))
def test_errors_in_the_calls_of(row, rig, well, sick, role):
    points = sum(map(len, ROLES[role].values()))
    row(injected=f'{", ".join(sorted({e for es in ROLES[role].values() for e in es}))} in one call of each kind of the '
        f'{role} (strace), {points} points', holds=[AGAIN, OTHERS, VALID])
    slow, missed = [], []
    for calls, errors in ROLES[role].items():
        for error in errors:
            pid = wait_for(lambda: pid_of(rig, role, sick), 5, 0.02, rig.describe)
            rule = f'{calls}:error={error}:when=1'
            injection = injected(pid, rule)
            with contextlib.suppress(AssertionError), injection:
                stir(rig, sick, role, rule, injection)
            if not injection.was_hit:
                missed.append(rule)
            assert rig.daemon.is_running, rule
            begin = time.monotonic()
            wait_for(lambda: all((p.status() or {}).get('state') == 'guarding' for p in (sick, well)), 15, 0.02,
                     lambda: f'{rule}\n{rig.describe()}')
            took = time.monotonic() - begin
            row.recovered(max(took, row.recovered_sec or 0))
            if took > AGAIN_SEC:
                slow.append((rule, round(took, 1)))
    # What a tracer costs is no turn of the guard's own.
    restart_supervisor(rig, sick, well)
    sick.assert_guarded()
    well.assert_guarded()
    sick.assert_log_valid()
    assert not slow, slow
    assert not missed, f'not hit: {missed}'


def restart_supervisor(rig, *partitions):
    old, = rig.pids('supervisor')
    os.kill(old, signal.SIGKILL)
    wait_for(lambda: rig.pids('supervisor') not in ([], [old]), 5, 0.01, rig.describe)
    for p in partitions:
        p.wait_state('guarding')


# Of all processes of a start: the N-th such call of each of them fails.
STARTS = [
    ('mmap', 'ENOMEM', 26), ('mmap', 'ENOMEM', 32),
    *[('socket', 'EMFILE', n) for n in (1, 2)],
    *[('socketpair', 'EMFILE', n) for n in (1, 3)],
    *[('clone', 'EAGAIN', n) for n in (1, 3)],
    ('memfd_create', 'ENOMEM', 1), ('memfd_create', 'ENOMEM', 2),
    ('openat2', 'EMFILE', 1), ('openat', 'EIO', 8),
    ('epoll_create1', 'EMFILE', 1), ('timerfd_create', 'EMFILE', 1), ('signalfd4', 'EMFILE', 1),
    ('recvfrom', 'EINTR', 1), ('recvmsg', 'EINTR', 1),
    ('capset', 'EPERM', 1), ('mlockall', 'ENOMEM', 1),
]


def guards_or_says_why_not(rig, p):
    """A finder that cannot open the data-root fails each time: here each process of a kind meets the error."""
    status = rig.status()
    return any(q['mount'] == p.mount and q['state'] == 'guarding' for q in status['partitions']) or \
        any('DataRoot=' in note for note in status.get('notes', [])) or \
        re.search('the supervisor (failed|could not)', (rig.scratch / 'stderr').read_text())


def test_errors_in_a_start(row, rig, well):
    row(injected=f'ENOMEM, EMFILE, EAGAIN, EIO or EINTR in the N-th call of a kind in each process of a start (strace), '
        f'{len(STARTS)} points', holds=['guards, says why it cannot, or ends with an error, within 15 s',
                                        'guards with the next start',
                                        VALID])
    need('strace')
    rig.start_journald()
    rig.write_config()
    ended, slowest = [], 0
    for calls, error, n in STARTS:
        rule = f'{calls}:error={error}:when={n}'
        begin = time.monotonic()
        (rig.scratch / 'stderr').write_text('')
        wrapper = ['strace', '-D', '-f', '-qq', '-o', '/dev/null', '-e', f'trace={calls}', '-e', f'inject={rule}']
        try:
            rig.start_daemon(wrapper=wrapper)
            wait_for(lambda: not rig.daemon.is_running or guards_or_says_why_not(rig, well), 15, 0.05,
                     lambda: f'{rule}\n{rig.describe()}')
        except RigError:
            pass
        if rig.daemon.is_running:
            slowest = max(slowest, time.monotonic() - begin)
            everybody = [rig.daemon.pid, *children_of(rig.daemon.pid)]
            rig.daemon.signal(signal.SIGKILL)
            rig.daemon.wait()
            wait_for(lambda: not any(map(is_alive, everybody)), 5, 0.01, 'not gone')
        else:
            ended.append(rule)
            assert rig.daemon.nsenter.returncode not in (0, None), rule
    rig.start()
    row.recovered(slowest)
    assert len(ended) < len(STARTS) / 2, ended
    well.assert_guarded()
    well.assert_log_valid()


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
