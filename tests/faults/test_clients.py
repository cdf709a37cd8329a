# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the socket: too many, too slow, gone in the middle. And commands that collide: each caller gets its true
result. The guard looks and acts as if nobody was there."""

import concurrent.futures
import contextlib
import ctypes
import json
import os
import resource
import select
import socket
import threading
import time

import pytest

from client import Follower, Refused, call, clear_level, raise_level, request
from matrix import OTHERS, VALID, need
from rig import MIB, wait_for
from tracing import injected, wait_held

NO_WAIT = 'loop never away for 50 ms'
ROOT_IN = "root's status within a second"
HELD = 'the flood is held'


# The guard's own user, and its group, which may use the socket; and the first of many users in it.
GUARD_ID, USER_ID = 61184, 61200
SYS_SETRESUID, SYS_SETRESGID = 117, 119     # x86-64


@pytest.fixture
def sick(rig, well):
    """Flooded all the time."""
    for name, line in (('passwd', f'diskbrake:x:{GUARD_ID}:{GUARD_ID}::/:/bin/false\n'),
                       ('group', f'diskbrake:x:{GUARD_ID}:\n')):
        text = (rig.path('/etc') / name).read_text() + line
        (rig.path('/run/rig') / name).write_text(text)
        rig.run('mount', '--bind', f'/run/rig/{name}', f'/etc/{name}')
    p = rig.partition('sick')
    rig.start()
    p.start_writer(bytes_per_sec=20 * MIB, line_bytes=7000)
    return p


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class StatusAsker(threading.Thread):
    """Asks for the status again and again, as somebody would who wants to know; keeps how long it took."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.rig, self.took, self.ended = rig, [], False
        self.start()

    def run(self):
        while not self.ended:
            begin = time.monotonic()
            status = self.rig.status()
            self.took.append(time.monotonic() - begin if status['partitions'] else 60)
            time.sleep(0.05)

    def check(self):
        self.ended = True
        self.join()
        assert len(self.took) >= 3
        assert max(self.took) < 1, f'status took {max(self.took):.1f} s'


def assert_flood_is_held(rig, sick, n_acts=2, timeout=30):
    n = len(rig.events('act-done', sick))
    wait_for(lambda: len(rig.events('act-done', sick)) >= n + n_acts, timeout, 0.2, rig.describe)
    assert sick.status()['avail_bytes'] > 0


def end_flood(sick, well):
    assert sick.stop_writer() == 0, 'writes failed'
    sick.assert_log_valid()
    well.assert_guarded()


@contextlib.contextmanager
def as_user(uid):
    """This thread alone, which the C library's setresuid() cannot."""
    libc = ctypes.CDLL(None, use_errno=True)

    def become(uid, gid):
        for call, i in ((SYS_SETRESGID, gid), (SYS_SETRESUID, uid)) if uid else ((SYS_SETRESUID, 0), (SYS_SETRESGID, 0)):
            assert libc.syscall(call, ctypes.c_long(-1), ctypes.c_long(i), ctypes.c_long(-1)) == 0
    become(uid, GUARD_ID)
    try:
        yield
    finally:
        become(0, 0)


