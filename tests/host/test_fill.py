# SPDX-License-Identifier: LGPL-2.1-or-later
"""Filling on real Docker: while a container writes, the head of its log becomes filler, and every reader that there is
goes on, on a Docker that keeps the log's size in memory as on one that looks at the file."""

import json
import re
import subprocess
import threading
import time

import pytest

from guard import Guard
from jsonlog import parse_json_log

MIB = 1 << 20
HOSTS = [('bookworm', 'xfs'), ('trixie', 'xfs'), ('trixie', 'btrfs'), ('bookworm', 'btrfs')]
FILLER = 'diskbrake freed this part of the log'
TRIMS = 4


class Follower:
    """A `docker logs -f`: the numbers that it saw."""

    def __init__(self, box, *options):
        self.numbers = []
        self.strange = []
        self.process = box.popen('docker', 'logs', *options, 'web', stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        for line in self.process.stdout:
            if re.match(rb'line \d+ x*\n', line):
                self.numbers.append(int(line.split()[1]))
            elif not line.startswith(FILLER.encode()):
                self.strange.append(line)

    def wait_for(self, number, timeout=60):
        deadline = time.monotonic() + timeout
        while not self.numbers or self.numbers[-1] < number:
            assert time.monotonic() < deadline, (self.numbers[-1:], number, self.strange[:3])
            time.sleep(0.1)

    def end(self):
        self.process.kill()
        self.thread.join(20)
        assert not self.thread.is_alive()


def contiguous(numbers):
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


class Filled:
    """A host on which a busy log was filled several times, and what each reader saw of it while it was written."""

    def __init__(self, box, destdir):
        self.box = box
        self.guard = guard = Guard(box, destdir)
        guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        box.flood('web', line_bytes=200, rate_bps=15_000_000)
        self.running = Follower(box, '-f')
        self.trims, self.logs = [], []
        for _ in range(TRIMS):
            self.wait_for_growth(64 * MIB)
            box.run('sync', '-f', '/var/lib/docker')
            size, before = box.logfile('web').stat().st_size, box.statvfs().f_bfree
            self.trims.append(json.loads(box.run('diskbrake', 'trim', 'web', '--keep', '16M', '--json').stdout))
            box.run('sync', '-f', '/var/lib/docker')
            shown = (box.statvfs().f_bfree - before) * box.statvfs().f_frsize
            self.trims[-1]['shown_bytes'] = shown + box.logfile('web').stat().st_size - size
            self.logs.append(next(log for log in guard.partition()['logs'] if log['name'] == 'web'))
        self.restarted = self.restart_guard()
        self.everything = self.read()
        newest = int(box.docker('logs', '--tail', '1', 'web').stdout.split()[1])
        self.tail = self.read('--tail', '5000')
        since = json.loads(self.line_from_the_middle())['time']
        self.since_number, self.since = self.number_of(since), self.read('--since', since)
        self.until = self.read('--until', since)
        self.new = Follower(box, '-f')
        self.new_tail = Follower(box, '-f', '--tail', '3')
        for follower in self.running, self.new, self.new_tail:
            follower.wait_for(newest + 20_000)
        self.ours = box.run('diskbrake', 'logs', 'web', timeout=120).stdout
        # Not the nsenter around them alone: the clients inside would go on, and keep the log open.
        box.sh('pkill -f "^docker logs -f"', check=False)
        for follower in self.running, self.new, self.new_tail:
            follower.end()
        box.docker('stop', '-t', '5', 'web')
        self.events = guard.events('act-done')

    def wait_for_growth(self, n_bytes, timeout=60):
        log, deadline = self.box.logfile('web'), time.monotonic() + timeout
        size = log.stat().st_size
        # What is allocated is no measure: XFS sets space aside for a writer.
        while log.stat().st_size < size + n_bytes:
            assert time.monotonic() < deadline, 'the writer does not come on'
            time.sleep(0.1)

    def restart_guard(self):
        """What it makes of the log when all of it, watcher and all, is new."""
        self.box.systemctl('restart', 'diskbrake')
        found = self.guard.wait_for(lambda p: p['state'] == 'guarding' and p['logs'] and p['docker_version'])
        return next(log for log in found['logs'] if log['name'] == 'web')

    def read(self, *options):
        return self.box.run('sh', '-c', f'docker logs {" ".join(options)} web 2>&1', timeout=120).stdout.splitlines()

    def line_from_the_middle(self):
        with open(self.box.logfile('web'), 'rb') as f:
            size = f.seek(0, 2)
            f.seek(size - 4 * MIB)
            f.readline()
            self.middle = f.readline().decode()
            return self.middle

    def number_of(self, _):
        return int(json.loads(self.middle)['log'].split()[1])


@pytest.fixture(scope='module', params=HOSTS, ids=lambda h: f'{h[0]}-{h[1]}')
def filled(request, make_box, destdir):
    suite, fs = request.param
    with make_box(suite, fs=fs, size='3G') as box:
        yield Filled(box, destdir)


def numbers_of(lines):
    numbers = [int(line.split()[1]) for line in lines if line.startswith('line ')]
    others = [line for line in lines if not line.startswith('line ')]
    return numbers, others


def test_the_method_is_fill_and_what_it_says_to_have_freed_is_free(filled):
    for trim in filled.trims:
        assert (trim['method'], trim['result']) == ('fill', 'done'), trim
        assert trim['freed_bytes'] > 16 * MIB, trim
    shown, freed = (sum(trim[what] for trim in filled.trims) for what in ('shown_bytes', 'freed_bytes'))
    # Together with what was written meanwhile; btrfs keeps an extent as long as a part of it is used: the last ones.
    assert shown > freed * (0.5 if filled.box.fs == 'btrfs' else 0.9), (shown, freed, filled.trims)


def test_what_is_filler_does_not_count_as_space(filled):
    for trim, log in zip(filled.trims, filled.logs):
        # What came meanwhile, and what XFS sets aside for a writer.
        assert log['allocated_bytes'] < trim['allocated_bytes'] + 64 * MIB and log['filler_bytes'] > 0, (trim, log)
    sizes = [log['filler_bytes'] for log in filled.logs]
    assert sizes == sorted(sizes) and sizes[-1] > TRIMS * 16 * MIB
    # Found again on the disk, by a guard that knows nothing.
    assert filled.restarted['filler_bytes'] == sizes[-1], (filled.restarted, sizes)


def test_logs_from_the_start_shows_filler_and_then_all_that_is_kept(filled):
    numbers, others = numbers_of(filled.everything)
    assert contiguous(numbers) and len(numbers) > 10_000
    assert len(others) == filled.restarted['filler_bytes'] // MIB, (len(others), others[-2:])
    assert all(line.startswith(FILLER) for line in others), [o for o in others if not o.startswith(FILLER)][:3]


def test_since_until_and_tail(filled):
    numbers, others = numbers_of(filled.since)
    assert not others, others[:3]
    assert contiguous(numbers) and numbers[0] == filled.since_number
    numbers, others = numbers_of(filled.until)
    assert contiguous(numbers) and filled.since_number - 1 <= numbers[-1] <= filled.since_number
    numbers, others = numbers_of(filled.tail)
    assert contiguous(numbers) and not others and len(numbers) >= 4999


def test_a_running_follower_sees_every_line_and_nothing_else(filled):
    assert contiguous(filled.running.numbers) and not filled.running.strange, filled.running.strange[:3]


def test_new_followers_work(filled):
    assert contiguous(filled.new.numbers) and not filled.new.strange, filled.new.strange[:3]
    assert contiguous(filled.new_tail.numbers) and not filled.new_tail.strange, filled.new_tail.strange[:3]


def test_our_own_reader_passes_over_the_filler(filled):
    numbers, others = numbers_of(filled.ours.splitlines())
    assert contiguous(numbers) and not others, others[:3]


def test_after_a_stop_the_filler_is_collapsed_where_that_can_be_done(filled):
    box, deadline = filled.box, time.monotonic() + 30
    while box.fs == 'xfs' and time.monotonic() < deadline:
        with open(box.logfile('web'), 'rb') as log:
            if log.read(4096).strip(b' '):
                break
        time.sleep(0.3)
    log = parse_json_log(box.logfile('web'))
    assert not log.gaps and not log.torn and not log.nul_ranges, log
    assert (len(log.others) == 0) == (box.fs == 'xfs'), log.others[:2]
    numbers, _ = numbers_of(filled.read())
    assert numbers == list(range(log.first, log.last + 1))
    box.docker('start', 'web')
    time.sleep(1)
    assert box.docker('logs', '--tail', '1', 'web').stdout.startswith('line ')
    box.docker('stop', '-t', '5', 'web')
