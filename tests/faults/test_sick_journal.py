# SPDX-License-Identifier: LGPL-2.1-or-later
"""A journal that is hung, dying, missing or full. Nothing of the guard waits for it; what is critical reaches the kernel
log, within its quota; and once it is back it has all that happened meanwhile, in order and with its own time."""

import contextlib
import os
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from client import (Client, Follower, arrived, call, check_delivered, clear_level, raise_level, wait_delivered)
from matrix import ALERTED, OTHERS, VALID
from rig import Inside, JOURNALD, wait_for

NO_WAIT = 'loop never away for 50 ms'
CONSOLE = 'critical ones in the kernel log within 4 s, 10 lines in 5 s, 976 bytes each at most'
IN_ORDER = 'all in the journal once it is back, in order, each with its own time'

JOURNAL_SOCKET = '/run/systemd/journal/socket'
# The guard gives a restarting journald a moment before it uses the console.
CONSOLE_SEC = 4
QUOTA_LINES, QUOTA_SEC, LINE_MAX = 10, 5, 976


class KernelLog(threading.Thread):
    """Reads the rig's /dev/kmsg as it is written: [(monotonic time, line)]."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.fd, self.lines, self.ended = rig.kmsg_fd, [], False
        self.start()

    def run(self):
        rest = b''
        while not self.ended:
            if not select.select([self.fd], [], [], 0.02)[0]:
                continue
            with contextlib.suppress(BlockingIOError):
                *whole, rest = (rest + os.read(self.fd, 65536)).split(b'\n')
                self.lines += [(time.monotonic(), line.lstrip(b'x')) for line in whole if b'diskbrake: ' in line]

    def check(self):
        """Within the kernel's quota, and nothing that is not critical."""
        self.ended = True
        self.join()
        times = [t for t, _ in self.lines]
        for first, beyond in zip(times, times[QUOTA_LINES:]):
            # Read up to 0.1 s after it was written.
            assert beyond - first > QUOTA_SEC - 0.1, f'{QUOTA_LINES + 1} lines in {beyond - first:.2f} s'
        for _, line in self.lines:
            assert len(line) + 1 <= LINE_MAX and re.match(rb'<[012]>diskbrake: ', line), line


@pytest.fixture
def sick(rig, well):
    p = rig.partition('sick')
    rig.start()
    well.start_writer()
    return p


@pytest.fixture
def follower(rig, sick):
    follower = Follower(rig)
    yield follower
    follower.ended = True


@pytest.fixture
def kernel_log(rig):
    log = KernelLog(rig)
    yield log
    log.ended = True
    log.join()