class Crowd(contextlib.ExitStack):
    """Clients of users who may; 10 a user, unless all are root's."""

    def __init__(self, rig, as_root=False):
        super().__init__()
        self.as_root, self.clients = as_root, []
        # Nobody but root may go through /proc/PID/root.
        self.folder = os.open(rig.path('/run/rig'), os.O_PATH)
        self.callback(os.close, self.folder)

    def connect(self):
        """A client, or None: the queue of the listening socket is full just now."""
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        s.setblocking(False)
        user = contextlib.nullcontext() if self.as_root else as_user(USER_ID + len(self.clients) // 10)
        try:
            with user:
                s.connect(f'/proc/self/fd/{self.folder}/diskbrake.socket')
        except BlockingIOError:
            s.close()
            return None
        self.callback(s.close)
        self.clients.append(s)
        return s

    def come(self, n, text, timeout=20):
        """n of them, each of which sends that."""
        deadline = time.monotonic() + timeout
        while len(self.clients) < n:
            assert time.monotonic() < deadline, f'only {len(self.clients)} got in'
            s = self.connect()
            if not s:
                time.sleep(0.002)
            elif text:
                with contextlib.suppress(ConnectionError, BlockingIOError):
                    s.send(text)
        return self.clients


def answers_of(clients):
    """What each has been told so far."""
    told = []
    for s in clients:
        text = b''
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while data := s.recv(65536):
                text += data
        told.append(text)
    return told


def test_a_thousand_clients_at_once(row, rig, well, sick, many_files):
    row(injected='1,000 clients of 100 users at once, each of which asks for the status, under a flood',
        holds=[ROOT_IN, NO_WAIT, HELD, OTHERS, VALID])
    asker = StatusAsker(rig)
    with Crowd(rig) as crowd:
        clients = crowd.come(1000, request('Status'))
        assert_flood_is_held(rig, sick)
        told = answers_of(clients)
        asker.check()
    served = sum(b'"status"' in text for text in told)
    refused = sum(b'TooManyRequests' in text for text in told)
    assert served >= 16 and served + refused == 1000, (served, refused)
    end_flood(sick, well)


def test_a_thousand_clients_of_root(row, rig, well, sick, many_files):
    row(injected="1,000 clients of root's at once, under a flood",
        holds=['all but 16 are refused at once, and told so', 'root gets in as soon as one goes', NO_WAIT, HELD, OTHERS,
               VALID])
    with Crowd(rig, as_root=True) as crowd:
        crowd.come(1000, b'')
        begin = time.monotonic()
        refused = rig.diskbrake('status', check=False)
        assert refused.returncode != 0 and time.monotonic() - begin < 1
        assert sum(b'TooManyRequests' in text for text in answers_of(crowd.clients)) >= 1000 - 16
        for s in crowd.clients:
            s.close()
        begin = time.monotonic()
        wait_for(lambda: rig.status()['partitions'], 2, 0.02, 'root does not get in')
        row.recovered(time.monotonic() - begin)
    assert_flood_is_held(rig, sick)
    end_flood(sick, well)


def test_slow_clients(row, rig, well, sick):
    row(injected='50 clients that read their answers a byte at a time, under a flood',
        holds=[ROOT_IN, NO_WAIT, HELD, OTHERS, VALID])
    asker = StatusAsker(rig)
    with Crowd(rig) as crowd:
        clients = list(crowd.come(50, request('Status') * 20))
        end = time.monotonic() + 4
        n = 0
        while time.monotonic() < end:
            for s in select.select(clients, [], [], 0.1)[0]:
                with contextlib.suppress(ConnectionError):
                    if s.recv(1):
                        n += 1
                        continue
                clients.remove(s)
            time.sleep(0.01)
        assert n > 1000 and len(clients) > 40
        assert_flood_is_held(rig, sick, n_acts=1)
        asker.check()
    end_flood(sick, well)


def test_clients_that_die_in_the_middle(row, rig, well, sick):
    row(injected='500 clients that die in the middle of a request, or of its answer, or send garbage, under a flood',
        holds=[ROOT_IN, NO_WAIT, HELD, OTHERS, VALID])
    asker = StatusAsker(rig)
    text = request('Status')
    trim = request('Trim', {'name': 'sick-web', 'keep_bytes': MIB})
    follow = request('Events', more=True)
    for i in range(500):
        with Crowd(rig) as crowd, contextlib.suppress(ConnectionError, BlockingIOError):
            s = wait_for(crowd.connect, 5, 0.002)
            if i % 5 == 0:
                s.send(text[:i % len(text)])
            elif i % 5 == 1:
                s.send(text)
                s.settimeout(1)
                s.recv(10)
            elif i % 5 == 2:
                s.send(trim if i % 50 == 2 else follow)
            elif i % 5 == 3:
                s.send(bytes((i * 7 + k) % 255 + 1 for k in range(i)) + b'\0')
            else:
                s.send(text * 3)
                s.shutdown(socket.SHUT_WR)
    assert_flood_is_held(rig, sick)
    asker.check()
    end_flood(sick, well)


def test_a_hundred_followers(row, rig, well, sick):
    row(injected='100 clients that follow the events and never read, under a flood',
        holds=['one that was there before is told everything', ROOT_IN, NO_WAIT, HELD, OTHERS, VALID])
    asker = StatusAsker(rig)
    reader = Follower(rig)
    with Crowd(rig) as crowd:
        crowd.come(100, request('Events', more=True))
        assert_flood_is_held(rig, sick)
        raise_level(well)
        rig.wait_event('level-raised', well)
        asker.check()
    told = reader.stop()
    numbers = [e['event_id'] for e in told]
    assert numbers == list(range(numbers[0], numbers[-1] + 1)), 'left out'
    assert any(e['type'] == 'level-raised' and '/mnt/well' in e['message'] for e in told)
    clear_level(well)
    wait_for(lambda: well.status()['level'] == 'ok', text=rig.describe)
    end_flood(sick, well)


# ---- commands that collide ---------------------------------------------------------------------------------------

@pytest.fixture
def quiet(rig, well):
    p = rig.partition('quiet')
    rig.start()
    return p


def together(*calls):
    """All of them at once; what each came to: its answer, or the name of its error."""
    barrier = threading.Barrier(len(calls))

    def one(do):
        barrier.wait()
        try:
            return do()
        except Refused as e:
            return str(e)
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(one, calls))


