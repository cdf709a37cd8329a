# SPDX-License-Identifier: LGPL-2.1-or-later
"""Hurting a box from outside, and asking its guard meanwhile.

Nothing here runs a command in the box: nsenter, systemctl and the journal may be what is hurt. Processes are found in
the machine's /proc and signalled by their pid there, the socket is reached through /proc/PID/root.
"""

import contextlib
import fcntl
import json
import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

FIFREEZE, FITHAW = 0xC0045877, 0xC0045878
SOCKET = '/run/diskbrake/diskbrake.socket'
INTERFACE = 'io.diskbrake.'
ROLES = ('watchdogd', 'supervisor', 'watcher', 'trimmer', 'finder', 'reader', 'version')
# What one turn of the supervisor's loop may take at most.
TURN_MAX_USEC = 50_000


# Waiting -----------------------------------------------------------------------------------------------------

def until(what, timeout=20, interval=0.02, why=None):
    """What `what()` returns, once that is true. `why` is called for the text of the failure."""
    deadline = time.monotonic() + timeout
    while True:
        found = what()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f'did not come about within {timeout} s' + (f':\n{why()}' if why else ''))
        time.sleep(interval)


def seconds_until(what, timeout=20, interval=0.02, why=None):
    """How long that took."""
    begin = time.monotonic()
    until(what, timeout, interval, why)
    return time.monotonic() - begin


# Processes ---------------------------------------------------------------------------------------------------

def pids_in(box):
    """{pid on the machine: comm} of everything that runs in the box."""
    found = {}
    try:
        namespace = os.readlink(f'/proc/{box.leader}/ns/pid')
    except OSError:
        return found
    for name in os.listdir('/proc'):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.readlink(f'/proc/{name}/ns/pid') == namespace:
                    found[int(name)] = Path(f'/proc/{name}/comm').read_text().strip()
    return found


def pids_of(box, comm):
    """Pids on the machine of the box's processes with that name, the oldest first."""
    return sorted(pid for pid, name in pids_in(box).items() if name == comm[:15] and state_of(pid) != 'Z')


def guard_pids(box):
    """{role: [pid on the machine]} of the guard, zombies left out."""
    found = {role: [] for role in ROLES}
    for pid, comm in sorted(pids_in(box).items()):
        role = comm.removeprefix('dbrk-')
        if role in found and (comm != role or role == 'watchdogd') and state_of(pid) != 'Z':
            found[role].append(pid)
    return found


def state_of(pid):
    """R, S, D, T, Z; '' where there is none."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0]
    except OSError:
        return ''


def pid_in_box(pid):
    """As the box numbers it."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('NSpid:')).split()[-1])


def alive(pids):
    return [pid for pid in pids if state_of(pid) not in ('', 'Z')]


def kill(pids, signum=signal.SIGKILL):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