def fill_queue(rig):
    """What a log storm does to journald's socket. Until it takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as s:
        with contextlib.suppress(BlockingIOError):
            for _ in range(5000):
                s.sendto(b'MESSAGE=storm\nSYSLOG_IDENTIFIER=storm\n', str(rig.path(JOURNAL_SOCKET)))


def raise_criticals(rig, *partitions, rounds):
    """Two for each partition and round: its watcher and its trimmer are killed."""
    for _ in range(rounds):
        old = [pid for p in partitions for role in ('watcher', 'trimmer') for pid in p.pids(role)]
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: all(set(p.pids(role)) - set(old) and len(p.pids(role)) == 1
                             for p in partitions for role in ('watcher', 'trimmer')), text=rig.describe)
        for p in partitions:
            p.wait_state('guarding')


def tell_notices(rig, n, p):
    """Pauses, each of which is told."""
    with Client(rig) as client:
        for i in range(n):
            client.call('Pause', {'mount': p.mount, 'for_usec': 3600_000_000 + i})
        client.call('Pause', {'mount': p.mount, 'for_usec': 0})


def since(follower, mark):
    return [e for i, e in sorted(follower.told.items()) if i > mark]


def last_id(follower):
    return max(follower.told)


def journal_notes(rig):
    return [n for n in rig.status()['notes'] if 'journal' in n]


def assert_answers_at_once(rig):
    begin = time.monotonic()
    assert rig.status()['partitions']
    assert time.monotonic() - begin < 1


def wait_on_console(kernel_log, text, begin, timeout=CONSOLE_SEC):
    seen = wait_for(lambda: next((t for t, line in kernel_log.lines if re.search(text, line)), None), timeout + 1, 0.02,
                    lambda: kernel_log.lines)
    assert seen - begin < timeout, f'on the console after {seen - begin:.1f} s'


# ---- journald stopped -------------------------------------------------------------------------------------------

@pytest.mark.parametrize('queue', ['empty', 'full'])
def test_a_journald_that_is_stopped(row, rig, well, sick, follower, kernel_log, queue):
    row(injected=f'journald stopped with SIGSTOP for 8 s under alerts, the queue of its socket {queue} before',
        holds=[NO_WAIT, CONSOLE, IN_ORDER, VALID])
    mark = last_id(follower)
    rig.journald.signal(signal.SIGSTOP)
    begin = time.monotonic()
    if queue == 'full':
        fill_queue(rig)
    raise_level(sick)
    wait_on_console(kernel_log, rb'/mnt/sick is (nearly )?full|/mnt/sick', begin)
    raise_criticals(rig, sick, well, rounds=3)
    assert_answers_at_once(rig)
    well.assert_guarded()
    wait_for(lambda: journal_notes(rig), 5, 0.1, rig.describe)
    clear_level(sick)
    wait_for(lambda: time.monotonic() - begin >= 8, 10)
    assert len([t for t, _ in kernel_log.lines]) >= 10
    with row.recovery():
        rig.journald.signal(signal.SIGCONT)
        wait_delivered(rig, since(follower, mark))
    told = since(follower, mark)
    assert len([e for e in told if e['priority'] <= 2]) > QUOTA_LINES
    wait_for(lambda: not journal_notes(rig), 10, 0.1, rig.describe)
    kernel_log.check()
    well.assert_guarded()
    well.assert_log_valid()


def test_a_journald_that_is_stopped_and_another_supervisor(row, rig, well, sick, follower, kernel_log):
    row(injected='journald stopped with SIGSTOP, its queue full, and the supervisor killed while entries wait',
        holds=[NO_WAIT, 'the entries arrive after all', IN_ORDER, OTHERS, VALID])
    mark = last_id(follower)
    rig.journald.signal(signal.SIGSTOP)
    fill_queue(rig)
    raise_level(sick)
    wait_for(lambda: sick.status()['level'] in ('critical', 'emergency'), text=rig.describe)
    tell_notices(rig, 10, well)
    n = wait_for(lambda: len(since(follower, mark)) >= 12 and len(since(follower, mark)), 5, text='not told')
    supervisor, = rig.pids('supervisor')
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: rig.pids('supervisor') not in ([], [supervisor]), 5, 0.01, rig.describe)
    well.wait_state('guarding')
    assert n <= len(since(follower, mark))
    with row.recovery():
        rig.journald.signal(signal.SIGCONT)
        wait_delivered(rig, since(follower, mark))
    assert rig.events('recovered')
    well.assert_guarded()
    well.assert_log_valid()


# ---- journald that dies -----------------------------------------------------------------------------------------

@pytest.mark.parametrize('mode', ['held', 'own'])
def test_a_journald_that_is_killed_every_100_ms(row, rig, well, mode):
    sockets = 'held for it over its death' if mode == 'held' else 'made anew each time'
    row(injected=f'journald killed and started every 100 ms for 10 s under alerts, its sockets {sockets}',
        holds=[NO_WAIT, 'each entry arrives at least once', IN_ORDER, OTHERS, VALID])
    sick = rig.partition('sick')
    # Each life leaves a file; none of them is to be tidied away.
    (rig.path('/run/systemd/journald.conf.d') / 'small.conf').write_text(
        '[Journal]\nRuntimeMaxFileSize=1M\nRuntimeMaxFiles=1000\nRuntimeMaxUse=2G\nSyncIntervalSec=1s\n')
    keeper = Inside(rig, [sys.executable, rig.tools / 'journald_keeper.py', JOURNALD, mode, 100],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    keeper.nsenter.stdout.readline()
    rig.journald = keeper
    rig.start()
    well.start_writer()
    begin = time.monotonic()
    follower = Follower(rig)
    mark = last_id(follower)
    while time.monotonic() - begin < 10:
        raise_level(sick)
        wait_for(lambda: sick.status()['level'] in ('critical', 'emergency'), text=rig.describe)
        tell_notices(rig, 10, well)
        clear_level(sick)
        # What comes back stays at warning for longer.
        wait_for(lambda: sick.status()['level'] in ('ok', 'warning'), text=rig.describe)
    assert_answers_at_once(rig)
    with row.recovery():
        keeper.nsenter.stdin.close()
        wait_delivered(rig, since(follower, mark), timeout=20)
    follower.ended = True
    assert int(keeper.nsenter.stdout.readline()) > 50
    assert len(since(follower, mark)) > 30
    well.assert_guarded()
    well.assert_log_valid()


# ---- no journald ------------------------------------------------------------------------------------------------

def end_journald(rig):
    rig.journald.signal(signal.SIGKILL)
    rig.journald.wait()
    rig.journald = None


def remove_socket(rig):
    rig.run('rm', JOURNAL_SOCKET)
    end_journald(rig)


def leave_stale_socket(rig):
    """Bound, and nobody there."""
    end_journald(rig)
    for name, kind in (('socket', socket.SOCK_DGRAM), ('stdout', socket.SOCK_STREAM)):
        path = rig.path(f'/run/systemd/journal/{name}')
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, kind) as s:
            s.bind(str(path))


AWAY = {
    'killed, its socket removed': remove_socket,
    'killed, its socket stale': leave_stale_socket,
    'killed': end_journald,
}


@pytest.mark.parametrize('away', list(AWAY))
def test_a_journald_that_is_gone(row, rig, well, sick, follower, kernel_log, away):
    row(injected=f'journald {away}, and an alert; later it is started again',
        holds=[NO_WAIT, CONSOLE, IN_ORDER, OTHERS, VALID])
    mark = last_id(follower)
    AWAY[away](rig)
    begin = time.monotonic()
    raise_level(sick)
    wait_on_console(kernel_log, rb'/mnt/sick', begin)
    tell_notices(rig, 5, well)
    assert_answers_at_once(rig)
    well.assert_guarded()
    wait_for(lambda: journal_notes(rig), 5, 0.1, rig.describe)
    clear_level(sick)
    with row.recovery():
        rig.start_journald()
        wait_delivered(rig, since(follower, mark))
    kernel_log.check()
    well.assert_log_valid()


def test_a_socket_of_journald_that_is_removed_under_it(row, rig, well, sick, follower):
    row(injected='the socket of a running journald removed', holds=[ALERTED, NO_WAIT, IN_ORDER, OTHERS])
    mark = last_id(follower)
    rig.run('rm', JOURNAL_SOCKET)
    raise_level(sick)
    rig.wait_event('level-raised', sick)
    wait_delivered(rig, since(follower, mark))
    well.assert_guarded()


def test_a_journald_that_is_missing_from_the_start(row, rig, well, kernel_log):
    row(injected='no journald when the guard starts, and an alert; later it is started',
        holds=[NO_WAIT, CONSOLE, IN_ORDER, OTHERS])
    sick = rig.partition('sick')
    rig.journald = True     # rig.start() starts none
    rig.start()
    follower = Follower(rig)
    begin = time.monotonic()
    raise_level(sick)
    wait_on_console(kernel_log, rb'/mnt/sick', begin)
    well.assert_guarded()
    with row.recovery():
        rig.start_journald()
        wait_delivered(rig, since(follower, 0))
    assert any(e['DISKBRAKE_EVENT'] == 'started' for _, e in arrived(rig))
    follower.ended = True
    kernel_log.check()


# ---- its disk ---------------------------------------------------------------------------------------------------

def test_a_journal_whose_own_disk_is_full(row, rig, well):
    row(injected="the journal's own disk full (12 MiB tmpfs below /var/log/journal)",
        holds=[ALERTED, NO_WAIT, OTHERS, VALID])
    sick = rig.partition('sick')
    rig.run('mount', '-t', 'tmpfs', 'rig', '/var/log')
    rig.path('/var/log/journal').mkdir()
    rig.run('mount', '-t', 'tmpfs', '-o', 'size=12M', 'rig', '/var/log/journal')
    (rig.path('/run/systemd/journald.conf.d') / 'storage.conf').write_text('[Journal]\nStorage=persistent\n')
    rig.start_journald()
    rig.run('journalctl', '--flush')
    rig.start()
    rig.run('sh', '-c', 'cat /dev/zero > /var/log/journal/filler', check=False)
    assert os.statvfs(rig.path('/var/log/journal')).f_bavail == 0
    follower = Follower(rig)
    mark = last_id(follower)
    raise_level(sick)
    wait_for(lambda: any(e['type'] == 'level-raised' for e in since(follower, mark)), text=rig.describe)
    tell_notices(rig, 100, well)
    raise_criticals(rig, sick, rounds=2)
    assert_answers_at_once(rig)
    well.assert_guarded()
    told = [e for e in since(follower, mark) if e['priority'] <= 2]
    follower.ended = True

    def found():
        """It goes on in the folder for what does not survive a reboot."""
        return ''.join(rig.run('journalctl', '-D', f'/{place}/log/journal', '-o', 'json', '--no-pager',
                               '--output-fields=DISKBRAKE_EVENT_ID', check=False).stdout for place in ('var', 'run'))
    with row.recovery():
        wait_for(lambda: all(f'"{e["event_id"]}"' in found() for e in told), 10, 0.3,
                 lambda: f'{told}\n{found()[-2000:]}')


# ---- the queue overflows ----------------------------------------------------------------------------------------

OVERFLOWS = {
    'stopped, its queue full': True,
    'stopped, then killed and its socket with it': False,
}


@pytest.mark.parametrize('how', list(OVERFLOWS))
def test_a_queue_that_overflows(row, rig, well, sick, follower, how):
    row(injected=f'journald {how}; 300 entries meanwhile',
        holds=[NO_WAIT, 'the most important survive', 'how many were dropped is told, and is right', OTHERS])
    mark = last_id(follower)
    rig.journald.signal(signal.SIGSTOP)
    if OVERFLOWS[how]:
        fill_queue(rig)
    raise_level(sick)
    wait_for(lambda: any(e['priority'] <= 2 for e in since(follower, mark)), text=rig.describe)
    tell_notices(rig, 150, well)
    raise_criticals(rig, sick, rounds=1)
    tell_notices(rig, 150, well)
    assert_answers_at_once(rig)
    told = since(follower, mark)
    assert len(told) > 300
    with row.recovery():
        if OVERFLOWS[how]:
            rig.journald.signal(signal.SIGCONT)
        else:
            end_journald(rig)
            rig.start_journald()
        wait_delivered(rig, [e for e in told if e['priority'] <= 4])
    # Told by itself: there may be nothing else to tell for days.
    rig.wait_event('dropped')
    wait_for(lambda: not journal_notes(rig), 10, 0.1, rig.describe)
    check_delivered(rig, told)
    have = {i for i, _ in arrived(rig)}
    missing = [e for e in told if e['event_id'] not in have]
    counted = sum(int(e['DISKBRAKE_DROPPED']) for e in rig.events('dropped'))
    assert counted == len(missing) > 0, f'{counted} dropped, {len(missing)} are missing'
    well.assert_guarded()


# ---- the kernel log ---------------------------------------------------------------------------------------------

def bare_dev(rig):
    """A /dev without a kernel log."""
    rig.run('mount', '-t', 'tmpfs', '-o', 'mode=755', 'rig', '/mnt/dev')
    for name in ('null', 'zero', 'full', 'random', 'urandom'):
        node = os.stat(f'/dev/{name}').st_rdev
        rig.run('mknod', '-m', '666', f'/mnt/dev/{name}', 'c', os.major(node), os.minor(node))
    rig.run('mount', '--bind', '/mnt/dev', '/dev')


def test_a_kernel_log_that_is_missing(row, rig, well):
    row(injected='no /dev/kmsg, journald stopped with SIGSTOP under alerts', holds=[NO_WAIT, IN_ORDER, OTHERS])
    sick = rig.partition('sick')
    rig.path('/mnt/dev').mkdir()
    bare_dev(rig)
    rig.start()
    assert not rig.path('/dev/kmsg').exists()
    follower = Follower(rig)
    mark = last_id(follower)
    rig.journald.signal(signal.SIGSTOP)
    raise_level(sick)
    raise_criticals(rig, sick, rounds=1)
    wait_for(lambda: journal_notes(rig), 5, 0.1, rig.describe)
    assert_answers_at_once(rig)
    well.assert_guarded()
    with row.recovery():
        rig.journald.signal(signal.SIGCONT)
        wait_delivered(rig, since(follower, mark))
    follower.ended = True


def test_a_kernel_log_that_is_a_full_pipe(row, rig, well, sick, follower):
    row(injected='/dev/kmsg is a pipe that is full, journald stopped with SIGSTOP under alerts; later somebody reads it',
        holds=[NO_WAIT, 'in the kernel log once that takes it', IN_ORDER, OTHERS])
    mark = last_id(follower)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(rig.kmsg_fd, b'x' * 4096)
    rig.journald.signal(signal.SIGSTOP)
    raise_level(sick)
    raise_criticals(rig, sick, rounds=1)
    wait_for(lambda: journal_notes(rig), 5, 0.1, rig.describe)
    assert_answers_at_once(rig)
    well.assert_guarded()
    # A crier does not stay around.
    wait_for(lambda: not rig.pids('crier'), 5, 0.05, rig.describe)
    with row.recovery():
        kernel_log = KernelLog(rig)
        wait_on_console(kernel_log, rb'/mnt/sick', time.monotonic(), timeout=8)
    kernel_log.check()
    rig.journald.signal(signal.SIGCONT)
    wait_delivered(rig, since(follower, mark))


def test_the_real_kernel_log(row, rig):
    row(injected='journald stopped with SIGSTOP, a critical alert, and the real /dev/kmsg',
        holds=['the alert is in the kernel log within 4 s, as critical'])
    only = rig.partition('only')
    rig.run('umount', '/dev/kmsg')
    if not stat.S_ISCHR(os.stat(rig.path('/dev/kmsg')).st_mode):
        pytest.skip('no kernel log here')
    try:
        fd = os.open('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(fd, 0, os.SEEK_END)
    except OSError as e:
        pytest.skip(f'the kernel log cannot be read: {e}')
    rig.start()
    rig.journald.signal(signal.SIGSTOP)
    begin = time.monotonic()
    watcher, = only.pids('watcher')
    os.kill(watcher, signal.SIGKILL)

    def read():
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while True:
                text = os.read(fd, 8192)
                if b'diskbrake: cannot see how full /mnt/only is' in text:
                    return text
    text = wait_for(read, CONSOLE_SEC + 1, 0.02, 'not in the kernel log')
    row.recovered(time.monotonic() - begin)
    assert row.recovered_sec < CONSOLE_SEC
    # Facility user, priority critical.
    assert int(text.split(b',')[0]) & 7 == 2, text
    os.close(fd)
    rig.journald.signal(signal.SIGCONT)
    rig.wait_event('sight', only)


# ---- standard output, standard error ----------------------------------------------------------------------------

def shell(script):
    """A wrapper of the daemon that does something first, with its descriptors say."""
    return ['/bin/sh', '-c', f'{script}; exec "$@"', 'sh']


def assert_undisturbed(row, rig, sick, well):
    """Alerts, acts, a reload, and a supervisor that goes on with what the one before it knew."""
    raise_level(sick)
    rig.wait_event('level-raised', sick, 'sick')
    wait_for(lambda: sick.status()['level'] in ('critical', 'emergency'), text=rig.describe)
    well.assert_guarded()
    tell_notices(rig, 150, well)
    call(rig, 'Reload')
    alert = call(rig, 'Alerts')['alerts']
    supervisor, = rig.pids('supervisor')
    os.kill(supervisor, signal.SIGKILL)
    with row.recovery():
        wait_for(lambda: rig.pids('supervisor') not in ([], [supervisor]), 5, 0.01, rig.describe)
        well.wait_state('guarding')
    rig.wait_event('recovered')
    assert [a['id'] for a in call(rig, 'Alerts')['alerts']] == [a['id'] for a in alert]
    well.assert_guarded()
    assert_answers_at_once(rig)


def test_output_that_is_closed(row, rig, well):
    row(injected='standard input, output and error closed', holds=[ALERTED, NO_WAIT, OTHERS, 'state kept over a crash'])
    sick = rig.partition('sick')
    rig.start(wrapper=shell('exec 0<&- 1>&- 2>&-'), options=['--foreground'])
    assert_undisturbed(row, rig, sick, well)


def test_output_into_a_full_pipe(row, rig, well):
    row(injected='standard output and error are a pipe that is full and that nobody reads',
        holds=[ALERTED, NO_WAIT, OTHERS, 'state kept over a crash'])
    sick = rig.partition('sick')
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b'x' * 4096)
    os.set_blocking(writer, True)
    rig.start(options=['--foreground'], stdout=writer, stderr=writer)
    os.close(writer)
    assert_undisturbed(row, rig, sick, well)
    os.close(reader)


def test_output_whose_reader_goes_away(row, rig, well):
    row(injected='the reader of standard output and error goes away (EPIPE)',
        holds=[ALERTED, NO_WAIT, OTHERS, 'state kept over a crash'])
    sick = rig.partition('sick')
    reader, writer = os.pipe()
    rig.start(options=['--foreground'], stdout=writer, stderr=writer)
    os.close(writer)
    assert os.read(reader, 4096)
    os.close(reader)
    assert_undisturbed(row, rig, sick, well)


# ---- the service manager ----------------------------------------------------------------------------------------

def test_pings_keep_coming_between_the_looks(row, rig, well):
    """Found on a host that made a hundred containers: the trimmer had answered before the last ping, and was asked again
    only with the look after next."""
    watchdog_sec = 2
    row(injected=f'WatchdogSec={watchdog_sec}, less than a quiet guard has between two looks; containers come',
        holds=['no two WATCHDOG=1 further apart than that', OTHERS])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(rig.path('/run/notify')))
        manager.settimeout(0.05)
        rig.start(wrapper=['env', 'NOTIFY_SOCKET=/run/notify', f'WATCHDOG_USEC={watchdog_sec * 1_000_000}'])
        pings, begin = [], time.monotonic()
        while time.monotonic() < begin + 20:
            if len(pings) == 6 and len(well.n_lines) < 2:
                well.add_container('new')
            with contextlib.suppress(TimeoutError):
                if manager.recv(65536) == b'WATCHDOG=1':
                    pings.append(time.monotonic())
    gaps = [after - before for before, after in zip(pings, [*pings[1:], time.monotonic()])]
    assert len(gaps) >= 10 and max(gaps) < watchdog_sec, gaps
    well.assert_guarded()


def test_a_service_manager_that_does_not_read(row, rig, well):
    row(injected='NOTIFY_SOCKET whose reader reads nothing, its queue full; later it reads',
        holds=[ALERTED, NO_WAIT, OTHERS, 'WATCHDOG=1 comes again'])
    sick = rig.partition('sick')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, \
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as storm:
        manager.bind(str(rig.path('/run/notify')))
        with contextlib.suppress(BlockingIOError):
            for _ in range(5000):
                storm.sendto(b'STATUS=storm', str(rig.path('/run/notify')))
        rig.start(wrapper=['env', 'NOTIFY_SOCKET=/run/notify', 'WATCHDOG_USEC=2000000'])
        assert_undisturbed(row, rig, sick, well)
        manager.setblocking(False)
        seen = []

        def read():
            with contextlib.suppress(BlockingIOError):
                while True:
                    seen.append(manager.recv(65536))
            return seen.count(b'WATCHDOG=1') >= 2
        with row.recovery():
            wait_for(read, 10, 0.05, lambda: seen)