def trim(rig, name, keep=MIB):
    return lambda: call(rig, 'Trim', {'name': name, 'keep_bytes': keep}).get('trimmed')


def test_ten_trims_of_one_log_at_once(row, rig, well, quiet):
    row(injected='10 trims of the same log at once, the trimmer slowed down',
        holds=['one act', 'all callers get the same true result', VALID])
    need('strace')
    trimmer, = quiet.pids('trimmer')
    before = quiet.status()
    with injected(trimmer, 'flock:delay_enter=300ms:when=1'):
        answers = together(*[trim(rig, 'quiet-web')] * 10)
    assert all(isinstance(a, dict) and a['result'] == 'done' for a in answers), answers
    assert len({json.dumps(a, sort_keys=True) for a in answers}) == 1, answers
    after = wait_for(lambda: quiet.status()['acts_total'] > before['acts_total'] and quiet.status())
    assert after['acts_total'] == before['acts_total'] + 1
    assert len(rig.events('act-done', quiet)) == 1
    # True: the filesystem has as much more.
    assert answers[0]['freed_bytes'] > 5 * MIB
    wait_for(lambda: abs(quiet.status()['avail_bytes'] - before['avail_bytes'] - answers[0]['freed_bytes']) < MIB,
             10, 0.1, lambda: (before, quiet.status(), answers[0]))
    quiet.assert_log_valid()


def test_trims_that_are_refused_at_once(row, rig, well, quiet):
    row(injected='10 trims of a log that has nothing to free, of an unknown and of an ambiguous name, at once',
        holds=['each caller gets its true result', OTHERS])
    assert isinstance(trim(rig, 'quiet-web')(), dict)
    answers = together(*[trim(rig, 'quiet-web')] * 8, trim(rig, 'nobody'), trim(rig, 'quiet-'))
    assert answers[:8] == ['NothingToFree'] * 8, answers
    assert answers[8] == 'NoSuchContainer', answers
    assert call(rig, 'Status')['status']['partitions']
    well.assert_guarded()


def test_a_trim_that_fails(row, rig, well, quiet):
    row(injected='EIO in fallocate of a trim by hand (strace)', holds=['the caller is told the stage and the error',
                                                                    'the next one works', OTHERS, VALID])
    need('strace')
    trimmer, = quiet.pids('trimmer')
    with injected(trimmer, 'fallocate:error=EIO'):
        assert together(trim(rig, 'quiet-web')) == ['ActFailed']
    event = rig.wait_event('act-failed', quiet)
    assert 'fallocate' in event['MESSAGE'] and event['DISKBRAKE_ERRNO'] == 'EIO'
    quiet.assert_log_valid()
    assert isinstance(trim(rig, 'quiet-web')(), dict)
    quiet.assert_log_valid()
    well.assert_guarded()


def test_reloads_at_once(row, rig, well, quiet):
    row(injected='10 reloads at once', holds=['one runs at a time', 'who comes meanwhile is told busy', OTHERS])
    answers = together(*[lambda: call(rig, 'Reload')] * 10)
    done = sum(a == {} for a in answers)
    assert done >= 1 and answers.count('Busy') == 10 - done, answers
    assert len(rig.events('reloaded')) == done
    well.assert_guarded()