@contextlib.contextmanager
def stopped(*pids):
    """They are stopped while the block runs, and go on after it where they still exist."""
    kill(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        kill(pids, signal.SIGCONT)


@contextlib.contextmanager
def frozen(box):
    """The Docker partition hangs while the block runs: every write to it waits in the kernel; reading goes on."""
    fd = os.open(box.partition, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(fd, FIFREEZE, 0)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):      # it was thawed already
                fcntl.ioctl(fd, FITHAW, 0)
    finally:
        os.close(fd)


# The socket --------------------------------------------------------------------------------------------------

class Refused(Exception):
    """An error of the interface."""
    def __init__(self, error, parameters):
        super().__init__(f'{error} {parameters}')
        self.error = error.removeprefix(INTERFACE)
        self.parameters = parameters


class Client:
    """A connection to the guard's socket, as root on the machine."""

    def __init__(self, box, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(timeout)
        self.socket.connect(str(box.host_path(SOCKET)))
        self.rest = b''

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, method, more=False, **parameters):
        request = {'method': INTERFACE + method, 'parameters': parameters, **({'more': True} if more else {})}
        self.socket.sendall(json.dumps(request).encode() + b'\0')

    def receive(self):
        """The next reply's parameters; EOFError when the guard hung up."""
        while b'\0' not in self.rest:
            data = self.socket.recv(1 << 20)
            if not data:
                raise EOFError('the guard hung up')
            self.rest += data
        reply, self.rest = self.rest.split(b'\0', 1)
        reply = json.loads(reply)
        if 'error' in reply:
            raise Refused(reply['error'], reply.get('parameters'))
        return reply.get('parameters') or {}

    def call(self, method, **parameters):
        self.send(method, **parameters)
        return self.receive()


def ask(box, method, timeout=10, **parameters):
    with Client(box, timeout) as client:
        return client.call(method, **parameters)


def status(box, timeout=10):
    return ask(box, 'Status', timeout)['status']


def partition_of(status_, mount='/var/lib/docker'):
    return next((p for p in status_['partitions'] if p['mount'] == mount), None)


def state(box, mount='/var/lib/docker', timeout=1):
    """Of a partition; '' where nobody answers."""
    try:
        found = partition_of(status(box, timeout), mount)
        return found['state'] if found else ''
    except (OSError, EOFError, Refused):
        return ''


def is_guarding(box, mount='/var/lib/docker'):
    return state(box, mount) == 'guarding'


class Follower:
    """Every event that the socket tells, from now on, as a thread receives them. Ends with the guard's supervisor."""

    def __init__(self, box):
        self.events = []        # the interface's Event, oldest first
        self.client = Client(box, timeout=None)
        self.client.send('Events', more=True)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        with contextlib.suppress(OSError):
            self.client.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(5)
        self.client.close()

    def _read(self):
        with contextlib.suppress(OSError, EOFError, Refused, ValueError):
            while True:
                event = self.client.receive().get('event')
                if event:
                    self.events.append(event)

    def of(self, kind, **fields):
        return [e for e in list(self.events) if e['type'] == kind
                and all(e['fields'].get(k) == v for k, v in fields.items())]


# Rows of the fault matrix --------------------------------------------------------------------------------------

def versions(box):
    """For row.ran_with()."""
    return {'systemd': box.run('systemctl', '--version').stdout.split('(')[1].split(')')[0].split('-')[0],
            'Docker': box.docker('version', '--format', '{{.Server.Version}}').stdout.strip().split('+')[0]}


def alert_of(box, mount='/var/lib/docker'):
    """The alert that is open, or None."""
    return next((a for a in ask(box, 'Alerts')['alerts'] if a['mount'] == mount), None)


def assert_no_alert_twice(entries, mount='/var/lib/docker'):
    """A level of an alert is told once, unless it was taken back in between."""
    told = set()
    for entry in first_of_each(entries):
        if entry.get('DISKBRAKE_MOUNT') != mount:
            continue
        if entry['DISKBRAKE_EVENT'] == 'level-cleared':
            told.clear()
        if entry['DISKBRAKE_EVENT'] == 'level-raised' and 'DISKBRAKE_ALERT_ID' in entry:     # a notice is none
            one = entry['DISKBRAKE_ALERT_ID'], entry['DISKBRAKE_LEVEL']
            assert one not in told, f'told twice: {entry["MESSAGE"]}'
            assert not told or told.copy().pop()[0] == one[0], f'a second alert for what was open: {entry["MESSAGE"]}'
            told.add(one)


def holes_in(path):
    """Bytes of it that are holes."""
    size = os.stat(path).st_size
    n = at = 0
    with open(path, 'rb') as f:
        while at < size:
            hole = os.lseek(f.fileno(), at, os.SEEK_HOLE)
            if hole >= size:
                break
            try:
                at = os.lseek(f.fileno(), hole, os.SEEK_DATA)
            except OSError:
                at = size
            n += at - hole
    return n


# The kernel log ----------------------------------------------------------------------------------------------

class KernelLog:
    """A /dev/kmsg for the box, which has none (the machine's own is not for tests): a pipe that is read here.

    Made before the guard starts. It is never full: systemd as PID 1 would wait for room.
    """

    def __init__(self, box):
        # The journal would read what is in it, as it reads a real one.
        box.sh('mkdir -p /etc/systemd/journald.conf.d && printf "[Journal]\\nReadKMsg=no\\n" '
               '>/etc/systemd/journald.conf.d/kmsg.conf && systemctl restart systemd-journald')
        path = box.host_path('/dev/kmsg')
        new = path.with_name('kmsg.new')
        os.mkfifo(new)
        os.chmod(new, 0o644)
        # For writing as well: nobody who opens it has to wait for a reader.
        self.fd = os.open(new, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.rename(new, path)
        self.rest = b''
        self.lines = []         # (monotonic time when it was read, text)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def close(self):
        self.ended.set()
        self.thread.join(5)
        os.close(self.fd)

    def _read(self):
        while not self.ended.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                *lines, self.rest = (self.rest + os.read(self.fd, 1 << 16)).split(b'\n')
                self.lines += [(time.monotonic(), line.decode(errors='surrogateescape')) for line in lines]

    def of_guard(self):
        """(time, priority, message) of each line of the guard."""
        found = []
        for when, line in list(self.lines):
            head, _, message = line.partition('>diskbrake: ')
            if message and head.startswith('<') and head[1:].isdigit():
                # Behind it stands the time of day at which it happened.
                found.append((when, int(head[1:]) & 7, re.sub(r' \(\d\d:\d\d:\d\dZ\)$', '', message)))
        return found


# The journal -------------------------------------------------------------------------------------------------

def first_of_each(entries):
    """The guard's entries without repetitions: what was told at least once comes here once."""
    seen = {}
    for entry in entries:
        seen.setdefault((entry.get('DISKBRAKE_BOOT_ID'), entry['DISKBRAKE_EVENT_ID']), entry)
    return list(seen.values())


def entries_with(guard, events, timeout=15):
    """The guard's entries, once all these events are among them or had the time for it."""
    deadline = time.monotonic() + timeout
    wanted = {event['event_id'] for event in events}
    while True:
        entries = guard.events()
        if wanted <= {int(e['DISKBRAKE_EVENT_ID']) for e in entries} or time.monotonic() > deadline:
            return entries
        time.sleep(0.3)


def assert_journal_has(entries, events, context=''):
    """Every event that the socket told is in the journal, in that order, with the time at which it happened."""
    entries = first_of_each(entries)
    by_id = {int(e['DISKBRAKE_EVENT_ID']): i for i, e in enumerate(entries)}
    lost = [e for e in events if e['event_id'] not in by_id]
    assert not lost, f'{len(lost)} of {len(events)} not in the journal: {[e["message"] for e in lost[:5]]} {context}'
    places = [by_id[e['event_id']] for e in events]
    assert places == sorted(places), 'out of order: ' + str(
        [(a, b) for a, b in zip(places, places[1:]) if a > b][:5]) + context
    for event in events:
        entry = entries[by_id[event['event_id']]]
        assert int(entry['DISKBRAKE_TIME_USEC']) == event['time_usec'], (entry, event)
        assert entry['MESSAGE'] == event['message']


def assert_turns_short(box):
    """The loop waits for nothing. Returns the longest turn, in microseconds."""
    longest = status(box)['longest_turn_usec']
    # Without real-time priority (an old cgroup layout grants a box none) it waits for the processor, too, and that is
    # for the whole machine.
    real_time = all(os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO for pid in guard_pids(box)['supervisor'])
    assert longest < TURN_MAX_USEC * (1 if real_time else 4), f'the longest turn of the loop took {longest / 1000:.1f} ms'
    return longest
