# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every reader of a log, on both Docker versions and each filesystem: what it shows beside what the file holds, after the log
was cut while its container ran, once that was stopped and the log healed, and once it runs again. docs/READERS.md is made
of it (./dev readers-table). What is checked is what README.md and watchdogd(8) promise; the rest is only written down."""

import json
import os
import platform
import time
from pathlib import Path

import pytest

from guard import Guard
from hurt import versions
from jsonlog import parse_json_log
from readers import Reader, numbers_in, outcome

MIB = 1 << 20
HOSTS = [(suite, fs) for suite in ('bookworm', 'trixie') for fs in ('ext4', 'xfs', 'btrfs')]
METHODS = {('bookworm', 'ext4'): 'collapse', ('trixie', 'ext4'): 'punch'}   # the others: fill
CUT, HEALED, AGAIN = 'cut while it runs', 'stopped, and healed', 'started again'
LIMIT_SEC = 8       # what takes longer hangs
N_TAIL = 10

# Some MiB at once, and 200 lines a second from then on. Each run counts from another million, so that numbers stay unique.
WRITER = '''
run=$(cat /runs 2>/dev/null || echo 0); echo $((run + 1)) >/runs
awk -v first=$((run * 1000000 + 1)) -v n=$((run ? 2000 : 50000)) 'BEGIN {
    pad = sprintf("%180s", ""); gsub(/ /, "x", pad)
    for (i = first; ; i++) {
        print "line " i " " pad
        if (i >= first + n && i % 20 == 0) { fflush(); system("usleep 100000") }
    }
}' &
trap "kill $!; exit 0" TERM
wait $!
exit 3
'''

DOCKER = {
    'docker logs': (),
    'docker logs --since': ('--since',),
    f'docker logs --tail {N_TAIL}': ('--tail', N_TAIL),
    'docker logs -f': ('-f',),
    f'docker logs -f --tail {N_TAIL}': ('-f', '--tail', N_TAIL),
}
RUNNING = 'docker logs -f, running during the cut'
OURS, OURS_FOLLOWING, OURS_RUNNING = 'diskbrake logs', 'diskbrake logs -f', 'diskbrake logs -f, running during the cut'


def note(**row):
    """A row of the table."""
    results = os.environ.get('DISKBRAKE_FAULT_RESULTS')
    if results:
        row |= {'kernel': platform.release(), 'date': time.strftime('%Y-%m-%d')}
        with open(Path(results).with_name('reader-rows.jsonl'), 'a', encoding='utf-8') as f:
            f.write(json.dumps(row) + '\n')


class Host:
    """A host on which a log is cut, healed and written to again; what each reader saw."""

    def __init__(self, box, destdir):
        self.box = box
        self.guard = Guard(box, destdir)
        self.guard.wait_for(lambda p: p['state'] == 'guarding' and p['docker_version'])
        self.facts = {'docker': versions(box)['Docker'], 'filesystem': box.fs}
        self.seen = {}      # (state, reader): (words, whether all is well)
        box.start_container('web', WRITER)
        self.wait_for_line(50_001)
        self.cut()
        self.read_all(CUT, is_running=True)
        box.docker('stop', '-t', '5', 'web')
        self.wait_healed()
        self.read_all(HEALED, is_running=False)
        box.docker('start', 'web')
        self.wait_for_line(1_002_100)
        self.read_all(AGAIN, is_running=True)

    def log(self):
        return parse_json_log(self.box.logfile('web'))

    def wait_for_line(self, number, timeout=60):
        deadline = time.monotonic() + timeout
        while (self.log().last or 0) < number:
            assert time.monotonic() < deadline, 'the writer does not come on'
            time.sleep(0.1)

    def cut(self):
        """With two followers that have seen everything so far."""
        followers = {RUNNING: Reader(self.box, 'docker', 'logs', '-f', 'web'),
                     OURS_RUNNING: Reader(self.box, 'diskbrake', 'logs', '-f', 'web')}
        newest = self.log().last
        for name, reader in followers.items():
            assert reader.wait_for(newest, 30), (name, reader.newest, reader.strange[:3])
        self.guard.wait_for(lambda p: any(log['allocated_bytes'] > 8 * MIB for log in p['logs']))
        done = json.loads(self.box.run('diskbrake', 'trim', 'web', '--keep', '1M', '--json').stdout)
        assert done['result'] == 'done' and done['freed_bytes'] > 8 * MIB, done
        self.facts['method'] = done['method']
        newest = self.log().last + 200
        for name, reader in followers.items():
            hangs = not reader.wait_for(newest, LIMIT_SEC) and not reader.has_ended
            reader.end()
            self.add(CUT, name, reader, list(range(1, newest + 1)), 'goes on, without a gap', hangs)

    def wait_healed(self, timeout=30):
        """Where there is something to heal, and it can be: btrfs cannot."""
        if self.facts['method'] == 'collapse' or self.box.fs == 'btrfs':
            return
        deadline = time.monotonic() + timeout
        while not self.guard.events('healed'):
            assert time.monotonic() < deadline, f'not healed\n{self.guard.recent()}'
            time.sleep(0.2)

    def add(self, state, name, reader, wanted, whole, hangs):
        words, is_whole = outcome(reader, wanted, whole, hangs)
        self.seen[state, name] = words, is_whole
        note(**self.facts, state=state, reader=name, outcome=words)

    def read_all(self, state, is_running):
        for name, options in DOCKER.items():
            self.read(state, name, ('docker', 'logs'), options, is_running)
        self.read(state, OURS, ('diskbrake', 'logs'), (), is_running)
        if is_running:
            self.read(state, OURS_FOLLOWING, ('diskbrake', 'logs'), ('-f',), is_running)

    def read(self, state, name, command, options, is_running):
        kept = numbers_in(self.log())
        if '--since' in options:
            number, since = self.line_in_the_middle()
            kept = kept[kept.index(number):]
            options = ('--since', since)
        follows = is_running and '-f' in options
        newest = kept[-1]
        reader = Reader(self.box, *command, *options, 'web')
        if follows:
            kept += range(newest + 1, newest + 101)
            hangs = not reader.wait_for(kept[-1], LIMIT_SEC) and not reader.has_ended
        else:
            hangs = not reader.wait_end(LIMIT_SEC)
        if '--tail' in options:
            # The newest ones when it began: others may have come since they were counted.
            begin = newest - N_TAIL + 1
            if reader.numbers and begin <= reader.numbers[0] <= self.log().last:
                begin = reader.numbers[0]
            kept = list(range(begin, begin + (N_TAIL + 100 if follows else N_TAIL)))
            if follows and not hangs:
                hangs = not reader.wait_for(kept[-1], LIMIT_SEC) and not reader.has_ended
        reader.end()
        self.add(state, name, reader, kept, self.whole(options, follows), hangs)

    @staticmethod
    def whole(options, follows):
        what = f'the newest {N_TAIL}' if '--tail' in options else 'all since then' if '--since' in options else 'all that is kept'
        return what + (', and goes on' if follows else '')

    def line_in_the_middle(self):
        with open(self.box.logfile('web'), 'rb') as f:
            f.seek(f.seek(0, 2) - MIB // 2)
            f.readline()
            record = json.loads(f.readline())
            return int(record['log'].split()[1]), record['time']

    def wrong(self, state, *readers):
        """Those of the readers, all when none is named, that do not show what they should."""
        return {name: words for (where, name), (words, is_whole) in self.seen.items()
                if where == state and (not readers or name in readers) and not is_whole}


@pytest.fixture(scope='module', params=HOSTS, ids=lambda h: f'{h[0]}-{h[1]}')
def host(request, make_box, destdir):
    suite, fs = request.param
    with make_box(suite, fs=fs, size='1G') as box:
        yield Host(box, destdir)


def test_the_method_is_the_one_that_the_readme_names(host):
    assert host.facts['method'] == METHODS.get((host.box.suite, host.box.fs), 'fill')


def test_what_is_promised_of_a_log_that_is_cut_while_it_is_written(host):
    promised = {
        'fill': (RUNNING, *DOCKER),
        # A running "-f" may repeat or skip lines.
        'collapse': tuple(DOCKER),
        # Reading from the start stops at the cut.
        'punch': (RUNNING, *(name for name, options in DOCKER.items() if '--tail' in options)),
    }
    assert not host.wrong(CUT, *promised[host.facts['method']])


def test_every_reader_works_once_the_container_was_stopped_and_the_log_healed(host):
    assert not host.wrong(HEALED)


def test_every_reader_works_once_the_container_runs_again(host):
    assert not host.wrong(AGAIN)


def test_our_own_reader_shows_all_that_is_kept_whatever_was_done(host):
    assert not host.wrong(CUT, OURS, OURS_FOLLOWING, OURS_RUNNING)