def test_a_reload_during_a_trim(row, rig, well, quiet):
    row(injected='the configuration is reloaded to protect a log while that log is being trimmed, slowed down',
        holds=['the reload ends after the act', 'from then on the log is protected', OTHERS, VALID])
    need('strace')
    trimmer, = quiet.pids('trimmer')
    with (rig.scratch / 'diskbrake.conf').open('a') as f:
        f.write('\n[Container quiet-web]\nPolicy=alert\n')
    with injected(trimmer, 'fallocate:delay_enter=1s:when=1'):
        ended = {}

        def note(name, do):
            def run():
                answer = do()
                ended[name] = time.monotonic()
                return answer
            return run

        def reload_meanwhile():
            wait_held(trimmer)
            return call(rig, 'Reload')
        answers = together(note('trim', trim(rig, 'quiet-web')), note('reload', reload_meanwhile))
    assert answers[0]['result'] == 'done' and answers[1] == {}, answers
    assert ended['trim'] < ended['reload'] + 0.05, ended
    events = [e['DISKBRAKE_EVENT'] for e in rig.entries() if e.get('DISKBRAKE_EVENT') in ('act-done', 'reloaded')]
    assert events == ['act-done', 'reloaded'], events
    quiet.fill_log(8 * MIB + len(quiet.read_log()))
    assert together(trim(rig, 'quiet-web')) == ['Protected']
    quiet.assert_log_valid()
    well.assert_guarded()


def test_ten_commands_at_once(row, rig, well, quiet):
    row(injected='10 commands at once: trims of two logs, a dry run, reloads, pauses of the other partition, '
        'acknowledgements, status', holds=['each caller gets its true result', OTHERS, VALID])
    raise_level(quiet)
    wait_for(lambda: quiet.status()['level'] in ('critical', 'emergency'), text=rig.describe)
    alert, = call(rig, 'Alerts')['alerts']
    ack = {'id': alert['id']}
    well.add_container('api')
    well.fill_log(4 * MIB, 'api')
    wait_for(lambda: any(log['allocated_bytes'] > 3 * MIB for log in well.status()['logs'] if log['name'] == 'well-api'))
    answers = together(
        trim(rig, 'quiet-web'), trim(rig, 'well-api'), trim(rig, 'well-api'),
        lambda: call(rig, 'Trim', {'name': 'well-web', 'dry_run': True})['trimmed'],
        lambda: call(rig, 'Reload'), lambda: call(rig, 'Reload'),
        lambda: call(rig, 'Acknowledge', ack), lambda: call(rig, 'Acknowledge', ack),
        lambda: call(rig, 'Acknowledge', {'id': alert['id'] + 1}), lambda: call(rig, 'Status')['status'])
    web, api, api_too, dry, reload, reload_too, acked, acked_too, wrong, status = answers
    assert web['result'] == 'done' or web == 'NothingToFree', web
    done = [a for a in (api, api_too) if isinstance(a, dict)]
    assert done and all(a in ('NothingToFree', 'Busy') or a['result'] == 'done' for a in (api, api_too)), answers
    assert dry['result'] == 'planned' and dry['dry_run'], dry
    assert {} in (reload, reload_too) and all(r in ({}, 'Busy') for r in (reload, reload_too)), answers
    assert acked['alerts'][0]['acknowledged_by'] == acked_too['alerts'][0]['acknowledged_by'] == 'root'
    assert len(rig.events('acknowledged', quiet)) == 1
    assert wrong == 'NoSuchAlert'
    assert len(status['partitions']) == 2
    quiet.assert_log_valid()
    well.assert_log_valid('api')


def test_a_pause_and_a_trim_at_once(row, rig, well, quiet):
    row(injected='a pause and a trim of the same partition at once, 10 times',
        holds=['the trim is done or refused as paused, and that is true', OTHERS, VALID])
    pause = {'mount': quiet.mount, 'for_usec': 60_000_000}
    outcomes = set()
    for _ in range(10):
        quiet.fill_log(3 * MIB + len(quiet.read_log()))
        wait_for(lambda: quiet.status()['logs'][0]['allocated_bytes'] > 3 * MIB, 10, 0.02, rig.describe)
        n = quiet.status()['acts_total']
        answer, paused = together(trim(rig, 'quiet-web'), lambda: call(rig, 'Pause', pause))
        assert paused == {'mounts': [quiet.mount]}
        if answer == 'Paused':
            assert quiet.status()['acts_total'] == n
        else:
            assert answer['result'] == 'done', answer
        outcomes.add(str(answer)[:6])
        call(rig, 'Pause', {'mount': quiet.mount, 'for_usec': 0})
        if answer == 'Paused':
            assert isinstance(trim(rig, 'quiet-web')(), dict)
    quiet.assert_log_valid()
    well.assert_guarded()
