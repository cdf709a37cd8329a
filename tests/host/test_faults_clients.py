# SPDX-License-Identifier: LGPL-2.1-or-later
"""Rows of the fault matrix: clients. However many, slow, dead or rude they are, the guard guards, and root gets in."""

import contextlib
import json
import resource
import socket
import subprocess
import sys
import time

import pytest

from guard import Guard, acts
from hurt import SOCKET, Client, assert_turns_short, guard_pids, is_guarding, partition_of, status, until, versions

HOLDS = ['acts go on', 'root is answered within a second', 'the loop never waits', 'service up']


@pytest.fixture(scope='module')
def host(make_box, destdir):
    with make_box('bookworm') as box:
        guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.run('fallocate', '-l', '600M', '/var/lib/docker/images-of-the-test')
        box.flood('app', line_bytes=7000, rate_bps=60_000_000)
        until(lambda: acts(guard.events()), 60, interval=0.3, why=guard.recent)
        yield guard


# Clients in processes of their own, as the box's members of the group diskbrake: root has places that are kept for it.
MANY = '''
import os, socket, sys, time
n, path, gid, slow = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
os.setgroups([gid]); os.setgid(65534); os.setuid(int(sys.argv[5]))
open_ones = []
for i in range(n):
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
        s.send(b'{"method":"io.diskbrake.Status"}\\0')
    except OSError:
        pass
    open_ones.append(s)
print('there', flush=True)
while slow != 'die':
    for s in open_ones:
        try:
            if slow == 'slow':
                s.recv(1)
        except OSError:
            pass
    time.sleep(1)
'''


@contextlib.contextmanager
def crowd(guard, n, how):
    """n clients, of four users."""
    gid = guard.box.run('getent', 'group', 'diskbrake').stdout.split(':')[2]
    processes = [subprocess.Popen([sys.executable, '-c', MANY, str(n // 4),
                                   str(guard.box.host_path(SOCKET)), gid, how, str(60000 + i)], stdout=subprocess.PIPE,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096)))
                 for i in range(4)]
    try:
        for process in processes:
            assert process.stdout.readline() == b'there\n'
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
            process.stdout.close()


def assert_goes_on(guard, seconds):
    """For so long; how long root waited for an answer at most."""
    box, slowest = guard.box, 0
    before = partition_of(status(box))['freed_total_bytes']
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        begin = time.monotonic()
        done = box.run('diskbrake', 'status', '--json', check=False, timeout=20)
        took = time.monotonic() - begin
        assert done.returncode == 0 and json.loads(done.stdout)['partitions'], done
        slowest = max(slowest, took)
        time.sleep(0.2)
    until(lambda: partition_of(status(box))['freed_total_bytes'] > before, 10, why=guard.recent)
    assert slowest < 1.5, f'{slowest:.2f} s'
    assert is_guarding(box)
    return slowest


def assert_unhurt(guard, pids, row, slowest):
    row.recovered(slowest)
    now = guard_pids(guard.box)
    assert now['supervisor'] == pids['supervisor'] and now['watchdogd'] == pids['watchdogd']
    print(f'root waited for {slowest:.3f} s at most; longest turn {assert_turns_short(guard.box)} us')


def test_1000_clients_at_once(host, row):
    row(injected='1,000 clients of four users at once, which all ask for the status and read nothing', holds=HOLDS)
    row.ran_with(**versions(host.box))
    pids = guard_pids(host.box)
    with crowd(host, 1000, 'mute'):
        slowest = assert_goes_on(host, 4)
    assert_unhurt(host, pids, row, slowest)


def test_slow_clients(host, row):
    row(injected='60 clients that read one byte a second', holds=HOLDS)
    row.ran_with(**versions(host.box))
    pids = guard_pids(host.box)
    with crowd(host, 60, 'slow'):
        slowest = assert_goes_on(host, 4)
    assert_unhurt(host, pids, row, slowest)


def test_clients_that_die_in_the_middle(host, row):
    """Of a request, of an answer, of a trim that they asked for."""
    row(injected='clients that die in the middle of a request, of an answer and of a trim, for 4 s', holds=HOLDS)
    box = host.box
    row.ran_with(**versions(box))
    pids = guard_pids(box)
    end = time.monotonic() + 4
    n = 0
    while time.monotonic() < end:
        for request in (b'{"method":"io.diskbr', b'{"method":"io.diskbrake.Status"}\0' * 20,
                        b'{"method":"io.diskbrake.Trim","parameters":{"name":"app"}}\0',
                        b'{"method":"io.diskbrake.Events","more":true}\0', b'{"method":"io.diskbrake.Reload"}\0'):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(5)
            with contextlib.suppress(OSError):
                client.connect(str(box.host_path(SOCKET)))
                client.sendall(request)
            client.close()
            n += 1
        time.sleep(0.005)
    slowest = assert_goes_on(host, 2)
    print(f'{n} clients died')
    assert_unhurt(host, pids, row, slowest)


def test_followers_that_do_not_read(host, row):
    row(injected='12 clients that follow the events and read nothing', holds=HOLDS)
    box = host.box
    row.ran_with(**versions(box))
    pids = guard_pids(box)
    with contextlib.ExitStack() as stack:
        for _ in range(12):
            client = stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX)))
            client.settimeout(5)
            with contextlib.suppress(OSError):
                client.connect(str(box.host_path(SOCKET)))
                client.sendall(b'{"method":"io.diskbrake.Events","more":true}\0')
        slowest = assert_goes_on(host, 4)
    with Client(box) as client:
        client.send('Events', more=True)
        assert client.receive()
    assert_unhurt(host, pids, row, slowest)
