# SPDX-License-Identifier: LGPL-2.1-or-later
"""The flight recorder, as a service beside the guard: on by default, of no importance to it, and what it wrote can be replayed."""

import json
import re
import time

import pytest

from guard import Guard
from hurt import until

FOLDER = '/var/lib/diskbrake-trace'


@pytest.fixture(scope='module')
def guard(box, destdir):
    guard = Guard(box, destdir)
    guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
    return guard


def is_active(guard, unit):
    return guard.box.systemctl('is-active', unit, check=False).stdout.strip() == 'active'


def n_lines(guard):
    return int(guard.box.sh(f'cat {FOLDER}/trace-*.jsonl | wc -l', check=False).stdout or 0)


def test_it_runs_by_default_with_no_rights(guard):
    until(lambda: n_lines(guard) > 3, 20, why=guard.recent)
    assert is_active(guard, 'diskbrake-record.service')
    verify = guard.box.run('systemd-analyze', 'verify', '--man=no', 'diskbrake-record.service', check=False)
    assert verify.returncode == 0 and not verify.stderr, verify
    overall = guard.box.run('systemd-analyze', 'security', '--no-pager', 'diskbrake-record.service').stdout.splitlines()[-1]
    assert float(re.search(r': ([0-9.]+) ', overall)[1]) <= 2.0, overall
    assert guard.box.sh(f'stat -c "%U %a" {FOLDER}').stdout.strip() == 'diskbrake 750'


def test_what_it_wrote_is_replayed(guard):
    header = json.loads(guard.box.sh(f'head -n 1 {FOLDER}/trace-*.jsonl').stdout)
    assert header['kind'] == 'header' and 'TrustLabels=bb:*' in header['config']
    text = guard.box.run('diskbrake', 'replay', FOLDER).stdout
    assert '/var/lib/docker: warning or worse was raised 0 times here, 0 times in the recording' in text, text


def test_it_ends_with_the_guard_and_comes_back_with_it(guard):
    guard.box.systemctl('stop', 'diskbrake.service')
    assert not is_active(guard, 'diskbrake-record.service')
    guard.box.systemctl('start', 'diskbrake.service')
    until(lambda: is_active(guard, 'diskbrake-record.service'), 10)


def test_the_guard_does_not_miss_it(guard):
    """Killed, stopped while it should read, masked: the guard answers and keeps its pace."""
    pid = guard.box.systemctl('show', '-p', 'MainPID', '--value', 'diskbrake-record').stdout.strip()
    guard.box.run('kill', '-STOP', pid)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        assert guard.partition()['state'] == 'guarding'
        time.sleep(0.1)
    guard.box.run('kill', '-KILL', pid)
    until(lambda: guard.box.systemctl('show', '-p', 'MainPID', '--value', 'diskbrake-record').stdout.strip() not in ('0', pid), 20)
    assert guard.status()['longest_turn_usec'] < 50_000
    guard.box.systemctl('mask', '--now', 'diskbrake-record.service')
    guard.box.systemctl('restart', 'diskbrake.service')
    guard.wait_for(lambda p: p['state'] == 'guarding')
    guard.box.systemctl('unmask', 'diskbrake-record.service')
