# SPDX-License-Identifier: LGPL-2.1-or-later
"""Clients of the guard's socket, raw: as many, as slow and as rude as a row needs them. And what several rows ask of
what the guard told: every entry in the journal, in order, with the time at which it happened."""

import contextlib
import json
import os
import socket
import threading
import time

from rig import wait_for

SOCKET = '/run/rig/diskbrake.socket'


class Refused(Exception):
    """The guard's answer is an error; its short name is the text."""


def request(method, parameters=None, more=False):
    call = {'method': f'io.diskbrake.{method}', 'parameters': parameters or {}}
    if more:
        call['more'] = True
    return json.dumps(call).encode() + b'\0'


class Client:
    def __init__(self, rig, timeout=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.socket.settimeout(timeout)
        self.input = b''
        try:
            self.socket.connect(str(rig.path(SOCKET)))
        except OSError:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.socket.close()

    def send(self, *args, **kwargs):
        self.socket.sendall(request(*args, **kwargs))

    def receive(self):
        """The parameters of the next answer."""
        while b'\0' not in self.input:
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError('the guard hung up')
            self.input += data
        text, _, self.input = self.input.partition(b'\0')
        answer = json.loads(text)
        if 'error' in answer:
            raise Refused(answer['error'].rsplit('.', 1)[1])
        return answer.get('parameters', {})

    def call(self, method, parameters=None):
        self.send(method, parameters)
        return self.receive()


def call(rig, method, parameters=None, timeout=10):
    with Client(rig, timeout) as client:
        return client.call(method, parameters)


class Follower(threading.Thread):
    """All that the guard tells from now on (and what it told last), over all of its supervisors: {id: event}."""

    def __init__(self, rig):
        super().__init__(daemon=True)
        self.rig = rig
        self.told = {}
        self.ended = False
        self.start()
        wait_for(lambda: self.told, 5, 0.01, 'no events')

    def run(self):
        while not self.ended:
            with contextlib.suppress(OSError, Refused), Client(self.rig, 0.5) as client:
                client.send('Events', more=True)
                while not self.ended:
                    with contextlib.suppress(TimeoutError):
                        event = client.receive()['event']
                        self.told[event['event_id']] = event
            time.sleep(0.02)

    def stop(self):
        """What was told, in order."""
        self.ended = True
        self.join()
        return [self.told[i] for i in sorted(self.told)]


def raise_level(p, share=0.97):
    """Takes that much of what is left on the partition, so that its level goes up. clear_level() ends it."""
    avail = os.statvfs(p.outside).f_bavail * os.statvfs(p.outside).f_frsize
    p.rig.run('fallocate', '-l', str(int(avail * share)), f'{p.mount}/ballast')


def clear_level(p):
    p.rig.run('rm', '-f', f'{p.mount}/ballast')


def arrived(rig):
    """Entries of the journal by the guard's numbers, each one where it came first: [(id, entry)]."""
    seen = {}
    for entry in rig.entries():
        if 'DISKBRAKE_EVENT_ID' in entry:
            seen.setdefault(int(entry['DISKBRAKE_EVENT_ID']), entry)
    return list(seen.items())


def wait_delivered(rig, told, timeout=15):
    """Until all of these events are in the journal: in the order in which they were told, with their own times."""
    wanted = [e['event_id'] for e in told]
    missing = wait_for(lambda: [i for i, _ in arrived(rig)] and set(wanted) <= {i for i, _ in arrived(rig)}, timeout, 0.2,
                       lambda: f'not in the journal: {sorted(set(wanted) - {i for i, _ in arrived(rig)})} of {wanted}')
    assert missing
    check_delivered(rig, told)


def check_delivered(rig, told):
    entries = arrived(rig)
    order = [i for i, _ in entries]
    assert order == sorted(order), f'out of order: {order}'
    by_id = dict(entries)
    for event in told:
        if event['event_id'] in by_id:
            entry = by_id[event['event_id']]
            assert int(entry['DISKBRAKE_TIME_USEC']) == event['time_usec'], (event, entry)
            assert entry['MESSAGE'] == event['message']
